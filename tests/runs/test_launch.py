"""From folders to the deploy: alone, and nothing of a run that has not begun stays behind."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace

import pytest

from orchestrator.api import starting
from orchestrator.errors import BusyError, LockedError, RemoteError
from orchestrator.names import LAUNCH_FOLDER
from orchestrator.node.connection import Completed
from orchestrator.node.node import Node
from orchestrator.reconcile.owner import this_owner
from orchestrator.runs.launch import Prepared, launch, prepare
from orchestrator.runs.preflight import Checked
from orchestrator.spec.load import load_stack
from orchestrator.stack.occupancy import Occupancy
from orchestrator.testing.connection import FakeConnection
from tests.stack.test_deploy import Engine
from tests.support.clusters import sparks

_UNSEEN = prepare(sparks(2), load_stack("llama3-70b-lora"), None)
_RANKS = [replace(rank, uid="1000", gid="1000") for rank in _UNSEEN.ranks]
PREPARED = replace(_UNSEEN, ranks=_RANKS)
RUN = PREPARED.rendered.run


class Site:
    """Two machines, the manager with an engine; scripts with some words are answered otherwise."""

    def __init__(self, failing: Mapping[str, Completed | BaseException] | None = None) -> None:
        self.engine, self.failing = Engine(), dict(failing or {})
        self.scripts: list[tuple[str, str]] = []
        self.nodes = {name: self._node(name) for name in ("spark-a", "spark-b")}
        self.nodes["spark-a"]._docker = self.engine  # type: ignore[assignment]

    def _node(self, name: str) -> Node:
        def answer(script: str) -> Completed | str:
            self.scripts.append((name, script))
            for words, reply in self.failing.items():
                if words in f"{name}: {script}":
                    if isinstance(reply, BaseException):
                        raise reply
                    return reply
            return ""

        return Node(name, FakeConnection(answer))

    def removed(self) -> list[str]:
        """Machines whose folder of the run was taken away, by a script that makes none."""
        away = [(n, s) for n, s in self.scripts if "rm -rf" in s and "mkdir" not in s and RUN in s]
        return sorted(name for name, _ in away)


def test_a_folder_that_cannot_be_made_takes_the_others_along() -> None:
    """But not what is there already on the machine that refused: it is another run's."""
    site = Site({"spark-b: ": Completed(1, b"", b"File exists")})
    with pytest.raises(RemoteError):
        launch(PREPARED, site.nodes["spark-a"], site.nodes, {})
    assert site.removed() == ["spark-a"]
    assert site.engine.secrets.things == []


@pytest.mark.parametrize("end", [KeyboardInterrupt(), Completed(1, b"", b"compose says no")])
def test_a_deploy_that_is_cut_off_leaves_nothing(end: Completed | BaseException) -> None:
    site = Site({"services:": end})
    with pytest.raises((KeyboardInterrupt, RemoteError)):
        launch(PREPARED, site.nodes["spark-a"], site.nodes, {})
    assert any("services:" in script for _, script in site.scripts)
    assert site.removed() == ["spark-a", "spark-b"]
    for store in (site.engine.secrets, site.engine.configs, site.engine.services):
        assert store.things == []


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done before the launch, and the launch."""
    done: list[str] = []

    def launched(
        prepared: Prepared, manager: Node, nodes: Mapping[str, Node], images: object
    ) -> None:
        fence = nodes["spark-a"].fence
        assert fence is not None, "it is not alone"
        assert LAUNCH_FOLDER in fence.check
        done.append("launch")

    monkeypatch.setattr(starting, "read", lambda *_: {})
    monkeypatch.setattr(starting, "preflight", lambda *_: Checked([], {}))
    monkeypatch.setattr(starting, "build_images", lambda *_: done.append("images"))
    monkeypatch.setattr(starting, "flush_page_caches", lambda nodes: None)
    monkeypatch.setattr(starting, "launch", launched)
    return done


def test_what_takes_long_is_done_before_others_are_held_off(steps: list[str]) -> None:
    site = Site()
    starting.start(sparks(2), PREPARED, site.nodes, lambda event: None)
    assert steps == ["images", "launch"]
    locks = [name for name, script in site.scripts if f"{LAUNCH_FOLDER}/lock" in script]
    assert set(locks) == {"spark-a"}, "the manager's"
    assert site.nodes["spark-a"].fence is None


def test_whoever_changes_the_machines_is_named(steps: list[str]) -> None:
    other = json.dumps(asdict(this_owner("sparkctl cluster down")))

    class Taken(Site):
        def _node(self, name: str) -> Node:
            node = super()._node(name)
            assert isinstance(node.connection, FakeConnection)
            inner = node.connection.answer

            def answer(given: str) -> Completed | str:
                return f"3\n{other}" if 'mkdir "$lock"' in given else inner(given)

            node.connection.answer = answer
            return node

    with pytest.raises(LockedError) as caught:
        starting.start(sparks(2), PREPARED, Taken().nodes, lambda event: None)
    assert "sparkctl cluster down" in str(caught.value.details)
    assert "launch" not in steps


@pytest.mark.parametrize("over", [(), ("old",)])
def test_a_run_that_has_ended_is_taken_off_before_the_machines_are_read(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, over: tuple[str, ...]
) -> None:
    """One that hangs holds the GPU, the memory and the port: what was read beside it is not judged.
    Where there is none the machines are read once, while the manager is asked."""

    def ask(manager: Node, judged: object) -> Occupancy:
        return Occupancy(over)

    def take_off(manager: Node, judged: object) -> None:
        assert manager.fence is not None, "it is not alone"
        steps.append("take off")

    def read(*_: object) -> object:
        steps.append("read")
        return len(steps)

    def judge(prepared: Prepared, readings: object, skip: object) -> Checked:
        assert readings == len(steps), "it is the last reading"
        steps.append("judge")
        return Checked([], {})

    monkeypatch.setattr(starting, "require_free_gpus", ask)
    monkeypatch.setattr(starting, "remove_finished_runs", take_off)
    monkeypatch.setattr(starting, "read", read)
    monkeypatch.setattr(starting, "preflight", judge)
    monkeypatch.setattr(starting, "foresee", lambda *_, **__: None)
    starting.start(sparks(2), PREPARED, Site().nodes, lambda event: None)
    before = ["read", "take off"] if over else []
    assert steps == [*before, "read", "judge", "images", "take off", "launch"]


def test_another_run_is_told_before_anything_else(
    steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(manager: Node, judged: object) -> None:
        raise BusyError(f"the GPUs are in use, says {manager.name}")

    monkeypatch.setattr(starting, "require_free_gpus", busy)
    site = Site()
    with pytest.raises(BusyError, match="says spark-a"):
        starting.start(sparks(2), PREPARED, site.nodes, lambda event: None)
    assert (steps, site.scripts) == ([], [])
