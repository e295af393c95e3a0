"""Whether another package named `training` hides ours: names of packages are nobody's alone."""

from importlib.util import find_spec
from pathlib import Path

import orchestrator
from orchestrator.errors import SparkctlError


def refuse_another_training() -> None:
    """Raise before the first import of it would fail with a traceback or do something else.

    Raises:
        SparkctlError: the `training` that Python finds is not the one beside `orchestrator`.
    """
    beside = Path(orchestrator.__file__).parent.parent / "training"
    found = find_spec("training")
    places = [] if found is None else list(found.submodule_search_locations or [found.origin or ""])
    if [Path(place).resolve() for place in places] == [beside.resolve()]:
        return
    raise SparkctlError(
        "another Python package named `training` hides the one of sparkctl",
        details="\n".join(places) or f"there is none in {beside.parent}",
        resolution="Install sparkctl in an environment of its own (`uv tool install` or `pipx`), "
        "and start it\nwithout that folder in PYTHONPATH; `python -m orchestrator` also looks "
        "into the folder you are in.",
    )
