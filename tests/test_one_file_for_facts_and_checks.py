"""A new fact or check is one new file, and turns at most one test red: a golden to read again."""

from pathlib import Path

import pytest

from tests.support.copied_tree import outcome_with

pytestmark = pytest.mark.patient

FACT = '''"""How willing the kernel is to swap."""

from orchestrator.facts.fact import Fact
from orchestrator.facts.values import text


def _percent(raw: bytes) -> int:
    return int(text(raw) or -1)


SWAPPINESS = Fact("swappiness", "cat /proc/sys/vm/swappiness", parse=_percent, stock=60)
'''
FACT_TEST = """
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import RemoteError
from orchestrator.facts.probe import parse_facts, probe_script
from orchestrator.facts.swappiness import SWAPPINESS
from orchestrator.node.local import LocalConnection
from orchestrator.spec.cluster import PathsSpec
from orchestrator.testing.facts import probe_output, stock_spark


def test_it_is_read_with_all_others():
    done = LocalConnection().run(probe_script(PathsSpec()), b"", deadline=30)
    facts = parse_facts("here", done.stdout)
    with open("/proc/sys/vm/swappiness") as file:
        assert SWAPPINESS.of(facts) == int(file.read())


def test_a_run_does_not_wait_for_it():
    assert "swappiness" not in probe_script(PathsSpec(), whole=False)


@given(st.integers(0, 200))
def test_it_survives_the_way(value):
    facts = replace(stock_spark(), more={"swappiness": value})
    assert SWAPPINESS.of(parse_facts(facts.node, probe_output(facts))) == value


def test_a_stock_spark_has_it():
    assert SWAPPINESS.of(stock_spark()) == 60


def test_it_is_not_believed():
    lying = probe_output(replace(stock_spark(), more={"swappiness": "much"}))
    for said in (lying, lying.replace(b"more.swappiness", b"x")):
        try:
            parse_facts("spark-a", said)
        except RemoteError as error:
            assert "much" not in str(error.to_dict())
        else:
            raise AssertionError("it was believed")
"""


def test_a_new_fact_is_one_file_and_one_golden(tmp_path: Path) -> None:
    toys = {
        "orchestrator/facts/swappiness.py": FACT,
        "tests/node/test_swappiness.py": FACT_TEST,
    }
    tests = ["tests/node/test_facts.py", "tests/node/test_probe_script.py",
             "tests/node/test_swappiness.py", "tests/planner/test_planner.py",
             "tests/test_round_trips.py", "tests/cli/test_cluster.py"]  # fmt: skip
    done = outcome_with(tmp_path, toys, *tests)
    assert done.red == ("test_the_script_is_the_golden_one",)


def test_two_facts_of_one_name_are_refused(tmp_path: Path) -> None:
    toys = {f"orchestrator/facts/{name}.py": FACT for name in ("one", "two")}
    done = outcome_with(tmp_path, toys, "tests/node/test_facts.py", "tests/node/test_software.py")
    assert "test_facts_survive_the_way_from_the_machine" in done.red


CHECK = '''"""Sparks are of one architecture."""

from collections.abc import Iterator, Mapping

from orchestrator.doctor.check import OfGang, OfMachine, Problem
from orchestrator.doctor.readiness import NodeReadiness
from orchestrator.facts.machine import Facts
from orchestrator.spec.cluster import ClusterSpec


@OfMachine.about("arch", before=("up",), why="Images are for one.", fix="Take a Spark.")
def processor_is_arm(facts: Facts, spec: ClusterSpec) -> Iterator[Problem]:
    if not facts.kernel.endswith("aarch64"):
        yield Problem(f"{facts.node} is no Spark")


@OfGang.about("arch", before=("train",), why="Images are for one.", fix="Look.", warns=True)
def memory_is_alike(readings: Mapping[str, NodeReadiness]) -> Iterator[tuple[str, Problem]]:
    for node, one in readings.items():
        if one.memory == 7:
            yield node, Problem("a byte more than six")
'''
CHECK_CASE = """
what: the processor of a machine is another one
facts:
  spark-b: {kernel: Linux 6.17.0 x86_64}
errors:
  - {node: spark-b, says: [spark-b is no Spark, Take a Spark.]}
"""
CHECK_TEST = """
from tests.runs.test_run_preflight import found


def test_it_is_found_before_a_run():
    assert ("arch", "spark-b", False) in found(memory=7)


def test_it_can_be_skipped():
    from orchestrator.api.checks import skippable

    assert "arch" in skippable()
"""


def test_a_new_check_is_one_file_and_one_golden(tmp_path: Path) -> None:
    toys = {
        "orchestrator/doctor/arch.py": CHECK,
        "tests/planner/preflight/another-processor.yaml": CHECK_CASE,
        "tests/runs/test_arch.py": CHECK_TEST,
    }
    tests = ["tests/planner/test_preflight.py", "tests/reconcile/test_evidence.py",
             "tests/runs/test_run_preflight.py", "tests/runs/test_arch.py",
             "tests/cli/test_cluster.py", "tests/test_documents.py"]  # fmt: skip
    done = outcome_with(tmp_path, toys, *tests)
    assert done.red == ("test_the_list_of_checks",)
