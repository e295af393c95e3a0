"""Docker restarted on real machines, 26.1 and 20.10 side by side, whatever comes in between."""

import difflib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import yaml

from orchestrator.lab import LabSpec
from orchestrator.lab.wait import until
from orchestrator.resources.docker_restart import UNIT
from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl

RaiseLab = Callable[[LabSpec], AbstractContextManager[dict[str, Machine]]]
Later = Callable[[Callable[[], object]], None]

FILE = "/etc/docker/daemon.json"
DROP_IN = "/etc/systemd/system/docker.service.d/test.conf"


@pytest.fixture(scope="module")
def spec(session_name: str, tmp_path_factory: pytest.TempPathFactory) -> LabSpec:
    out = tmp_path_factory.mktemp("engines") / "cluster.yaml"
    return LabSpec(f"{session_name}-engines", suite="trixie,bookworm", out=out, train_image=False)


@pytest.fixture(scope="module")
def machines(raise_lab: RaiseLab, spec: LabSpec) -> Iterator[dict[str, Machine]]:
    with raise_lab(spec) as found:
        Sparkctl(spec.out)("cluster", "plan")  # the very first use of sudo leaves its own mark
        yield found


@pytest.fixture
def sparkctl(spec: LabSpec, machines: dict[str, Machine]) -> Iterator[Sparkctl]:
    """With the cluster down, and afterwards every machine as it was at first."""
    yield Sparkctl(spec.out)
    for machine in machines.values():
        machine.run("rm", "-rf", "/run/hold", DROP_IN.rpartition("/")[0])
        machine.run("systemctl", "daemon-reload")
    if any(m.attempt("test", "-e", "/var/lib/sparkctl")[0] == 0 for m in machines.values()):
        Sparkctl(spec.out)("cluster", "lock", "break", "--yes")
        Sparkctl(spec.out)("cluster", "down", "--yes")
    for machine in machines.values():
        machine.run("rm", "-f", FILE, "/etc/default/docker")
        restart(machine)


@contextmanager
def given_back(machines: dict[str, Machine]) -> Iterator[None]:
    """What happens inside leaves no trace."""
    before = {name: snapshot(machine) for name, machine in machines.items()}
    yield
    for name, machine in machines.items():
        lines = difflib.unified_diff(before[name].splitlines(), snapshot(machine).splitlines(), n=0)
        assert "\n".join(lines) == "", name


def restart(machine: Machine) -> None:
    machine.run("systemctl", "reset-failed", "docker")
    machine.run("systemctl", "restart", "docker")


def drop_in(machine: Machine, condition: str) -> None:
    """docker.service starts when the shell command is done, and only if it says yes."""
    machine.run("mkdir", "-p", DROP_IN.rpartition("/")[0])
    machine.put(DROP_IN, f"[Service]\nExecStartPre=/bin/sh -c '{condition}'\n".encode())
    machine.run("systemctl", "daemon-reload")


def docker_process(machine: Machine) -> str:
    return machine.run("systemctl", "show", "-p", "MainPID", "--value", "docker.service")


def runs(machine: Machine) -> bool:
    return machine.attempt("docker", "version")[0] == 0


def active(machine: Machine) -> bool:
    return machine.attempt("systemctl", "is-active", "--quiet", UNIT)[0] == 0


