"""Every script that the product sends to a machine, asked of the code that sends it.

With odd values: what a path may be, shell must not mind. It is what shellcheck checks
(`tests/support/shellcheck.py`).
"""

import io
import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from unittest import mock

from orchestrator.facts.probe import probe_script
from orchestrator.lab.seed import PACK
from orchestrator.lab.status import SCRIPT
from orchestrator.names import DAEMON_JSON
from orchestrator.node import escalate
from orchestrator.node.bounded import bounded
from orchestrator.node.fence import Fence
from orchestrator.node.files import File, remove_file, write_file, write_through
from orchestrator.node.marks import Marks
from orchestrator.node.reach import Door, blocked_script
from orchestrator.reconcile import lock
from orchestrator.reconcile.journal import Record, forget, write
from orchestrator.reconcile.owner import Owner
from orchestrator.resources.base import Change, Resource, State
from orchestrator.resources.directory import ALL, Directory
from orchestrator.resources.docker_engine import DockerEngine
from orchestrator.resources.docker_group import DockerGroup
from orchestrator.resources.docker_restart import restart_with
from orchestrator.resources.leftovers import UnfinishedCopies
from orchestrator.runs import control, fetch
from orchestrator.runs.glance import glance_script
from orchestrator.runs.launch import flush_page_caches, prepare
from orchestrator.runs.logs import look
from orchestrator.runs.offered import Offer, listing
from orchestrator.runs.reading import runs_script
from orchestrator.runs.receive import receive
from orchestrator.runs.run import Unreadable
from orchestrator.runs.survey import script_for
from orchestrator.runs.tensorboard import tensorboard
from orchestrator.spec.cluster import PathsSpec
from orchestrator.spec.load import load_stack
from orchestrator.stack.deploy import remove_run_folder, write_run_folder
from orchestrator.templates import render_template
from tests.resources.test_docker_restart import unit_of
from tests.runs.test_prepare import taken_in
from tests.support.clusters import sparks
from training.contract.record import RankPlace

ODD = '/srv/it\'s a "folder" $HOME/`x`'
FILE = File(b'{"it": "\'s $HOME"}\n', "640", 0, 0)
OWNER = Owner("it's me", "laptop", 42, "up", "2026-11-27T12:00:00+00:00", "0123456789abcdef")
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
RUN = "tiny-llama-lora-0a1b2c"
HERE: State = {"present": True}
GONE: State = {"present": False, "nearest": "/srv/it's"}


@dataclass
class Recorder:
    """A node that keeps what it is to run, and answers with `says`."""

    says: str = ""
    name: str = "spark-a"
    fence: Fence | None = None
    kept: list[str] = field(default_factory=list)
    docker: mock.Mock = field(default_factory=mock.Mock)

    def script(self, script: str, **_: Any) -> str:
        self.kept.append(script)
        return self.says

    @contextmanager
    def reading(self, script: str, **_: Any) -> Iterator[io.BytesIO]:
        self.kept.append(script)
        yield io.BytesIO()

    def docker_stream(self, *args: str) -> None:
        self.kept.append(args[args.index("-c") + 1])
        raise ConnectionError

    def reset_docker(self) -> None:
        """There is none."""


def catalogue() -> dict[str, str]:
    """The scripts by name, as `Node.script` and the like get them."""
    parts = (_facts, _files, _docker, _folders, _journal, _locks, _runs, _files_of_runs, _wrappers)
    return {name: text for part in parts for name, text in part().items()}


def _sent(send: Callable[[Any], object], says: str = "") -> str:
    """All that is sent there, one after the other."""
    node = Recorder(says)
    with suppress(ConnectionError):
        send(node)
    assert node.kept
    return "\n".join(node.kept)


def _facts() -> dict[str, str]:
    odd = PathsSpec(state=f"{ODD}/state", runs=f"{ODD}/runs", data="~/it's mine")
    return {
        "probe": probe_script(PathsSpec()),
        "probe-odd": probe_script(odd),
        "probe-of-a-run": probe_script(odd, whole=False),
        "glance": glance_script(odd),
        "ports": blocked_script((Door("tcp", "10.0.0.1", 2377), Door("udp", "10.0.0.1", 7946))),
    }


