"""Read by every Python that a script's launcher starts: puts the witness into it.

Another `sitecustomize` further down the path, such as the image's own, is run as well.
"""

import importlib.util
import os
import sys
from pathlib import Path

_HERE = str(Path(__file__).parent)


def _run_the_next() -> None:
    elsewhere = [entry for entry in sys.path if os.path.realpath(entry or ".") != _HERE]
    for finder in sys.meta_path:
        spec = finder.find_spec("sitecustomize", elsewhere) if elsewhere else None
        if spec is not None and spec.loader is not None and spec.origin != __file__:
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
            return


_run_the_next()
if "SPARKCTL_WITNESS" in os.environ:
    import sparkctl_witness

    sparkctl_witness.install(os.environ)
