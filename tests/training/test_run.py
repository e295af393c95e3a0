"""The real thing: entry points, gloo groups, sharded base, LoRA, adapter; CPU only."""

import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.support.ranks.nodes import Nodes, Rank
from tests.support.ranks.recipe import TINY
from training.contract.environment import MEMORY_FLOOR, NONCE
from training.contract.events import Adapts, DataRead, Error, Eval, Result, Start, Step, parse
from training.contract.redactor import SECRETS_DIR

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def trained(nodes: Nodes) -> list[Rank]:
    """One good run of two ranks with a sharded base; several tests look at it."""
    ranks = nodes.run(entry_point=True)
    assert [rank.status for rank in ranks] == [0, 0], [
        [*rank.stdout, rank.stderr] for rank in ranks
    ]
    return ranks


def test_two_nodes_are_one_group_that_shares_the_base(trained: list[Rank]) -> None:
    starts = list(chain.from_iterable(rank.events(Start) for rank in trained))
    assert [start.rank for start in starts] == [0, 1]
    assert len({start.base_sha256 for start in starts}) == 1
    for start in starts:
        assert (start.world_size, start.strategy, start.device) == (2, "sharded", "cpu")
        assert start.local_parameters == start.parameters / 2
        assert start.bytes_read == start.local_parameters * 4  # float32, and nothing else was read


def test_the_held_out_loss_falls(trained: list[Rank]) -> None:
    for rank in trained:
        first, last = rank.events(Eval)
        assert (first.step, last.step) == (0, 20)
        assert first.loss and last.loss
        assert last.loss <= 0.5 * first.loss


def test_every_step_is_told_by_every_rank(trained: list[Rank]) -> None:
    told = [rank.events(Step) for rank in trained]
    for steps in told:
        assert [step.step for step in steps] == list(range(1, 21))
        assert all(step.tokens > 0 and step.memory for step in steps)
    for ours, theirs in zip(*told, strict=True):
        assert (ours.loss, ours.grad_norm, ours.lr) == (theirs.loss, theirs.grad_norm, theirs.lr)
    for step in chain.from_iterable(told):
        assert step.mfu is None and step.memory_peak and step.memory_available
        seconds = dict(step.seconds or {})
        if step.step == 3:  # one step out of many is looked at, and does not count for the pace
            assert seconds.pop("communication") > 0 and not seconds
            assert step.tokens_per_second is step.rank_tokens_per_second is step.tflops is None
            continue
        assert step.tflops and step.rank_tokens_per_second
        assert step.rank_tokens_per_second < (step.tokens_per_second or 0)
        assert set(seconds) == {"data", "forward", "backward", "other"}
        assert seconds["forward"] > 0 and seconds["backward"] > 0
        spent = sum(seconds.values())
        assert spent == pytest.approx(step.tokens / step.rank_tokens_per_second, rel=0.02)
    for number, rank in enumerate(trained):
        beat = json.loads((rank.run_dir / f"heartbeat-rank{number}.json").read_text())
        assert beat["phase"] == "saving"
    results = [rank.events(Result)[0] for rank in trained]
    assert results[0].tokens == sum(step.tokens for steps in told for step in steps)
    assert results[0].tokens_per_second and results[0].memory_peak
    assert results[0].step_seconds and results[0].step_seconds["backward"] > 0
    assert trained[0].stderr.count("profiler") == 0


