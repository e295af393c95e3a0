"""`sparkctl cluster …` over fake machines: what is shown, what is counted, what is exited with."""

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from orchestrator.cli.asking import Terminal
from orchestrator.errors import ConnectError, DeclinedError
from orchestrator.reconcile.owner import this_owner
from orchestrator.reconcile.plan import plan_up
from orchestrator.testing.connection import Answer
from orchestrator.ui.report import ClusterReport
from tests.cli.conftest import Sparkctl
from tests.support.clusters import EXAMPLE, changed, sparks
from tests.support.fakes import ROOT_NEEDS, FakeCluster
from tests.support.simulate import made


def take_in(site: FakeCluster) -> None:
    """As after `cluster up`."""
    spec = sparks(2)
    world = {name: machine.facts for name, machine in site.machines.items()}
    for name, facts in made(plan_up(spec, world), spec, world).items():
        site.machines[name].facts = facts


def differ(site: FakeCluster, name: str, **differences: object) -> None:
    machine = site.machines[name]
    machine.facts = changed(machine.facts, differences)


def report_of(text: str) -> ClusterReport:
    """The document, which must be whole and of the documented shape."""
    return ClusterReport.model_validate_json(text)


def test_plan_shows_what_up_would_do_and_changes_nothing(
    sparkctl: Sparkctl, site: FakeCluster
) -> None:
    ran = sparkctl("cluster", "plan")
    assert ran.code == 0
    lines = ran.stdout.splitlines()
    assert lines[0] == "spark-a"
    assert "  + docker-group    nvidia joins group docker" in lines
    assert "  + swarm           make a swarm on 192.168.100.1" in lines
    world = {name: machine.facts for name, machine in site.machines.items()}
    planned = Counter(change.action for change in plan_up(sparks(2), world).changes)
    creates, updates = planned["create"], planned["update"]
    told = f"{creates + updates} changes ({creates} create, {updates} update) on 2 nodes"
    assert lines[-1] == told
    assert [len(machine.scripts) for machine in site.machines.values()] == [1, 1]
    assert [machine.closed for machine in site.machines.values()] == [True, True]


def test_plan_with_diff_shows_the_lines_of_files(sparkctl: Sparkctl, site: FakeCluster) -> None:
    differ(site, "spark-a", daemon_json='{\n  "debug": true\n}\n')
    out = sparkctl("cluster", "plan", "--diff").stdout
    assert '-#swarm-resource = "DOCKER_RESOURCE_GPU"' in out
    assert '+swarm-resource = "DOCKER_RESOURCE_NVIDIA_GPU"' in out
    assert '+  "default-runtime": "nvidia",' in out


def test_plan_as_json_is_the_same_data(sparkctl: Sparkctl, site: FakeCluster) -> None:
    ran = sparkctl("cluster", "plan", "--json")
    report = report_of(ran.stdout)
    assert (ran.code, ran.stderr) == (0, "")
    assert (report.ok, report.converged, report.cluster) == (True, False, "desk")
    world = {name: machine.facts for name, machine in site.machines.items()}
    expected = plan_up(sparks(2), world).to_dict()["changes"]
    assert json.loads(ran.stdout)["changes"] == json.loads(json.dumps(expected))


@pytest.mark.parametrize("command", [("plan",), ("up",), ("up", "--yes"), ("status",)])
def test_nothing_to_do_is_said_and_asks_nobody(
    command: tuple[str, ...], sparkctl: Sparkctl, site: FakeCluster
) -> None:
    take_in(site)
    ran = sparkctl("cluster", *command)
    assert ran.code == 0
    assert "no changes" in ran.stdout
    assert [len(machine.scripts) for machine in site.machines.values()] == [1, 1]
    report = report_of(sparkctl("cluster", *command, "--json").stdout)
    assert (report.converged, report.changes) == (True, [])


def test_down_with_nothing_to_give_back_frees_the_lock_of_a_dead_up(
    sparkctl: Sparkctl, site: FakeCluster
) -> None:
    ran = sparkctl("cluster", "down")
    assert (ran.code, ran.stdout) == (0, "no changes\n")
    for machine in site.machines.values():
        assert 'rm -rf "$lock"' in machine.scripts[-1]


@pytest.mark.parametrize(
    ("place", "many"), [("/run/sparkctl", 2), ("/run/lock/sparkctl-launch", 1)]
)
def test_locks_are_shown_and_broken(
    place: str, many: int, sparkctl: Sparkctl, site: FakeCluster
) -> None:
    """Those of all machines, and the manager's for starting a run."""
    holder = json.dumps(asdict(this_owner("sparkctl train tiny")))

    def held(answer: Answer) -> Answer:
        return lambda script: (
            f"3\n{holder}" if f"lock={place}/lock\n[ ! -d" in script else answer(script)
        )

    for machine in site.machines.values():
        machine.answer = held(machine.answer)
    shown = sparkctl("cluster", "lock", "show").stdout
    assert shown.count("`sparkctl train tiny`") == many
    assert f"{many} broken" in sparkctl("cluster", "lock", "break", "--yes").stdout
    scripts = [script for machine in site.machines.values() for script in machine.scripts]
    broken = [script for script in scripts if 'rm -rf "$lock"' in script]
    assert len(broken) == many
    assert all(f"lock={place}/lock" in script for script in broken)


