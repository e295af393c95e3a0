"""Applying a plan: what comes before what, and what a failure stops."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import docker
import pytest
import requests

from orchestrator.errors import ChangeError, ConnectError, NodeErrors, RemoteError, SparkctlError
from orchestrator.names import LAUNCH_FOLDER
from orchestrator.node.node import Node
from orchestrator.reconcile.apply import apply_plan
from orchestrator.reconcile.current_changes import CurrentChanges
from orchestrator.reconcile.events import ChangeDone, ChangeFailed, ChangeStarted, Event, Listener
from orchestrator.reconcile.owner import this_owner
from orchestrator.reconcile.plan import Plan, Step, plan_down, plan_up
from orchestrator.resources.base import Change, Resource, Stage, State, World
from orchestrator.spec.cluster import ClusterSpec
from tests.support.clusters import sparks, world_of
from tests.support.fakes import FakeMachine
from tests.support.simulate import made

Work = Callable[[], None]


@dataclass(frozen=True)
class Note(Resource):
    """A resource that leaves a line on its machine."""

    kind: ClassVar[str] = "note"
    stage: ClassVar[Stage] = Stage.HOST

    text: str

    @property
    def name(self) -> str:
        return f"note:{self.text}"

    def observe(self, world: World) -> State | None:
        return None

    def desired(self, world: World) -> State | None:
        return {"text": self.text}

    def summary(self, before: State | None, after: State | None) -> str:
        return f"write {self.text}"

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        nodes[self.node].script(f"note {self.text}")


def failing(node: str, text: str, error: BaseException) -> Note:
    """One whose change fails."""

    class Failing(Note):
        def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
            raise error

    return Failing(node, text)


def step(resource: Note, stage: Stage = Stage.HOST, record: str | None = None) -> Step:
    change = Change(
        resource.node, resource.name, "create", resource.summary(None, None), stage, None, {"x": 1}
    )
    return Step(resource, change, record, journaled=record is None)


@dataclass
class Site:
    """Two converged machines, and what is heard of them."""

    spec: ClusterSpec
    machines: dict[str, FakeMachine]
    nodes: dict[str, Node]
    heard: list[Event]

    def up(self, *steps: Step) -> None:
        self.apply_plan(Plan(self.spec.name, "up", steps), self.heard.append)

    def down(self, *steps: Step, already_restored: tuple[tuple[str, str], ...] = ()) -> None:
        self.apply_plan(Plan(self.spec.name, "down", steps, already_restored), self.heard.append)

    def apply_plan(
        self, plan: Plan, listen: Listener, current: CurrentChanges | None = None
    ) -> None:
        """`plan` is what is to be done until it was done; then it is what the facts say."""
        plans = iter([plan])
        rest = plan_up if plan.direction == "up" else plan_down

        def planner(world: World) -> Plan:
            return next(plans, None) or rest(self.spec, world)

        owner = this_owner("sparkctl cluster up")
        apply_plan(plan, planner, self.spec, self.nodes, owner, listen, current or CurrentChanges())

    def told(self) -> list[str]:
        return [f"{type(event).__name__} {event.change.id}" for event in self.heard]

    def did(self, name: str) -> list[str]:
        """The changes of a machine in a word each: `journal 0001-x` or `note x`."""
        return [_word(script) for script in self.machines[name].changes]


def _word(script: str) -> str:
    body = script.splitlines()[1]
    if body.startswith("mkdir -p -m 700"):
        return "journal"
    return "forget" if body.startswith("rm -f") else body


@pytest.fixture
def site() -> Site:
    """Converged, so that nothing is left to do when all machines are read again."""
    spec = sparks(2)
    bare = world_of(spec)
    machines = {n: FakeMachine(f) for n, f in made(plan_up(spec, bare), spec, bare).items()}
    return Site(spec, machines, {n: Node(n, m) for n, m in machines.items()}, [])


@pytest.fixture
def empty() -> Site:
    """Machines without a journal, so that nothing is left to give back."""
    spec = sparks(2)
    machines = {n: FakeMachine(f) for n, f in world_of(spec).items()}
    return Site(spec, machines, {n: Node(n, m) for n, m in machines.items()}, [])


def test_the_record_is_written_before_the_change_is_made(site: Site) -> None:
    last = len(site.machines["spark-a"].facts.journal)
    site.up(step(Note("spark-a", "one")), step(Note("spark-a", "two")))
    assert site.did("spark-a") == ["journal", "note one", "journal", "note two"]
    assert f"{last + 1:04d}-note-one.json" in site.machines["spark-a"].changes[0]
    assert f"{last + 2:04d}-note-two.json" in site.machines["spark-a"].changes[2]


def test_a_change_whose_record_cannot_be_written_is_not_made(site: Site) -> None:
    def full(script: str) -> str:
        raise RemoteError("no space left on device", node="spark-a")

    site.machines["spark-a"].answer = full
    with pytest.raises(RemoteError, match="no space left"):
        site.up(step(Note("spark-a", "one")))
    assert "note one" not in "".join(site.machines["spark-a"].scripts)


def test_all_machines_are_read_again_before_it_counts(site: Site) -> None:
    site.up(step(Note("spark-a", "one")))
    for machine in site.machines.values():
        *_, last, release = (s for s in machine.scripts if LAUNCH_FOLDER not in s)
        assert "fact user; " in last
        assert "/run/sparkctl/lock" in release


def test_what_is_still_to_do_afterwards_is_an_error(empty: Site) -> None:
    with pytest.raises(ChangeError) as caught:
        empty.up(step(Note("spark-a", "one")))
    assert "not as they should be" in caught.value.brief
    assert "spark-b/swarm: join the swarm" in str(caught.value.details)


def test_started_then_done_in_the_order_of_the_plan(site: Site) -> None:
    site.up(step(Note("spark-a", "one")), step(Note("spark-a", "two")))
    assert site.told() == [
        "ChangeStarted spark-a/note:one",
        "ChangeDone spark-a/note:one",
        "ChangeStarted spark-a/note:two",
        "ChangeDone spark-a/note:two",
    ]
    assert all(event.seconds >= 0 for event in site.heard if isinstance(event, ChangeDone))


def test_a_failure_stops_its_own_node_and_the_stages_after_it(site: Site) -> None:
    broken = ChangeError("it broke", node="spark-a")
    with pytest.raises(ChangeError, match="it broke"):
        site.up(
            step(failing("spark-a", "one", broken)),
            step(Note("spark-a", "two")),
            step(Note("spark-b", "one")),
            step(Note("spark-b", "two")),
            step(Note("spark-b", "later"), Stage.MANAGER),
        )
    assert site.did("spark-a") == ["journal"]
    assert site.did("spark-b") == ["journal", "note one", "journal", "note two"]
    failed = [event for event in site.heard if isinstance(event, ChangeFailed)]
    assert [(event.change.id, event.error) for event in failed] == [("spark-a/note:one", broken)]


def test_a_stage_begins_when_all_nodes_have_ended_the_one_before(site: Site) -> None:
    site.up(
        step(Note("spark-a", "host")),
        step(Note("spark-b", "host")),
        step(Note("spark-a", "manager"), Stage.MANAGER),
        step(Note("spark-b", "worker"), Stage.WORKERS),
    )
    told = site.told()
    manager = told.index("ChangeStarted spark-a/note:manager")
    worker = told.index("ChangeStarted spark-b/note:worker")
    assert told.index("ChangeDone spark-b/note:host") < manager
    assert told.index("ChangeDone spark-a/note:host") < manager
    assert told.index("ChangeDone spark-a/note:manager") < worker


def test_every_nodes_error_is_kept(site: Site) -> None:
    with pytest.raises(NodeErrors) as caught:
        site.up(
            step(failing("spark-a", "one", ChangeError("first", node="spark-a"))),
            step(failing("spark-b", "one", OSError("second"))),
        )
    assert [error.node for error in caught.value.errors] == ["spark-a", "spark-b"]
    assert "second" in str(caught.value.errors[1].details)
    assert caught.value.exit_code == ChangeError.exit_code


@pytest.mark.parametrize(
    "raised",
    [requests.ConnectionError("Connection aborted"), RemoteError("Docker does not answer")],
    ids=lambda error: type(error).__name__,
)
def test_a_machine_out_of_reach_is_why_docker_did_not_answer(
    site: Site, raised: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(script: str) -> str:
        if "\n:\n}" in script:
            raise ConnectError("the connection to spark-b is gone", node="spark-b")
        return answer(script)

    answer = site.machines["spark-b"].answer
    monkeypatch.setattr(site.machines["spark-b"], "answer", gone)
    with pytest.raises(ConnectError, match="spark-b is gone"):
        site.up(step(failing("spark-a", "one", raised)))
    assert site.told()[-1] == "ChangeFailed spark-a/note:one"


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (docker.errors.APIError("x", explanation="the swarm says no"), "the swarm says no"),
        (docker.errors.DockerException("no engine"), "no engine"),
        (requests.ConnectionError("cut off"), "cut off"),
        (OSError("broken pipe"), "broken pipe"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_libraries_raise_becomes_a_change_error(
    site: Site, raised: Exception, words: str
) -> None:
    with pytest.raises(ChangeError) as caught:
        site.up(step(failing("spark-a", "one", raised)))
    assert caught.value.node == "spark-a"
    assert "spark-a/note:one" in caught.value.brief
    assert words in str(caught.value.details)
    assert "sparkctl cluster down" in str(caught.value.resolution)


def test_an_error_of_ours_is_not_wrapped(site: Site) -> None:
    mine = SparkctlError("mine")
    with pytest.raises(SparkctlError) as caught:
        site.up(step(failing("spark-a", "one", mine)))
    assert caught.value is mine


def test_a_fault_of_the_program_is_not_hidden(site: Site) -> None:
    with pytest.raises(ZeroDivisionError):
        site.up(step(failing("spark-a", "one", ZeroDivisionError())))


def test_down_forgets_a_record_only_after_its_change(empty: Site) -> None:
    empty.down(step(Note("spark-a", "back"), record="0001-note-back.json"))
    assert empty.did("spark-a") == ["note back", "forget", "forget"]
    assert "0001-note-back.json" in empty.machines["spark-a"].changes[1]


def test_down_keeps_the_record_of_a_change_that_failed(empty: Site) -> None:
    stuck = failing("spark-a", "back", ChangeError("no", node="spark-a"))
    with pytest.raises(ChangeError):
        empty.down(step(stuck, record="0001-note-back.json"))
    assert empty.did("spark-a") == []


def test_down_goes_on_after_what_nothing_rests_on(empty: Site) -> None:
    """An image that a container of the user's holds is no reason to keep the rest."""

    class Apart(Note):
        apart: ClassVar[bool] = True

        def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
            raise ChangeError(f"{self.text} is in use", node=self.node)

    with pytest.raises(NodeErrors) as failed:
        empty.down(
            step(Apart("spark-a", "one"), record="0001-x.json"),
            step(Apart("spark-a", "two"), record="0002-x.json"),
            step(Note("spark-a", "back"), record="0003-x.json"),
            step(Note("spark-a", "later"), Stage.MANAGER, record="0004-x.json"),
        )
    assert [str(error) for error in failed.value.errors] == ["one is in use", "two is in use"]
    assert failed.value.exit_code == ChangeError.exit_code
    assert empty.did("spark-a") == ["note back", "forget", "note later", "forget"]
    with pytest.raises(ChangeError, match="is in use"):
        empty.up(step(Apart("spark-b", "one")), step(Note("spark-b", "two")))
    assert empty.did("spark-b") == ["journal"]


