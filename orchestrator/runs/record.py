"""What was asked for, in the run folder of every node: `run.json`; `deploy.json` to do it again."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.spec.stack import StackSpec
from orchestrator.stack.ranks import Rank
from orchestrator.stack.render import ConfigFile, Rendered

RECORD = "run.json"
DEPLOY = "deploy.json"


class RankPlace(BaseModel):
    """Where a rank is."""

    model_config = ConfigDict(frozen=True)

    rank: int
    node: str
    address: str
    interface: str
    folder: str
    """The run folder on its node."""


class RunRecord(BaseModel):
    """A run, as it was asked for. Unknown fields are of a newer sparkctl, and passed over."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    run: str
    cluster: str
    created: datetime
    """UTC."""
    image: str
    """Its tag carries the hash of the training code and the base image's name."""
    images: dict[str, str] = {}
    """Its ID on each node."""
    ranks: tuple[RankPlace, ...]
    stack: dict[str, Any]
    """The whole stack with every default, training and gang included."""

    @property
    def stack_name(self) -> str:
        """Of the recipe."""
        return str(self.stack["name"])


class DeployRecord(BaseModel):
    """Exactly what was deployed; no secret's value."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    compose: str
    configs: tuple[tuple[str, str], ...]
    """(name, content)."""
    secrets: tuple[tuple[str, str], ...]
    """(name, name in Docker's secret store)."""

    def rendered(self, record: RunRecord) -> Rendered:
        """What `deploy` takes."""
        configs = tuple(ConfigFile(name, content) for name, content in self.configs)
        return Rendered(record.run, record.image, self.compose, configs, self.secrets)


def record_of(rendered: Rendered, stack: StackSpec, cluster: str, ranks: list[Rank]) -> RunRecord:
    """The record of a run that is about to be deployed."""
    return RunRecord(
        run=rendered.run,
        cluster=cluster,
        created=datetime.now(UTC).replace(microsecond=0),
        image=rendered.image,
        ranks=tuple(
            RankPlace(
                rank=rank.rank,
                node=rank.node,
                address=rank.address,
                interface=rank.interface,
                folder=f"{rank.runs}/{rendered.run}",
            )
            for rank in ranks
        ),
        stack=stack.model_dump(mode="json"),
    )


def files_of(record: RunRecord, rendered: Rendered) -> dict[str, str]:
    """Both files, by name."""
    deployed = DeployRecord(
        compose=rendered.compose,
        configs=tuple((config.name, config.content) for config in rendered.configs),
        secrets=rendered.secrets,
    )
    return {
        RECORD: record.model_dump_json(indent=2) + "\n",
        DEPLOY: deployed.model_dump_json(indent=2) + "\n",
    }
