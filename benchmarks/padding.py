"""What padding costs: the playbook's batches against ours, on one core of this machine.

    python -m benchmarks.padding [--rounds N] [--rows N] [--write]

All ways train the same small Llama with a LoRA on the same examples in the same order, in turns:
the way that has seen the fewest examples goes next. Time is CPU time of this process, which has one
thread, so that neighbours on the machine count little. `--write` puts the table into
docs/benchmarks.md.
"""

import argparse
import math
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from trl.trainer.utils import add_fused_lm_head

from benchmarks.document import machine, write
from training.contract.config import Lora
from training.data.batches import Batch, BatchShape, plan
from training.data.collate import Collate, real_tokens
from training.model import adapter, attention
from training.ranks import log_levels
from training.tokens.tokens import Tokens

PLAYBOOK, OURS = "playbook: padded to the longest", "padding-free"
BATCH, LONGEST = 4, 1024
MEDIAN, SIGMA, SHORTEST = 90, 0.65, 8
"""Lengths of alpaca's rows in tokens: lognormal, clipped."""


@dataclass(frozen=True)
class Shape:
    """The model."""

    vocabulary: int = 8192
    hidden: int = 384
    layers: int = 6


@dataclass
class Way:
    """One way of batching with a model of its own, and what it cost so far."""

    name: str
    model: Any
    collate: Collate
    batches: Iterator[Batch]
    optimizer: torch.optim.Optimizer = field(init=False)
    examples: int = 0
    real: int = 0
    computed: int = 0
    seconds: float = 0.0
    nats: float = 0.0
    predicted: int = 0

    def __post_init__(self) -> None:
        learned = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(learned, lr=2e-3)

    def step(self, rows: Sequence[Tokens]) -> bool:
        """Learn from the next batch; False when there is none."""
        own = next(self.batches, None)
        if own is None:
            return False
        batch = self.collate([rows[row] for row in own])
        began = time.process_time()
        out = self.model(**batch, use_cache=False, fused_lm_head=True)
        predicted = out.label_mask.sum()
        loss = -out.log_probs.sum() / predicted
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.seconds += time.process_time() - began
        self.examples += len(own)
        self.real += real_tokens(batch)
        self.computed += batch["input_ids"].numel()
        self.nats += float(loss) * int(predicted)
        self.predicted += int(predicted)
        return True


@dataclass(frozen=True)
class Result:
    """One way in one round."""

    name: str
    share: float
    """Real tokens of all tokens computed."""
    speed: float
    """Real tokens per CPU second."""
    loss: float
    """Nats per real token, mean over the round."""


def measure(rows: int, seed: int, shape: Shape) -> list[Result]:
    """One round: every way over the same rows, from the same start."""
    examples = corpus(rows, seed, shape.vocabulary)
    ways = list(_ways(examples, seed, shape))
    running = ways[:]
    while running:
        behind = min(running, key=lambda way: way.examples)
        if not behind.step(examples):
            running.remove(behind)
    return [
        Result(w.name, w.real / w.computed, w.real / w.seconds, w.nats / w.predicted) for w in ways
    ]


def corpus(rows: int, seed: int, vocabulary: int) -> list[Tokens]:
    """Texts of alpaca's lengths with something to learn: a token mostly tells the next one."""
    chance = random.Random(seed)
    texts = []
    for _ in range(rows):
        length = chance.lognormvariate(math.log(MEDIAN), SIGMA)
        ids = [chance.randrange(vocabulary)]
        for _ in range(min(LONGEST, max(SHORTEST, int(length))) - 1):
            follows = (31 * ids[-1] + 7) % vocabulary
            ids.append(follows if chance.random() < 0.8 else chance.randrange(vocabulary))
        texts.append(Tokens(ids, ids))
    return texts


def _ways(examples: Sequence[Tokens], seed: int, shape: Shape) -> Iterator[Way]:
    lengths = [len(tokens.input_ids) for tokens in examples]
    fours = BatchShape(ranks=1, accumulation=1, rows=BATCH)
    full = BatchShape(ranks=1, accumulation=1, rows=BATCH, room=2 * LONGEST)
    for name, batching, collate, batch_shape in (
        (PLAYBOOK, "padded", Collate(0), fours),
        ("one row, dense mask of transformers", "padded", Collate(), fours),
        (OURS, "padding-free", Collate(), fours),
        (f"packed, rows of {2 * LONGEST}", "packed", Collate(), full),
    ):
        model = _model(shape)
        attention.choose_batching(batching, model)
        yield Way(name, model, collate, iter(plan(lengths, batch_shape, seed, 1.0, None)))


def _model(shape: Shape) -> Any:
    torch.manual_seed(0)
    base = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.hidden,
            intermediate_size=shape.hidden * 8 // 3,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.hidden // 64,
            num_key_value_heads=shape.hidden // 192,
        )
    )
    add_fused_lm_head(base)  # what the trainer does: logits of counted tokens only, in every way
    return adapter.attach(base, Lora(kind="lora"), seed=0).model.train()


def table(rounds: Sequence[Sequence[Result]], rows: int, shape: Shape) -> str:
    """The table of the document: medians over the rounds, ratios within each."""
    lines = [
        "| batches | real tokens | real tokens per CPU s | x playbook | fraction of ideal | loss |",
        "|---|---|---|---|---|---|",
    ]
    most = statistics.median(1 / results[0].share for results in rounds)
    for same in zip(*rounds, strict=True):
        ratios = [own.speed / results[0].speed for own, results in zip(same, rounds, strict=True)]
        reached = [ratio * results[0].share for ratio, results in zip(ratios, rounds, strict=True)]
        lines.append(
            f"| {same[0].name} | {statistics.median(r.share for r in same):.0%} "
            f"| {statistics.median(r.speed for r in same):,.0f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) "
            f"| {statistics.median(reached):.2f} "
            f"| {statistics.median(r.loss for r in same):.4f} |"
        )
    weights = sum(p.numel() for p in _model(shape).parameters()) / 1e6
    conditions = (
        f"{datetime.now(UTC):%Y-%m-%d}, one thread of {machine()}; torch "
        f"{version('torch')}, transformers {version('transformers')}, trl {version('trl')}. "
        f"Llama of {weights:.0f} M weights, LoRA, float32, medians of {len(rounds)} rounds of "
        f"{rows} rows; 1 / share of real tokens: {most:.2f}."
    )
    return "\n".join([*lines, "", conditions])


def main() -> None:
    """Measure and print; a note after every round."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--rows", type=int, default=64)
    options.add_argument("--write", action="store_true")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    log_levels.silence_libraries()
    measure(2 * BATCH, seed=0, shape=Shape())  # the first steps of a process are slow
    rounds = []
    for number in range(1, chosen.rounds + 1):
        rounds.append(measure(chosen.rows, number, Shape()))
        print(f"round {number}:", *(f"{r.speed:,.0f} tokens/s" for r in rounds[-1]), flush=True)
    lines = table(rounds, chosen.rows, Shape())
    print(lines)
    if chosen.write:
        write("padding", lines)


if __name__ == "__main__":
    main()
