"""Runs are brought here: from real folders, by real shells, through streams that may break."""

import base64
import errno
import hashlib
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import ConnectError, RunError
from orchestrator.node.connection import Completed, Stream
from orchestrator.runs import landing, offered, receive
from orchestrator.runs.fetch import Fetched, fetch
from orchestrator.runs.run import Run
from orchestrator.stack.tasks import Task
from orchestrator.testing.connection import printed
from tests.runs.folders import RUN, Cluster, Unwrapped
from tests.support.stand_ins import stand_in
from training.contract.files import RECORD, RECORDS
from training.contract.record import RunRecord

BIG = bytes(range(256)) * 3000


class Faulty(Unwrapped):
    """This computer, which may lie, change its files, or be cut off."""

    instead_of_listing: bytes | None = None
    instead_of_files: bytes | None = None
    before_files = ":"
    """Shell, after the look and before the first byte."""
    cut_after: int | None = None
    """Bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.received = 0
        self.timeouts: list[float | None] = []

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        if self.instead_of_listing is None or b"sha256sum" not in stdin:
            return super().run(command, stdin, deadline=deadline)
        return Completed(0, printed(command, base64.b64encode(self.instead_of_listing)), b"")

    def open(self, command: str, first: bytes) -> Stream:
        password, *script = first.split(b"\n")
        if self.instead_of_files is not None:
            script = [b"base64 -d <<'END'", base64.encodebytes(self.instead_of_files), b"END"]
        lines = [password, self.before_files.encode(), *script, b""]
        return Watched(super().open(command, b"\n".join(lines)), self)


@dataclass
class Watched:
    """A stream that is counted, and perhaps cut off."""

    inner: Stream
    on: Faulty

    def makefile(self, mode: str = "r", buffering: int = -1) -> Any:
        file = self.inner.makefile(mode, buffering)
        read = file.read

        def counted(size: int) -> bytes:
            left = size if self.on.cut_after is None else self.on.cut_after - self.on.received
            data: bytes = read(max(0, min(size, left)))
            self.on.received += len(data)
            return data

        file.read = counted
        return file

    def sendall(self, data: bytes, /) -> object:
        return self.inner.sendall(data)

    def recv(self, size: int, /) -> bytes:
        return self.inner.recv(size)

    def settimeout(self, seconds: float | None, /) -> None:
        self.on.timeouts.append(seconds)
        self.inner.settimeout(seconds)

    def close(self) -> None:
        self.inner.close()


@dataclass
class Desk:
    """A cluster whose run is fetched to `to`, and what was said."""

    cluster: Cluster
    to: Path
    said: list[str] = field(default_factory=list)
    machines: tuple[Faulty, Faulty] = field(default_factory=lambda: (Faulty(), Faulty()))

    def __post_init__(self) -> None:
        for name, machine in zip(("spark-a", "spark-b"), self.machines, strict=True):
            self.cluster.connections[name] = self.cluster.nodes[name].connection = machine

    @property
    def run(self) -> Run:
        return Run(self.cluster.record, {}, (), {})

    @property
    def here(self) -> Path:
        return self.to / RUN

    @property
    def temp(self) -> Path:
        return self.to / f".{RUN}.part"

    def put(self, rank: int, name: str, content: bytes = b"x") -> Path:
        file = self.cluster.run_folder(rank) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def fetch(self, run: Run | None = None) -> Fetched:
        self.said.clear()
        return fetch(run or self.run, self.cluster.nodes, self.to, self.said.append)

    def files(self) -> dict[str, bytes]:
        """Those that came from the nodes."""
        paths = (path for path in self.here.rglob("*") if path.is_file())
        found = {str(path.relative_to(self.here)): path.read_bytes() for path in paths}
        record = RunRecord.model_validate_json(found.pop(RECORD))
        assert record == self.cluster.record
        return found

    @property
    def record_size(self) -> int:
        return (self.here / RECORD).stat().st_size


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(Cluster(tmp_path / "nodes"), tmp_path / "to")
    yield made
    for machine in made.machines:
        machine.close()


def everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_what_all_ranks_have_made_arrives(desk: Desk) -> None:
    for name in ("adapter/model.safetensors", "it's a $(file) -e", "-epoch1.json", "ünï.txt"):
        desk.put(0, name, BIG)
    desk.put(0, "log-rank0.txt", b"")
    desk.put(1, "log-rank1.txt", b"one")
    desk.put(1, "debug/stacks-rank1.txt")
    desk.put(1, "adapter/model.safetensors", b"what all ranks have comes from rank 0")
    for name in ("checkpoints/rank0/step-1/state.pt", "stop", ".hidden", ".x/y", "a.tmp", RECORD):
        desk.put(0, name)
    fetched = desk.fetch()
    assert desk.files() == {
        "adapter/model.safetensors": BIG, "it's a $(file) -e": BIG, "-epoch1.json": BIG,
        "ünï.txt": BIG, "log-rank0.txt": b"", "log-rank1.txt": b"one",
        "debug/stacks-rank1.txt": b"x",
    }  # fmt: skip
    assert fetched == Fetched(desk.here, 8, 4 * len(BIG) + 4 + desk.record_size, ())
    assert everything_below(desk.to) >= {RUN} and not desk.temp.exists()
    assert desk.said[0] == f"5 files from spark-a, {4 * len(BIG) / 1e6:,.1f} MB"
    with pytest.raises(RunError, match="is there already"):
        desk.fetch()


def test_what_was_deployed_comes_from_where_no_container_can_write(desk: Desk) -> None:
    desk.put(0, "deploy.json", b"planted")
    desk.put(0, "run.json", b"planted")
    desk.put(0, f"../{RECORDS}/{RUN}/deploy.json", b"true")
    desk.put(1, f"../{RECORDS}/{RUN}/deploy.json", b"of another node")
    fetched = desk.fetch()
    assert desk.files() == {"deploy.json": b"true"}
    assert (fetched.files, fetched.left_out) == (2, ())


def test_a_name_that_is_no_run_leads_nowhere(desk: Desk, tmp_path: Path) -> None:
    desk.put(0, "log-rank0.txt")
    for name in (
        "../elsewhere",
        str(tmp_path / "autostart"),
        "..",
        "",
        ".",
        "Tiny",
        "-x",
        "x" * 38,
    ):
        before = everything_below(tmp_path)
        record = desk.cluster.record.model_copy(update={"run": name})
        with pytest.raises(RunError, match="no name of a run"):
            desk.fetch(replace(desk.run, record=record))
        assert everything_below(tmp_path) == before


# What a node may answer instead of what was asked.


def lying(desk: Desk, rank: int, *names: str, content: bytes = b"theirs") -> None:
    """This rank's node offers files of these names, and sends what it has promised."""
    connection = desk.machines[rank]
    digest = hashlib.sha256(content).hexdigest()
    lines = b"".join(f"{digest} {len(content)} ".encode() + os.fsencode(n) + b"\0" for n in names)
    connection.instead_of_listing = lines
    connection.instead_of_files = (b"+" + content) * len(names)


