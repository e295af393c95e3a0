"""Nodes whose run folders are on this computer: the scripts of orchestrator/runs run for real."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.node.connection import Completed, Stream
from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node
from orchestrator.runs.events import RankEvent, parse_line
from orchestrator.testing.connection import marks_of
from training.contract.files import RECORD, RECORDS, RankFiles
from training.contract.record import RankPlace, RunRecord
from training.contract.verdict import Verdict

RUN = "tiny-llama-lora-0a1b2c"
AT = "2026-11-24T16:33:36.%06dZ"
ENDED = "2026-11-24T16:40:00.000000Z"


class Unwrapped(LocalConnection):
    """This computer, as whoever runs the test: no sudo. `away` is what it answers with instead."""

    away: Exception | None = None
    scripts = 0

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        self.scripts += 1
        if self.away is not None:
            raise self.away
        script = stdin.partition(b"\n")[2]
        return super().run(marks_of(command).around("sh -s"), script, deadline=deadline)

    def open(self, command: str, first: bytes) -> Stream:
        return super().open(marks_of(command).before("sh -s"), first.partition(b"\n")[2])


@dataclass
class Engine:
    """As much of the Docker SDK as reading a run needs."""

    tasks_now: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Mapping[str, str]] = field(default_factory=list)
    nodes_now: list[dict[str, Any]] = field(default_factory=list)
    trouble: Exception | None = None

    @property
    def api(self) -> "Engine":
        return self

    def tasks(self, filters: Mapping[str, str]) -> list[dict[str, Any]]:
        self.asked.append(filters)
        if self.trouble is not None:
            raise self.trouble
        return self.tasks_now

    def nodes(self) -> list[dict[str, Any]]:
        return self.nodes_now

    def close(self) -> None:
        """Nothing is open."""


def task(rank: int, state: str, *, at: str = "01", run: str = RUN, **status: Any) -> dict[str, Any]:
    """A task as the Docker API tells it."""
    labels = {"sparkctl.run": run, "sparkctl.rank": str(rank)}
    return {
        "CreatedAt": f"2026-01-01T00:00:{at}Z",
        "Spec": {
            "ContainerSpec": {"Labels": labels},
            "Placement": {"Constraints": [f"node.id == id-{rank}"]},
        },
        "Status": {"State": state, "Timestamp": f"2026-01-01T00:00:{at}Z", **status},
    }


def both(state: str) -> list[dict[str, Any]]:
    return [task(0, state), task(1, state)]


@dataclass
class Cluster:
    """Two nodes, each with a runs folder of its own, and the manager's engine."""

    folder: Path
    engine: Engine = field(default_factory=Engine)
    nodes: dict[str, Node] = field(default_factory=dict)
    connections: dict[str, Unwrapped] = field(default_factory=dict)
    lines: int = 0

    def __post_init__(self) -> None:
        for name in ("spark-a", "spark-b"):
            self.connections[name] = Unwrapped()
            self.nodes[name] = Node(name, self.connections[name])
            self.nodes[name]._docker = self.engine  # type: ignore[assignment]
            (self.folder / name / RUN).mkdir(parents=True)

    @property
    def record(self) -> RunRecord:
        return RunRecord(
            run=RUN,
            cluster="sparks",
            created=datetime(2026, 11, 24, 16, 33, tzinfo=UTC),
            image="sparkctl/train:0",
            ranks=tuple(
                RankPlace(
                    rank=rank, node=node, address=f"10.0.0.{rank}", interface="eth0",
                    folder=str(self.folder / node / RUN),
                )
                for rank, node in enumerate(self.nodes)
            ),
            stack={"name": "tiny-llama-lora", "description": "tiny", "stop_grace_seconds": 1},
        )  # fmt: skip

    def run_folder(self, rank: int) -> Path:
        return self.folder / f"spark-{'ab'[rank]}" / RUN

    def write(self, rank: int, *texts: str) -> None:
        """Lines into the log of a rank, in the order of this whole test."""
        with (self.run_folder(rank) / f"log-rank{rank}.txt").open("a") as file:
            for text in texts:
                self.lines += 1
                file.write(f"{AT % self.lines} {text}\n")

    def judge(self, **verdict: Any) -> dict[str, Any]:
        """The verdict, on every node."""
        told = Verdict.model_validate(
            {"run": RUN, "state": "succeeded", "step": 6, "attempts": 1, "ended": ENDED} | verdict
        )
        for rank in (0, 1):
            file = self.run_folder(rank) / RankFiles(rank).verdict
            file.write_text(told.model_dump_json(exclude={"event"}) + "\n")
        return told.model_dump(exclude={"event"})

    def keep_record(self) -> None:
        """As a launch leaves it: where no container can write."""
        for rank in (0, 1):
            self.remember(rank, self.record.model_dump_json())

    def remember(self, rank: int, text: str) -> None:
        folder = self.run_folder(rank).parent / RECORDS / RUN
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD).write_text(text)


EVENTS: dict[str, dict[str, Any]] = {
    "phase": {"name": "loading", "elapsed": 1.0},
    "start": {
        "run_id": RUN, "node": "spark-a", "world_size": 2, "total_steps": 9, "strategy": "sharded",
        "base_sha256": "ab", "parameters": 2000, "local_parameters": 1000, "bytes_read": 1,
        "trainable_parameters": 10, "train_rows": 10, "held_out_rows": 2, "device": "cpu",
    },
    "step": {
        "step": 1, "total_steps": 9, "loss": 1.0, "lr": 0.1, "grad_norm": 1.0, "tokens": 10,
        "tokens_per_second": 10.0, "elapsed": 1.0,
    },
    "eval": {"step": 0, "loss": 1.0, "elapsed": 1.0},
    "data": {
        "counts": {"rows": 12, "sequences": 12, "tokens": 90, "learned": 40, "longest": 9},
        "train": 10, "held_out": 2, "reused": False, "elapsed": 1.0,
    },
    "adapts": {"layers": 7, "of": 7, "elapsed": 1.0},
    "adapter": {"step": 1, "folder": "/run", "kept": (), "elapsed": 1.0},
    "saved": {"step": 1, "bytes": 10, "seconds": 0.1, "elapsed": 1.0},
    "resumed": {"step": 1, "passed_over": [], "elapsed": 1.0},
    "result": {
        "step": 9, "eval_loss_first": 2.0, "eval_loss_last": 1.0, "weights_sha256": "ab" * 32,
        "saved": None, "tokens": 10, "seconds": 1.0,
    },
    "error": {"code": "crash", "message": "broke", "help": "", "exit_code": 1, "seconds": 1.0},
    "ended": {
        "attempt": 1, "began": AT % 1, "ended": ENDED, "end": "failed", "step": 1, "saved": 0,
    },
}  # fmt: skip
"""Fields of an event, where a test does not say others."""


def event(kind: str, rank: int, **fields: Any) -> str:
    """The line of an event."""
    whole = {"event": kind, "rank": rank} | EVENTS[kind] | fields
    return json.dumps(whole, separators=(",", ":"))


def rank_event(kind: str, rank: int, **fields: Any) -> RankEvent:
    """The event that its line becomes."""
    parsed = parse_line(rank, event(kind, rank, **fields))
    assert isinstance(parsed, RankEvent)
    return parsed
