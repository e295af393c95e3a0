"""`sparkctl init`: one list of all that is to be fixed, and a cluster file."""

import io
import json
import sys
from pathlib import Path

import pytest

from orchestrator.api import init as used
from orchestrator.api.init import candidates, draft
from orchestrator.cli import asking
from orchestrator.errors import (
    AuthenticationError,
    ConnectError,
    HostKeyError,
    SpecError,
    UnknownHostKeyError,
)
from orchestrator.node.connection import Completed
from orchestrator.spec.load import load_cluster
from tests.cli.conftest import Ran, Sparkctl
from tests.support.clusters import changed
from tests.support.fakes import FakeCluster
from tests.support.generated import Generated

GIB = 2**20  # in kilobytes, as df has it
HOSTS = ("nvidia@spark-a.local", "nvidia@spark-b.local")


@pytest.fixture
def init(sparkctl: Sparkctl, site: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> "Sparkctl":
    """`init` of the two machines of the example, out of their boxes."""
    for machine in site.machines.values():
        free = f"{900 * GIB}\n{900 * GIB}\n".encode()
        machine.failing = {"df -Pk": Completed(0, free, b"")}
    monkeypatch.setattr(used, "login_source", lambda: "from the variable HF_TOKEN")

    def run(*args: str) -> Ran:
        return sparkctl("init", *args, file=None)

    return run


def lines(ran: Ran, word: str) -> list[str]:
    return [line.strip() for line in ran.stdout.splitlines() if line.split()[:1] == [word]]


def test_two_sparks_out_of_their_boxes(
    init: Sparkctl, sparkctl: Sparkctl, site: FakeCluster
) -> None:
    ran = init(*HOSTS)
    assert (ran.code, ran.stderr) == (0, "")
    assert lines(ran, "FIX") == lines(ran, "?") == lines(ran, "note") == []
    for check in ("reachable", "host key", "ssh key", "sudo", "docker", "gpu", "fabric", "disk"):
        assert sum(line.startswith(f"ok   {check} ") for line in lines(ran, "ok")) == 2, check
    assert "ok   gpu           NVIDIA GB10, driver 580.95.05" in ran.stdout
    assert "token from the variable HF_TOKEN" in ran.stdout
    assert "next: sparkctl cluster plan" in ran.stdout
    assert [node.name for node in load_cluster(Path("cluster.yaml")).nodes] == [
        "spark-a", "spark-b",
    ]  # fmt: skip
    assert all(not machine.changes or "df -Pk" in machine.changes[0]
               for machine in site.machines.values())  # fmt: skip
    planned = sparkctl("cluster", "plan", file=None)
    assert (planned.code, " changes" in planned.stdout) == (0, True), planned.stderr


def test_everything_that_is_wrong_is_said_at_once(init: Sparkctl, site: FakeCluster) -> None:
    """Of one machine that is away, and one that has several faults."""
    site.refused = {
        "spark-a": ConnectError("spark-a cannot be reached", resolution="Is it switched on?"),
    }
    machine = site.machines["spark-b"]
    machine.facts = changed(machine.facts, {"gpus": [], "nvidia_runtime": None, "addresses": []})
    ran = init(*HOSTS)
    assert ran.code == 6
    assert [line.split()[1] for line in lines(ran, "FIX")] == [
        "reachable", "gpu", "gpu", "fabric",
    ]  # fmt: skip
    assert "→ Is it switched on?" in ran.stdout
    assert "not looked at yet: host key, ssh key, sudo, docker" in ran.stdout
    assert "→ Install the NVIDIA Container Toolkit" in ran.stdout
    assert "4 of 14 things are to be fixed" in ran.stderr
    assert Path("cluster.yaml").exists()
    assert "look again: sparkctl init --check-only" in ran.stderr
    site.refused = {}
    again = init("--check-only")
    assert [line.split()[1] for line in lines(again, "FIX")] == ["gpu", "gpu", "fabric"]


@pytest.mark.parametrize(("error", "step", "fix"), [
    (AuthenticationError("refused the login"), "ssh key", "ssh-copy-id nvidia@spark-b.local"),
    (HostKeyError("has CHANGED", resolution="ssh-keygen -R spark-b"), "host key", "ssh-keygen -R"),
])  # fmt: skip
def test_a_step_that_fails_has_its_command(
    init: Sparkctl, site: FakeCluster, error: ConnectError, step: str, fix: str
) -> None:
    site.refused = {"spark-b": error}
    ran = init(*HOSTS)
    (line,) = lines(ran, "FIX")
    assert line.removeprefix("FIX ").strip().startswith(f"{step} ")
    assert fix in ran.stdout
    assert sum(one.startswith("ok   reachable") for one in lines(ran, "ok")) == 2


def test_what_fails_before_and_after_the_login(init: Sparkctl, site: FakeCluster) -> None:
    site.refused = {"spark-a": SpecError("~/.ssh/config does not lead there")}
    machine = site.machines["spark-b"]
    machine.failing = {"fact user; ": Completed(9, b"", b"the shell is broken")}
    ran = init(*HOSTS)
    first, second = lines(ran, "FIX")
    assert first.startswith("FIX  reachable     ~/.ssh/config does not lead there")
    assert second.startswith("FIX  reading       a step on spark-b failed")
    assert [line.split()[1] for line in lines(ran, "ok")] == ["reachable", "host", "ssh", "Hugging"]
    assert "not looked at yet: host key, ssh key, sudo, docker" in ran.stdout
    assert "not looked at yet: sudo, docker" in ran.stdout


def test_a_sudo_password_that_nobody_gave(
    init: Sparkctl, site: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for machine in site.machines.values():
        machine.wants_password = True
    ran = init(*HOSTS)
    assert len(lines(ran, "FIX")) == 2
    assert "sudo on spark-a wants a password" in ran.stdout
    monkeypatch.setenv("SPARKCTL_SUDO_PASSWORD", "right")
    ran = init(*HOSTS, "--force")
    assert (ran.code, ran.stdout.count("works, with the password")) == (0, 2)
    assert "right" not in ran.stdout.replace("all rights", "")


def test_less_disk_than_a_large_model_takes_is_a_note(init: Sparkctl, site: FakeCluster) -> None:
    free = f"{100 * GIB}\n{900 * GIB}\n".encode()
    site.machines["spark-a"].failing = {"df -Pk": Completed(0, free, b"")}
    ran = init(*HOSTS)
    assert ran.code == 0
    assert lines(ran, "note")[0].startswith("note disk          100 GiB free for models, 900 GiB")
    free = f"{1 * GIB}\n{900 * GIB}\n".encode()
    site.machines["spark-a"].failing = {"df -Pk": Completed(0, free, b"")}
    assert init(*HOSTS, "--check-only").code == 6


def test_a_file_that_is_there_stays(init: Sparkctl, site: FakeCluster) -> None:
    mine = Path("cluster.yaml")
    mine.write_text("mine\n")
    ran = init(*HOSTS, "--yes")
    assert (ran.code, mine.read_text(), site.connected) == (8, "mine\n", [])
    assert "Add --force" in ran.stderr
    assert init(*HOSTS, "--check-only").code == 0
    assert mine.read_text() == "mine\n"
    assert init(*HOSTS, "--force").code == 0
    assert load_cluster(mine).name == "sparks"
    assert [path.name for path in Path().iterdir() if "cluster" in path.name] == ["cluster.yaml"]


def test_a_file_that_comes_meanwhile_stays(
    init: Sparkctl, site: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = used.first_look
    mine = Path("cluster.yaml")

    def meanwhile(*args: object) -> object:
        mine.write_text("mine\n")
        return look(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(used, "first_look", meanwhile)
    assert init(*HOSTS).code == 8
    assert mine.read_text() == "mine\n"


def unknown(tmp_path: Path) -> UnknownHostKeyError:
    line = ("spark-b.local", "ssh-ed25519", "AAAA")
    return UnknownHostKeyError(
        "the host key of spark-b is not known", tmp_path / "known_hosts", line,
        details="it shows ssh-ed25519 SHA256:abc", resolution="Look at it once with: ssh …",
        node="spark-b",
    )  # fmt: skip


@pytest.mark.parametrize(("answer", "options", "code", "written"), [
    ("y\n", (), 0, "spark-b.local ssh-ed25519 AAAA\n"),
    ("n\n", (), 6, None), ("", (), 6, None), ("y\n", ("--yes",), 6, None),
])  # fmt: skip
def test_a_host_key_is_taken_only_with_a_yes(
    init: Sparkctl, site: FakeCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    answer: str, options: tuple[str, ...], code: int, written: str | None,
) -> None:  # fmt: skip
    """Exactly the one that was shown; without a terminal, or with --yes, none."""
    file = tmp_path / "known_hosts"
    site.refused = {"spark-b": unknown(tmp_path)}
    write = used.write_down

    def write_down(*args: object) -> None:
        write(*args)  # type: ignore[arg-type]
        site.refused = {}

    monkeypatch.setattr(used, "write_down", write_down)
    monkeypatch.setattr(asking, "is_terminal", lambda: bool(answer))
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    ran = init(*HOSTS, *options)
    assert ran.code == code
    assert (file.read_text() if file.exists() else None) == written
    if answer and not options:
        assert "ssh-ed25519 SHA256:abc" in ran.stderr
        assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in ran.stderr
    if code:
        assert "SHA256:abc" in ran.stdout and "→ Look at it once with: ssh" in ran.stdout


def test_for_programs(init: Sparkctl, site: FakeCluster) -> None:
    site.refused = {"spark-b": AuthenticationError("refused", node="spark-b")}
    ran = init(*HOSTS, "--json")
    document = json.loads(ran.stdout)
    assert (ran.code, document["kind"], document["ok"]) == (6, "InitReport", False)
    assert document["file"] == "cluster.yaml"
    failed = [one for one in document["checks"] if one["state"] == "fix"]
    assert [(one["node"], one["check"]) for one in failed] == [("spark-b", "ssh key")]
    assert failed[0]["fix"].endswith("ssh-copy-id nvidia@spark-b.local")


def test_what_a_machine_says_moves_no_cursor(init: Sparkctl, site: FakeCluster) -> None:
    site.refused = {"spark-b": ConnectError("\x1b[2Jaway", details="a\x1b[1Ab")}
    ran = init(*HOSTS)
    assert "\x1b" not in ran.stdout


def test_without_hosts_and_without_a_terminal(
    init: Sparkctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.api.init.candidates", lambda *_, **__: ["spark-x"])
    ran = init()
    assert (ran.code, "have: spark-x" in ran.stderr) == (3, True)
    assert "sparkctl init HOST HOST" in ran.stderr


def test_at_a_terminal_the_likely_ones_are_offered(
    init: Sparkctl, site: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ["github.com", "nvidia@spark-a", "nvidia@spark-b"]
    monkeypatch.setattr("orchestrator.api.init.candidates", lambda *_, search: known * search)
    monkeypatch.setattr("orchestrator.cli.init.is_terminal", lambda: True)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    ran = init()
    assert "[nvidia@spark-a nvidia@spark-b]" in ran.stderr
    assert (ran.code, sorted(site.connected)) == (0, ["spark-a", "spark-b"])


def test_hosts_of_ssh_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "more").write_text('Host "spark-b" spark-?\n  User me\nhost=spark-c\n')
    config = tmp_path / "config"
    config.write_text(f"Include {tmp_path}/more\nHost *\nHOST spark-a !spark-z spark-b # no\n")
    monkeypatch.setattr(used.shutil, "which", lambda program: None)
    assert candidates(str(config)) == ["spark-b", "spark-c", "spark-a"]
    monkeypatch.setattr(used.shutil, "which", lambda program: f"/usr/bin/{program}")
    assert candidates(str(config))[0] == "localhost"
    config.write_text('Host "spark\n')
    with pytest.raises(SpecError, match="cannot be read"):
        candidates(str(config))


HOSTS_OF_ALL_KINDS = (
    "nvidia@10.0.0.7", "10.0.0.8:2222", "Spark-C.local", "localhost", "me@spark-c", "[fe80::1]:22",
    "on",
)  # fmt: skip


def test_the_file_that_is_written(
    generated: Generated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used.socket, "gethostname", lambda: "My_Laptop.lan")
    many = draft(HOSTS_OF_ALL_KINDS, tmp_path / "c.yaml", ssh_config="/home/me/it's mine")
    one = draft(["localhost"], tmp_path / "c.yaml", name="desk")
    generated("tests/golden/init-many.yaml", many.text)
    generated("tests/golden/init-one.yaml", one.text)
    for drafted in (many, one):
        (tmp_path / "c.yaml").write_text(drafted.text)
        assert load_cluster(tmp_path / "c.yaml") == drafted.spec
    assert [node.name for node in many.spec.nodes] == [
        "spark-a", "spark-b", "spark-c", "my-laptop", "spark-c-2", "spark-f", "on",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "host", ["", "a b", "x:99999", "me:secret@h", "-oProxyCommand=x", "h\nnodes: []", "@h"]
)
def test_what_is_no_host(host: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        draft([host], tmp_path / "c.yaml")
    assert "secret" not in f"{refused.value.brief}{refused.value.details}"