def test_an_obstacle_stops_plan_and_up_with_its_own_exit_code(
    sparkctl: Sparkctl, site: FakeCluster
) -> None:
    differ(site, "spark-b", gpus=[])
    for command in ("plan", "up"):
        ran = sparkctl("cluster", command)
        assert ran.code == 6
        assert ran.stderr.startswith("error E400: nvidia-smi shows no GPU on spark-b")
        assert ran.stdout == ""


def test_every_machines_error_is_shown_in_full(sparkctl: Sparkctl, site: FakeCluster) -> None:
    differ(site, "spark-a", docker=None)
    differ(site, "spark-b", gpus=[])
    ran = sparkctl("cluster", "plan")
    assert ran.code == 6
    assert ran.stderr.count("error E400") == 2
    document = report_of(sparkctl("cluster", "plan", "--json").stdout)
    assert document.error is not None
    assert [e["node"] for e in document.error["errors"]] == ["spark-a", "spark-b"]


def test_different_kinds_of_errors_exit_with_one(sparkctl: Sparkctl, site: FakeCluster) -> None:
    site.machines["spark-a"].wants_password = True
    site.machines["spark-b"].answer = lambda script: "garbage"
    ran = sparkctl("cluster", "plan")
    assert ran.code == 1
    assert "error E301" in ran.stderr
    assert "error E310" in ran.stderr


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_broken_record_of_the_journal_is_told(
    as_json: tuple[str, ...], sparkctl: Sparkctl, site: FakeCluster
) -> None:
    """`up` changes nothing that it may be about; `down` gives the rest back, and is not done."""
    record = "0001-docker-group.json"
    machine = site.machines["spark-a"]
    machine.facts = replace(machine.facts, journal={record: {"version": 99}})
    ran = sparkctl("cluster", "plan", *as_json)
    assert ran.code == 6
    assert f"{record} on spark-a" in ran.stderr
    ran = sparkctl("cluster", "down", "--yes", *as_json)
    assert ran.code == 7
    assert "error E502" in ran.stderr
    assert f"spark-a: /var/lib/sparkctl/journal/{record}" in ran.stderr
    assert f"rm -f {record}" not in "".join(machine.changes)
    if as_json:
        report = report_of(ran.stdout)
        assert (report.ok, report.converged, len(report.kept)) == (False, False, 1)


OTHERS = ["service shop_web", "secret shop_key", "container db"]


@pytest.mark.parametrize(
    ("command", "named"), [("up", OTHERS[2:]), ("down", OTHERS)], ids=["up", "down"]
)
def test_what_is_not_ours_is_not_covered_by_yes(
    command: str, named: list[str], sparkctl: Sparkctl, site: FakeCluster
) -> None:
    if command == "down":
        take_in(site)
    differ(site, "spark-a", strangers=OTHERS)
    for options in (("--yes",), ()):
        ran = sparkctl("cluster", command, *options)
        assert ran.code == 6
        assert "error E403" in ran.stderr
        assert all(name in ran.stderr for name in named)
        assert "--end-others" in ran.stderr
        assert site.machines["spark-a"].changes == []
    report = report_of(sparkctl("cluster", command, "--yes", "--json").stdout)
    assert report.error is not None
    assert report.error["code"] == "E403"
    allowed = sparkctl("cluster", command, "--end-others")
    assert "error E600" in allowed.stderr  # the plan itself is another question
    assert all(f"not sparkctl's: spark-a: {name}" in allowed.stdout for name in named)
    sparkctl("cluster", command, "--yes", "--end-others")
    assert site.machines["spark-a"].changes != []


