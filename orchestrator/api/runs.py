"""The runs of a cluster: start one, follow it to its end, stop, resume, fetch, delete."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.api.connecting import Away, machines, spec_of
from orchestrator.api.person import Person, Question, Unattended
from orchestrator.api.starting import Finding, ImageLine, StartEvent, StartListener, Waiting, start
from orchestrator.artifacts.image import ensure_image, image_recipe
from orchestrator.engines.torch.image import contents
from orchestrator.errors import RunError, SparkctlError
from orchestrator.facts.machine import Machine
from orchestrator.node.docker_errors import translate_docker_errors
from orchestrator.node.node import Node
from orchestrator.node.parallel import raise_all
from orchestrator.reconcile.observe import observe_machines
from orchestrator.runs import control
from orchestrator.runs.base_model import looking_up
from orchestrator.runs.compare import Comparison, compare
from orchestrator.runs.events import Ended, LogLine, RunEvent, RunListener
from orchestrator.runs.exec import Streams, exec_in
from orchestrator.runs.fetch import Fetched, fetch
from orchestrator.runs.follow import Timeouts, follow
from orchestrator.runs.launch import Prepared, prepare
from orchestrator.runs.live_logs import follow_logs
from orchestrator.runs.logs import Wanted, read_logs, since_when
from orchestrator.runs.naming import require_free, require_name
from orchestrator.runs.reading import RunIndex, read_runs
from orchestrator.runs.resume import prepare_resume
from orchestrator.runs.run import Run, Unreadable
from orchestrator.runs.summary import summary
from orchestrator.runs.tensorboard import tensorboard
from orchestrator.runs.verdict import Outcome
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.deploy import remove, wait_for_exit
from training.contract.record import RunRecord

__all__ = [
    "Away", "Comparison", "Ended", "Fetched", "Finding", "ImageLine", "LogLine", "Outcome",
    "Prepared", "Run", "RunEvent", "RunIndex", "Running", "Runs", "StartEvent", "Streams",
    "Unreadable", "Waiting", "Wanted", "compare", "since_when", "summary",
]  # fmt: skip

OnProgress = Callable[[str], None]
_EVERY_LINE = Wanted()


@dataclass(frozen=True)
class Running:
    """A run that continues by itself and can be followed."""

    record: RunRecord
    offsets: Mapping[int, int]
    """Bytes of each rank's log that are known already: those of earlier attempts."""


