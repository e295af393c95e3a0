"""What would go wrong with a run, found before it is deployed: one round trip to every node."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from orchestrator.errors import RunError
from orchestrator.node.node import Node
from orchestrator.node.parallel import begin
from orchestrator.node.software import uneven
from orchestrator.runs.checks import Check
from orchestrator.runs.launch import Prepared
from orchestrator.runs.queue import judged
from orchestrator.runs.survey import Reading, read
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.stack.ranks import Rank
from orchestrator.stack.way import refuse_busy

GIB = 2**30
_CLOCKS = 2.0
"""Seconds that two machines' clocks may differ."""
_DISK = 2 * GIB
"""Bytes for logs, metrics and small adapters; a model that is still to come is added."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    check: Check
    node: str
    message: str
    remedy: str
    fatal: bool = True


@dataclass(frozen=True)
class Checked:
    """What is known of the machines when nothing forbids the run."""

    warnings: list[Finding]
    images: Mapping[str, str]
    """ID of the run's image by node, where it is there already."""


def preflight(
    spec: ClusterSpec,
    prepared: Prepared,
    nodes: Mapping[str, Node],
    skip: Collection[str],
    clear: Callable[[], None],
) -> Checked:
    """Read all machines of the run at once. Changes nothing.

    `clear` takes runs that have ended off the swarm; called where there is one, as it may hang and
    hold what is looked at. Raises BusyError when another run holds the GPUs, RunError with
    everything else that must be fixed first.
    """
    way = begin(partial(refuse_busy, nodes[spec.manager.name], judged(spec, nodes)))
    readings = read(spec, prepared, nodes)
    if way.result().over:
        clear()
        readings = read(spec, prepared, nodes)
    found = [one for one in judge(prepared, readings) if one.check not in skip]
    fatal = [one for one in found if one.fatal]
    if fatal:
        checks = " ".join(f"--skip-check {name}" for name in dict.fromkeys(f.check for f in fatal))
        raise RunError(
            f"{prepared.stack.name} cannot start: {len(fatal)} of the checks failed",
            details="\n".join(f"{one.check}: {one.node}: {one.message}" for one in fatal),
            resolution="\n".join(
                [
                    *dict.fromkeys(one.remedy for one in fatal),
                    f"Or start all the same: {checks}",
                ]
            ),
        )
    images = {node: reading.image for node, reading in readings.items() if reading.image}
    return Checked(found, images)


def judge(prepared: Prepared, readings: Mapping[str, Reading]) -> list[Finding]:
    """Everything that is wrong, of all machines. Pure."""
    found = [
        finding
        for rank in prepared.ranks
        for finding in _of_one(prepared, rank, readings[rank.node])
    ]
    return [*found, *_between(readings)]


def _of_one(prepared: Prepared, rank: Rank, reading: Reading) -> Iterator[Finding]:
    node = rank.node
    if not reading.gpu_answers:
        yield Finding("gpu", node, "nvidia-smi does not answer", "Look at the driver: nvidia-smi")
    for user in reading.gpu_users:
        yield Finding(
            "gpu", node, f"the GPU is in use: {user}", "End that process, or wait for it."
        )
    forecast = prepared.forecast
    if forecast is not None and reading.memory is not None:
        needed = forecast.memory
        told = f"{reading.memory / GIB:.1f} GiB are available, {needed.peak / GIB:.1f} needed"
        remedy = "End what holds memory there, or lower loop.per_device_batch_size."
        if needed.peak > reading.memory:
            yield Finding("memory", node, told, remedy, fatal=needed.least > reading.memory)
    needed_disk = _DISK + (_to_come(prepared) if reading.model is False else 0)
    for name, free in reading.disk.items():
        least = needed_disk if name == "models" else _DISK
        if free < least:
            yield Finding(
                "disk",
                node,
                f"{free / GIB:.1f} GiB are free for {name}, {least / GIB:.1f} needed",
                "Make room: sparkctl runs show RUN says what a run takes, sparkctl runs rm RUN "
                "deletes it; docker system df shows the images.",
            )
    if len(prepared.ranks) > 1 and rank.interface in reading.uplinks:
        yield Finding(
            "fabric",
            node,
            f"the ranks meet over {rank.interface}, the way to everywhere else: whoever is on that "
            "network can listen, and disturb what torch says there",
            "Join the machines by their cable; docs/security.md says what a peer can do.",
            fatal=False,
        )
    for folder in reading.missing:
        yield Finding("folder", node, f"{folder} is not there", "Run `sparkctl cluster up`.")
    for port in reading.ports_taken:
        yield Finding(
            "port",
            node,
            f"something listens at port {port}, where the ranks are to meet",
            "End it, or set fabric.port in the cluster file.",
        )
    for other in prepared.ranks:
        if other is not rank and other.node not in reading.peers:
            yield Finding(
                "fabric",
                node,
                f"{other.node} does not answer at {other.address} over {rank.interface}",
                "Look at the cable and at `ip address` on both: sparkctl cluster status",
            )
    meeting = prepared.ranks[0]
    for door in reading.shut:
        protocol, address, at = (*door.split(), "", "", "")[:3]
        if meeting.node in reading.peers and address == meeting.address and at.isdecimal():
            yield Finding(
                "port",
                node,
                f"nothing comes back from {meeting.node} at {protocol} {address}:{at}",
                f"A firewall drops it. On {meeting.node}, for example: "
                f"sudo ufw allow in on {meeting.interface}",
            )
    if reading.model is False:
        stack = prepared.stack
        offline = stack.env.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}
        yield Finding(
            "model",
            node,
            f"{stack.training.model.name} is not in the cache"
            + (", and HF_HUB_OFFLINE forbids to fetch it" if offline else ": it is fetched first"),
            "Unset HF_HUB_OFFLINE in the stack, or bring the model there.",
            fatal=offline,
        )


def _to_come(prepared: Prepared) -> int:
    """Bytes of a model that is to be fetched: about its weights, where those are known."""
    return 0 if prepared.forecast is None else prepared.forecast.checkpoint


def _between(readings: Mapping[str, Reading]) -> Iterator[Finding]:
    """What only two machines together can show."""
    known = {node: one for node, one in readings.items() if one.clock is not None}
    first = next(iter(known.values()), None)
    for node, one in known.items():
        if first is None or one is first or one.clock is None or first.clock is None:
            continue
        apart = abs((one.clock - one.asked) - (first.clock - first.asked))
        if apart - one.span - first.span > _CLOCKS:
            yield Finding(
                "clock",
                node,
                f"its clock is {apart:.1f} s away from the first node's",
                "timedatectl set-ntp true",
                fatal=False,
            )
    software = {node: one.software for node, one in readings.items() if one.software}
    for node, words in uneven(software):
        yield Finding("software", node, words, "Upgrade both alike, or go back.", fatal=False)
    bases = {node: reading.base for node, reading in readings.items() if reading.base}
    if len(set(bases.values())) > 1:
        reference = next(iter(bases.values()))
        for node, base in bases.items():
            if base != reference:
                yield Finding(
                    "image",
                    node,
                    "its base image is another one than on the first node",
                    "docker pull it on both, or name it by digest: container.base_image",
                    fatal=False,
                )