def test_what_was_passed_is_not_lost_when_something_else_fails(empty: Site) -> None:
    class Apart(Note):
        apart: ClassVar[bool] = True

        def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
            raise ChangeError("in use", node=self.node)

    stuck = failing("spark-a", "back", ChangeError("it broke", node="spark-a"))
    with pytest.raises(NodeErrors) as failed:
        empty.down(
            step(Apart("spark-a", "one"), record="0001-x.json"),
            step(stuck, record="0002-x.json"),
            step(Note("spark-a", "later"), Stage.MANAGER, record="0003-x.json"),
        )
    assert [str(error) for error in failed.value.errors] == ["in use", "it broke"]
    assert empty.did("spark-a") == []


def test_down_forgets_what_needs_no_change(empty: Site) -> None:
    empty.down(already_restored=(("spark-b", "0001-x.json"), ("spark-b", "0002-y.json")))
    (unfinished,) = empty.machines["spark-a"].changes
    assert ".json" not in unfinished  # only what a power cut left of a record
    (forgotten,) = empty.machines["spark-b"].changes
    assert "0001-x.json" in forgotten
    assert "0002-y.json" in forgotten


def test_down_is_not_done_while_a_journal_still_says_something(site: Site) -> None:
    """The machines of this site are converged and journaled: one step cannot be all."""
    with pytest.raises(ChangeError, match="not as they should be"):
        site.down(step(Note("spark-a", "back"), record="0001-docker-group.json"))


def test_listeners_hear_a_change_before_it_is_made(site: Site) -> None:
    order: list[str] = []
    site.heard = order  # type: ignore[assignment]

    def listen(event: Event) -> None:
        made_already = "note one" in site.did("spark-a")
        order.append(f"{type(event).__name__} {made_already}")

    site.apply_plan(Plan("desk", "up", (step(Note("spark-a", "one")),)), listen)
    assert order == [f"{ChangeStarted.__name__} False", f"{ChangeDone.__name__} True"]
