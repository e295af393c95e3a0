"""The script that reads all facts: its golden text, its grammar, and a run on this machine."""

import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import RemoteError
from orchestrator.facts.answers import PATHS
from orchestrator.facts.folders import Folder, NoFolder
from orchestrator.facts.gpu import NO_GAUGES, Gauges
from orchestrator.facts.probe import parse_facts, parse_machine, probe_script
from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node
from orchestrator.reconcile.journal import Record
from orchestrator.resources.directory import Directory
from orchestrator.spec.cluster import PathsSpec
from tests.support.generated import Generated
from tests.support.simulate import written_record
from tests.support.stand_ins import stand_in

TOOLS = (
    "sed",
    "tr",
    "getent",
    "cut",
    "id",
    "uname",
    "cat",
    "stat",
    "ls",
    "head",
    "sh",
    "sudo",
    "readlink",
    "timeout",
    "du",
    "grep",
)


def test_the_script_is_the_golden_one(generated: Generated) -> None:
    generated("tests/golden/probe.sh", probe_script(PathsSpec()))


def test_the_script_is_posix_shell() -> None:
    odd = PathsSpec(runs="~/it's $(here)", cache="/srv/a b")
    for paths in (PathsSpec(), odd):
        script = probe_script(paths).encode()
        done = subprocess.run(["sh", "-n"], input=script, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH without Docker and without NVIDIA's tools; no sudo needed for what is read here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        if found := shutil.which(tool):
            (folder / tool).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("SUDO_USER", raising=False)
    return folder


def run_probe(paths: PathsSpec) -> bytes:
    """Directly, so that no test of what it reads depends on root."""
    done = LocalConnection().run(probe_script(paths), b"", deadline=30)
    assert done.code == 0, done.stderr
    return done.stdout


def test_a_machine_without_docker_and_gpu_is_read_all_the_same(bare: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "journal").mkdir(parents=True)
    (state / "journal" / "0001-x.json").write_text('{"version": 1}\n')
    (tmp_path / "full of it").mkdir()
    (tmp_path / "full of it" / "adapter").touch()
    paths = PathsSpec(
        state=str(state),
        runs=str(tmp_path / "full of it"),
        cache=str(tmp_path / "not" / "there"),
        huggingface="~/sparkctl-is-not/there",
    )
    facts = parse_facts("here", run_probe(paths))
    me = pwd.getpwuid(os.geteuid())
    assert (facts.user, facts.uid, facts.gid) == (me.pw_name, me.pw_uid, me.pw_gid)
    assert facts.home == me.pw_dir
    assert facts.memory_bytes > 0
    machine_id = Path("/etc/machine-id")
    assert facts.machine_id == (machine_id.read_text().strip() if machine_id.exists() else "")
    assert facts.host_keys == {
        " ".join(key.read_text().split()[:2]) for key in Path("/etc/ssh").glob("ssh_host_*_key.pub")
    }
    assert (facts.docker, facts.docker_cli, facts.gpus, facts.nvidia_runtime) == (
        None, None, (), None,
    )  # fmt: skip
    assert facts.swarm_state == "inactive"
    assert facts.engine == "none"
    assert facts.journal == {"0001-x.json": {"version": 1}}
    assert isinstance(facts.folders[str(state)], Folder)
    full = facts.folders[paths.runs]
    assert isinstance(full, Folder)
    assert not full.empty
    assert facts.folders[paths.own_cache] == NoFolder(str(tmp_path))
    assert facts.folders["~/sparkctl-is-not/there/hub"] == NoFolder(me.pw_dir)


def test_what_nvidia_s_tools_say_is_read(bare: Path) -> None:
    row = "GPU-8a3b, NVIDIA GB10, 580.95.05, 97, 71.40, 68, [N/A]"
    stand_in(bare, "nvidia-smi", f'case "$*" in *uuid,name,driver_version*) echo "{row}" ;; esac')
    stand_in(bare, "nvidia-ctk", 'echo "NVIDIA Container Toolkit CLI version 1.19.0"; echo commit')
    stand_in(bare, "nvidia-container-runtime", "")
    facts = parse_facts("here", run_probe(PathsSpec()))
    (gpu,) = facts.gpus
    assert (gpu.uuid, gpu.name, gpu.driver) == ("GPU-8a3b", "NVIDIA GB10", "580.95.05")
    assert gpu.now == Gauges(97.0, 71.4, 68.0)
    assert facts.nvidia_toolkit == "NVIDIA Container Toolkit CLI version 1.19.0"
    assert facts.nvidia_runtime == str(bare / "nvidia-container-runtime")


def test_gauges_that_nvidia_smi_does_not_know_cost_no_gpu(bare: Path) -> None:
    """It then refuses the whole question, on standard output."""
    stand_in(
        bare,
        "nvidia-smi",
        'case "$*" in *power.draw*) echo "Field x is not a valid field"; exit 2 ;; esac\n'
        'echo "GPU-8a3b, NVIDIA GB10, 580.95.05"',
    )
    (gpu,) = parse_facts("here", run_probe(PathsSpec())).gpus
    assert (gpu.driver, gpu.now) == ("580.95.05", NO_GAUGES)


def test_a_client_without_an_engine_is_no_engine(bare: Path) -> None:
    """`docker info` then still prints JSON about itself."""
    stand_in(
        bare,
        "docker",
        'case $1 in --version) echo "Docker version 29.2.1, build x" ;;\n'
        'info) echo \'{"ServerVersion": "", "ClientInfo": {}}\'; exit 1 ;; *) exit 1 ;; esac',
    )
    facts = parse_facts("here", run_probe(PathsSpec()))
    assert facts.docker is None
    assert facts.docker_cli == "29.2.1"


def manager(bare: Path) -> Path:
    """A stand-in for Docker's client on a manager; the file counts its starts."""
    starts = bare / "starts"
    answers = Path(__file__).with_name("answers") / "28.5.2-manager.http"
    stand_in(
        bare,
        "docker",
        f"""echo "$1 $2" >>{starts}
case "$1 $2" in
  "info --format") echo '{{"ServerVersion":"28.5.2","Swarm":{{"ControlAvailable":true}}}}' ;;
  "ps -a") echo '0123456789ab running web ""'
           echo '0123456789ac paused r_rank0.1.x "r"'
           printf '%s\\n' '0123456789ad exited old "it\\n0123456789ae running never \\"\\""' ;;
  "inspect --format") [ "$4 $5" = "0123456789ab 0123456789ac" ] &&
                      echo '/web always false nginx:1 - -' ;;
  "system dial-stdio")
    while IFS= read -r line; do
      printf '%s\n' "$line" >>{starts}.questions
      case $line in *close*) break ;; esac
    done
    cat {answers} ;;
  *) exit 1 ;;
esac""",
    )
    return starts


def test_what_is_in_a_docker_is_asked_of_it(bare: Path) -> None:
    """Its answers are stand-ins; that the templates say this is seen in the lab."""
    starts = manager(bare)
    facts = parse_facts("here", run_probe(PathsSpec()))
    assert [f"{one.kind} {one.name}" for one in facts.strangers] == [
        "container web", "service web", "secret their-secret", "config mine", "network theirs",
    ]  # fmt: skip
    assert facts.containers == ("web", "r_rank0.1.x")
    assert facts.run_containers == ("r_rank0.1.x", "old")
    assert {"ingress", "theirs", "bridge"} <= facts.networks
    assert facts.services == ("tiny-0a1b2c_rank0",)
    assert starts.read_text().splitlines() == [
        "info --format", "--version ", "ps -a", "inspect --format", "system dial-stdio",
    ]  # fmt: skip
    asked = starts.with_suffix(".questions").read_text().splitlines()
    assert [line.split()[1] for line in asked if line.startswith("GET ")] == [*PATHS]


def test_a_machine_in_no_swarm_asks_docker_four_times(bare: Path) -> None:
    """Each start of its client costs more than the rest of the script."""
    starts = bare / "starts"
    info = """{"ServerVersion":"28.5.2","Swarm":{"ControlAvailable":false}}"""
    stand_in(bare, "docker", f"echo \"$1 $2\" >>{starts}; [ $1 != info ] || echo '{info}'")
    parse_facts("here", run_probe(PathsSpec()))
    asked = ["info --format", "--version ", "ps -a", "system dial-stdio"]
    assert starts.read_text().splitlines() == asked


ENGINE = (
    '"ServerVersion":"28.5.2","Plugins":{"Volume":["local"]},"Swarm":{"LocalNodeState":"inactive"}'
)
CE = '"Debug":false,"Platform":{"Name":"Docker Engine - Community"},'
PLUGIN = '"Plugins":[{"SchemaVersion":"0.1.0","Version":"v0.9.1","Name":"buildx"}]'


@pytest.mark.parametrize(
    ("info", "asked", "version"),
    [
        (
            f'{{"Containers":0,"Images":0,{ENGINE},"ClientInfo":{{{CE}"Version":"28.5.2+x",{PLUGIN}}}}}',
            ["info --format", "system dial-stdio"],
            "28.5.2",
        ),
        (
            f'{{"Containers":1,"Images":0,{ENGINE},"ClientInfo":{{"Version":"29.1.0",{PLUGIN}}}}}',
            ["info --format", "ps -a", "system dial-stdio"],
            "29.1.0",
        ),
        (  # before 23 it did not tell its own version
            f'{{"Containers":0,"Images":10,{ENGINE},"ClientInfo":{{"Debug":false,{PLUGIN}}}}}',
            ["info --format", "--version ", "system dial-stdio"],
            "20.10.24",
        ),
        (  # podman has another document
            '{"host":{},"plugins":{},"version":{"APIVersion":"5.4.2","Version":"5.4.2"}}',
            ["info --format", "--version ", "ps -a", "system dial-stdio"],
            "20.10.24",
        ),
    ],
)
def test_what_docker_info_has_told_is_not_asked_again(
    bare: Path, info: str, asked: list[str], version: str
) -> None:
    starts = bare / "starts"
    says = f"case $1 in info) echo '{info}' ;; --version) echo 'Docker version 20.10.24' ;; esac"
    stand_in(bare, "docker", f'echo "$1 $2" >>{starts}; {says}')
    facts = parse_facts("here", run_probe(PathsSpec()))
    assert starts.read_text().splitlines() == asked
    assert facts.docker_cli == version


def test_the_probe_runs_through_a_node(bare: Path) -> None:
    if os.geteuid() != 0:
        script = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
        (bare / "sudo").unlink(missing_ok=True)
        stand_in(bare, "sudo", script)
    output = Node("here", LocalConnection()).output(probe_script(PathsSpec()))
    assert parse_facts("here", output).user


def test_folders_that_the_journal_names_are_read_too(bare: Path, tmp_path: Path) -> None:
    """The cluster file may name others by now; the way back goes by what is on the machine."""
    made = tmp_path / "it's made $(here)"
    made.mkdir()
    record = Record("1.json", "desk", Directory("here", str(made), True), None, {"present": True})
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "1.json").write_text(json.dumps(written_record(record, "x"), indent=1))
    facts = parse_facts("here", run_probe(PathsSpec(state=str(tmp_path))))
    assert isinstance(facts.folders[str(made)], Folder)
    paths = PathsSpec()
    of_the_file = {paths.runs, paths.data, paths.own_cache, paths.hub}
    assert set(facts.folders) == {str(made), str(tmp_path), *of_the_file}


