"""A model that learns: a step at a time, with the gradients of all ranks."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from peft import PeftModel
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel

from training.contract.config import Full, TrainingConfig
from training.loop.feeding import Work, on_device
from training.loop.gradients import Gradients
from training.loop.loss import Loss
from training.loop.optimizer import make_optimizer, make_schedule
from training.loop.step_timer import StepTimer

Beat = Callable[[], None]
"""Called before every pass: one may take minutes."""


@dataclass(frozen=True)
class Told:
    """What a few steps came to, read from the device at once."""

    loss: float
    """Mean of the steps since the last reading, over all ranks."""
    grad_norm: float
    """Of the last one."""
    lr: float
    """With which it was made."""


class Learner:
    """Model, optimizer and schedule of this rank.

    Nothing in `learn` waits for a GPU: losses add up where they are, `read` fetches them.
    """

    def __init__(
        self,
        model: Any,
        config: TrainingConfig,
        steps: int,
        ranks: int,
        device: torch.device,
        timer: StepTimer,
    ) -> None:
        """`steps`: optimizer steps of the whole training, for the schedule."""
        self.model = model
        self._ranks, self._device, self._timer = ranks, device, timer
        self._half = config.model.dtype == "bfloat16"
        self._most = config.optim.max_grad_norm
        self._loss = Loss(model.get_base_model() if isinstance(model, PeftModel) else model)
        learns = [p for p in model.parameters() if p.requires_grad]
        sharded = any(isinstance(module, FSDPModule) for module in model.modules())
        full = isinstance(config.method, Full)
        self._gradients = Gradients(learns, ranks, reduced=full)
        self._gradients.begin_equal()
        self._called = model
        if full and ranks > 1 and not sharded:
            # Large gradients, many of them: their means are made while the pass goes on.
            devices = [device] if device.type == "cuda" else None
            self._called = DistributedDataParallel(
                model,
                device_ids=devices,
                gradient_as_bucket_view=True,
                broadcast_buffers=False,  # constants, which would travel before every pass
            )
        self.optimizer = make_optimizer(model, config.optim, device)
        self.schedule = make_schedule(self.optimizer, config.optim, steps)
        model.train()
        self._sum = torch.zeros((), device=device)
        self._norm = torch.zeros((), device=device)
        self._steps, self._rate = 0, 0.0

    def learn(self, work: Work, beat: Beat) -> None:
        """One optimizer step."""
        passes, loss = len(work.batches), torch.zeros((), device=self._device)
        for number, batch in enumerate(work.batches, 1):
            beat()
            with self._timer.measure("data"):
                here = on_device(batch, self._device)
            with self._apart(last=number == passes):
                with self._timer.measure("forward"), self._in_half():
                    # Means over the ranks are made of the gradients, so of a share of all tokens.
                    part = self._ranks * self._loss.of_training(
                        self._called, here, work.counted, passes * self._ranks
                    )
                with self._timer.measure("backward"):
                    part.backward()
            loss += part.detach()
        with self._timer.measure("backward"):
            loss = self._gradients.mean(loss)
        self._norm = self._gradients.clip(self._most)
        self.optimizer.step()
        self._rate = self.schedule.get_last_lr()[0]
        self.schedule.step()
        self._gradients.clear()
        self._sum += loss
        self._steps += 1

    def warm_up(self, batch: dict[str, Any]) -> None:
        """Compute a batch both ways, and learn nothing: what has to be compiled is then."""
        self.evaluate([batch], lambda: None)
        with self._in_half():
            loss = self._loss.of_training(self._called, on_device(batch, self._device), 1, 1)
        loss.backward()
        self._gradients.clear()
        self._timer.take()

    def read(self) -> Told:
        """What has come since the last reading. All ranks together; waits for the device."""
        if self._ranks > 1 and not self._gradients.travel:
            dist.all_reduce(self._sum)
            self._sum.div_(self._ranks)
        loss, norm = torch.stack([self._sum / self._steps, self._norm]).tolist()
        self._sum.zero_()
        self._steps = 0
        return Told(loss, norm, self._rate)

    def wait(self) -> None:
        """Until a GPU has done all that it was asked for."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def unread(self) -> tuple[float, int]:
        """The losses that nobody has read: their sum, as this rank has it, and how many."""
        return float(self._sum), self._steps

    def set_unread(self, loss: float, steps: int) -> None:
        """As `unread` gave them."""
        self._sum.fill_(loss)
        self._steps = steps

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def evaluate(self, batches: Iterable[dict[str, Any]], beat: Beat) -> float:
        """Mean loss of a token of these batches, over all ranks.

        Not a mean of batch means: those depend on which rows meet in a batch. Of tokens alone: what
        keeps experts in balance is for training.
        """
        self.model.eval()
        total = torch.zeros(2, dtype=torch.float64, device=self._device)
        for batch in batches:
            beat()
            with self._timer.measure("evaluation"), self._in_half():
                total[0] += self._loss.of_evaluation(self.model, on_device(batch, self._device))
            total[1] += len(batch["targets"])
        self.model.train()
        if self._ranks > 1:
            dist.all_reduce(total)
        loss, counted = total.tolist()
        return float(loss / counted)

    def _in_half(self) -> AbstractContextManager[Any]:
        half: AbstractContextManager[Any] = torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._half
        )
        return half

    def _apart(self, *, last: bool) -> AbstractContextManager[Any]:
        """Passes before the last of a step, whose gradients need not travel yet."""
        if last or not isinstance(self._called, DistributedDataParallel):
            return nullcontext()
        apart: AbstractContextManager[Any] = self._called.no_sync()
        return apart
