"""Read how ready each machine is just before a run: one script, one round trip."""

import re
import time
from collections.abc import Callable, Mapping

from orchestrator.doctor.readiness import NodeReadiness
from orchestrator.facts.protocol import decode, parsing
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each
from orchestrator.node.reach import Door
from orchestrator.node.software import Software
from orchestrator.runs.launch import Prepared
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.stack.ranks import Rank
from orchestrator.templates import render_template
from training.contract.names import source_of


def read(
    spec: ClusterSpec,
    prepared: Prepared,
    nodes: Mapping[str, Node],
    clock: Callable[[], float] = time.time,
) -> dict[str, NodeReadiness]:
    """The readiness of every machine of the run."""
    ranks = {rank.node: rank for rank in prepared.ranks}

    def one(name: str) -> NodeReadiness:
        script = script_for(spec, prepared, ranks[name])
        began = clock()
        output = nodes[name].output(script, need="docker")
        ended = clock()
        with parsing(name, __file__):
            return parse(output, asked=(began + ended) / 2, span=ended - began)

    return on_each(ranks, one)


def script_for(spec: ClusterSpec, prepared: Prepared, rank: Rank) -> str:
    """The shell script for the machine of this rank."""
    training = prepared.stack.training
    model = training.model.name if training else ""
    ports = (spec.fabric.port, spec.fabric.port + 1)
    meeting = prepared.ranks[0]
    cached = f"{rank.hub}/models--{model.replace('/', '--')}/snapshots"
    return render_template(
        "preflight.sh.j2",
        folders={"runs": rank.runs, "models": rank.hub},
        binds=[rank.runs, rank.cache, rank.hub, rank.data, *rank.mounts],
        ports=ports if rank.rank == 0 else (),
        doors=[Door("tcp", meeting.address, port) for port in ports] if rank.rank else [],
        base=prepared.image.base,
        image=prepared.image.tag,
        model=cached if model and source_of(model) == "hub" else None,
        interface=rank.interface,
        peers={other.node: other.address for other in prepared.ranks if other is not rank},
    )


def parse(output: bytes, *, asked: float, span: float) -> NodeReadiness:
    """What the script has printed. Raises ValueError where it cannot be that."""
    facts = {name: raw.decode("utf-8", "replace").strip() for name, raw in decode(output).items()}
    kib = {name: int(v) * 1024 for name, v in facts.items() if re.fullmatch("[0-9]{1,15}", v)}
    return NodeReadiness(
        asked=asked,
        span=span,
        clock=float(facts["clock"]) if facts.get("clock") else None,
        gpu_answers=facts.get("gpu") == "answers",
        gpu_users=tuple(filter(None, facts.get("user", "").splitlines())),
        memory=kib.get("memory"),
        memory_total=kib.get("memory_total"),
        disk={n.removeprefix("disk."): size for n, size in kib.items() if n.startswith("disk.")},
        ports_taken=tuple(
            int(name.removeprefix("port."))
            for name, value in facts.items()
            if name.startswith("port.") and value
        ),
        base=facts.get("base") or None,
        image=facts.get("image") or None,
        model=bool(facts["model"]) if "model" in facts else None,
        peers=tuple(facts.get("peer", "").split()),
        missing=tuple(facts.get("missing", "").splitlines()),
        shut=tuple(facts.get("shut", "").splitlines()),
        uplinks=tuple(facts.get("uplink", "").split()),
        software=Software(
            kernel=facts.get("kernel", ""),
            kho_off=bool(facts.get("kho_off")),
            driver=facts.get("driver", "").partition("\n")[0],
            toolkit=facts.get("toolkit", "").rpartition(" ")[2],
        ),
    )
