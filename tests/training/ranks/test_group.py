"""Who may train together, how failures are told, and which base it is. No torch."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.contract.environment import NONCE, RunEnvironment, rank_of
from training.contract.errors import (
    ConfigurationError,
    ExitCode,
    PeerError,
    TrainingError,
    explain,
    writing,
)
from training.contract.memory import memory_total
from training.contract.redactor import SECRETS_DIR
from training.ranks.fingerprint import WHOLE_FILE, document_sha256, folder_sha256
from training.ranks.group_check import RankInfo, check_group, odd_machines, require_equal

ENVIRON = {
    "SPARKCTL_RUN_ID": "run-1",
    "SPARKCTL_NODE": "spark-b",
    "SPARKCTL_RANK": "1",
    "SPARKCTL_WORLD_SIZE": "2",
    "SPARKCTL_RUN_DIR": "/sparkctl/run",
    "SPARKCTL_CACHE_DIR": "/sparkctl/cache",
    "SPARKCTL_DATA_DIR": "/sparkctl/data",
    "RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_RANK": "0",
}
CARD = RankInfo(
    rank=0,
    node="spark-0",
    run_id="r",
    nonce="n",
    world_size=2,
    config="c",
    software={"torch": "2.13", "NCCL": "2.28"},
    memory=1,
    free=1,
)


def _cards(count: int) -> list[RankInfo]:
    return [replace(CARD, rank=i, node=f"spark-{i}", world_size=count) for i in range(count)]


@given(st.integers(1, 8))
def test_a_whole_group_is_proven(count: int) -> None:
    check_group(_cards(count))


@pytest.mark.parametrize(
    "software",
    [{"torch": "2.13", "NCCL": "2.27"}, {"torch": "2.13"}, {"torch": "2.10", "NCCL": "2.28"}],
)
def test_other_software_is_named(software: dict[str, str]) -> None:
    rank_infos = [CARD, replace(CARD, rank=1, node="spark-1", software=software)]
    odd = "torch" if software["torch"] != "2.13" else "NCCL"
    with pytest.raises(ConfigurationError, match=rf"agree on {odd} .*spark-1: ") as caught:
        check_group(rank_infos)
    assert "same image" in caught.value.remedy


def test_machines_that_differ_are_told_and_not_refused() -> None:
    one = replace(CARD, machine="NVIDIA GB10, driver 580.95")
    other = replace(one, rank=1, node="spark-1", machine="NVIDIA GB10, driver 590.11")
    check_group([one, other])
    assert odd_machines([one, replace(one, rank=1)]) is None
    assert "spark-1: NVIDIA GB10, driver 590.11" in (odd_machines([one, other]) or "")


@pytest.mark.parametrize("field", ["run_id", "nonce", "config", "world_size"])
def test_a_stranger_is_named(field: str) -> None:
    odd: Any = 3 if field == "world_size" else "other"
    rank_infos = [CARD, replace(CARD, rank=1, node="spark-1", **{field: odd})]
    with pytest.raises(ConfigurationError, match=rf"{field}.*spark-1: {odd}") as caught:
        check_group(rank_infos)
    assert caught.value.code == "group_mismatch"
    assert caught.value.remedy


@pytest.mark.parametrize("ranks", [[0, 0], [1, 0], [0], [0, 1, 2]])
def test_everyone_must_be_in_the_right_place(ranks: list[int]) -> None:
    with pytest.raises(ConfigurationError, match="ranks 0 to 1"):
        check_group([replace(CARD, rank=rank) for rank in ranks])


def test_agreement_returns_the_one_value() -> None:
    assert require_equal("base", [("a", "x"), ("b", "x")], "") == "x"
    with pytest.raises(ConfigurationError, match=r"base \(a: x, b: y\)") as caught:
        require_equal("base", [("a", "x"), ("b", "y")], "help", "base_mismatch")
    assert caught.value.code == "base_mismatch"


@pytest.fixture(autouse=True)
def _secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / NONCE).write_text("n\n")
    monkeypatch.setitem(ENVIRON, SECRETS_DIR, str(tmp_path))


def test_the_environment() -> None:
    env = RunEnvironment.read(ENVIRON)
    assert env.nonce == "n"
    assert (env.rank, env.world_size, env.local_rank) == (1, 2, 0)
    assert env.run_dir == Path("/sparkctl/run")


def test_a_rank_of_one_needs_no_launcher_variables() -> None:
    alone = {k: v for k, v in ENVIRON.items() if k.startswith("SPARKCTL_")}
    alone |= {"SPARKCTL_RANK": "0", "SPARKCTL_WORLD_SIZE": "1"}
    assert RunEnvironment.read(alone).launched_world_size == 1


@pytest.mark.parametrize("name", [n for n in ENVIRON if n.startswith("SPARKCTL_")])
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        RunEnvironment.read({k: v for k, v in ENVIRON.items() if k != name})


@pytest.mark.parametrize("content", [None, b"", b"\xff"])
def test_without_its_secret_a_rank_is_nobody(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / NONCE).unlink()
    if content is not None:
        (tmp_path / NONCE).write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"the secret {tmp_path}/SPARKCTL_NONCE cannot"):
        RunEnvironment.read(ENVIRON)


@pytest.mark.parametrize("floor", ["x", "nan", "1", "-0.1"])
def test_a_share_that_is_none_is_named(floor: str) -> None:
    with pytest.raises(ConfigurationError, match="SPARKCTL_MEMORY_FLOOR must be a number from 0"):
        RunEnvironment.read(ENVIRON | {"SPARKCTL_MEMORY_FLOOR": floor})


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match="SPARKCTL_RANK must be a whole number"):
        RunEnvironment.read(ENVIRON | {"SPARKCTL_RANK": "one"})


def test_a_lonely_launch_never_trains() -> None:
    with pytest.raises(ConfigurationError, match="alone"):
        RunEnvironment.read(ENVIRON | {"RANK": "0", "WORLD_SIZE": "1"})


def test_the_rank_for_early_events() -> None:
    assert rank_of(ENVIRON) == 1
    assert rank_of({"RANK": "2"}) == 2
    assert rank_of({"SPARKCTL_RANK": "x"}) == rank_of({}) == 0


@pytest.mark.parametrize("kind", [TrainingError, ConfigurationError, PeerError])
def test_an_error_travels_between_ranks(kind: type[TrainingError]) -> None:
    error = pickle.loads(pickle.dumps(kind("code", "message", "remedy")))
    assert type(error) is kind
    assert (error.code, error.message, error.remedy, str(error)) == (
        "code", "message", "remedy", "message",
    )  # fmt: skip


class DistBackendError(RuntimeError):
    """As torch names it."""


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize(
    ("failure", "code", "status"),
    [
        (ConfigurationError("x", "m"), "x", ExitCode.CONFIGURATION),
        (DistBackendError("NCCL watchdog"), "peer_lost", ExitCode.PEER_LOST),
        (RuntimeError("[gloo/pair.cc] Connection closed by peer"), "peer_lost", 75),
        (RuntimeError("[gloo] Timed out waiting 60000ms for recv"), "peer_lost", 75),
        (OutOfMemoryError("CUDA out of memory"), "out_of_memory", ExitCode.CRASHED),
        (RuntimeError("CUDA error: out of memory\nCompile with"), "out_of_memory", 1),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when"), "out_of_memory", 1),
        (
            DistBackendError("NCCL error in: x.cpp\nCuda failure 2 'out of memory'"),
            "out_of_memory",
            1,
        ),
        (MemoryError(), "out_of_memory", ExitCode.CRASHED),
        (OSError(28, "No space left on device"), "disk_full", ExitCode.CRASHED),
        (OSError(122, "Disk quota exceeded"), "disk_full", ExitCode.CRASHED),
        (ValueError("I/O error: No space left on device (os error 28)"), "disk_full", 1),
        (OSError(13, "Permission denied"), "crash", ExitCode.CRASHED),
        (RuntimeError("shapes differ"), "crash", ExitCode.CRASHED),
        (KeyError("k"), "crash", ExitCode.CRASHED),
        (ValueError(""), "crash", ExitCode.CRASHED),
    ],
)
def test_failures_are_explained(failure: Exception, code: str, status: int) -> None:
    error = explain(failure)
    assert (error.code, error.exit_code) == (code, status)
    assert error.message


def test_what_hands_on_a_lack_of_memory_says_so_too() -> None:
    """As autograd's, torch.compile's and DDP's own errors do."""
    try:
        try:
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee more")
        except OutOfMemoryError as cause:
            raise RuntimeError("a hook failed in the backward pass") from cause
    except RuntimeError as handed_on:
        error = explain(handed_on)
    assert error.code == "out_of_memory" and "hook failed" in error.message
    for key in ("loop.per_device_batch_size", "gradient_checkpointing", "gpu_memory_share"):
        assert key in error.remedy


