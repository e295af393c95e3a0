"""What stands in the way of `up`, from data files: machines -> code, node and words.

Keys as in cases/README.md; `down: true` asks what stands in the way of `down`. `errors` holds one
entry per node: `node` (null: it is about several), `says` (all in brief, details or resolution) and
perhaps `code` (default E400).
"""

from pathlib import Path

import pytest

from orchestrator.doctor.before_change import check, check_down
from orchestrator.errors import NodeErrors, PreflightError, SparkctlError
from orchestrator.reconcile.plan import plan_up
from orchestrator.resources.fabric import fabric_ports
from tests.support.clusters import (
    case_files,
    changed,
    cluster,
    read_case,
    under_new_names,
    world_of,
)
from tests.support.simulate import made

CASES = Path(__file__).parent / "preflight"
NO_CASES = Path(__file__).parent / "no-obstacle"
KEYS = {"what", "cluster", "facts", "up", "then", "cluster_then", "was", "down", "errors"}


@pytest.mark.parametrize("path", case_files(CASES), ids=lambda path: path.stem)
def test_the_obstacle_is_named(path: Path) -> None:
    case = read_case(path, KEYS)
    spec = cluster(case.get("cluster"))
    world = world_of(spec, case.get("facts"))
    if case.get("up"):
        world = made(plan_up(spec, world), spec, world)
    for name, differences in case.get("then", {}).items():
        world[name] = changed(world[name], differences)
    if "cluster_then" in case:
        spec = cluster(case["cluster_then"])
        world = under_new_names(spec, world, case.get("was", {}))
    with pytest.raises(SparkctlError) as caught:
        (check_down if case.get("down") else check)(spec, world)
        fabric_ports(spec, world)
    error = caught.value
    errors = error.errors if isinstance(error, NodeErrors) else (error,)
    assert [one.node for one in errors] == [expected["node"] for expected in case["errors"]]
    assert error.exit_code == PreflightError.exit_code
    for one, expected in zip(errors, case["errors"], strict=True):
        assert one.code == expected.get("code", "E400")
        assert one.resolution
        text = "\n".join([one.brief, one.details or "", one.resolution])
        for words in expected["says"]:
            assert words in text


@pytest.mark.parametrize("path", case_files(NO_CASES), ids=lambda path: path.stem)
def test_this_is_no_obstacle(path: Path) -> None:
    case = read_case(path, KEYS)
    spec = cluster(case.get("cluster"))
    check(spec, world_of(spec, case.get("facts")))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_sparks_out_of_their_boxes_pass(count: int) -> None:
    spec = cluster({"nodes": [f"n{i}" for i in range(count)]})
    check(spec, world_of(spec))


def test_what_up_has_made_passes() -> None:
    spec = cluster()
    world = world_of(spec)
    check(spec, made(plan_up(spec, world), spec, world))
