"""The model: in the machine's cache, or to be fetched."""

from collections.abc import Iterator

from orchestrator.doctor.check import OfRank, Problem
from orchestrator.doctor.readiness import NodeReadiness, Wanted
from orchestrator.stack.ranks import Rank

_YES = {"1", "true", "yes", "on"}


@OfRank.about(
    "model",
    before=("train",),
    order=850,
    why="A base that is not there is fetched by the rank first, which takes its time: a warning. "
    "Where that is forbidden no rank could start.",
    fix="Unset HF_HUB_OFFLINE in the stack, or bring the model there.",
)
def model_is_there(wanted: Wanted, rank: Rank, reading: NodeReadiness) -> Iterator[Problem]:
    """Check a model of the Hub."""
    stack = wanted.stack
    if reading.model is False and stack.training is not None:
        offline = stack.env.get("HF_HUB_OFFLINE", "").lower() in _YES
        yield Problem(
            f"{stack.training.model.name} is not in the cache"
            + (", and HF_HUB_OFFLINE forbids to fetch it" if offline else ": it is fetched first"),
            stops=offline,
        )