EVIL = (
    "/tmp/absolute", "../../.bashrc", "a/../../b", "..", "a/..", "./a", "a//b", "a/", "",
    "new\nline", "bell\x07", "esc\x1b[2J", "over\u202eride", "\udcff", "back\\slash", ".ssh/config",
    "a/.git/hooks", "nul", "CON.txt", "dot.", "space ", "a" * 241, "/".join("a" * 17),
    "/".join(["b" * 200] * 6),
)  # fmt: skip


@pytest.mark.parametrize("name", EVIL, ids=lambda name: repr(name)[:20])
def test_a_name_from_a_node_never_leads_out(desk: Desk, tmp_path: Path, name: str) -> None:
    """Neither the name nor its content arrives anywhere, and the rest does."""
    lying(desk, 0, name, "good.txt")
    desk.machines[0].instead_of_files = b"+theirs"
    outside = everything_below(tmp_path)
    fetched = desk.fetch()
    assert desk.files() == {"good.txt": b"theirs"}
    assert everything_below(tmp_path) - outside == {
        "to", f"to/{RUN}", f"to/{RUN}/good.txt", f"to/{RUN}/run.json",
    }  # fmt: skip
    if name:
        assert fetched.left_out == (name,)
        assert any(line.startswith(f"left out: {name!r}: ") for line in desk.said)


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("a", "a"), {"a"}),
        (("Model", "model"), {"Model"}),
        (("a/b", "A/c"), {"a/b"}),
        (("a", "a/b"), {"a"}),
        (("a/b", "a"), {"a/b"}),
        (("stra\u00dfe", "STRASSE"), {"stra\u00dfe"}),
        (("\u00e9", "e\u0301"), {"\u00e9"}),
        (("a", RECORD), {"a"}),
        (("a", "Run.json/b"), {"a"}),
        (("a", "deploy.json"), {"a"}),
    ],
)
def test_two_names_of_one_file_are_one_file(
    desk: Desk, names: tuple[str, ...], taken: set[str]
) -> None:
    lying(desk, 0, *names)
    desk.machines[0].instead_of_files = b"+theirs"
    assert desk.fetch().left_out == names[1:]
    assert set(desk.files()) == taken


