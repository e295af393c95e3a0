"""Names with all that a shell cares for, in the scripts of orchestrator/runs: real shells."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.facts.protocol import decode
from orchestrator.node.node import Node
from orchestrator.runs.reading import runs_script
from orchestrator.runs.survey import parse, script_for
from tests.runs.folders import RUN, Cluster, Unwrapped
from tests.runs.test_run_preflight import PREPARED
from tests.support.clusters import sparks
from tests.support.generated import Generated
from tests.support.stand_ins import stand_in

ODD = 'it\'s "a" $(touch never) `touch never` ; touch never # &'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that scripts begin in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def carried_out(folder: Path) -> bool:
    return any(folder.rglob("never"))


@pytest.mark.parametrize("only", [None, RUN])
def test_runs_are_read_from_a_folder_with_an_odd_name(here: Path, only: str | None) -> None:
    cluster = Cluster(here / ODD)
    cluster.keep_record()
    script = runs_script(str(cluster.folder / "spark-a"), only)
    read = decode(cluster.nodes["spark-a"].output(script, need="docker"))
    assert any(cluster.record.model_dump_json().encode() in text for text in read.values())
    assert not carried_out(here)


def test_a_run_of_an_odd_name_is_only_a_name(here: Path) -> None:
    cluster = Cluster(here)
    cluster.keep_record()
    script = runs_script(str(here / "spark-a"), ODD)
    assert RUN not in cluster.nodes["spark-a"].script(script, need="docker")
    assert not carried_out(here)


def test_a_machine_is_asked_about_odd_folders_images_and_interfaces(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(here / "bin", "docker", '[ "$#" = 5 ] && [ "$5" = "$ODD" ] && echo "base sha256:1"')
    monkeypatch.setenv("PATH", f"{here / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("ODD", ODD)
    model = PREPARED.stack.training.model.name.replace("/", "--")
    (here / ODD / "hub" / f"models--{model}" / "snapshots" / "one").mkdir(parents=True)
    first, second = PREPARED.ranks
    odd = str(here / ODD)
    rank = replace(first, runs=odd, cache=odd, hub=f"{odd}/hub", data=f"{odd}/no", interface=ODD)
    other = replace(second, node=ODD, address=ODD)
    prepared = replace(PREPARED, ranks=[rank, other], image=replace(PREPARED.image, base=ODD))
    script = script_for(sparks(2), prepared, rank)
    seen = parse(Node("here", Unwrapped()).output(script, need="docker"), asked=0.0, span=0.0)
    assert (set(seen.disk), seen.model, seen.base) == ({"runs", "models"}, True, "sha256:1")
    assert seen.missing == (f"{odd}/no",)
    assert not carried_out(here)


def test_the_script_for_a_machine_is_the_golden_one(generated: Generated) -> None:
    """But for the image's tag, which is a hash of the code."""
    prepared = replace(PREPARED, image=replace(PREPARED.image, context=b""))
    generated("tests/golden/preflight.sh", script_for(sparks(2), prepared, prepared.ranks[0]))