class Runs:
    """The runs of a cluster's members; made by `Cluster.runs`, or `Runs.open`."""

    def __init__(
        self,
        spec: ClusterSpec,
        nodes: Mapping[str, Node],
        away: Mapping[str, SparkctlError],
        person: Person,
    ) -> None:
        self._spec = spec.only_members()
        members = [node.name for node in self._spec.nodes]
        self._nodes = {name: nodes[name] for name in members if name in nodes}
        self._away = {name: away[name] for name in members if name in away}
        self._person = person

    @classmethod
    @contextmanager
    def open(
        cls,
        cluster: ClusterSpec | Path | str,
        person: Person | None = None,
        *,
        away: Away = "refuse",
    ) -> "Iterator[Runs]":
        """As `Cluster.open`, of the members alone, for who wants nothing but runs."""
        spec, person = spec_of(cluster).only_members(), person or Unattended()
        with machines(spec, person, away) as (nodes, errors):
            yield cls(spec, nodes, errors, person)

    def read(self, *, whole: bool = False) -> RunIndex:
        """Every run that the nodes know of. A node that cannot be read is in `errors`.

        `whole`: it is raised instead. So it is when there is no other.
        """
        if whole or not self._nodes:
            raise_all(self._away)
        reading = read_runs(self._spec, self._nodes, self._away)
        if whole:
            raise_all(reading.errors)
        return reading

    def find(self, name: str) -> Run:
        """By its name, its beginning, or `last`; all nodes must answer. Raises RunError."""
        return self.read(whole=True).find(name)

    def detailed(self, run: Run) -> Run:
        """The same run, read once more with more of its events."""
        return read_runs(self._spec, self._nodes, only=run.name).find(run.name)

    def require_manager(self, reading: RunIndex) -> None:
        """Raise when a reading is not all there is: without the manager nobody knows what runs."""
        if (manager := self._spec.manager.name) in reading.errors:
            raise reading.errors[manager]

    def logs(self, run: Run, wanted: Wanted = _EVERY_LINE) -> Iterator[tuple[str, int, str]]:
        """Time, rank and text of each line that ranks on known nodes have written, merged by time.

        Raises RunError for a rank that the run does not have.
        """
        for rank in wanted.ranks:
            run.place(rank)
        places = [place for place in run.record.ranks if place.node in self._nodes]
        return read_logs(places, self._nodes, wanted)

    def follow_logs(self, run: Run, listen: RunListener, wanted: Wanted = _EVERY_LINE) -> Outcome:
        """The same lines, and each further one as it is written, until the run is over.

        `listen` gets LogLine, what becomes of the machines (NodeSilent, NodeBack, NodeGone), and
        Ended. Ranks that start again are followed. Otherwise as `follow`.
        """
        for rank in wanted.ranks:
            run.place(rank)

        def watch(hear: RunListener, offsets: dict[int, int]) -> Outcome:
            return self._watch(run.record, hear, Timeouts(), offsets)

        return follow_logs(run.record, self._nodes_of(run.record), wanted, listen, watch)

    def exec(self, run: Run, rank: int, command: Sequence[str], streams: Streams) -> int:
        """Run a command in the container of a rank, as its user; its exit code. None: a shell.

        Raises RunError when there is no such rank or container.
        """
        place = run.place(rank)
        nodes = self._nodes_of(run.record.model_copy(update={"ranks": (place,)}))
        manager = nodes[self._spec.manager.name]
        return exec_in(manager, nodes[place.node], run, rank, command, streams)

    def fetch(self, run: Run, into: Path, on_progress: OnProgress = lambda line: None) -> Fetched:
        """Copy what the run has made to the new folder `into/<run>`, checked by SHA-256."""
        return fetch(run, self._all_nodes, into, on_progress)

    def prepare(self, stack: StackSpec, *, name: str | None = None) -> Prepared:
        """Decide all of a new run; nothing is changed. Raises RunError, SpecError.

        `name`: its own, which nothing else may have; else the stack's and six digits.
        """
        if name is not None:
            manager, runs = self._all_nodes[self._spec.manager.name], self._spec.paths.runs
            require_free(require_name(name), self.read(whole=True), runs, self._nodes, manager)
        base = looking_up(stack)
        return prepare(self._spec, stack, self._machines(), run=name, base=base.result())

    def prepare_resume(self, run: Run, *, debug: bool = False) -> Prepared:
        """Decide everything to resume a run that was stopped or has failed; `debug`: verbosely.

        The person is asked about what its record does and the recipe here does not.
        """
        control.require_nodes(run.record, self._all_nodes)
        heading = f"Besides training, and unlike the recipe here, {run.name} does this:"

        def agree(lines: Sequence[str]) -> None:
            self._person.agree(Question("record", f"Resume {run.name}?", (heading, *lines)))

        return prepare_resume(self._spec, run, self._machines(), agree, debug=debug)

    def start(
        self,
        prepared: Prepared,
        listen: StartListener = lambda event: None,
        *,
        skip: tuple[str, ...] = (),
        queue: bool = False,
    ) -> Running:
        """Check the machines and deploy it. Nothing stays of one that does not begin.

        `skip`: names of checks. `queue`: wait while another run holds the GPUs. Raises BusyError,
        LockedError, RunError.
        """
        known = {} if prepared.is_new else control.log_sizes(prepared.record, self._all_nodes)
        record = start(self._spec, prepared, self._all_nodes, listen, skip=skip, queue=queue)
        return Running(record, known)

    def running(self, run: Run) -> Running:
        """Attach to a run that was started before. Raises RunError when a node of it is missing."""
        control.require_nodes(run.record, self._all_nodes)
        return Running(run.record, {})

    def follow(
        self,
        running: Running,
        listen: RunListener = lambda event: None,
        timeouts: Timeouts | None = None,
    ) -> Outcome:
        """Report events until the run is over, then wait until its ranks have exited and remove its
        services and secrets. What was not seen to be over stays. Ctrl-C changes nothing."""
        timeouts = timeouts or Timeouts()
        return self._watch(running.record, listen, timeouts, dict(running.offsets))

    def _watch(
        self, record: RunRecord, listen: RunListener, timeouts: Timeouts, offsets: dict[int, int]
    ) -> Outcome:
        nodes = self._nodes_of(record)
        manager = nodes[self._spec.manager.name]
        outcome = follow(record, manager, nodes, listen, timeouts, offsets=offsets)
        if outcome.judged:
            wait_for_exit(manager, record.run)
        if outcome.over:
            remove(manager, record.run)
        return outcome

    def stop(self, run: Run) -> Outcome:
        """Save a checkpoint after the current step, and end it."""
        return control.stop(self._spec, run, self._all_nodes)

    def delete(self, run: Run | Unreadable, *, force: bool = False) -> None:
        """Its folders and records on all nodes. `force`: it is stopped first. Raises DeclinedError,
        and RunError when it runs."""
        nodes = self._all_nodes
        size, where = sum(run.bytes.values()) / 1e6, len(run.bytes)
        text = f"Delete {run.name} ({run.state}, {size:,.1f} MB on {where} nodes)?"
        self._person.agree(Question("delete", text))
        if force and run.live and isinstance(run, Run):
            self.stop(run)
            run = self.detailed(run)
        control.delete(self._spec, run, nodes, force=force)

    @contextmanager
    def tensorboard(
        self, run: Run, port: int, on_progress: OnProgress, *, only: bool = True
    ) -> Iterator[int]:
        """The port on this computer where TensorBoard shows its curves. `port` 0: any.

        `only` false: those of all runs on the node of its rank 0. `on_progress` gets the lines of
        the image build there.
        """
        place = run.record.ranks[0]
        if place.node not in self._nodes:
            raise RunError(f"{place.node}, which has the curves, is not in the cluster file")
        node = self._nodes[place.node]
        recipe = image_recipe(self._spec.container.base_image, contents())  # ours has TensorBoard
        with translate_docker_errors(node.name):
            ensure_image(node, recipe, on_progress)
        with tensorboard(node, recipe.tag, place, only=only, port=port) as here:
            yield here

    @property
    def _all_nodes(self) -> Mapping[str, Node]:
        """For what needs every machine: raises the errors of those that are away."""
        raise_all(self._away)
        return self._nodes

    def _nodes_of(self, record: RunRecord) -> Mapping[str, Node]:
        """Those of its ranks, and the manager: raises the errors of those that are away."""
        names = {place.node for place in record.ranks} | {self._spec.manager.name}
        raise_all({name: error for name, error in self._away.items() if name in names})
        control.require_nodes(record, self._nodes)
        return self._nodes

    def _machines(self) -> Mapping[str, Machine]:
        return observe_machines(self._spec, self._all_nodes, ask=self._person.sudo_password)