def test_each_node_speaks_for_its_own_rank(desk: Desk) -> None:
    lying(desk, 1, "adapter/model.safetensors", "log-rank0.txt", "log-rank10.txt", "log-rank1.txt")
    desk.machines[1].instead_of_files = b"+theirs"
    desk.put(0, "log-rank1.txt", b"forged")
    desk.put(0, "of-rank7.txt", b"of nobody in this run")
    fetched = desk.fetch()
    assert desk.files() == {"log-rank1.txt": b"theirs", "of-rank7.txt": b"of nobody in this run"}
    assert set(fetched.left_out) == {
        "log-rank1.txt", "adapter/model.safetensors", "log-rank0.txt", "log-rank10.txt",
    }  # fmt: skip


def test_more_files_than_a_run_has_are_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offered, "FILES", 3)
    for number in range(5):
        desk.put(0, f"{number}.txt")
    with pytest.raises(RunError, match=r"spark-a has more than 3 files"):
        desk.fetch()
    assert not desk.here.exists()


def test_more_bytes_than_there_is_room_for_are_refused_before_they_come(desk: Desk) -> None:
    connection = desk.machines[0]
    connection.instead_of_listing = f"{'0' * 64} {10**15 - 1} huge.bin\0".encode()
    with pytest.raises(RunError, match=r"1,000,000.0 GB are to come, and .* has room for"):
        desk.fetch()
    assert connection.timeouts == []  # nothing was asked for


def test_a_listing_that_makes_no_sense_is_no_file(desk: Desk) -> None:
    connection = desk.machines[0]
    bad = ["", "words", f"{'0' * 64} -1 a", f"{'z' * 64} 1 b", f"{'0' * 64} {'9' * 30} c"]
    connection.instead_of_listing = "\0".join(bad).encode()
    assert desk.fetch() == Fetched(desk.here, 1, desk.record_size, ())


# Links, and other things that are no files.


def test_no_link_of_a_run_folder_is_followed(desk: Desk, tmp_path: Path) -> None:
    """Neither one to a file, nor one to a folder, nor a pipe that nobody writes to."""
    secret = tmp_path / "id_ed25519"
    secret.write_bytes(b"a private key")
    folder = desk.cluster.run_folder(0)
    (folder / "log-rank0.txt").symlink_to(secret)
    (folder / "adapter").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    desk.put(0, "good.txt")
    desk.fetch()
    assert desk.files() == {"good.txt": b"x"}


@pytest.mark.parametrize("swap", ["file", "folder"])
@pytest.mark.parametrize("when", ["before the sums", "before the bytes"])
def test_no_link_is_followed_that_came_after_the_look(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: str, when: str
) -> None:
    """The container puts a link where a file, or the folder that it is in, was a moment ago."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "model").write_bytes(b"a private key")
    file = desk.put(0, "adapter/model", b"weights")
    target, link = (file, tmp_path / "keys" / "model") if swap == "file" else (
        file.parent, tmp_path / "keys",
    )  # fmt: skip
    change = f"mv '{target}' '{tmp_path}/aside'; ln -s '{link}' '{target}'"
    if when == "before the sums":
        looked = f"""\
