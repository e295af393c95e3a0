"""What nodes offer of a run's files: listed there, and let in here name by name.

A run folder is written by the training container, and a node may be anybody's by now: a name that
comes from there is looked at before it becomes a part of a path.
"""

import base64
import re
import shlex
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.errors import RunError
from orchestrator.templates import render_template
from training.contract.files import CHECKPOINTS, DEPLOY, RECORD, STOP, RankFiles

FILES = 10_000
"""That a node may offer of one run."""
_DEEPEST, _LONGEST, _LONGEST_PART = 16, 1024, 240  # folders; bytes of a name, and of a part of it
_LEFT_OUT = (CHECKPOINTS, RECORD, DEPLOY, STOP, ".*", "*.tmp")
"""As `find -name` has it. Checkpoints are what a restart needs, on the machines."""
_LINE = re.compile(r"([0-9a-f]{64}|-) ([0-9]{1,15}) (.+)", re.DOTALL)
_RANK = re.compile(r"rank(\d+)")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Devices, by name, where a Windows disk is mounted."""

# The file that is open as 3 is the one that was asked for: no link was followed on the way to it,
# also not one that came after the check. `/proc` shows where an open file really is.
OPEN_IN_PLACE = '[ -f /dev/fd/3 ] && [ "$(readlink /proc/self/fd/3)" = "$root/$1" ]'


@dataclass(frozen=True)
class Offer:
    """A file of a run folder, as its node lists it."""

    name: str
    """Relative to the folder."""
    size: int
    """Bytes. A log may have grown since: the checksum is of so many."""
    sha256: str


@dataclass
class Admitted:
    """What may come, by rank, and why the rest may not, by name."""

    offers: dict[int, list[Offer]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def listing(folder: str, rank: int, *, live: bool) -> str:
    """Shell: names, sizes and checksums of what there is to fetch from this rank's node.

    What all ranks have the same comes from rank 0 alone. A sign of life changes while a run lives.
    """
    names = (*_LEFT_OUT, RankFiles(rank).heartbeat) if live else _LEFT_OUT
    skip = " -o ".join(f"-name {shlex.quote(name)}" for name in names)
    own = "" if rank == 0 else f" -name '*rank{rank}*'"
    return render_template(
        "runs/listing.sh.j2",
        folder=folder,
        skip=skip,
        own=own,
        most=FILES + 1,
        sums=render_template("runs/sums.sh.j2", open_in_place=OPEN_IN_PLACE),
    )


def offered(output: str, node_name: str) -> list[tuple[str, Offer | None]]:
    """What `listing` has printed: names, and what is known of each; None: it could not be read.

    Raises RunError when there is more than a run has.
    """
    data = base64.b64decode(output).decode("utf-8", "surrogateescape")
    lines = [line for line in data.split("\0") if line]
    if len(lines) > FILES:
        raise RunError(
            f"the run folder on {node_name} has more than {FILES:,} files",
            resolution="Pack them on the machine (tar), or take them away there.",
            node=node_name,
        )
    found: list[tuple[str, Offer | None]] = []
    for line in lines:
        if (match := _LINE.fullmatch(line)) is not None:
            sha256, size, name = match.groups()
            known = sha256 != "-"
            found.append((name, Offer(name, int(size), sha256) if known else None))
    return found


def admitted(offers: Mapping[int, list[tuple[str, Offer | None]]]) -> Admitted:
    """What of this may become a file here: each name is valid, new, and of its own rank. Pure."""
    result, taken, ranks = Admitted(), _Taken(), set(offers)
    for name in (RECORD, DEPLOY):  # no container writes them
        taken.add(name)
    for rank in sorted(offers):
        result.offers[rank] = []
        for name, offer in offers[rank]:
            why = unfit(name) or _of_another(name, rank, ranks) or taken.why_not(name)
            if why is None and offer is None:
                why = "it could not be read where it is"
            if why is not None or offer is None:
                result.left_out[name] = str(why)
                continue
            taken.add(name)
            result.offers[rank].append(offer)
    return result


def unfit(name: str) -> str | None:
    """Why this is no name for a file below a folder of ours; None when it is one."""
    if not name.isprintable():
        return "its name has characters that cannot be shown"
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "its name leads elsewhere"
    if any(part.startswith(".") for part in parts):
        return "it is hidden"
    longest = max(len(part.encode()) for part in parts)
    if len(parts) > _DEEPEST or longest > _LONGEST_PART or len(name.encode()) > _LONGEST:
        return "its name is too long, or too deep"
    if "\\" in name or any(part[-1] in ". " or _RESERVED.fullmatch(part) for part in parts):
        return "its name means something else on other systems"
    return None


def _of_another(name: str, rank: int, ranks: set[int]) -> str | None:
    """Each node speaks for its own rank; rank 0's also for what belongs to none."""
    named = {int(number) for number in _RANK.findall(name.rpartition("/")[2])} & ranks
    if named - {rank} or (rank != 0 and rank not in named):
        return f"it is not rank {rank}'s"
    return None


class _Taken:
    """Names that are in use, as a disk that ignores case and accents compares them."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: dict[str, str] = {}

    def why_not(self, name: str) -> str | None:
        above = _above(name)
        if (
            _folded(name) in self._files
            or _folded(name) in self._folders
            or any(_folded(folder) in self._files for folder in above)
            or any(self._folders.get(_folded(folder), folder) != folder for folder in above)
        ):
            return "another one has this name, but for case or accents"
        return None

    def add(self, name: str) -> None:
        self._files.add(_folded(name))
        self._folders |= {_folded(folder): folder for folder in _above(name)}


def _above(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
