"""What a machine does at this moment: the script on this computer, and answers that are none."""

import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import RemoteError
from orchestrator.facts.gpu import Gauges, Gpu
from orchestrator.facts.protocol import encode
from orchestrator.node.node import Node
from orchestrator.runs.glance import RunNow, glance_script, parse_glance, read_glance
from orchestrator.spec.cluster import PathsSpec
from orchestrator.testing.connection import FakeConnection
from tests.support.stand_ins import stand_in

RUN, OTHER = "tiny-llama-lora-0a1b2c", "tiny-llama-full-0a1b2c"
SMI = "GPU-1, NVIDIA GB10, 580.95.05, 97, 71.40, 68, [N/A]"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of runs; stand-ins answer for the GPU and for Docker."""
    stand_in(tmp_path / "bin", "nvidia-smi", f'echo "{SMI}"')
    labels = "\\n".join([RUN, OTHER, "../../etc", "$(id)", "", RUN, "a b"])
    stand_in(tmp_path / "bin", "docker", f"printf '{labels}\\n'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "runs" / RUN).mkdir(parents=True)
    (tmp_path / "runs" / OTHER).mkdir()
    return tmp_path / "runs"


def output(runs: Path) -> bytes:
    done = subprocess.run(
        ["sh", "-s"], input=glance_script(PathsSpec(runs=str(runs))).encode(),
        capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_gpu_memory_and_runs_in_one_go(runs: Path) -> None:
    beat = '{"rank": 1, "phase": "training", "step": 12}'
    (runs / RUN / "heartbeat-rank1.json").write_text(beat)
    glance = parse_glance(output(runs))
    assert glance.gpus == (Gpu("GPU-1", "NVIDIA GB10", "580.95.05", Gauges(97.0, 71.4, 68.0)),)
    assert 0 < glance.memory_available_bytes <= glance.memory_bytes
    assert glance.runs == (RunNow(OTHER, None, None), RunNow(RUN, "training", 12))


@pytest.mark.parametrize("beat", ["", "{", '{"rank": 0, "phase": "x", "step": -1}', "9" * 99999])
def test_a_heartbeat_that_is_none_is_no_step(runs: Path, beat: str) -> None:
    (runs / RUN / "heartbeat-rank0.json").write_text(beat)
    assert parse_glance(output(runs)).runs[1] == RunNow(RUN, None, None)


def test_no_link_is_followed_and_a_phase_is_short(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"rank": 0, "phase": "secret"}')
    (runs / RUN / "heartbeat-rank0.json").symlink_to(tmp_path / "secret")
    (runs / OTHER / "heartbeat-rank0.json").write_text(f'{{"rank": 0, "phase": "{"x" * 500}"}}')
    assert parse_glance(output(runs)).runs == (
        RunNow(OTHER, "x" * 24, None),
        RunNow(RUN, None, None),
    )


def test_a_machine_without_gpu_and_docker_is_seen(runs: Path, tmp_path: Path) -> None:
    for name in ("nvidia-smi", "docker"):
        stand_in(tmp_path / "bin", name, "exit 1")
    glance = parse_glance(output(runs))
    assert (glance.gpus, glance.runs) == ((), ())


def test_an_answer_that_is_none_is_an_error_of_the_machine() -> None:
    for said in (b"", b"garbage", encode({"gpus": SMI})):
        node = Node("spark-a", FakeConnection(lambda script, said=said: said))  # type: ignore[misc]
        with pytest.raises(RemoteError, match="spark-a cannot be parsed"):
            read_glance(node, PathsSpec())