/usr/bin/find "$@" >{tmp_path}/found.$$
case $PWD in *spark-a*) {change} ;; esac
cat {tmp_path}/found.$$"""
        stand_in(tmp_path / "bin", "find", looked)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        assert desk.fetch().left_out == ("adapter/model",)
    else:
        desk.machines[0].before_files = change
        with pytest.raises(RunError, match="did not arrive as spark-a has it"):
            desk.fetch()
    for path in desk.to.rglob("*"):
        assert not path.is_file() or path.read_bytes() != b"a private key"


def test_links_that_lie_where_the_run_would_come_to_are_not_followed(
    desk: Desk, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "model").write_bytes(b"mine")
    desk.put(0, "adapter/model", b"weights")
    desk.put(0, "log-rank0.txt", b"log")
    desk.temp.mkdir(parents=True)
    (desk.temp / "adapter").symlink_to(elsewhere)
    (desk.temp / "log-rank0.txt").symlink_to(elsewhere / "model")
    desk.fetch()
    assert desk.files() == {"adapter/model": b"weights", "log-rank0.txt": b"log"}
    assert everything_below(elsewhere) == {"model"}
    assert (elsewhere / "model").read_bytes() == b"mine"
    assert not any(path.is_symlink() for path in desk.here.rglob("*"))


def test_a_temporary_folder_that_is_a_link_is_refused(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    desk.to.mkdir()
    desk.temp.symlink_to(tmp_path / "elsewhere")
    desk.put(0, "a")
    with pytest.raises(RunError, match="could not be written"):
        desk.fetch()
    assert everything_below(tmp_path / "elsewhere") == set()


# What is not as it was promised.


def test_bytes_that_are_others_are_not_taken(desk: Desk) -> None:
    lying(desk, 0, "model")
    desk.machines[0].instead_of_files = b"+others"
    with pytest.raises(RunError, match="model did not arrive as spark-a has it"):
        desk.fetch()
    assert not desk.here.exists()


def test_a_file_that_has_gone_meanwhile_is_named(desk: Desk) -> None:
    gone = desk.put(0, "gone")
    desk.put(0, "stays")
    desk.machines[0].before_files = f"rm '{gone}'"
    with pytest.raises(RunError, match="gone did not arrive as spark-a has it"):
        desk.fetch()
    assert not desk.here.exists()
    desk.fetch()
    assert set(desk.files()) == {"stays"}


def test_a_log_that_grows_while_the_run_lives_comes_as_it_was(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = desk.put(0, "log-rank0.txt", b"one line\n")
    desk.put(0, "heartbeat-rank0.json")
    desk.put(1, "heartbeat-rank1.json")
    metrics = desk.put(0, "metrics-rank0.jsonl", b"{}\n")
    stand_in(tmp_path / "bin", "stat", f"/usr/bin/stat \"$@\"; echo '{{}}' >>'{metrics}'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    desk.machines[0].before_files = f"echo more >>'{log}'; echo more >>'{metrics}'"
    desk.fetch(replace(desk.run, tasks=(Task(0, "running"), Task(1, "running"))))
    assert desk.files() == {"log-rank0.txt": b"one line\n", "metrics-rank0.jsonl": b"{}\n"}
    assert desk.said[0] == f"{RUN} is running: this is how it stands now"


# Adapters on the way, the oldest of which go while a run goes on.

ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "tokenizer.json")


def with_adapters(desk: Desk, *steps: int) -> dict[str, bytes]:
    names = [f"adapters/step-{step}/{file}" for step in steps for file in ADAPTER]
    for name in names:
        desk.put(0, name, name.encode())
    desk.put(0, "adapters/.step-60.tmp/adapter_model.safetensors", b"half written")
    return {name: name.encode() for name in names}


@pytest.mark.parametrize("live", [False, True])
def test_adapters_on_the_way_arrive(desk: Desk, live: bool) -> None:
    there = with_adapters(desk, 20, 40)
    tasks = (Task(0, "running"), Task(1, "running")) if live else ()
    assert desk.fetch(replace(desk.run, tasks=tasks)).left_out == ()
    assert desk.files() == there


@pytest.mark.parametrize("when", ["before the sums", "before the bytes"])
@pytest.mark.parametrize("gone", ["", "/adapter_model.safetensors"])
def test_of_an_adapter_that_goes_meanwhile_nothing_comes(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, gone: str
) -> None:
    there = with_adapters(desk, 20, 40)
    prune = f"rm -rf '{desk.cluster.run_folder(0)}/adapters/step-20{gone}'"
    if when == "before the sums":
        looked = f"""\