def test_what_a_run_needs_is_a_part_of_it_and_asks_docker_once() -> None:
    script = probe_script(PathsSpec(), whole=False)
    assert set(script.splitlines()) <= set(probe_script(PathsSpec()).splitlines())
    assert script.count("docker ") == 1
    here = parse_machine("here", LocalConnection().run(script, b"", deadline=30).stdout)
    assert (here.uid, here.gid) == (os.getuid(), os.getgid())
    assert here.memory_bytes > here.memory_available_bytes > 0


def test_half_of_what_a_run_needs_is_an_error() -> None:
    with pytest.raises(RemoteError, match="cannot be parsed"):
        parse_machine("here", "user\tcm9vdA==\n")


def test_what_is_in_the_way_of_a_folder_is_read(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "unmounted")
    (tmp_path / "file").touch()
    paths = PathsSpec(runs=str(tmp_path / "dangling" / "runs"), data=str(tmp_path / "file" / "x"))
    facts = parse_facts("here", run_probe(paths))
    link = f"{tmp_path}/dangling is a link to what is not there"
    assert facts.folders[paths.runs] == NoFolder(str(tmp_path), link)
    assert facts.folders[paths.data] == NoFolder(str(tmp_path), f"{tmp_path}/file is not a folder")


@pytest.mark.skipif(os.getuid() != 0, reason="only root mounts")
def test_a_file_that_cannot_be_replaced_is_read_with_the_reason(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a mount namespace of its own, where nothing outlives the test."""
    monkeypatch.setattr("orchestrator.facts.files.DAEMON_JSON", f"{tmp_path}/d/daemon.json")
    monkeypatch.setattr("orchestrator.facts.files.RUNTIME_CONFIG", f"{tmp_path}/r/config.toml")
    daemon, config = tmp_path / "d" / "daemon.json", tmp_path / "r" / "config.toml"

    def fixed(mounts: str = ":") -> dict[str, str]:
        script = f"export PATH={bare}\n{probe_script(PathsSpec())}"
        command = ["unshare", "--mount", "sh", "-c", f"{{ {mounts}; }} >&2; sh"]
        done = subprocess.run(
            command, input=script.encode(), capture_output=True, check=True, env=outside
        )
        return dict(parse_facts("here", done.stdout).fixed)

    outside = {"PATH": os.defpath}
    assert fixed() == {}  # neither folder is there
    daemon.parent.mkdir()
    config.parent.mkdir()
    daemon.symlink_to("../elsewhere")
    assert fixed() == {str(daemon): "it is a link to what is not there"}
    (tmp_path / "elsewhere").write_text("{}")
    config.mkdir()
    assert fixed() == {str(config): "it is not a file"}
    config.rmdir()
    config.write_text("")
    assert fixed() == {}
    assert fixed(f"mount --bind {config} {config}") == {str(config): "it is a mount of its own"}
    read_only = f"mount --bind {config.parent} {config.parent} && mount -o remount,ro,bind "
    assert fixed(read_only + str(config.parent)) == {
        str(config): "it is read-only or immutable (lsattr)"
    }
    config.unlink()
    assert fixed(read_only + str(config.parent)) == {
        str(config): f"{config.parent} is read-only or immutable (lsattr)"
    }


def test_a_link_that_leads_to_no_folder_takes_nothing_else_for_a_copy_of_ours(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`down` removes copies that were left half-made: what a user calls so is none of them."""
    monkeypatch.setattr("orchestrator.facts.files.DAEMON_JSON", f"{tmp_path}/daemon.json")
    (tmp_path / "daemon.json").symlink_to(tmp_path / "unmounted" / "daemon.json")
    (tmp_path / "daemon.json.sparkctl.aB3xY9").touch()
    (tmp_path / ".sparkctl.mine").touch()
    monkeypatch.chdir(tmp_path)
    assert parse_facts("here", run_probe(PathsSpec())).staged == (
        f"{tmp_path}/daemon.json.sparkctl.aB3xY9",
    )
    (tmp_path / "unmounted").mkdir()
    (tmp_path / "unmounted" / "daemon.json.sparkctl.aB3xY9").touch()
    assert parse_facts("here", run_probe(PathsSpec())).staged == (
        f"{tmp_path}/unmounted/daemon.json.sparkctl.aB3xY9",
    )


@pytest.mark.parametrize(
    ("tool", "says", "found"),
    [
        ("docker", '[ "$*" = --version ] && echo podman version 5.4.2', "podman-docker"),
        (
            "systemctl",
            '[ "$*" = "is-active --quiet snap.docker.dockerd.service" ]',
            "the snap docker",
        ),
    ],
)
def test_another_way_to_install_docker_is_read(
    bare: Path, tool: str, says: str, found: str
) -> None:
    stand_in(bare, tool, says)
    assert parse_facts("here", run_probe(PathsSpec())).docker_from == found
