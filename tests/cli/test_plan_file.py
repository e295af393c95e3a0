"""`plan --out`, `up --plan`, `status --check`."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Sparkctl
from tests.cli.test_cluster import differ, take_in
from tests.support.fakes import FakeCluster


def test_a_kept_plan_is_what_json_shows_and_belongs_to_its_owner(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path
) -> None:
    (tmp_path / "plan.json").touch(mode=0o644)
    sparkctl("cluster", "plan", "--out", "plan.json")
    kept = json.loads((tmp_path / "plan.json").read_text())
    shown = json.loads(sparkctl("cluster", "plan", "--json").stdout)
    assert kept["changes"] == shown["changes"]
    assert (kept["kind"], kept["cluster"], kept["direction"]) == ("Plan", "desk", "up")
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o600


def test_a_plan_that_still_holds_is_gone_on_with(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path
) -> None:
    sparkctl("cluster", "plan", "--out", "plan.json")
    ran = sparkctl("cluster", "up", "--plan", "plan.json")
    assert ran.code == 8  # asked, and nobody is there to answer
    many = len(json.loads((tmp_path / "plan.json").read_text())["changes"])
    assert f"\n{many} changes (" in ran.stdout


def test_a_plan_of_other_machines_is_refused_and_the_difference_named(
    sparkctl: Sparkctl, site: FakeCluster
) -> None:
    sparkctl("cluster", "plan", "--out", "plan.json")
    differ(site, "spark-b", groups=["nvidia", "docker"])
    ran = sparkctl("cluster", "up", "--yes", "--plan", "plan.json")
    assert ran.code == 6
    assert "error E401: plan.json is not what" in ran.stderr
    assert "differs: spark-b/docker-group" in ran.stderr
    assert ran.stderr.count("differs:") == 1
    assert [machine.changes for machine in site.machines.values()] == [[], []]


def test_a_plan_that_has_been_carried_out_is_stale(sparkctl: Sparkctl, site: FakeCluster) -> None:
    sparkctl("cluster", "plan", "--out", "plan.json")
    take_in(site)
    assert sparkctl("cluster", "up", "--yes", "--plan", "plan.json").code == 6


SECRET = {"daemon_json": '{"log-opts": {"splunk-token": "s3cret-one"}}'}


def test_a_secret_in_daemon_json_is_nowhere_and_still_makes_a_plan_stale(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path
) -> None:
    differ(site, "spark-b", **SECRET)
    said = [
        sparkctl("cluster", "plan", "--out", "plan.json"),
        sparkctl("cluster", "plan", "--diff"),
        sparkctl("cluster", "plan", "--json"),
        sparkctl("cluster", "up", "--json"),
        sparkctl("cluster", "up", "--plan", "plan.json"),
    ]
    assert said[-1].code == 8  # asked: the plan still holds
    text = "".join(ran.stdout + ran.stderr for ran in said)
    text += (tmp_path / "plan.json").read_text()
    assert "splunk-token" in text
    assert "s3cret" not in text
    differ(site, "spark-b", daemon_json=SECRET["daemon_json"].replace("one", "two"))
    ran = sparkctl("cluster", "up", "--yes", "--plan", "plan.json")
    assert ran.code == 6
    assert "differs: spark-b/daemon.json" in ran.stderr
    assert ran.stderr.count("differs:") == 1


def test_a_plan_for_another_cluster_is_refused(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path
) -> None:
    sparkctl("cluster", "plan", "--out", "plan.json")
    kept = json.loads((tmp_path / "plan.json").read_text())
    (tmp_path / "plan.json").write_text(json.dumps(kept | {"cluster": "lab"}))
    ran = sparkctl("cluster", "up", "--yes", "--plan", "plan.json")
    assert (ran.code, "is a plan for the cluster 'lab', not 'desk'" in ran.stderr) == (6, True)


@pytest.mark.parametrize(
    "text",
    [None, "", "[]", "{}", '{"kind": "Plan"}', '{"kind": "Plan", "changes": [{}]}',
     '{"kind": "Plan", "changes": [{"id": "a"}, {"id": "a"}], "direction": "up"}'],
)  # fmt: skip
def test_what_is_no_plan_is_said_to_be_none(
    sparkctl: Sparkctl, site: FakeCluster, tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "plan.json").write_text(text)
    ran = sparkctl("cluster", "up", "--yes", "--plan", "plan.json")
    assert ran.code == 3
    assert "plan.json: not a plan that sparkctl has written" in ran.stderr


def test_check_exits_with_two_and_says_where_it_differs(
    sparkctl: Sparkctl, site: FakeCluster
) -> None:
    take_in(site)
    assert sparkctl("cluster", "status", "--check").code == 0
    differ(site, "spark-b", groups=["nvidia"])
    ran = sparkctl("cluster", "status", "--check")
    assert ran.code == 2
    assert "drift: spark-b/docker-group: nvidia joins group docker" in ran.stdout
    assert sparkctl("cluster", "status").code == 0
    assert sparkctl("cluster", "status", "--check", "--json").code == 2
