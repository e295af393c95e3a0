"""The work of each step, made ready while the step before it computes."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from training.loop.batch_plan import BatchPlan
from training.tokens.tokens import IGNORED

_AHEAD = 2
"""Steps that are ready, or being made ready, beside the one at work."""


@dataclass(frozen=True)
class Work:
    """One optimizer step of this rank. What is said of all ranks follows from the plan: no rank has
    to ask."""

    step: int
    batches: list[dict[str, Any]]
    tokens: int
    """Real tokens of this rank."""
    all_tokens: int
    """Of all ranks."""
    counted: int
    """Tokens of all ranks that the loss counts."""


def feed(plan: BatchPlan, rank: int, after: int, *, pin: bool) -> Iterator[Work]:
    """The steps after step `after`, in order. With `pin` a GPU can fetch them without a wait."""
    with ThreadPoolExecutor(1, "feed") as pool:
        waiting: deque[Future[Work]] = deque()
        for step in range(after + 1, plan.steps + 1):
            waiting.append(pool.submit(_work, plan, rank, step, pin))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _work(plan: BatchPlan, rank: int, step: int, pin: bool) -> Work:
    every, train = plan.train[step - 1], plan.sequences.train
    batches = [scored(plan.collate([train[row] for row in batch])) for batch in every[rank]]
    if pin:
        batches = [{k: _pinned(v) for k, v in batch.items()} for batch in batches]
    tokens = [sum(train.lengths[row] for batch in own for row in batch) for own in every]
    counted = sum(train.counted(row) for own in every for batch in own for row in batch)
    return Work(step, batches, tokens[rank], sum(tokens), counted)


def scored(batch: dict[str, Any]) -> dict[str, Any]:
    """With places in the flattened batch and the tokens that come next there in place of `labels`:
    `positions` and `targets`, both (counted tokens,).

    Found here, on the host: a GPU that is asked which labels count makes every pass wait for it.
    """
    following = torch.nn.functional.pad(batch["labels"][:, 1:], (0, 1), value=IGNORED).flatten()
    positions = torch.from_numpy(np.flatnonzero(following.numpy() != IGNORED))
    others = {name: value for name, value in batch.items() if name != "labels"}
    return others | {"positions": positions, "targets": following[positions]}


def _pinned(value: Any) -> Any:
    return value.pin_memory() if isinstance(value, torch.Tensor) else value


def on_device(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The batch there; what is pinned is fetched while the GPU works."""
    return {
        k: v.to(device, non_blocking=True) if isinstance(v, torch.Tensor) else v
        for k, v in batch.items()
    }
