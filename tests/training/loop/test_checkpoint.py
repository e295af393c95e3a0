"""When a checkpoint counts, which one all ranks go on from, and what is kept."""

import json
import pickle
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support.disks import small_disk
from tests.support.ranks.recipe import TINY
from training.contract.config import TrainingConfig
from training.contract.environment import RunEnvironment
from training.contract.errors import ConfigurationError, PeerError, TrainingError

torch = pytest.importorskip("torch")

from training.loop.checkpoint import (  # noqa: E402
    Checkpoints,
    LocalCheckpoints,
    State,
    newest_common,
)
from training.loop.settings import settings_of, usual_settings  # noqa: E402
from training.ranks.group import Group  # noqa: E402
from training.ranks.rng import rng_state, set_rng_state  # noqa: E402

pytestmark = pytest.mark.torch
T = TypeVar("T")
ENVIRON = RunEnvironment(
    run_id="r", nonce="n", node="spark-a", rank=0, world_size=1, run_dir=Path("/run"),
    cache_dir=Path("/cache"), data_dir=Path("/data"), launched_rank=0, launched_world_size=1,
    local_rank=0,
)  # fmt: skip
ALONE = Group(ENVIRON, torch.device("cpu"))


class LosesItsPeer(Group):
    """The other rank goes away while both write."""

    def run_on_all(self, work: Callable[[], T]) -> T:
        work()
        raise PeerError("peer_lost", "gone")


def _checkpoints(
    run_dir: Path, keep: int = 2, group: Group = ALONE, **settings: Any
) -> Checkpoints:
    usual = {"loop.keep": "last"}
    return Checkpoints(run_dir, group, {"optim.lr": 0.1} | usual | settings, keep, usual)


def _write(folder: Path) -> None:
    (folder / "state.pt").write_bytes(b"weights")


def _found(run_dir: Path) -> int | None:
    found = _checkpoints(run_dir).negotiate()
    return found.step if found else None


def test_whoever_has_saved_something_is_known_to_have_begun(tmp_path: Path) -> None:
    env = replace(ENVIRON, run_dir=tmp_path)
    (tmp_path / "checkpoints").mkdir()
    assert not env.has_checkpoint
    _checkpoints(tmp_path).save(10, _write)
    assert env.has_checkpoint


@pytest.mark.parametrize(
    ("steps", "marked", "chosen"),
    [
        ([(), ()], False, None),
        ([(20, 30), (20, 30)], True, 30),
        ([(20, 30), (20,)], True, 20),
        ([(20, 30), (10, 20)], True, 20),
        ([(20,), (20,)], False, 20),  # killed before LATEST moved
        ([(10,), ()], False, None),  # killed in the first save
    ],
)
def test_the_newest_that_all_have(
    steps: list[tuple[int, ...]], marked: bool, chosen: int | None
) -> None:
    assert newest_common([LocalCheckpoints("spark", own, marked) for own in steps]) == chosen


@pytest.mark.parametrize("steps", [[(10,), ()], [(10,), (20,)], [(), ()]])
def test_a_loss_does_not_pass_for_a_beginning(steps: list[tuple[int, ...]]) -> None:
    with pytest.raises(ConfigurationError, match=r"spark: (step 10|none)") as caught:
        newest_common([LocalCheckpoints("spark", own, own == steps[0]) for own in steps])
    assert (caught.value.code, caught.value.exit_code) == ("checkpoint_lost", 78)


@pytest.mark.parametrize("keep", [1, 3])
def test_the_newest_are_kept(keep: int, tmp_path: Path) -> None:
    checkpoints = _checkpoints(tmp_path, keep)
    for step in (2, 8, 10, 100):
        checkpoints.save(step, _write)
    folder = tmp_path / "checkpoints/rank0"
    assert {path.name for path in folder.iterdir()} == {
        "LATEST",
        *["step-8", "step-10", "step-100"][-keep:],
    }
    assert (folder / "LATEST").read_text() == "step-100"