def test_a_full_disk_is_told_with_its_place(tmp_path: Path) -> None:
    def fails() -> None:
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            raise RuntimeError("unexpected pos 576 vs 534") from None  # as torch has it

    place = f"no space is left for {tmp_path}"
    with pytest.raises(TrainingError, match=place) as caught, writing(tmp_path):
        fails()
    assert (caught.value.code, explain(caught.value)) == ("disk_full", caught.value)
    assert "Free space" in caught.value.remedy
    assert "/a/file" in explain(OSError(28, "No space left on device", "/a/file")).message
    with pytest.raises(ValueError, match="something else"), writing(tmp_path):
        raise ValueError("something else")


def test_memory_is_read_from_meminfo(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       125829120 kB\nMemFree: 1 kB\n")
    assert memory_total(tmp_path / "meminfo") == 120 * 2**30
    (tmp_path / "meminfo").write_text("")
    with pytest.raises(ValueError, match="MemTotal"):
        memory_total(tmp_path / "meminfo")


def test_the_fingerprint_sees_content_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    first = folder_sha256(folder)
    (folder / "README.md").write_text("not part of the model")
    (folder / ".cache").mkdir()
    (folder / "config.json").touch()
    assert folder_sha256(folder) == first
    (folder / "model.safetensors").write_bytes(b"weighty")
    assert folder_sha256(folder) != first


def test_the_fingerprint_samples_large_files(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    with file.open("wb") as stream:
        stream.truncate(WHOLE_FILE + 1)  # sparse: costs no disk
    sums = {folder_sha256(tmp_path)}
    for position in (0, WHOLE_FILE):
        with file.open("r+b") as stream:
            stream.seek(position)
            stream.write(b"x")
        sums.add(folder_sha256(tmp_path))
    assert len(sums) == 3


def test_a_document_has_one_sum() -> None:
    assert document_sha256({"a": 1, "b": 2}) == document_sha256({"b": 2, "a": 1})
