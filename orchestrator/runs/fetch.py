"""Copy what a run has made to this computer: streamed, checked, whole or not at all."""

import base64
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

from orchestrator.errors import RunError
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each
from orchestrator.runs.landing import Landing
from orchestrator.runs.offered import Offer, admitted, listing, offered
from orchestrator.runs.receive import receive
from orchestrator.runs.run import Run
from orchestrator.runs.state import LIVE
from training.contract.files import ADAPTERS, DEPLOY, RECORD, RECORDS, is_run_name

_SUMS = 3600.0
"""Seconds that the checksums of a large model may take."""
_DEPLOY = 2**20
"""Bytes that are read of what was deployed."""
_NAMED = 20
"""Of what was left out."""


@dataclass(frozen=True)
class Fetched:
    """What was fetched."""

    folder: Path
    files: int
    bytes: int
    left_out: tuple[str, ...]
    """Names that the nodes have and that are none for a file here; adapters that have gone."""


def fetch(
    run: Run, nodes: Mapping[str, Node], into: Path, on_progress: Callable[[str], None]
) -> Fetched:
    """All that the ranks have made but their checkpoints goes to the new folder `into/<run>`.

    Every file is compared with its SHA-256 on the node. What arrived before a failure
    stays in `into/.<run>.part` and is not sent again. An adapter that a run which goes on prunes
    meanwhile is left out as a whole. Raises RunError when the folder is there
    already, a file arrives as another one, or this computer cannot write it; ConnectError when a
    node is lost.
    """
    if not is_run_name(run.name):
        raise RunError(f"{run.name} is no name of a run", resolution="sparkctl runs list")
    with Landing.opened(into, run.name) as landing:
        live = run.state in LIVE
        if live:
            on_progress(f"{run.name} is {run.state}: this is how it stands now")
        places = {place.node: place for place in run.record.ranks}
        listed = on_each(
            places, lambda n: _listed(nodes[n], places[n].folder, places[n].rank, live=live)
        )
        found = admitted({places[name].rank: offers for name, offers in listed.items()})
        _report_left_out(found.left_out, on_progress)
        wanted = {name: found.offers[places[name].rank] for name in places}
        landing.keep_only({offer.name for offers in wanted.values() for offer in offers})
        missing = {n: [o for o in offers if not landing.has(o)] for n, offers in wanted.items()}
        _require_room(landing, sum(_size(offers) for offers in missing.values()))
        for name, offers in wanted.items():
            here = len(offers) - len(missing[name])
            already = f", {here} of them are here already" if here else ""
            on_progress(f"{len(offers)} files from {name}, {_size(offers) / 1e6:,.1f} MB{already}")
        gone = on_each(
            [name for name, offers in missing.items() if offers],
            lambda n: receive(
                nodes[n],
                places[n].folder,
                missing[n],
                landing,
                may_go=lambda name: live and _adapter_of(name) is not None,
            ),
        )
        if live:
            pruned = _adapters_of(chain(found.left_out, *gone.values()))
            _report_left_out(pruned, on_progress)
            found.left_out.update(pruned)
            for offers in wanted.values():
                offers[:] = [offer for offer in offers if _adapter_of(offer.name) not in pruned]
            landing.keep_only({offer.name for offers in wanted.values() for offer in offers})
        remembered = _remembered(run, nodes)
        for name, content in remembered.items():
            with landing.new(name) as put:
                put(content)
        files = [offer for offers in wanted.values() for offer in offers]
        size = _size(files) + sum(map(len, remembered.values()))
        count = len(files) + len(remembered)
        return Fetched(landing.finish(), count, size, tuple(found.left_out))


def _remembered(run: Run, nodes: Mapping[str, Node]) -> dict[str, bytes]:
    """What no container can write: the record as it was read, and what was deployed, if known."""
    place = min(run.record.ranks, key=lambda place: place.rank)
    where = PurePosixPath(place.folder).parent / RECORDS / run.name / DEPLOY
    script = f"head -c {_DEPLOY} {shlex.quote(str(where))} 2>/dev/null | base64 | tr -d '\\n'"
    deployed = base64.b64decode(nodes[place.node].script(script, need="docker"))[:_DEPLOY]
    record = run.record.model_dump_json(indent=2).encode() + b"\n"
    return {RECORD: record} | ({DEPLOY: deployed} if deployed else {})


def _adapters_of(names: Iterable[str]) -> dict[str, str]:
    """The adapters on the way to which these files belong, and why they are left out."""
    found = {adapter for name in names if (adapter := _adapter_of(name))}
    return dict.fromkeys(sorted(found), "it was pruned meanwhile")


def _adapter_of(name: str) -> str | None:
    """The folder of an adapter on the way; the oldest go while a run goes on."""
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] == ADAPTERS and len(parts) > 2 else None


def _listed(node: Node, folder: str, rank: int, *, live: bool) -> list[tuple[str, Offer | None]]:
    script = listing(folder, rank, live=live)
    return offered(node.script(script, need="docker", deadline=_SUMS), node.name)


def _report_left_out(left_out: Mapping[str, str], on_progress: Callable[[str], None]) -> None:
    for name, why in list(left_out.items())[:_NAMED]:
        on_progress(f"left out: {name!r}: {why}")
    if len(left_out) > _NAMED:
        on_progress(f"left out: {len(left_out) - _NAMED} more")


def _require_room(landing: Landing, coming: int) -> None:
    if coming > (free := landing.free()):
        raise RunError(
            f"{coming / 1e9:,.1f} GB are to come, and {landing.temp.parent} has room for "
            f"{free / 1e9:,.1f} GB",
            resolution="Make room there, or name another folder: --to.",
        )


def _size(offers: list[Offer]) -> int:
    return sum(offer.size for offer in offers)