def test_a_save_that_fails_leaves_what_was(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        _write(folder)
        raise OSError(28, "No space left on device")

    checkpoints = _checkpoints(tmp_path, keep=1)
    checkpoints.save(10, _write)
    with pytest.raises(TrainingError, match="no space is left"):
        checkpoints.save(20, fail)
    assert _found(tmp_path) == 10
    assert not list(tmp_path.glob("checkpoints/rank0/.*"))


def test_nothing_old_goes_before_all_ranks_have_the_new_one(tmp_path: Path) -> None:
    _checkpoints(tmp_path, keep=1).save(10, _write)
    with pytest.raises(PeerError):
        _checkpoints(tmp_path, 1, LosesItsPeer(ALONE.env, ALONE.device)).save(20, _write)
    folder = tmp_path / "checkpoints/rank0"
    assert (folder / "LATEST").read_text() == "step-10"
    assert sorted(path.name for path in folder.glob("step-*")) == ["step-10", "step-20"]


@pytest.mark.parametrize("name", ["state.pt", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "flipped"])
def test_a_damaged_file_makes_a_checkpoint_none(name: str, damage: str, tmp_path: Path) -> None:
    checkpoints = _checkpoints(tmp_path)
    checkpoints.save(10, _write)
    checkpoints.save(20, _write)
    file = tmp_path / "checkpoints/rank0/step-20" / name
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-1] + (b"x" if damage == "flipped" else b""))
    assert _found(tmp_path) == 10
    assert not file.parent.exists()


def test_a_manifest_of_another_shape_is_none(tmp_path: Path) -> None:
    _checkpoints(tmp_path).save(10, _write)
    for content in ([], {"sha256": [1]}, {"sha256": {}}, {"settings": {}}):
        _checkpoints(tmp_path).save(20, _write)
        manifest = tmp_path / "checkpoints/rank0/step-20/manifest.json"
        manifest.write_text(json.dumps(content))
        assert _found(tmp_path) == 10


def test_settings_that_shape_the_result_must_be_the_same(tmp_path: Path) -> None:
    _checkpoints(tmp_path).save(10, _write)
    with pytest.raises(ConfigurationError) as caught:
        _checkpoints(tmp_path, **{"optim.lr": 0.2, "new": 1}).negotiate()
    assert caught.value.code == "checkpoint_unfit"
    assert "new was None, now is 1; optim.lr was 0.1, now is 0.2" in caught.value.message
    assert _found(tmp_path) == 10


@pytest.mark.parametrize(
    ("section", "key", "value", "same"),
    [
        ("optim", "lr", 1e-3, False),
        ("loop", "max_steps", 40, False),
        ("data", "template", "alpaca", False),
        ("loop", "log_every", 5, True),
        ("loop", "eval_every", 5, True),
        ("parallel", "timeout", 5, True),
        ("checkpoint", "every", 5, True),
    ],
)
def test_how_it_is_watched_may_change(section: str, key: str, value: object, same: bool) -> None:
    changed = TINY | {section: TINY.get(section, {}) | {key: value}}
    then, now = (
        settings_of(TrainingConfig.model_validate(document), 2, "base", "data")
        for document in (TINY, changed)
    )
    assert (then == now) is same


@pytest.mark.parametrize("others", [(1, "base", "data"), (2, "new", "data"), (2, "base", "new")])
def test_group_base_and_data_shape_the_result(others: tuple[int, str, str]) -> None:
    config = TrainingConfig.model_validate(TINY)
    assert settings_of(config, *others) != settings_of(config, 2, "base", "data")


def test_a_setting_that_an_older_version_did_not_have_was_at_its_default(tmp_path: Path) -> None:
    Checkpoints(tmp_path, ALONE, {"optim.lr": 0.1}, 2, {}).save(10, _write)
    assert _found(tmp_path) == 10
    with pytest.raises(ConfigurationError, match=r"loop\.keep was last, now is best"):
        _checkpoints(tmp_path, **{"loop.keep": "best"}).negotiate()


@pytest.mark.parametrize("key", ["0-ab", None])
def test_a_checkpoint_of_other_tokens_of_the_same_data_names_the_version(
    key: str | None, tmp_path: Path
) -> None:
    then = {"data_sha256": "ab"} if key is None else {"data_key": key}
    Checkpoints(tmp_path, ALONE, then, 2, {}).save(10, _write)
    with pytest.raises(ConfigurationError, match="made by an earlier version of sparkctl") as told:
        Checkpoints(tmp_path, ALONE, {"data_key": "1-ab"}, 2, {}).negotiate()
    assert "data_key" not in told.value.message


