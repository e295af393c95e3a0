"""What was asked for, and exactly what was deployed: two files in the run folder of every node."""

import json
from datetime import UTC, datetime

from orchestrator.spec.stack import StackSpec
from orchestrator.stack.ranks import Rank
from orchestrator.stack.render import Rendered
from training.contract.files import DEPLOY, RECORD
from training.contract.record import RankPlace, RunRecord


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
