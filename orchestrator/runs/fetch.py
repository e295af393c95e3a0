"""Bring what a run has made to this computer: streamed, checked, and there whole or not at all."""

import hashlib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.errors import ConnectError, RunError
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each
from orchestrator.runs.landing import Landing
from orchestrator.runs.offered import OPEN_IN_PLACE, Offer, admitted, listing, offered
from orchestrator.runs.reading import Run
from orchestrator.runs.state import LIVE
from training.contract.files import RECORD, is_run_name

_CHUNK = 2**20
_SUMS = 3600.0
"""Seconds that the checksums of a large model may take."""
_SILENCE = 60.0
"""Seconds that a slow disk may say nothing in the middle of a file."""
_NAMED = 20
"""Of what was left out."""


@dataclass(frozen=True)
class Fetched:
    """What has come."""

    folder: Path
    files: int
    bytes: int
    left_out: tuple[str, ...]
    """Names that the nodes have and that are none for a file here."""


def fetch(run: Run, nodes: Mapping[str, Node], into: Path, say: Callable[[str], None]) -> Fetched:
    """All that the ranks have made but their checkpoints goes to the new folder `into/<run>`.

    Every file is compared with its SHA-256 on the node. What has come before something went wrong
    stays in `into/.<run>.part` and is not sent again. Raises RunError when the folder is there
    already, a file arrives as another one, or this computer cannot write it; ConnectError when a
    node is lost.
    """
    if not is_run_name(run.name):
        raise RunError(f"{run.name} is no name of a run", resolution="sparkctl runs list")
    with Landing.opened(into, run.name) as landing:
        live = run.state in LIVE
        if live:
            say(f"{run.name} is {run.state}: this is how it stands now")
        places = {place.node: place for place in run.record.ranks}
        listed = on_each(
            places, lambda n: _listed(nodes[n], places[n].folder, places[n].rank, live=live)
        )
        found = admitted({places[name].rank: offers for name, offers in listed.items()})
        _tell(found.left_out, say)
        wanted = {name: found.offers[places[name].rank] for name in places}
        landing.keep_only({offer.name for offers in wanted.values() for offer in offers})
        missing = {n: [o for o in offers if not landing.has(o)] for n, offers in wanted.items()}
        _require_room(landing, sum(_size(offers) for offers in missing.values()))
        for name, offers in wanted.items():
            here = len(offers) - len(missing[name])
            already = f", {here} of them are here already" if here else ""
            say(f"{len(offers)} files from {name}, {_size(offers) / 1e6:,.1f} MB{already}")
        on_each(
            [name for name, offers in missing.items() if offers],
            lambda n: _receive(nodes[n], places[n].folder, missing[n], landing),
        )
        with landing.new(RECORD) as put:  # as it was read: no container can write the other one
            put(run.record.model_dump_json(indent=2).encode() + b"\n")
        files = [offer for offers in wanted.values() for offer in offers]
        return Fetched(landing.finish(), len(files), _size(files), tuple(found.left_out))


def _listed(node: Node, folder: str, rank: int, *, live: bool) -> list[tuple[str, Offer | None]]:
    script = listing(folder, rank, live=live)
    return offered(node.script(script, need="docker", deadline=_SUMS), node.name)


def _receive(node: Node, folder: str, offers: list[Offer], landing: Landing) -> None:
    """One file after the other, in this order: a `+` and its bytes, or a `-`. No name comes."""
    ones = "\n".join(f"one {shlex.quote(offer.name)} {offer.size}" for offer in offers)
    # In braces: all of it is read before anything is sent.
    script = f"""\
{{
one() {{
  {{
    if {OPEN_IN_PLACE}; then printf +; head -c "$2" <&3; else printf -- -; fi
    :
  }} 3<"./$1" || printf -- -
}}
cd {shlex.quote(folder)} || exit
root=$(pwd -P)
{ones}
exit
}} 2>/dev/null
"""
    try:
        with node.reading(script, silence=_SILENCE) as stream:
            for offer in offers:
                if _exactly(stream, 1, node) != b"+":
                    raise _changed(node, offer)
                digest, left = hashlib.sha256(), offer.size
                with landing.new(offer.name) as put:
                    while left:
                        chunk = _exactly(stream, min(left, _CHUNK), node)
                        digest.update(chunk)
                        put(chunk)
                        left -= len(chunk)
                if digest.hexdigest() != offer.sha256:
                    raise _changed(node, offer)
    except TimeoutError:
        raise _lost(node, f"It was silent for {_SILENCE:.0f} s.") from None


def _exactly(stream: IO[bytes], size: int, node: Node) -> bytes:
    try:
        data = stream.read(size)
    except TimeoutError:
        raise
    except (OSError, EOFError) as error:
        raise _lost(node, str(error) or type(error).__name__) from None
    if len(data) != size:
        raise _lost(node, "The stream ended in the middle.")
    return data


def _lost(node: Node, why: str) -> ConnectError:
    return ConnectError(
        f"the connection to {node.name} was lost while files came",
        details=why,
        resolution="Run the same command again: what has come is not sent again.",
        node=node.name,
    )


def _changed(node: Node, offer: Offer) -> RunError:
    return RunError(
        f"{offer.name} did not arrive as {node.name} has it",
        resolution="It was changed meanwhile. Run the same command again; if the run still goes "
        "on, when it has ended.",
        node=node.name,
    )


def _tell(left_out: Mapping[str, str], say: Callable[[str], None]) -> None:
    for name, why in list(left_out.items())[:_NAMED]:
        say(f"left out: {name!r}: {why}")
    if len(left_out) > _NAMED:
        say(f"left out: {len(left_out) - _NAMED} more")


def _require_room(landing: Landing, coming: int) -> None:
    if coming > (free := landing.free()):
        raise RunError(
            f"{coming / 1e9:,.1f} GB are to come, and {landing.aside.parent} has room for "
            f"{free / 1e9:,.1f} GB",
            resolution="Make room there, or name another folder: --to.",
        )


def _size(offers: list[Offer]) -> int:
    return sum(offer.size for offer in offers)
