"""What was asked for, and exactly what was deployed: two files in the run folder of every node."""

import json
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.spec.stack import StackSpec
from orchestrator.stack.ranks import Rank
from orchestrator.stack.render import Rendered

RECORD = "run.json"
DEPLOY = "deploy.json"
"""For who wants to know; has the nonce of the group, and no secret's value."""


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
    secrets: tuple[str, ...] = ()
    """Names of those that it was given."""

    @property
    def stack_name(self) -> str:
        """Of the recipe."""
        return str(self.stack["name"])


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
        secrets=tuple(name for name, _ in rendered.secrets),
    )


def files_of(record: RunRecord, rendered: Rendered) -> dict[str, str]:
    """Both files, by name."""
    deployed = {
        "compose": rendered.compose,
        "configs": {config.name: config.content for config in rendered.configs},
    }
    return {
        RECORD: record.model_dump_json(indent=2) + "\n",
        DEPLOY: json.dumps(deployed, indent=2) + "\n",
    }