def _files() -> dict[str, str]:
    def copies(*files: str) -> str:
        return _applied(UnfinishedCopies("spark-a"), {"files": list(files)}, None)

    return {
        "write": write_file(ODD, FILE),
        "write-nothing": write_file(ODD, replace(FILE, content=b"")),
        "write-through": write_through(ODD, FILE),
        "remove": remove_file(ODD),
        "remove-copies": copies(f"{DAEMON_JSON}.sparkctl.a", f"{ODD}/journal/1.json.sparkctl.b"),
    }


def _docker() -> dict[str, str]:
    def engine(swarm: str | None, former: State | None, *, put_back: bool) -> str:
        one = DockerEngine("spark-a", swarm=swarm, put_back=put_back, former=former)
        return _applied(one, {"running": False}, {"running": True})

    def restart(file: File | None, **how: bool) -> str:
        return _sent(lambda node: restart_with(node, file, **how), "done\n")

    former: State = {"text": "{}", "mode": "600", "uid": 0, "gid": 0}
    group = DockerGroup("spark-a", "it's me")
    return {
        "restart": restart(FILE),
        "restart-without-file": restart(None),
        "restart-without-folder": restart(None, with_folder=False),
        "restart-unit": unit_of(restart(FILE)),
        "engine": engine(None, None, put_back=False),
        "engine-removing": engine(None, None, put_back=True),
        "engine-writing": engine(None, former, put_back=True),
        "engine-all": engine(ODD, former, put_back=True),
        "engine-swarm": engine(ODD, None, put_back=False),
        "group-in": _applied(group, {"member": False}, {"member": True}),
        "group-out": _applied(group, {"member": True}, {"member": False}),
    }


def _folders() -> dict[str, str]:
    def folder(before: State, after: State, **what: Any) -> str:
        return _applied(Directory("spark-a", ODD, **{"disposable": True, **what}), before, after)

    full = {**HERE, "made": ["home", "it's"]}
    return {
        "folder-make": folder(GONE, HERE),
        "folder-all": folder(HERE, GONE, made=ALL),
        "folder-some": folder(full, HERE),
        "folder-some-and-itself": folder(full, GONE),
        "folder-itself": folder(HERE, GONE, disposable=False),
        "folder-at-home": _applied(Directory("spark-a", "~/it's", disposable=False), GONE, HERE),
    }


def _applied(resource: Resource, before: State | None, after: State | None) -> str:
    change = Change("spark-a", resource.name, "update", "", resource.stage, before, after)
    return _sent(lambda node: resource.apply({"spark-a": node}, change))


def _journal() -> dict[str, str]:
    record = Record("0001-x.json", "desk", Directory("spark-a", ODD, False), None, HERE)
    files = ["0001-x.json", "it's.json"]
    with mock.patch("orchestrator.reconcile.journal.datetime", mock.Mock(now=lambda _: NOW)):
        written = _sent(lambda node: write(node, f"{ODD}/state", record))
    return {
        "journal-write": written,
        "journal-forget": _sent(lambda node: forget(node, f"{ODD}/state", files)),
    }


def _locks() -> dict[str, str]:
    scripts: dict[str, str] = {}
    for name, place in (("changes", lock.CHANGES), ("launch", lock.LAUNCH)):
        odd = replace(place, folder=f"{ODD}/{name}")
        node: Any = Recorder()
        with mock.patch.object(lock, "begin"), lock.locked({"spark-a": node}, odd, OWNER):
            scripts[f"lock-{name}-fence"] = node.fence.check
        scripts[f"lock-{name}-take"], scripts[f"lock-{name}-release"] = node.kept
        scripts |= {
            f"lock-{name}-{what}": _sent(send)
            for what, send in {
                "take-of-the-dead": lambda n, p=odd: lock._attempt(n, p, OWNER, dead=OWNER),
                "beat": lambda n, p=odd: _one_beat(n, p),
                "read": lambda n, p=odd: lock.read_locks({"spark-a": n}, p),
                "break": lambda n, p=odd: lock.break_locks({"spark-a": n}, p),
            }.items()
        }
    return scripts


def _one_beat(node: Any, place: lock.Place) -> None:
    over: Any = mock.Mock(spec=threading.Event, wait=mock.Mock(side_effect=[False, True]))
    lock._beat(node, place, OWNER, over, lambda error: None)