def test_tensorboard_shows_what_the_events_say(trained: list[Rank]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    drawn = EventAccumulator(str(trained[0].run_dir / "tensorboard")).Reload()
    losses = [(point.step, point.value) for point in drawn.Scalars("train/loss")]
    told = [(step.step, step.loss) for step in trained[0].events(Step)]
    assert losses == [(step, pytest.approx(loss, rel=1e-6)) for step, loss in told]
    assert [point.step for point in drawn.Scalars("eval/loss")] == [0, 20]
    assert [point.step for point in drawn.Scalars("seconds/communication")] == [3]
    assert "train/mfu" not in drawn.Tags()["scalars"]
    assert not (trained[1].run_dir / "tensorboard").exists()


def test_what_cannot_be_put_in_its_place_fails_every_rank(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "adapter").touch()  # a file, where a folder is to be
    ranks = nodes.run(
        environ={0: {"SPARKCTL_RUN_DIR": str(tmp_path)}},
        config={"loop": {"max_steps": 1, "per_device_batch_size": 8}},
    )
    assert [rank.status for rank in ranks] == [1, 1]
    for rank in ranks:
        (error,) = rank.events(Error)
        assert "NotADirectoryError" in error.message
    assert "node-0" in ranks[1].events(Error)[0].message


def test_the_ranks_end_with_the_same_adapter(trained: list[Rank]) -> None:
    results = [rank.events(Result)[0] for rank in trained]
    assert len({result.weights_sha256 for result in results}) == 1
    assert results[0].saved == str(trained[0].run_dir / "adapter")
    assert results[1].saved is None
    assert not (trained[1].run_dir / "adapter").exists()


def test_stdout_is_events_and_nothing_else(trained: list[Rank]) -> None:
    for number, rank in enumerate(trained):
        assert all(parse(line) for line in rank.stdout)
        assert "Traceback" not in rank.stderr
        assert "%|" not in rank.stderr  # progress bars
        metrics = (rank.run_dir / f"metrics-rank{number}.jsonl").read_text()
        assert metrics.splitlines() == rank.stdout
        end = json.loads((rank.run_dir / f"result-rank{number}.json").read_text())
        assert end["state"] == "succeeded"


@pytest.mark.filterwarnings("ignore")
def test_the_adapter_works_on_a_freshly_loaded_base(trained: list[Rank]) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (base,) = trained[1].cache_dir.glob("tiny-llama-*")  # the other node's copy
    adapter = trained[0].run_dir / "adapter"
    assert _manifest(adapter)["base_model_name_or_path"] == "builtin:tiny-llama"
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    plain = _held_out_loss(model, tokenizer)
    tuned = _held_out_loss(PeftModel.from_pretrained(model, adapter).eval(), tokenizer)
    first, last = trained[0].events(Eval)
    assert plain == pytest.approx(first.loss, rel=1e-5)
    assert tuned == pytest.approx(last.loss, rel=1e-4)


def test_the_first_lines_say_what_came_of_the_rows(trained: list[Rank]) -> None:
    for rank in trained:
        (told,), (start,) = rank.events(DataRead), rank.events(Start)
        assert (told.train, told.held_out) == (start.train_rows, start.held_out_rows)
        assert told.held_out == 48
        counts = told.counts
        assert counts.rows == counts.sequences == told.train + told.held_out
        assert 0 < counts.learned < counts.tokens
        assert (counts.bad, counts.left_out, counts.cut, counts.unread) == (0, {}, 0, ())


def test_the_first_lines_say_what_is_adapted(trained: list[Rank]) -> None:
    for rank in trained:
        (told,) = rank.events(Adapts)
        assert (told.layers, told.of, told.left_out) == (14, 15, ("1 output layer (lm_head)",))


@pytest.mark.filterwarnings("ignore")
def test_the_base_answers_a_chat(trained: list[Rank]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (base,) = trained[0].cache_dir.glob("tiny-llama-*")
    tokenizer = AutoTokenizer.from_pretrained(base)
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is 3 plus 4?"}],
        add_generation_prompt=True, return_tensors="pt", return_dict=True,
    )  # fmt: skip
    (answer,) = AutoModelForCausalLM.from_pretrained(base).generate(**asked)
    assert tokenizer.decode(answer).endswith("3 plus 4 is 7.</s>")


def test_whole_copies_train_to_the_very_same_adapter(trained: list[Rank], nodes: Nodes) -> None:
    replicated = nodes.run(config={"parallel": {"strategy": "ddp"}})
    assert [rank.status for rank in replicated] == [0, 0]
    start, result = replicated[0].events(Start)[0], replicated[0].events(Result)[0]
    assert (start.strategy, start.local_parameters) == ("ddp", start.parameters)
    assert [rank.events(DataRead)[0].reused for rank in replicated] == [True, True]
    assert result.weights_sha256 == trained[0].events(Result)[0].weights_sha256


def test_padding_changes_nothing_but_the_work(trained: list[Rank], nodes: Nodes) -> None:
    padded = nodes.run(config={"loop": {"batching": "padded", "max_steps": 4}})
    assert [rank.status for rank in padded] == [0, 0]
    for ours, theirs in zip(trained, padded, strict=True):
        assert ours.events(Eval)[0].loss == pytest.approx(theirs.events(Eval)[0].loss, rel=1e-6)
        for one, other in zip(ours.events(Step), theirs.events(Step), strict=False):
            assert one.tokens == other.tokens
            assert one.loss == pytest.approx(other.loss, rel=1e-4)


def test_one_node_trains_alone(trained: list[Rank], nodes: Nodes) -> None:
    (alone,) = nodes.run(world_size=1, config={"loop": {"max_steps": 3}})
    assert alone.status == 0
    assert alone.events(Start)[0].world_size == 1
    assert (alone.run_dir / "adapter/adapter_model.safetensors").exists()


def test_a_node_that_has_little_free_computes_more_again_on_all(nodes: Nodes) -> None:
    """The rank with the least decides for all."""
    little = {1: {MEMORY_FLOOR: "0.999"}}
    ranks = nodes.run(environ=little, config={"loop": {"max_steps": 1}})
    assert [rank.events(Start)[0].gradient_checkpointing for rank in ranks] == [True, True]
    ranks = nodes.run(config={"loop": {"max_steps": 1}})
    assert [rank.events(Start)[0].gradient_checkpointing for rank in ranks] == [False, False]


def test_a_rank_of_another_attempt_is_refused_by_all(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / NONCE).write_text("of-another")
    ranks = nodes.run(environ={1: {SECRETS_DIR: str(tmp_path)}})
    assert [rank.status for rank in ranks] == [78, 78]
    for number, rank in enumerate(ranks):
        (error,) = rank.events(Error)
        assert error.code == "group_mismatch"
        assert "nonce (node-0: " in error.message
        assert "of-this" not in error.message and "of-another" not in error.message
        assert not rank.events(Step)
        assert parse((rank.run_dir / f"result-rank{number}.json").read_text()) == error


def test_a_rank_of_another_group_is_refused_by_all(nodes: Nodes) -> None:
    for rank in nodes.run(environ={1: {"SPARKCTL_WORLD_SIZE": "3"}}):
        assert rank.status == 78
        assert "world_size (node-0: 2, node-1: 3)" in rank.events(Error)[0].message


def test_what_fails_on_one_node_is_told_by_all(nodes: Nodes) -> None:
    broken = {"SPARKCTL_CACHE_DIR": "/dev/null/cache"}
    ranks = nodes.run(environ={1: broken})
    assert [rank.status for rank in ranks] == [1, 1]
    told, own = (rank.events(Error)[0] for rank in ranks)
    assert "/dev/null/cache" in own.message
    assert told.message == f"on node-1: {own.message}"


def _held_out_loss(model: Any, tokenizer: Any) -> float:
    """Mean over all completion tokens, one row at a time, without anything of ours in between."""
    import torch

    from tests.support.examples import read_examples
    from training.contract.config import Data
    from training.texts.example import Text

    total, tokens = 0.0, 0
    for example in read_examples(Data.model_validate(TINY["data"])).held_out:
        assert isinstance(example, Text)
        asked, answer = (segment.text for segment in example.segments)
        prompt = len(tokenizer(asked)["input_ids"])
        ids = torch.tensor([tokenizer(asked + answer + tokenizer.eos_token)["input_ids"]])
        labels = ids.clone()
        labels[:, :prompt] = -100
        with torch.no_grad():
            count = ids.shape[1] - prompt
            total += float(model(input_ids=ids, labels=labels).loss) * count
            tokens += count
    return total / tokens


def _manifest(adapter: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((adapter / "adapter_config.json").read_text())
    return manifest
