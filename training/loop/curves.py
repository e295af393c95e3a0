"""The curves of a training, from the same events that everything else reads.

TensorBoard's files always; what the stack names beside them through accelerate's trackers, which
are imported where there are some: they bring the services' own libraries.
A tracker is an external service: one that cannot start ends a run that has not started either;
one that fails later is given up, and training continues.
"""

import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.contract.config import Tracker, TrainingConfig
from training.contract.errors import ConfigurationError
from training.contract.events import Eval, Step

_NUMBERS = ("loss", "lr", "grad_norm", "tokens_per_second", "tflops", "mfu",
            "memory_peak", "memory_available")  # fmt: skip
_FINISH = 60.0
"""Seconds that trackers may take to send what they still have."""


def numbers(event: Step | Eval) -> dict[str, float]:
    """What is known of an event, under `train/`, `seconds/` and `eval/`."""
    if isinstance(event, Eval):
        return {} if event.loss is None else {"eval/loss": event.loss}
    known = {f"train/{name}": getattr(event, name) for name in _NUMBERS}
    known |= {f"seconds/{name}": value for name, value in (event.seconds or {}).items()}
    return {name: value for name, value in known.items() if value is not None}


class _Board:
    """TensorBoard's files, as the trackers of others are used."""

    def __init__(self, folder: Path, purge_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # 150 modules that rank 0 alone needs

        self._writer = SummaryWriter(str(folder), purge_step=purge_step)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def finish(self) -> None:
        self._writer.close()


class Curves:
    """Of one run; for rank 0 alone."""

    def __init__(
        self, run_dir: Path, run_id: str, config: TrainingConfig, resumed_from: int | None
    ) -> None:
        """What an earlier attempt drew beyond step `resumed_from` is no longer shown.

        Raises ConfigurationError when a tracker cannot start; in a resumed run it is left out.
        """
        step = resumed_from or 0
        board = _Board(run_dir / "tensorboard", purge_step=step + 1)
        self._trackers: dict[str, Any] = {"tensorboard": board}
        settings = _flat(config.model_dump(mode="json"))
        if config.tracking.to:
            from accelerate import PartialState

            PartialState()  # they ask it which rank this is
        for name in config.tracking.to:
            tracker = _BEGIN[name](run_dir, run_id, config.tracking.project)
            if (why := _failure(tracker.start)) is None:
                self._trackers[name] = tracker
                _failure(tracker.store_init_configuration, settings)
            elif resumed_from is None:
                raise ConfigurationError(
                    "tracker_refused",
                    f"{name} does not start: {why}",
                    "Fix its settings and its secret, or remove it from training.tracking.to.",
                )
            else:
                _give_up(name, why)

    def draw(self, event: Step | Eval) -> None:
        """Draw the numbers of an event that are known."""
        values = numbers(event)
        for name, tracker in list(self._trackers.items()):
            if (why := _failure(tracker.log, values, event.step)) is not None:
                del self._trackers[name]
                _give_up(name, why)

    def finish(self) -> None:
        """Send what is still pending. A tracker that does not finish in time is abandoned."""
        for name, tracker in self._trackers.items():
            thread = threading.Thread(
                target=_failure, args=(tracker.finish,), daemon=True, name=name
            )
            thread.start()
            thread.join(_FINISH)


def _failure(do: Callable[..., Any], *given: Any) -> str | None:
    """What went wrong with a tracker, in one line."""
    try:
        do(*given)
    except Exception as error:  # of a library, of a network, of somebody else's computer
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None


def _give_up(name: str, why: str) -> None:
    print(f"{name} is given up: {why}", file=sys.stderr)


def _wandb(run_dir: Path, run_id: str, project: str) -> Any:
    from accelerate.tracking import WandBTracker

    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.setdefault("WANDB_CONSOLE", "off")
    return WandBTracker(project, id=run_id, name=run_id, resume="allow", dir=str(run_dir))


def _mlflow(run_dir: Path, run_id: str, project: str) -> Any:
    """MLflow names runs itself, so which one this is, is kept in the run folder."""
    from accelerate.tracking import MLflowTracker

    kept = run_dir / "mlflow-run"

    class Kept(MLflowTracker):  # type: ignore[misc]
        def start(self) -> None:
            if not os.environ.get("MLFLOW_TRACKING_URI"):
                raise ValueError("MLFLOW_TRACKING_URI is not set (env: of the stack)")
            super().start()
            kept.write_text(self.tracker.info.run_id)

    known = kept.read_text() if kept.exists() else None
    return Kept(project, run_id=known, run_name=run_id)


def _trackio(run_dir: Path, run_id: str, project: str) -> Any:
    from accelerate.tracking import TrackioTracker

    os.environ.setdefault("TRACKIO_DIR", str(run_dir / "trackio"))
    return TrackioTracker(project, name=run_id, resume="allow")


_BEGIN: Mapping[Tracker, Callable[[Path, str, str], Any]] = {
    "wandb": _wandb,
    "mlflow": _mlflow,
    "trackio": _trackio,
}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = str(value) if isinstance(value, list) else value
    return found
