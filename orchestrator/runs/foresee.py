"""From a prepared run, and what its nodes say, to what is known of it before it starts. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.doctor.before_run import Finding, judge
from orchestrator.doctor.disk import room_for
from orchestrator.doctor.readiness import NodeReadiness
from orchestrator.errors import SparkctlError
from orchestrator.runs.forecast import Forecast, most_tokens
from orchestrator.runs.launch import Prepared
from orchestrator.runs.outlook import (
    Answer,
    DiskPart,
    DownloadPart,
    DryRun,
    FilePart,
    FindingPart,
    ImagePart,
    MemoryPart,
    RankPart,
    RenderedPart,
    TimePart,
    VerdictPart,
)
from orchestrator.runs.preflight import ABOUT_ROOM, wanted_by
from training.contract.names import source_of
from training.plan.memory import GIB

Readings = Mapping[str, NodeReadiness]
"""By node; empty when the nodes were not read."""


def foresee(
    prepared: Prepared,
    readings: Readings,
    *,
    secrets: Mapping[str, str],
    powers: Iterable[str],
    unread: Iterable[SparkctlError] = (),
) -> DryRun:
    """The document. `secrets`: their sources in words; `powers`: lines."""
    stack, rendered = prepared.stack, prepared.rendered
    findings = judge(wanted_by(prepared), readings) if readings else []
    return DryRun(
        run=rendered.run,
        stack=stack.name,
        description=stack.description,
        model=_model(prepared),
        verdict=_verdict(prepared, findings),
        ranks=[
            RankPart(rank=r.rank, node=r.node, address=r.address, interface=r.interface)
            for r in prepared.ranks
        ],
        image=_image(prepared, readings),
        memory=None if prepared.forecast is None else _memory(prepared.forecast),
        time=_time(prepared),
        download=_download(prepared, readings),
        disk=_disk(prepared, readings),
        secrets=dict(secrets),
        powers=list(powers),
        notes=list(prepared.notes),
        findings=[
            FindingPart(check=f.check, node=f.node, message=f.message, remedy=f.remedy,
                        stops=f.fatal)
            for f in findings
        ],
        rendered=RenderedPart(
            compose=rendered.compose,
            configs=[FilePart(name=c.name, content=c.content) for c in rendered.configs],
        ),
        unread=[error.to_dict() for error in unread],
    )  # fmt: skip


def _verdict(prepared: Prepared, findings: Sequence[Finding]) -> VerdictPart:
    expected = prepared.forecast
    tight = expected is not None and expected.tight and expected.there is not None
    no_room = [one for one in findings if one.check in ABOUT_ROOM and one.fatal]
    reasons = [
        f"{one.node}: {one.message}" for one in no_room if not (tight and one.check == "memory")
    ]
    if expected is None:
        answer: Answer = "does not fit" if reasons else "not known"
        why = "; ".join(reasons) or _unforeseen(prepared)
        return VerdictPart(answer=answer, why=why, remedy=[], nodes=None)
    why = (
        f"full rows take {expected.memory.peak / GIB:.1f} GiB a node, "
        f"of {expected.usable / GIB:.1f} that a run may use"
    )
    answer = "does not fit" if tight or reasons else "fits"
    if expected.there is None:
        word = "would not fit" if expected.tight else "would fit"
        answer, why = "not known", f"not all nodes were read; on Sparks it {word}: {why}"
    elif reasons:
        why = "; ".join([why, *reasons] if tight else reasons)
    return VerdictPart(answer=answer, why=why, remedy=list(expected.remedy), nodes=expected.nodes)


def _unforeseen(prepared: Prepared) -> str:
    return prepared.base.why or f"there is no estimate for the engine {prepared.stack.engine}"


def _model(prepared: Prepared) -> str | None:
    training = prepared.stack.training
    return training.model.name if training else None


def _image(prepared: Prepared, readings: Readings) -> ImagePart:
    to_build = [node for node, one in readings.items() if one.image is None]
    to_pull = [node for node in to_build if readings[node].base is None]
    return ImagePart(
        tag=prepared.image.tag,
        base=prepared.image.base,
        to_build=to_build if readings else None,
        to_pull=to_pull if readings else None,
    )


def _memory(expected: Forecast) -> MemoryPart:
    return MemoryPart(
        strategy=expected.strategy,
        peak_bytes=expected.memory.peak,
        terms_bytes=dict(expected.memory.terms),
        smallest_node_bytes=expected.there,
        gradient_checkpointing=expected.recompute,
        usable_bytes=expected.usable,
    )


def _time(prepared: Prepared) -> TimePart | None:
    config = prepared.stack.training
    most = None if config is None else most_tokens(config, len(prepared.ranks))
    pace = None if prepared.forecast is None else prepared.forecast.tokens_per_second
    if most is None and pace is None:
        return None
    steps, tokens = most or (None, None)
    return TimePart(
        steps_at_most=steps,
        tokens_at_most=tokens,
        tokens_per_second=pace,
        seconds_at_most=None if pace is None or tokens is None else tokens / pace,
    )


def _download(prepared: Prepared, readings: Readings) -> DownloadPart | None:
    config, expected = prepared.stack.training, prepared.forecast
    if config is None:
        return None
    from_hub = source_of(config.model.name) == "hub"
    sets = [name for name in config.data.named.values() if source_of(name) == "hub"]
    nodes = [node for node, one in readings.items() if one.model is False]
    return DownloadPart(
        model=config.model.name if from_hub else None,
        bytes_per_node=expected.checkpoint if expected and from_hub else None,
        nodes=nodes if readings else None,
        data=", ".join(dict.fromkeys(sets)) or None,
    )


def _disk(prepared: Prepared, readings: Readings) -> DiskPart:
    fetched = not readings or any(one.model is False for one in readings.values())
    from_hub = source_of(_model(prepared) or "") == "hub"
    to_come = wanted_by(prepared).checkpoint if fetched and from_hub else 0
    return DiskPart(
        needed_bytes={folder: room_for(folder, to_come) for folder in ("runs", "models")},
        free_bytes={node: dict(one.disk) for node, one in readings.items()},
    )
