"""Docker's two files, where somebody has made them other things since `up`."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.errors import PreflightError
from orchestrator.names import DAEMON_JSON, RUNTIME_CONFIG
from orchestrator.reconcile.plan import plan_down, plan_up
from orchestrator.resources import docker_engine
from tests.support.clusters import changed, cluster, world_of
from tests.support.simulate import made


def down(before: Mapping[str, object], then: Mapping[str, object]) -> list[str]:
    """What `down` would do to both files after an `up` on a machine like this."""
    spec = cluster({"nodes": ["spark-a"]})
    world = world_of(spec, {"spark-a": before})
    world = made(plan_up(spec, world), spec, world)
    world["spark-a"] = changed(world["spark-a"], then)
    ids = [change.id for change in plan_down(spec, world).changes]
    return [one for one in ids if one.endswith(("/daemon.json", "/swarm-resource"))]


@pytest.mark.parametrize("path", [DAEMON_JSON, RUNTIME_CONFIG])
def test_a_file_that_was_made_immutable_is_told_before_anything_is_changed(path: str) -> None:
    with pytest.raises(PreflightError, match=f"{path} on spark-a has to be changed, and cannot"):
        down({}, {"fixed": {path: "it is read-only or immutable (lsattr)"}})


@pytest.mark.parametrize(
    ("path", "fact"), [(DAEMON_JSON, "daemon_json"), (RUNTIME_CONFIG, "runtime_config")]
)
def test_a_link_in_the_place_of_a_file_that_we_made_is_not_removed(path: str, fact: str) -> None:
    with pytest.raises(PreflightError, match=f"{path} on spark-a is a link to /srv/theirs now"):
        down({fact: None}, {"links": {path: "/srv/theirs"}})


def test_a_link_to_a_file_that_was_there_is_written_through() -> None:
    link = {"links": {DAEMON_JSON: "/srv/theirs", RUNTIME_CONFIG: "/srv/theirs.toml"}}
    found = {"daemon_json": "{}", "runtime_config": "a = 1\n"} | link
    assert down(found, {}) == ["spark-a/daemon.json", "spark-a/swarm-resource"]


def test_a_link_is_not_what_is_removed_when_docker_does_not_start(tmp_path: Path) -> None:
    """`--repair` tries without the daemon.json that we made."""
    file, kept = tmp_path / "daemon.json", tmp_path / "kept"
    script = docker_engine._former(None).replace(DAEMON_JSON, str(file))
    kept.write_text("theirs")
    file.symlink_to(kept)
    subprocess.run(["sh", "-c", f"( {script} )"], check=True)
    assert file.readlink() == kept
    file.unlink()
    file.write_text("ours")
    subprocess.run(["sh", "-c", f"( {script} )"], check=True)
    assert not file.exists()
