"""mDNS through the tool of the system: what it prints, and what is not taken for a name."""

from pathlib import Path

import pytest

from orchestrator.node import nearby as used
from orchestrator.node.nearby import finder, nearby

AVAHI = """\
+;eth0;IPv4;spark-1a2b;_ssh._tcp;local
=;eth0;IPv4;spark-1a2b;_ssh._tcp;local;spark-1a2b.local;10.0.0.7;22;
=;eth0;IPv6;spark-1a2b;_ssh._tcp;local;spark-1a2b.local;fe80::1;22;
=;eth0;IPv4;evil;_ssh._tcp;local;-oProxyCommand=x;10.0.0.9;22;
=;eth0;IPv4;evil;_ssh._tcp;local;a$(id).local;10.0.0.9;22;
=;half
"""
DNS_SD = """\
Browsing for _ssh._tcp.local
DATE: ---Fri 27 Nov 2026---
Timestamp     A/R    Flags  if Domain   Service Type   Instance Name
17:44:47.100  Add        2   4 local.   _ssh._tcp.     spark-1a2b
17:44:47.101  Add        2   4 local.   _ssh._tcp.     Somebody's Mac
17:44:47.102  Rmv        0   4 local.   _ssh._tcp.     spark-gone
"""


@pytest.mark.parametrize(("tool", "prints", "then"), [
    ("avahi-browse", AVAHI, ""), ("dns-sd", DNS_SD, "exec sleep 600"),
])  # fmt: skip
def test_names_that_are_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str, prints: str, then: str
) -> None:
    """One of the two never ends by itself."""
    program = tmp_path / tool
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{prints}END\n{then}\n")
    program.chmod(0o755)
    monkeypatch.setattr(used, "_SECONDS", 2.0 if then else 60.0)
    monkeypatch.setattr(used.shutil, "which", lambda name: tool if name == tool else None)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert nearby() == ["spark-1a2b.local"]


def test_without_a_tool_nothing_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(used.shutil, "which", lambda name: None)
    assert (finder(), nearby()) == (None, [])
