"""The unit that restarts Docker, run by a real shell: the tools that it calls are stand-ins."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.names import DAEMON_JSON, LOCK_FOLDER
from orchestrator.resources.docker_restart import Outcome
from tests.resources.test_docker_restart import script_for, unit_of
from tests.support.stand_ins import stand_in

CODES = {0: Outcome.DONE, 10: Outcome.PUT_BACK, 11: Outcome.DEFAULTS, 12: Outcome.DOWN}
DEFAULTS = '{"data-root": "/srv/docker"}'


@dataclass
class Machine:
    """Its Docker starts only with files that have none of these words."""

    root: Path
    refuses: tuple[str, ...] = ()
    started: list[str] = field(default_factory=list)
    """What the file was at each start, oldest first."""

    @property
    def file(self) -> Path:
        return self.root / DAEMON_JSON.lstrip("/")

    def restart(self, staged: str | None) -> Outcome:
        """The outcome of a restart with this text as daemon.json."""
        self._tools()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        copy = self.file.with_suffix(".json.sparkctl.aB3xY9")
        if staged is not None:
            copy.write_text(staged)
        script = unit_of(script_for(None))
        for path in (str(Path(DAEMON_JSON).parent), LOCK_FOLDER):
            script = script.replace(path, str(self.root) + path)
        script = script.replace("mktemp -d /run/", f"mktemp -d {self.root}/run/")
        (self.root / "run").mkdir(exist_ok=True)
        done = subprocess.run(
            ["sh", "-c", script, "sh", "" if staged is None else str(copy)],
            env={"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "ROOT": str(self.root)},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        self.said = done.stdout
        log = self.root / "starts"
        self.started = log.read_text().split("\n--\n")[:-1] if log.exists() else []
        assert not list(self.root.glob("run/*")), "something was left behind"
        return CODES[done.returncode]

    def _tools(self) -> None:
        tools = self.root / "bin"
        refused = "|".join(f"*'{word}'*" for word in self.refuses) or "none-is-refused"
        stand_in(
            tools,
            "systemctl",
            f"""\
[ "$1" = restart ] || exit 0
file={self.file}; said=$(cat "$file" 2>/dev/null || echo "no file")
printf '%s\\n--\\n' "$said" >>"$ROOT/starts"
case $said in {refused}) rm -f "$ROOT/runs"; exit 1 ;; *) touch "$ROOT/runs" ;; esac""",
        )
        stand_in(
            tools,
            "docker",
            """\
case $1 in info) echo /srv/docker ;; version) [ -e "$ROOT/runs" ] ;; esac""",
        )
        stand_in(tools, "dockerd", "echo --validate")
        stand_in(
            tools,
            "journalctl",
            """\
case " $*" in
  *' _SYSTEMD_UNIT=docker.service '*) echo 'failed to start daemon: it wants no nvidia' ;;
  *) yes "docker.service: Failed with result 'exit-code'." | head -n 12 ;;
esac""",
        )
        stand_in(tools, "sleep", ":")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.file.parent.mkdir(parents=True)
    made.file.write_text("former")
    made.file.chmod(0o640)
    return made


def test_the_new_file_is_what_docker_starts_with(machine: Machine) -> None:
    assert machine.restart("new") == Outcome.DONE
    assert (machine.file.read_text(), machine.started) == ("new", ["new"])


def test_after_a_start_that_failed_the_former_file_is_back_and_docker_runs_with_it(
    machine: Machine,
) -> None:
    machine.refuses = ("new",)
    assert machine.restart("new") == Outcome.PUT_BACK
    assert (machine.file.read_text(), machine.started) == ("former", ["new", "former"])
    assert machine.file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in machine.file.parent.iterdir()] == ["daemon.json"]


@pytest.mark.parametrize("refuses", [("new",), ("new", "former")])
def test_what_dockerd_said_is_told_however_often_systemd_tried_again(
    machine: Machine, refuses: tuple[str, ...]
) -> None:
    machine.refuses = refuses
    machine.restart("new")
    assert "failed to start daemon: it wants no nvidia\n" in machine.said
    assert "Failed with result" in machine.said


def test_where_there_was_no_file_there_is_none_again(machine: Machine) -> None:
    machine.file.unlink()
    machine.refuses = ("new",)
    assert machine.restart("new") == Outcome.PUT_BACK
    assert machine.started == ["new", "no file"]
    assert not machine.file.exists()


@pytest.mark.parametrize("refuses", [(), ("new",), ("new", "former"), ("no file",)])
def test_a_link_stays_a_link_and_what_it_leads_to_is_the_file(
    machine: Machine, refuses: tuple[str, ...]
) -> None:
    kept = machine.root / "their config"
    machine.file.rename(kept)
    machine.file.symlink_to(kept)
    machine.refuses = refuses
    taken = machine.restart(None if "no file" in refuses else "new") == Outcome.DONE
    assert machine.file.readlink() == kept
    assert kept.read_text() == ("new" if taken else "former")
    if not taken:
        assert kept.stat().st_mode & 0o777 == 0o640
    assert not list(machine.root.glob("*.sparkctl.*"))


def test_a_former_file_that_docker_cannot_start_with_either_is_back_all_the_same(
    machine: Machine,
) -> None:
    """Docker runs with its data-root alone, as one that has never read that file."""
    machine.refuses = ("new", "former")
    assert machine.restart("new") == Outcome.DEFAULTS
    assert machine.started == ["new", "former", DEFAULTS]
    assert machine.file.read_text() == "former"


def test_a_docker_that_starts_with_nothing_is_down_with_its_former_file(machine: Machine) -> None:
    machine.refuses = ("new", "former", "data-root")
    assert machine.restart("new") == Outcome.DOWN
    assert machine.file.read_text() == "former"


def test_taking_the_file_away_is_undone_likewise(machine: Machine) -> None:
    machine.refuses = ("no file",)
    assert machine.restart(None) == Outcome.PUT_BACK
    assert (machine.file.read_text(), machine.started) == ("former", ["no file", "former"])
