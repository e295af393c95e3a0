"""Bring what a run has made to this computer: streamed, checked, and there whole or not at all."""

import base64
import hashlib
import shlex
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orchestrator.errors import RunError
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each
from orchestrator.runs.reading import Run
from training.contract.files import DEPLOY
from training.contract.record import RankPlace

_LEFT_OUT = ("checkpoints", DEPLOY, "stop", ".*", "*.tmp")
"""As `find -name` has it. Checkpoints are what a restart needs, on the machines."""
_CHUNK = 2**20
_SUMS = 3600.0
"""Seconds that the checksums of a large model may take."""


@dataclass(frozen=True)
class Fetched:
    """What has come."""

    folder: Path
    files: int
    bytes: int


def fetch(run: Run, nodes: Mapping[str, Node], into: Path, say: Callable[[str], None]) -> Fetched:
    """All that the ranks have made but their checkpoints goes to the new folder `into/<run>`.

    Every file is compared with its SHA-256 on the node. Raises RunError when the folder is there
    already, or a file arrives as another one; then nothing is left here.
    """
    there, aside = into / run.name, into / f".{run.name}.part"
    if there.exists():
        raise RunError(
            f"{there} is there already", resolution="Move it away, or name another folder: --to."
        )
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        places = {place.node: place for place in run.record.ranks}
        sizes = on_each(places, lambda name: _from(nodes[name], places[name], aside, say))
        aside.rename(there)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return Fetched(there, sum(map(len, sizes.values())), sum(map(sum, sizes.values())))


def _from(node: Node, place: RankPlace, into: Path, say: Callable[[str], None]) -> list[int]:
    """The files of one node; their sizes in bytes."""
    sums = _checksums(node, place)
    say(f"{len(sums)} files from {node.name}")
    sizes: list[int] = []
    names = "\n".join(sums)
    script = (
        f"exec tar -C {shlex.quote(place.folder)} -cf - --no-recursion --files-from=/dev/fd/3 "
        f"3<<'SPARKCTL_END'\n{names}\nSPARKCTL_END"
    )
    if not sums:
        return sizes
    with node.reading(script) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            source, expected = archive.extractfile(member), sums.pop(member.name, None)
            if source is None or expected is None:
                continue
            target = into / PurePosixPath(member.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            with target.open("wb") as file:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
            if digest.hexdigest() != expected:
                raise _changed(node, member.name)
            sizes.append(member.size)
    if sums:
        raise _changed(node, next(iter(sums)))
    return sizes


def _changed(node: Node, name: str) -> RunError:
    return RunError(
        f"{name} did not arrive as {node.name} has it",
        resolution="If the run still goes on, fetch it when it has ended.",
        node=node.name,
    )


def _checksums(node: Node, place: RankPlace) -> dict[str, str]:
    """SHA-256 by relative path; what all ranks have the same comes from rank 0 alone."""
    skip = " -o ".join(f"-name {shlex.quote(name)}" for name in _LEFT_OUT)
    own = "" if place.rank == 0 else f" -name '*rank{place.rank}*'"
    output = node.script(
        f"cd {shlex.quote(place.folder)} || exit 0\n"
        f"find . -mindepth 1 \\( {skip} \\) -prune -o -type f{own} -print0 |\n"
        "  xargs -0r sha256sum -z | base64 | tr -d '\\n'",
        need="docker",
        deadline=_SUMS,
    )
    lines = base64.b64decode(output).decode("utf-8", "surrogateescape").split("\0")
    # A sum, two spaces, "./" and the name.
    return {line[68:]: line[:64] for line in lines if line and "\n" not in line}
