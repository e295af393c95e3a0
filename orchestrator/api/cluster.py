"""The machines of a cluster file, connected: plan, apply, status, locks, and the runs on them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orchestrator.api.connecting import Away, machines, spec_of
from orchestrator.api.person import Person, Unattended
from orchestrator.errors import SparkctlError
from orchestrator.node.node import Node
from orchestrator.node.parallel import begin, raise_all
from orchestrator.reconcile.current_changes import CurrentChanges
from orchestrator.reconcile.events import Event, Listener
from orchestrator.spec.cluster import ClusterSpec

if TYPE_CHECKING:  # imported while the machines answer, or when they are needed
    from orchestrator.api.locks import Locks
    from orchestrator.api.planning import Plan
    from orchestrator.api.runs import Runs
    from orchestrator.resources.base import Change, World

__all__ = ["Away", "Change", "Cluster", "CurrentChanges", "Event", "Plan", "Status", "write_plan"]

_REPAIRS = 2  # first the engines; what their swarms need can be seen when they answer


@dataclass(frozen=True)
class Status:
    """The machines as they are."""

    world: "World"
    """Facts of the nodes that could be read."""
    errors: Mapping[str, SparkctlError]
    """Errors of the other nodes."""
    plan: "Plan | None"
    """What `up` would change; None when that is not known."""
    problem: SparkctlError | None
    """Why the plan is not known."""


class Cluster:
    """Connected machines; made by `Cluster.open`, closed at the end of its `with` block."""

    def __init__(
        self,
        spec: ClusterSpec,
        nodes: dict[str, Node],
        away: dict[str, SparkctlError],
        person: Person,
    ) -> None:
        self.spec, self.nodes, self.person = spec, nodes, person
        self.away: Mapping[str, SparkctlError] = away
        """Nodes that could not be reached, and why; see `Away`."""
        self._world: World | None = None
        self._direction = "up"  # what a lock is held for

    @classmethod
    @contextmanager
    def open(
        cls,
        cluster: ClusterSpec | Path | str,
        person: Person | None = None,
        *,
        away: Away = "refuse",
    ) -> "Iterator[Cluster]":
        """Connect to all machines in parallel. `cluster`: its file, or what was read from it.

        Without a person nobody is asked, and whatever needs a yes is declined. Raises SpecError
        for the file, and the errors of the nodes as `away` says.
        """
        spec, person = spec_of(cluster), person or Unattended()
        begin(_read_ahead)
        with machines(spec, person, away) as (nodes, errors):
            yield cls(spec, nodes, errors, person)

    @property
    def runs(self) -> "Runs":
        """The runs on its members."""
        from orchestrator.api.runs import Runs  # a third of the imports, and `up` needs none of it

        return Runs(self.spec, self.nodes, self.away, self.person)

    @property
    def locks(self) -> "Locks":
        """Who changes the machines or starts a run at this moment. All nodes must answer."""
        from orchestrator.api.locks import Locks

        raise_all(self.away)
        return Locks(self.spec, self.nodes, self.person)

    @property
    def world(self) -> "World":
        """Facts of all machines, as `plans` or `apply` has read them last, else now. Raises every
        node's error."""
        if self._world is None:
            from orchestrator.reconcile.observe import observe

            self._world = observe(self.spec, self.nodes, ask=self.person.sudo_password)
        return self._world

    def plans(
        self,
        direction: Literal["up", "down"],
        *,
        repair: bool = False,
        delete_runs: bool = False,
    ) -> "Iterator[Plan]":
        """The plans to apply, one after the other: repairs, if they are wanted, and then the
        plan of the direction. Each is made when it is asked for, of the machines as they are then.

        Raises what prevents it. The first alone is what `plan` shows.
        """
        from orchestrator.api.planning import check, check_down, plan_down, plan_repair, plan_up

        if direction == "up" and (manager := self.spec.manager.name) in self.away:
            raise self.away[manager]
        self._direction, self._world = direction, None  # runs may have come and gone meanwhile
        for _ in range(_REPAIRS if repair else 0):
            if not (plan := plan_repair(self.spec, self.world)).steps:
                break
            yield plan
        if direction == "up":
            check(self.spec, self.world)
            yield plan_up(self.spec, self.world)
        else:
            check_down(self.spec, self.world)
            yield plan_down(self.spec, self.world, delete_runs=delete_runs)

    def ask_ports(self, plan: "Plan") -> "Plan":
        """The plan with advice about ports that Swarm needs; raises for blocked ones."""
        from orchestrator.api.planning import with_ports_asked

        return with_ports_asked(plan, self.world, self.nodes)

    def ensure_current(self, plan: "Plan", kept: Path) -> None:
        """Raise StalePlanError when the plan is not the one that `write_plan` saved."""
        from orchestrator.api.planning import ensure_current

        ensure_current(plan, kept)

    def apply(
        self,
        plan: "Plan",
        listen: Listener = lambda event: None,
        current: CurrentChanges | None = None,
    ) -> None:
        """Ask the person, and make exactly these changes: locked, journaled, verified.

        `current`: the current changes; its holder can stop the work between two of them. Raises
        DeclinedError, OthersError, StalePlanError, LockedError, StoppedError, and what failed on
        the machines.
        """
        from orchestrator.api.planning import apply_plan, this_owner

        if plan.steps:
            self.person.approve(plan)
        elif plan.direction == "up" and not plan.already_restored:
            return  # `down` takes over the lock that a dead `up` may have left, and frees it
        owner = this_owner(f"sparkctl cluster {self._direction}")
        self._world = apply_plan(
            plan,
            self._planner(plan),
            self.spec,
            self.nodes,
            owner,
            listen,
            current or CurrentChanges(),
        )

    def left_unread(self) -> SparkctlError | None:
        """Journal records that could not be read: `down` has skipped what they are about."""
        from orchestrator.api.planning import left_unread

        return left_unread(self.spec, self.world)

    def status(self) -> Status:
        """What is known of the machines, whatever is wrong with some of them."""
        from orchestrator.reconcile.observe import try_observe

        world, unread = try_observe(self.spec, self.nodes, ask=self.person.sudo_password)
        errors = {**self.away, **unread}
        from orchestrator.api.planning import check, plan_up

        try:
            raise_all(errors)
            check(self.spec, world)
            return Status(world, errors, plan_up(self.spec, world), None)
        except SparkctlError as problem:
            return Status(world, errors, None, problem)

    def _planner(self, plan: "Plan") -> "Callable[[World], Plan]":
        """A function that makes the plan again, to compare."""
        from orchestrator.api.planning import plan_down, plan_repair, plan_up

        if plan.direction == "repair":
            return partial(plan_repair, self.spec)
        if plan.direction == "up":
            return partial(plan_up, self.spec)
        return partial(plan_down, self.spec, delete_runs=plan.delete_runs)


def write_plan(plan: "Plan", path: Path) -> None:
    """Save a plan, to be read and applied later; docs/api.md. Raises SpecError."""
    from orchestrator.api import planning

    planning.write_plan(plan, path)


def _read_ahead() -> None:
    """Import what reads machines, and what makes plans, in a thread: meanwhile they let us in."""
    from orchestrator.api import planning

    planning.every_check()
