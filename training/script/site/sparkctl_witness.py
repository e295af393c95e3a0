"""Sees from inside a script's process whether its ranks work together, and reports it.

At the first optimizer step it adds up, over the group that the script has made, numbers that only
the ranks' supervisors know: no rank can report the sum alone. At the second it has counted the
collectives of one whole step. training/gang/proof.py judges. It changes nothing of the training,
and whatever goes wrong here does not end it.
"""

import atexit
import faulthandler
import importlib.util
import json
import os
import re
import signal
import sys
import time
import weakref
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import sparkctl_progress as progress
import sparkctl_threads as threads

_BEAT = 1.0
"""Seconds between two heartbeats, at least."""


def install(environ: MutableMapping[str, str]) -> None:
    """In the one process of this node that trains; a launcher around it makes no steps."""
    if environ.get("LOCAL_RANK", "0") != "0" or "SPARKCTL_WITNESSED" in environ:
        return
    witness = _Witness(environ)
    waiting: dict[str, Callable[[ModuleType], None]] = {
        "torch.optim.optimizer": witness.watch_steps,
        "transformers.trainer": witness.watch_trainer,
    }
    for name in [name for name in waiting if name in sys.modules]:
        waiting.pop(name)(sys.modules[name])
    sys.meta_path.insert(0, _AfterImport(waiting))
    if "LOCAL_RANK" in environ or environ["SPARKCTL_LAUNCHER"] == "python":
        environ["SPARKCTL_WITNESSED"] = "1"  # not in the processes that load data for this one
        witness.answer_signals()
        atexit.register(threads.rest)  # the first registered is the last to run


class _AfterImport(MetaPathFinder):
    """Calls back when a module has been loaded, once; imports nothing by itself."""

    def __init__(self, actions: dict[str, Callable[[ModuleType], None]]) -> None:
        self._actions = actions

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Of one that is waited for, as others find it."""
        action = self._actions.pop(name, None)
        spec = importlib.util.find_spec(name) if action else None
        if action is not None and spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                action(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


class _Witness:
    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._number = int(environ["SPARKCTL_WITNESS"])
        self._rank = int(environ["SPARKCTL_RANK"])
        self._folder = Path(environ["SPARKCTL_RUN_DIR"])
        begin = re.search(r"([0-9]{1,12})$", progress.resume_from() or "")
        self._step = int(begin[1]) if begin else 0
        self._seen = 0
        self._first: weakref.ref[Any] | None = None
        self._collectives: int | None = None
        self._phase, self._beat_at = "", 0.0
        self._trainer = False

    def answer_signals(self) -> None:
        """SIGUSR1 appends the stacks of all threads to `debug/`, when this rank hangs."""
        with suppress(OSError):
            debug = self._folder / "debug"
            debug.mkdir(exist_ok=True)
            file = (debug / f"stacks-rank{self._rank}.txt").open("a")
            faulthandler.register(signal.SIGUSR1, file=file, all_threads=True)
        self.beat("starting", None)

    def watch_steps(self, module: ModuleType) -> None:
        """From now on of every optimizer of torch, in this process."""
        module.register_optimizer_step_pre_hook(self._before_step)

    def watch_trainer(self, module: ModuleType) -> None:
        """Every Trainer of transformers prints our events."""
        module.DEFAULT_CALLBACKS.append(_callback(module, self))

    def beat(self, phase: str, step: int | None) -> None:
        """Replace the heartbeat of this rank, now and then: too long without one, and it hangs."""
        if step is not None:
            self._step = step
        now = time.monotonic()
        if phase == self._phase and now - self._beat_at < _BEAT:
            return
        self._phase, self._beat_at = phase, now
        beat = {"rank": self._rank, "phase": phase, "step": step, "pid": os.getpid()}
        with suppress(OSError):  # a full disk is the supervisor's to tell
            temp = self._folder / f".heartbeat-rank{self._rank}.tmp"
            temp.write_text(json.dumps(beat), encoding="utf-8")
            temp.replace(self._folder / f"heartbeat-rank{self._rank}.json")

    def from_now_on_of_trainer(self) -> None:
        """It knows its own steps, those before a restart included."""
        self._trainer = True

    def _before_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        self._first = self._first or weakref.ref(optimizer)  # it may have others inside
        is_first = self._first() is optimizer
        self._seen += is_first
        if is_first and self._seen <= 2:
            try:
                self._report(self._seen, optimizer)
            except Exception as failure:  # of a torch that it does not know: the proof is missing
                print(f"sparkctl's witness could not look: {failure!r}", file=sys.stderr)
        if not self._trainer:
            self.beat("training", self._step)
        self._step += is_first and not self._trainer

    def _report(self, step: int, optimizer: Any) -> None:
        import sparkctl_group as group  # reads torch, which is there by now

        before, counted = self._collectives, group.collectives()
        known = counted is not None and before is not None
        seen: dict[str, Any] = {
            "step": step,
            "world_size": group.world_size(),
            "backend": group.backend(),
            "collectives": counted - before if known else counted if step == 1 else None,
        }
        if step == 1:
            seen |= group.of_model(optimizer)
            seen["gradients"] = group.gradients(optimizer, seen["wrappers"])
            seen["total"] = group.sum_over_ranks(self._number)
            self._collectives = group.collectives()
        progress.event("group", **seen)


def _callback(module: Any, witness: _Witness) -> type:
    class SparkctlCallback(module.TrainerCallback):  # type: ignore[misc]
        """Progress, for `runs show` and for the silence timeout."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            witness.from_now_on_of_trainer()
            witness.beat("training", state.global_step)
            if state.global_step:
                progress.event("resumed", step=state.global_step, passed_over=[])

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            witness.beat("training", state.global_step)

        def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            witness.beat("evaluating", state.global_step)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                rate, norm = logs.get("learning_rate"), logs.get("grad_norm")
                progress.step(
                    state.global_step,
                    state.max_steps,
                    float(logs["loss"]),
                    None if rate is None else float(rate),
                    None if norm is None else float(norm),
                )

        def on_evaluate(
            self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any
        ) -> None:
            if metrics and "eval_loss" in metrics:
                progress.evaluated(state.global_step, float(metrics["eval_loss"]))

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            progress.saved(state.global_step)

    return SparkctlCallback
