"""Whole clusters of fake connections, answering the probe with given facts."""

import re
from collections.abc import Mapping

from orchestrator.errors import SparkctlError
from orchestrator.facts.machine import Facts
from orchestrator.names import LAUNCH_FOLDER, LOCK_FOLDER
from orchestrator.node.connect import Connect
from orchestrator.node.connection import Completed, Connection
from orchestrator.node.escalate import NEEDS_PASSWORD, WRONG_PASSWORD
from orchestrator.spec.cluster import ClusterSpec, NodeSpec
from orchestrator.testing.connection import FakeConnection
from orchestrator.testing.facts import probe_output

_LOCKS = (f"{LOCK_FOLDER}/lock", f"{LAUNCH_FOLDER}/lock")
_FENCE = re.compile(r"(?<=\{\n)grep -qsF \w+ \S+/lock/owner \|\| exit 98\n")

ASKS = "\nblocked "
"""What asks whether a port answers (templates/node)."""

SURVEYS = "fact clock; "
"""What the survey before a run asks first (templates/preflight.sh.j2)."""

ROOT_NEEDS = "right"
"""The password of machines that want one."""


class FakeMachine(FakeConnection):
    """A machine with these facts. It answers the probe, and every other script with nothing."""

    def __init__(self, facts: Facts, *, wants_password: bool = False) -> None:
        super().__init__(self._answer)
        self.facts = facts
        self.wants_password = wants_password
        self.failing: Mapping[str, Completed] = {}
        """Answers of scripts that contain these words."""

    @property
    def changes(self) -> list[str]:
        """The scripts that were run but for questions (the probe, the survey before a run, the
        ports) and the locks."""
        scripts = [_FENCE.sub("", script) for script in self.scripts if ASKS not in script]
        questions = [s for s in scripts if _is_probe(s) or SURVEYS in s]
        locks = [s for s in scripts if any(lock in s for lock in _LOCKS)]
        return [s for s in scripts if s not in (*questions, *locks)]

    def _answer(self, script: str) -> Completed | str | bytes:
        password = self.passwords[-1]
        if self.wants_password and password != ROOT_NEEDS:
            return Completed(WRONG_PASSWORD if password else NEEDS_PASSWORD, b"", b"")
        for words, reply in self.failing.items():
            if words in script:
                return reply
        return probe_output(self.facts) if _is_probe(script) else b""


class FakeCluster:
    """Machines by node name, and how often each was connected to. `refused` names have an error."""

    def __init__(
        self, world: Mapping[str, Facts], refused: Mapping[str, SparkctlError] | None = None
    ) -> None:
        self.machines = {name: FakeMachine(facts) for name, facts in world.items()}
        self.refused = refused or {}
        self.connected: list[str] = []

    @property
    def connect(self) -> Connect:
        """What `connect_all()` takes in the place of SSH."""

        def connect(node: NodeSpec, spec: ClusterSpec) -> Connection:
            self.connected.append(node.name)
            if node.name in self.refused:
                raise self.refused[node.name]
            return self.machines[node.name]

        return connect


def _is_probe(script: str) -> bool:
    return "fact user; " in script