def _runs() -> dict[str, str]:
    spec = sparks(2)
    prepared = prepare(spec, load_stack("llama3-70b-lora"), taken_in(spec), {"HF_TOKEN": "x"})
    prepared = replace(prepared, image=replace(prepared.image, context=b"", base=ODD))
    first, second = prepared.ranks
    odd = replace(first, runs=ODD, cache=ODD, hub=f"{ODD}/hub", data=ODD, interface="it's")
    files = {"run.json": "{}", "stack.yml": "it: 's"}
    rank = replace(odd, uid="1000", gid="1000")

    def folder(*, is_new: bool) -> str:
        return _sent(lambda node: write_run_folder(node, rank, RUN, files, is_new=is_new))

    return {
        "runs": runs_script(ODD, None),
        "runs-at-home": runs_script("~/it's", None),
        "runs-one": runs_script(ODD, "it's one"),
        "preflight-first": script_for(spec, prepared, odd),
        "preflight-second": script_for(spec, prepared, second),
        "run-folder": folder(is_new=True),
        "run-folder-again": folder(is_new=False),
        "run-folder-remove": _sent(lambda node: remove_run_folder(node, rank, RUN)),
        "flush": _sent(lambda node: flush_page_caches([node])),
        "stop": control._stop(ODD),
        "taken": render_template("runs/taken.sh.j2", runs="~/it's", run=RUN),
        "shell": render_template("runs/shell.sh.j2"),
        "free": render_template("node/free.sh.j2"),
        "delete": _deleted(),
    }


def _deleted() -> str:
    spec = replace_runs(sparks(1), f"{ODD}/runs")
    run = Unreadable(RUN, "", {})
    with mock.patch.object(control, "remove"):
        return _sent(lambda node: control.delete(spec, run, {"spark-a": node}))


def replace_runs(spec: Any, runs: str) -> Any:
    """The cluster with another folder of runs."""
    return spec.model_copy(update={"paths": spec.paths.model_copy(update={"runs": runs})})


def _files_of_runs() -> dict[str, str]:
    place = RankPlace(
        rank=1, node="spark-a", folder=f"{ODD}/{RUN}", address="10.0.0.1", interface="eth0"
    )
    record: Any = mock.Mock(ranks=(place,))
    record.model_dump_json.return_value = "{}"
    run: Any = mock.Mock(record=record)
    run.name = RUN
    offers = [Offer("it's one.txt", 12, "0" * 64), Offer("two", 3, "0" * 64)]

    def board(node: Any) -> None:
        with tensorboard(node, "image", place, only=True):
            pass

    landing: Any = mock.Mock()
    received = Recorder()
    with suppress(Exception):  # nothing comes
        receive(received, place.folder, offers, landing)  # type: ignore[arg-type]
    names = listing(place.folder, 1, live=True)
    return {
        "log": look(place, 4096),
        "log-sizes": _sent(lambda node: control.log_sizes(record, {"spark-a": node}), "0"),
        "list-first": listing(place.folder, 0, live=False),
        "list-live": names,
        "list-sums": _word_after(names, "sh -c "),
        "receive": "\n".join(received.kept),
        "deployed": _sent(lambda node: fetch._remembered(run, {"spark-a": node})),
        "tensorboard": _sent(board).partition("\n")[2],
    }


def _word_after(script: str, words: str) -> str:
    return shlex.split(script.partition(words)[2])[0]


def _wrappers() -> dict[str, str]:
    """One line each, which Python puts together; and the lab's own."""
    marks = Marks("sparkctl-0123456789abcdef")
    lines = {
        "bounded": bounded("true", 5),
        "marks": marks.around("true"),
        "marks-before": marks.before("true"),
        "root": escalate.escalated("true", "root"),
        "root-or-docker": escalate.escalated("true", "docker"),
        "root-with-password": escalate.escalated_with_password("true", tried=False),
    }
    inner = {name: shlex.split(line)[2] for name, line in lines.items()}
    skip = {"root-skipping": _word_after(inner["root-with-password"], "-- sh -c ")}
    return {**inner, **skip, "lab-status": SCRIPT, "lab-pack": PACK}
