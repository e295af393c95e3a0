"""What was requested: the record of a run, `run.json`."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from training.contract.files import is_run_name

VERSION: Literal[1] = 1


def _run_name(text: str) -> str:
    if not is_run_name(text):
        raise ValueError("not the name of a run")
    return text


RunName = Annotated[str, AfterValidator(_run_name)]


class RankPlace(BaseModel):
    """Where a rank is."""

    model_config = ConfigDict(frozen=True)

    rank: Annotated[int, Field(ge=0, lt=2**31)]
    node: str
    address: str
    interface: str
    folder: str
    """The run folder on its node."""


def _named(stack: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(stack.get("name"), str):
        raise ValueError("a stack without a name")
    return stack


def _one_after_the_other(ranks: tuple[RankPlace, ...]) -> tuple[RankPlace, ...]:
    if not ranks or [place.rank for place in ranks] != list(range(len(ranks))):
        raise ValueError("the ranks are not 0, 1, 2 …")
    if len({place.node for place in ranks}) != len(ranks):
        raise ValueError("two ranks on one node")
    return ranks


class RunRecord(BaseModel):
    """A run, as it was requested. Unknown fields are of a newer sparkctl, and skipped."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = VERSION
    run: RunName
    cluster: str
    created: AwareDatetime
    """UTC."""
    image: str
    """Its tag carries the hash of the training code and the base image's name."""
    images: dict[str, str] = {}
    """Its ID on each node."""
    ranks: Annotated[tuple[RankPlace, ...], AfterValidator(_one_after_the_other)]
    """In order, from 0."""
    stack: Annotated[dict[str, Any], AfterValidator(_named)]
    """The whole stack with every default, training and gang included."""
    secrets: tuple[str, ...] = ()
    """Names of those that it was given."""

    @property
    def stack_name(self) -> str:
        """Of the recipe."""
        return str(self.stack["name"])