def test_in_a_terminal_what_is_not_ours_is_asked_by_name(
    sparkctl: Sparkctl, site: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in(site)
    differ(site, "spark-a", strangers=OTHERS)
    asked: list[str] = []

    def confirm(question: str, *, yes: bool) -> None:
        asked.append(question)
        if "shop_web" in question and not yes:
            raise DeclinedError("no")

    monkeypatch.setattr("orchestrator.cli.asking.confirm", confirm)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert sparkctl("cluster", "down").code == 8
    assert len(asked) == 2
    assert all(name in asked[1] for name in OTHERS)
    assert site.machines["spark-a"].changes == []


# status


def test_status_shows_the_machines(sparkctl: Sparkctl, site: FakeCluster) -> None:
    take_in(site)
    run = "tiny-llama-lora-0a1b2c_rank0.1.x"
    differ(site, "spark-a", run_containers=[run], containers=[run])
    ran = sparkctl("cluster", "status")
    header, first, second, *rest = ran.stdout.splitlines()
    assert header.split() == [
        "NODE", "SWARM", "MEMORY", "FREE", "GPU", "POWER", "TEMP", "RUN", "MODEL", "DRIVER",
        "DOCKER", "FABRIC", "ADDRESS",
    ]  # fmt: skip
    assert first.split()[0] == "spark-a"
    assert "NVIDIA GB10" in first
    assert "manager ready" in first
    assert "enp1s0f1np1  192.168.100.1" in first
    assert "  0 %  4 W    42 °C  tiny-llama-lora-0a1b2c  " in first
    assert "worker ready" in second
    assert rest == ["as the file says: no changes"]


def test_status_counts_the_drift(sparkctl: Sparkctl, site: FakeCluster) -> None:
    take_in(site)
    differ(site, "spark-b", groups=["nvidia"])
    ran = sparkctl("cluster", "status")
    assert ran.code == 0
    assert "1 change away from the file" in ran.stdout
    report = report_of(sparkctl("cluster", "status", "--json").stdout)
    assert (report.ok, report.converged) == (True, False)
    assert [change.id for change in report.changes] == ["spark-b/docker-group"]


def test_status_shows_what_it_can_when_a_machine_is_off(
    sparkctl: Sparkctl, site: FakeCluster
) -> None:
    site.refused = {"spark-b": ConnectError("spark-b cannot be reached", node="spark-b")}
    ran = sparkctl("cluster", "status")
    assert ran.code == 4
    assert "NVIDIA GB10" in ran.stdout
    assert "unreachable" in ran.stdout
    assert "error E200: spark-b cannot be reached" in ran.stderr
    as_json = sparkctl("cluster", "status", "--json")
    report = report_of(as_json.stdout)
    assert as_json.code == 4
    assert (report.ok, report.converged) == (False, None)
    assert [(node.name, node.reachable) for node in report.nodes] == [
        ("spark-a", True),
        ("spark-b", False),
    ]
    assert report.nodes[1].error is not None
    assert report.nodes[1].error["code"] == "E200"


def test_status_exits_the_same_with_and_without_json(sparkctl: Sparkctl, site: FakeCluster) -> None:
    for machine in site.machines.values():
        machine.wants_password = True
    assert sparkctl("cluster", "status").code == 5
    assert sparkctl("cluster", "status", "--json").code == 5


def test_status_asks_for_the_password_once(
    sparkctl: Sparkctl, site: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for machine in site.machines.values():
        machine.wants_password = True
    asked: list[None] = []

    def ask(person: Terminal) -> str:
        asked.append(None)
        return ROOT_NEEDS

    monkeypatch.setattr(Terminal, "sudo_password", ask)
    assert sparkctl("cluster", "status").code == 0
    assert len(asked) == 1


@pytest.mark.parametrize(
    "differences",
    [{"daemon_json": "{"}, {"runtime_config": "= ="}, {"addresses": []}],
    ids=["daemon.json", "config.toml", "no fabric"],
)
def test_status_shows_the_machines_also_when_up_could_not_go_on(
    differences: dict[str, object], sparkctl: Sparkctl, site: FakeCluster
) -> None:
    """The very moment in which one wants to see them."""
    differ(site, "spark-a", **differences)
    ran = sparkctl("cluster", "status")
    assert "NVIDIA GB10" in ran.stdout
    assert "error E400" in ran.stderr
    assert ran.code == 6


def test_down_says_when_a_file_cannot_be_read_back(sparkctl: Sparkctl, site: FakeCluster) -> None:
    """The user has broken daemon.json since; it can be neither restored nor taken apart."""
    take_in(site)
    differ(site, "spark-a", daemon_json='{"broken": ')
    ran = sparkctl("cluster", "down", "--yes")
    assert ran.code == 6
    assert "/etc/docker/daemon.json on spark-a is not valid JSON" in ran.stderr
    assert [machine.changes for machine in site.machines.values()] == [[], []]


def test_down_with_another_paths_section_than_up_had_is_no_fault(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path
) -> None:
    """The file may have been edited since; the probe looks at what the journal names, too."""
    take_in(site)
    file = tmp_path / "c.yaml"
    file.write_text(
        "apiVersion: sparkctl/v1\nkind: Cluster\nname: desk\n"
        "nodes: [{name: spark-a}, {name: spark-b}]\npaths: {runs: ~/other}\n"
    )
    ran = sparkctl("cluster", "down", file=file)
    assert ran.code == 8
    assert "  - directory       remove ~/sparkctl/runs" in ran.stdout
    assert "~/other" not in ran.stdout


def test_a_node_that_was_renamed_is_told_and_given_back(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path
) -> None:
    take_in(site)
    site.machines["spark-c"] = site.machines.pop("spark-b")
    file = tmp_path / "renamed.yaml"
    file.write_text(EXAMPLE.read_text(encoding="utf-8").replace("name: spark-b", "name: spark-c"))
    for command in ("plan", "up", "status"):
        ran = sparkctl("cluster", command, file=file)
        assert (ran.code, "calls itself spark-b in its journal" in ran.stderr) == (6, True)
    ran = sparkctl("cluster", "down", file=file)
    assert ran.code == 8  # nobody there to ask, and no --yes
    assert ran.stdout.startswith("spark-c\n  - swarm           leave the swarm\n")
