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
from training.contract.record import RankPlace, RunRecord

RUN = "tiny-llama-lora-0a1b2c"
AT = "2026-11-24T16:33:36.%06dZ"


class Unwrapped(LocalConnection):
    """This computer, as whoever runs the test: no sudo. `away` is what it answers with instead."""

    away: Exception | None = None
    scripts = 0

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        self.scripts += 1
        if self.away is not None:
            raise self.away
        return super().run("sh -s", stdin.partition(b"\n")[2], deadline=deadline)

    def open(self, command: str, first: bytes) -> Stream:
        return super().open("sh -s", first.partition(b"\n")[2])


@dataclass
class Engine:
    """As much of the Docker SDK as reading a run needs."""

    tasks_now: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Mapping[str, str]] = field(default_factory=list)
    trouble: Exception | None = None

    @property
    def api(self) -> "Engine":
        return self

    def tasks(self, filters: Mapping[str, str]) -> list[dict[str, Any]]:
        self.asked.append(filters)
        if self.trouble is not None:
            raise self.trouble
        return self.tasks_now

    def close(self) -> None:
        """Nothing is open."""


def task(rank: int, state: str, *, at: str = "01", run: str = RUN, **status: Any) -> dict[str, Any]:
    """A task as the Docker API tells it."""
    labels = {"sparkctl.run": run, "sparkctl.rank": str(rank)}
    return {
        "CreatedAt": f"2026-01-01T00:00:{at}Z",
        "Spec": {"ContainerSpec": {"Labels": labels}},
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
        told = {"run": RUN, "state": "succeeded", "step": 6, "attempts": 1} | verdict
        for rank in (0, 1):
            (self.run_folder(rank) / f"verdict-rank{rank}.json").write_text(json.dumps(told) + "\n")
        return told

    def keep_record(self) -> None:
        """As a launch leaves it."""
        for rank in (0, 1):
            (self.run_folder(rank) / "run.json").write_text(self.record.model_dump_json())


def event(kind: str, rank: int, **fields: Any) -> str:
    return json.dumps({"event": kind, "rank": rank} | fields, separators=(",", ":"))
