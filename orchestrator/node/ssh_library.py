"""paramiko without `invoke`, which it imports, with asyncio, for a part that is not used here.

The part is `Match exec` of its own reader of ssh_config, and paramiko does without where invoke is
not installed. Import paramiko from here: the first import decides.
"""

import sys

_ABSENT = "invoke"

if _ABSENT in sys.modules:
    import paramiko
else:
    sys.modules[_ABSENT] = None  # type: ignore[assignment]  # how Python notes what is not there
    try:
        import paramiko
    finally:
        del sys.modules[_ABSENT]

__all__ = ["paramiko"]