def test_other_data_are_named_by_what_was_set(tmp_path: Path) -> None:
    then = {"data_key": "1-ab", "data.max_length": 8}
    Checkpoints(tmp_path, ALONE, then, 2, {}).save(10, _write)
    with pytest.raises(ConfigurationError) as told:
        now = {"data_key": "1-cd", "data.max_length": 9}
        Checkpoints(tmp_path, ALONE, now, 2, {}).negotiate()
    assert "data.max_length was 8, now is 9" in told.value.message
    assert "data_key" not in told.value.message
    with pytest.raises(ConfigurationError, match="data_key was 1-ab, now is 1-cd"):
        Checkpoints(tmp_path, ALONE, then | {"data_key": "1-cd"}, 2, {}).negotiate()


def test_packed_passes_of_before_are_others(tmp_path: Path) -> None:
    """A run that went on with them would see rows twice, and others never."""
    config = TrainingConfig.model_validate(TINY | {"loop": {"batching": "packed"}})
    now, usual = settings_of(config, 2, "base", "1-data"), usual_settings(config)
    then = {key: value for key, value in now.items() if key != "packing"}
    Checkpoints(tmp_path / "before", ALONE, then, 2, usual).save(10, _write)
    with pytest.raises(
        ConfigurationError, match="earlier version of sparkctl, which put other rows"
    ):
        Checkpoints(tmp_path / "before", ALONE, now, 2, usual).negotiate()
    Checkpoints(tmp_path / "now", ALONE, now, 2, usual).save(10, _write)
    assert Checkpoints(tmp_path / "now", ALONE, now, 2, usual).negotiate() is not None
    other = TrainingConfig.model_validate(TINY | {"loop": {"batching": "padding-free"}})
    with pytest.raises(ConfigurationError, match=r"batching was packed, now is padding-free$"):
        free = settings_of(other, 2, "base", "1-data")
        Checkpoints(tmp_path / "now", ALONE, free, 2, usual_settings(other)).negotiate()


def test_defaults_are_those_of_the_same_method_model_and_data() -> None:
    config = TrainingConfig.model_validate(TINY)
    usual, own = usual_settings(config), settings_of(config, 2, "base", "data")
    assert usual.keys() == own.keys() - {"world_size", "base_sha256", "data_key"}
    same = ("model.name", "method.kind", "data.name")
    assert [usual[key] for key in same] == [own[key] for key in same]
    assert usual["loop.keep"] == "last"


def test_defaults_of_a_training_on_several_sources() -> None:
    sources = [{"name": "a.csv", "share": 3}, {"name": "org/b"}]
    config = TrainingConfig.model_validate(TINY | {"data": {"sources": sources}})
    usual, own = usual_settings(config), settings_of(config, 2, "base", "data")
    assert usual["data.sources"] == own["data.sources"]
    assert usual["data.sources"][0]["share"] == 3


def test_random_numbers_go_on_where_they_were() -> None:
    numpy = pytest.importorskip("numpy")

    def draw() -> tuple[float, float, float]:
        return random.random(), numpy.random.random(), torch.rand(()).item()

    state = rng_state()
    first = draw()
    set_rng_state(state)
    assert draw() == first


class Planted:
    """Runs a command of its own when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.proof,)


def test_a_checkpoint_that_brings_code_does_not_run_it(tmp_path: Path) -> None:
    """Whoever can write into a run folder can change its state.pt, and the sums beside it."""
    proof = tmp_path / "it ran"
    good = State({"w": torch.ones(2)}, {}, {}, {}, {"step": 1})
    good.write(tmp_path)
    assert State.read(tmp_path).counters == {"step": 1}
    State({"w": torch.ones(2)}, {"o": Planted(proof)}, {}, {}, {}).write(tmp_path)
    with pytest.raises(pickle.UnpicklingError):
        State.read(tmp_path)
    assert not proof.exists()
    torch.load(tmp_path / "state.pt", weights_only=False)
    assert proof.exists()  # so it would have run


def test_a_full_disk_is_an_error_that_names_the_checkpoint(tmp_path: Path) -> None:
    state = State({"w": torch.ones(200_000)}, {}, {}, {}, {})
    checkpoints = _checkpoints(tmp_path)
    with small_disk(tmp_path / "checkpoints", 256):
        with pytest.raises(TrainingError, match=r"no space is left for .*step-2") as caught:
            checkpoints.save(2, state.write)
        assert caught.value.code == "disk_full"
        assert _found(tmp_path) is None
