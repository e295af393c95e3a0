"""Training's Python packages, laid out as Debian's Python looks for them, without a registry."""

import shutil
import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path

from orchestrator.errors import LabError


def install(pins: bytes, torch: str, root: Path, pip_options: list[str]) -> None:
    """Install `pins` (a requirements file), torch and pip below `root`, for root to own.

    Raises:
        LabError: pip failed.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = root / "usr/local/lib" / version / "dist-packages"
    python = [sys.executable, "-m"]
    with as_file(files("orchestrator.lab") / "files" / "train") as folder:
        requirements = root.parent / "requirements.txt"
        requirements.write_bytes(pins)
        pip = [*python, "pip", "install", "--quiet", "--no-compile", *pip_options]
        _run([*pip, "--target", str(site), "-r", str(requirements), torch, "pip"])
        _run(["sh", str(folder / "trim"), str(site)])
        for stand_in in folder.glob("lab_fsdp_on_cpu.*"):
            shutil.copyfile(stand_in, site / stand_in.name)
    # Who runs the image may not write there. Some packages ship files of other Pythons.
    compile_all = ["compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    _run([*python, *compile_all, "-s", str(root), "-p", "/", str(site)], check=False)
    scripts = root / "usr/local/bin"
    (site / "bin").rename(scripts)
    for script in scripts.iterdir():
        _run_with_debians_python(script)
    (scripts / "python").symlink_to("/usr/bin/python3")
    # This Python belongs to training alone, as in the images of a real Spark.
    pip_conf = root / "etc/pip.conf"
    pip_conf.parent.mkdir()
    pip_conf.write_text("[global]\nbreak-system-packages = true\n", encoding="utf-8")


def _run_with_debians_python(script: Path) -> None:
    first, _, rest = script.read_bytes().partition(b"\n")
    if first.startswith(b"#!") and b"python" in first:
        script.write_bytes(b"#!/usr/bin/python3\n" + rest)


def _run(command: list[str], *, check: bool = True) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise LabError(
            f"`{' '.join(command)}` failed", details=(done.stderr or done.stdout)[-2000:]
        )