/usr/bin/find "$@" >{tmp_path}/found.$$
case $PWD in *spark-a*) {prune} ;; esac
cat {tmp_path}/found.$$"""
        stand_in(tmp_path / "bin", "find", looked)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    else:
        desk.machines[0].before_files = prune
    running = replace(desk.run, tasks=(Task(0, "running"), Task(1, "running")))
    fetched = desk.fetch(running)
    assert desk.files() == {name: there[name] for name in there if "step-40" in name}
    assert everything_below(desk.here / "adapters") == {
        "step-40", *(f"step-40/{file}" for file in ADAPTER),
    }  # fmt: skip
    assert fetched.files == 1 + len(ADAPTER) and "adapters/step-20" in fetched.left_out
    assert "left out: 'adapters/step-20': it was pruned meanwhile" in desk.said


def test_an_adapter_of_a_run_that_is_over_does_not_go(desk: Desk) -> None:
    with_adapters(desk, 20, 40)
    desk.machines[0].before_files = f"rm -rf '{desk.cluster.run_folder(0)}/adapters/step-20'"
    with pytest.raises(RunError, match=r"adapters/step-20/.* did not arrive as spark-a has it"):
        desk.fetch()


# What breaks on the way, and goes on.


def test_a_cut_connection_is_told_and_the_next_try_goes_on(desk: Desk) -> None:
    contents = {f"{number}.bin": bytes([number]) * 70_000 for number in range(8)}
    for name, content in contents.items():
        desk.put(0, name, content)
    desk.put(0, "empty", b"")
    connection = desk.machines[0]
    connection.cut_after = 300_000
    with pytest.raises(ConnectError, match="spark-a was lost while files came") as caught:
        desk.fetch()
    assert "Run the same command again" in str(caught.value.resolution)
    assert not desk.here.exists()
    came = len(list(desk.temp.glob("*.bin")))
    assert came >= 4
    connection.cut_after, connection.received = None, 0
    assert desk.fetch().files == 10
    assert desk.files() == contents | {"empty": b""}
    assert connection.received < sum(map(len, contents.values())) - 3 * 70_000
    assert any(" of them are here already" in line for line in desk.said)
    assert not desk.temp.exists()


def test_what_an_earlier_try_left_and_is_wrong_or_unwanted_goes(desk: Desk) -> None:
    desk.put(0, "a/model", b"right")
    desk.put(0, "b", b"right")
    for name in ("a/model/deep/x", "b", "old/z"):
        (desk.temp / name).parent.mkdir(parents=True, exist_ok=True)
        (desk.temp / name).write_bytes(b"wrong")
    desk.fetch()
    assert desk.files() == {"a/model": b"right", "b": b"right"}
    assert everything_below(desk.here) == {"a", "a/model", "b", RECORD}


def test_a_node_that_falls_silent_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "_SILENCE", 0.2)
    desk.put(0, "a")
    desk.machines[0].before_files = "exec sleep 60"
    with pytest.raises(ConnectError, match="was lost") as caught:
        desk.fetch()
    assert "silent" in str(caught.value.details)


def test_a_slow_disk_has_more_patience_than_a_connection_takes_to_open(desk: Desk) -> None:
    desk.put(0, "a")
    desk.fetch()
    assert desk.machines[0].timeouts[-1] == 60


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "Make room there"), (errno.EDQUOT, "Make room there"), (errno.EIO, "Fix that")],
)
def test_a_disk_here_that_takes_no_more_is_named(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    desk.put(0, "model", BIG)

    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(landing.os, "fsync", full)
        with pytest.raises(
            RunError, match=f"model could not be written: {os.strerror(number)}"
        ) as e:
            desk.fetch()
    assert str(e.value.resolution).startswith(says)
    assert not desk.here.exists()
    assert desk.fetch().files == 2


def test_a_file_that_grows_too_large_for_this_disk_is_named(desk: Desk) -> None:
    """While it is written, which a large one is long before its end."""
    desk.put(0, "model", BIG * 5)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(RunError, match="model could not be written: File too large"):
            desk.fetch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert desk.fetch().files == 2


def test_a_folder_that_may_not_be_written_is_named(desk: Desk) -> None:
    desk.put(0, "a")
    desk.to = Path("/proc/of-nobody")  # also root may not
    with pytest.raises(RunError, match=r"/proc/of-nobody/.* could not be written: ") as caught:
        desk.fetch()
    assert "--to" in str(caught.value.resolution)


def test_a_file_where_the_folder_should_be_is_named(desk: Desk) -> None:
    desk.to.write_text("a file")
    with pytest.raises(RunError, match="could not be written"):
        desk.fetch()


def test_one_fetches_at_a_time(desk: Desk) -> None:
    desk.put(0, "a")
    with (
        landing.Landing.opened(desk.to, RUN),
        pytest.raises(RunError, match=f"{RUN} is being fetched to {desk.to} already"),
    ):
        desk.fetch()
    desk.fetch()