def started(sparkctl: Sparkctl) -> subprocess.Popen[str]:
    """`cluster up --yes`, on its way."""
    command = [sys.executable, "-m", "orchestrator", "-f", str(sparkctl.file)]
    return subprocess.Popen(
        [*command, "cluster", "up", "--yes"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_an_old_engine_serves_as_a_worker_and_not_as_the_manager(
    machines: dict[str, Machine], sparkctl: Sparkctl
) -> None:
    with given_back(machines):
        sparkctl("cluster", "up", "--yes")
        nodes = sparkctl("cluster", "status", "--check", "--json").json()["nodes"]
        assert [(n["swarm_role"], n["swarm_state"]) for n in nodes] == [
            ("manager", "ready"),
            ("worker", "ready"),
        ]
        assert "no changes" in sparkctl("cluster", "plan").stdout
        sparkctl("cluster", "down", "--yes")

        data = yaml.safe_load(sparkctl.file.read_text())
        data["nodes"].reverse()
        turned = sparkctl.file.with_name("turned.yaml")
        turned.write_text(yaml.safe_dump(data))
        refused = sparkctl("cluster", "up", "--yes", file=turned, expect=6)
        assert "the manager spark-b has Docker CLI 20.10" in refused.stderr


def test_containers_that_a_restart_stops_are_named_and_need_a_yes_of_their_own(
    machines: dict[str, Machine], sparkctl: Sparkctl, later: Later
) -> None:
    """With a runtime entry that is there already, by hand and in its own spelling."""
    machine = machines["spark-b"]
    own = b'{"runtimes":{"nvidia":{"path":"/usr/bin/nvidia-container-runtime","runtimeArgs":[]}}}'
    machine.put(FILE, own, mode="640")
    restart(machine)
    pack = "tar -chP /usr/bin/sleep $(ldd /usr/bin/sleep | grep -o '/[^ ]*') | docker import - tiny"
    machine.run("sh", "-c", pack)
    later(lambda: machine.run("docker", "image", "rm", "tiny"))
    for name, policy in (("web", "always"), ("once", "no")):
        run = ["docker", "run", "-d", "--network=none", "--name", name, f"--restart={policy}"]
        machine.run(*run, "tiny", "/usr/bin/sleep", "3600")
        later(lambda name=name: machine.run("docker", "rm", "-f", name))  # type: ignore[misc]

    def running() -> str:
        return machine.run("docker", "ps", "--format", "{{.Names}}").strip()

    with given_back(machines):
        process = docker_process(machine)
        refused = sparkctl("cluster", "up", "--yes", expect=6).stderr
        assert "spark-b: container web: stops, and comes back with Docker" in refused
        assert "spark-b: container once: stops, and stays stopped" in refused
        assert docker_process(machine) == process
        assert set(running().split()) == {"web", "once"}

        sparkctl("cluster", "up", "--yes", "--end-others")
        assert running() == "web"
        written = json.loads(machine.read(FILE))
        assert written["default-runtime"] == "nvidia"
        assert written["runtimes"] == json.loads(own)["runtimes"]  # whole as it is
        sparkctl("cluster", "down", "--yes", "--end-others")
        assert machine.read(FILE) == own
        assert running() == "web"


def test_a_file_that_dockerd_refuses_is_found_before_anything_is_replaced(
    machines: dict[str, Machine], sparkctl: Sparkctl
) -> None:
    """The user's own file, which no dockerd has read yet; both engines say so."""
    fixed = b'{ "debug": false }'
    for machine in machines.values():
        machine.put(FILE, fixed, owner="root:docker")
        machine.put("/etc/default/docker", b"DOCKER_OPTS=--log-level=info\n")
        restart(machine)
    processes = {name: docker_process(machine) for name, machine in machines.items()}
    with given_back(machines):
        for bad, says in (
            (b'{"no-such-key-in-any-docker": 1}', "no-such-key-in-any-docker"),
            (b'{"log-level": "warn"}', "log-level: (from flag: info"),
        ):
            for machine in machines.values():
                machine.put(FILE, bad)
            failed = sparkctl("cluster", "up", "--yes", expect=7)
            assert failed.stderr.count(says) == 2
            assert failed.stderr.count("E500") == 2
            assert f"with file {FILE}:" in failed.stderr
            for name, machine in machines.items():
                assert machine.read(FILE) == bad
                assert "sparkctl" not in machine.run("ls", "/etc/docker")
                assert docker_process(machine) == processes[name]
        for machine in machines.values():
            machine.put(FILE, fixed, owner="root:docker")
        sparkctl("cluster", "up", "--yes")
        sparkctl("cluster", "down", "--yes")


def test_when_docker_does_not_start_the_former_file_is_back_and_docker_runs(
    machines: dict[str, Machine], sparkctl: Sparkctl
) -> None:
    """On the one because of us, on the other already because of the user's own unread file."""
    ours, users = machines["spark-a"], machines["spark-b"]
    drop_in(ours, f"! grep -q nvidia {FILE} || {{ echo we want no nvidia; exit 1; }}")
    users.put(FILE, b'{"bip": "nonsense"}', mode="600", owner="nvidia:docker")

    failed = sparkctl("cluster", "up", "--yes", expect=7)

    assert "Docker on spark-a did not start with the new daemon.json" in failed.stderr
    assert "we want no nvidia" in failed.stderr
    assert ours.attempt("test", "-e", FILE)[0] == 1
    assert "Docker on spark-b starts neither with the new daemon.json nor with" in failed.stderr
    assert "invalid CIDR address: nonsense" in failed.stderr
    assert users.read(FILE) == b'{"bip": "nonsense"}'
    assert users.run("stat", "-c", "%a %U:%G", FILE) == "600 nvidia:docker\n"
    for machine in machines.values():
        assert runs(machine)
        assert "sparkctl" not in machine.run("ls", "/etc/docker")


def test_what_was_begun_ends_on_the_machine_without_session_and_controller(
    machines: dict[str, Machine], sparkctl: Sparkctl
) -> None:
    """Killed in the middle of the restart, which is held open for that."""
    with given_back(machines):
        for machine in machines.values():
            drop_in(machine, "while [ -e /run/hold ]; do sleep 0.1; done")
            machine.run("touch", "/run/hold")
        with started(sparkctl) as process:
            for name, machine in machines.items():
                until(
                    lambda m=machine: active(m) and not runs_now(m), what=name, deadline_seconds=60
                )
            session = "sshd.*: nvidia|systemd-run|sh -s"
            machines["spark-b"].run("pkill", "-KILL", "-f", session)
            process.kill()
        for machine in machines.values():
            assert active(machine)
            assert machine.attempt("flock", "-n", "/run/sparkctl", "true")[0] == 1
            machine.run("rm", "/run/hold")
        for name, machine in machines.items():
            until(lambda m=machine: not active(m), what=f"end on {name}", deadline_seconds=60)
            assert runs(machine)
            assert "nvidia" in machine.read(FILE).decode()
            assert machine.attempt("sh", "-c", "ls -d /run/sparkctl-restart*")[0] != 0
        sparkctl("cluster", "lock", "break", "--yes")
        sparkctl("cluster", "up", "--yes")
        assert "no changes" in sparkctl("cluster", "status", "--check").stdout
        sparkctl("cluster", "down", "--yes")
        for machine in machines.values():
            machine.run("rm", "-r", DROP_IN.rpartition("/")[0])


def runs_now(machine: Machine) -> bool:
    """Whether dockerd is there; to ask its socket would wait for it."""
    return docker_process(machine).strip() != "0"


def test_a_restart_that_somebody_left_behind_is_waited_for(
    machines: dict[str, Machine], sparkctl: Sparkctl
) -> None:
    machine = machines["spark-b"]
    machine.run("touch", "/run/hold")
    wait = "while [ -e /run/hold ]; do sleep 0.1; done"
    machine.run("systemd-run", "--collect", f"--unit={UNIT}", "sh", "-c", wait)
    process = docker_process(machine)
    with started(sparkctl) as up:
        written = "ls /var/lib/sparkctl/journal/*-daemon-json.json"
        until(
            lambda: machine.attempt("sh", "-c", written)[0] == 0, what="record", deadline_seconds=60
        )
        others = machines["spark-a"]
        until(
            lambda: others.attempt("grep", "-q", "nvidia", FILE)[0] == 0,
            what="",
            deadline_seconds=60,
        )
        assert docker_process(machine) == process
        assert machine.attempt("test", "-e", FILE)[0] == 1
        machine.run("rm", "/run/hold")
        _, stderr = up.communicate(timeout=120)
    assert up.returncode == 0, stderr
    assert "nvidia" in machine.read(FILE).decode()


def test_unfinished_copies_are_shown_and_taken_away(
    machines: dict[str, Machine], sparkctl: Sparkctl
) -> None:
    machine = machines["spark-a"]
    with given_back(machines):
        copy = f"{FILE}.sparkctl.aB3xY9"
        machine.put(copy, b"{}")
        machine.run("mkdir", "-p", "/var/lib/sparkctl/journal")
        machine.put("/var/lib/sparkctl/journal/0001-x.json.sparkctl.aB3xY9", b"{")
        assert f"remove the unfinished {copy}" in sparkctl("cluster", "down", "--yes").stdout


def test_a_key_of_ours_that_is_a_flag_is_found_in_the_plan(
    machines: dict[str, Machine], sparkctl: Sparkctl
) -> None:
    flags = {"spark-a": "--default-runtime=runc", "spark-b": "--node-generic-resource GPU=1"}
    for name, machine in machines.items():
        machine.put("/etc/default/docker", f"DOCKER_OPTS={flags[name]}\n".encode())
        restart(machine)
    refused = sparkctl("cluster", "plan", expect=6)
    assert "dockerd on spark-a is started with --default-runtime" in refused.stderr
    assert "dockerd on spark-b is started with --node-generic-resource" in refused.stderr
    assert refused.stderr.count("systemctl cat docker") == 2
