"""TensorBoard's files, from the same events that everything else reads."""

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from training.events import Eval, Step

_NUMBERS = ("loss", "lr", "grad_norm", "tokens_per_second", "tflops", "mfu",
            "memory_peak", "memory_available")  # fmt: skip


class Board:
    """Scalars under `train/`, `eval/` and `seconds/`, by optimizer step, in one folder."""

    def __init__(self, folder: Path, goes_on_after: int) -> None:
        """What another attempt drew beyond step `goes_on_after` is not shown any more."""
        self._writer = SummaryWriter(str(folder), purge_step=goes_on_after + 1)

    def step(self, told: Step) -> None:
        """Draw the numbers of a step that are known."""
        for name in _NUMBERS:
            if (value := getattr(told, name)) is not None:
                self._writer.add_scalar(f"train/{name}", value, told.step)
        for name, seconds in (told.seconds or {}).items():
            self._writer.add_scalar(f"seconds/{name}", seconds, told.step)
        self._writer.flush()

    def eval(self, told: Eval) -> None:
        """Draw the held-out loss."""
        if told.loss is not None:
            self._writer.add_scalar("eval/loss", told.loss, told.step)
            self._writer.flush()
