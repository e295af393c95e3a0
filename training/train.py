"""One rank of one fine-tuning: `python -m training.train CONFIG`, started by an entry point.

Proof of the group -> base -> method -> training with evaluations -> adapter or model, equal on all
ranks.
Where the run folder has a checkpoint that all ranks have, the same command line goes on from it.
Every step of the way is an event on stdout (`training.ranks.events`); the exit status is an
`ExitCode`.
"""

import json
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.contract.config import Full, Qlora, TrainingConfig
from training.contract.environment import RunEnvironment, rank_of
from training.contract.errors import ConfigurationError, ExitCode, explain
from training.contract.events import Result, Resumed, Start
from training.contract.files import CHECKPOINTS
from training.contract.redactor import Redactor, secrets_dir
from training.data.fetch import base_folder
from training.plan.estimate import CPU, GB10, Strategy, memory, too_large
from training.plan.shape import shape_of
from training.plan.strategy import checkpoint_bytes, choose
from training.ranks import absent
from training.ranks.configuration import read_config
from training.ranks.events import EventLog, take_stdout
from training.ranks.fingerprint import folder_sha256, rows_sha256
from training.ranks.proof import Card, agree, prove
from training.ranks.stacks import dump_on_signal

if TYPE_CHECKING:
    from training.data.tokens import Sequences
    from training.model.load import Loaded
    from training.ranks.group import Group


def main(arguments: list[str], stream: int) -> int:
    """Run one rank and return its exit status. `stream` is the descriptor for events."""
    log = EventLog(stream, rank_of(os.environ), Redactor.of(secrets_dir(os.environ)))
    try:
        log.keep_in(os.environ.get("SPARKCTL_RUN_DIR"))
        if len(arguments) != 1:
            raise ConfigurationError("usage", "python -m training.train CONFIG")
        env = RunEnvironment.read(os.environ)
        dump_on_signal(env.run_dir, env.rank)
        run(read_config(Path(arguments[0])), env, log)
        return ExitCode.SUCCEEDED
    except Exception as failure:
        error = explain(failure)
        if error.exit_code is ExitCode.CRASHED and error is not failure:
            traceback.print_exc()
        log.failed(error)
        return error.exit_code


def run(config: TrainingConfig, env: RunEnvironment, log: EventLog) -> None:
    """Train; raises what `training.contract.errors.explain` understands."""
    if not isinstance(config.method, Qlora):
        absent.hide("bitsandbytes")  # peft imports it, and it torch's compiler: seconds of a start

    # Seconds of imports, so they wait until environment and configuration are known to be good.
    from training.loop.checkpoint import Checkpoints, settings_of
    from training.loop.curves import Curves
    from training.loop.planned import Feed
    from training.loop.trainer import make_trainer
    from training.model import attention
    from training.output import card
    from training.output.save import save
    from training.ranks import quiet
    from training.ranks.group import Group

    quiet.silence_libraries()
    log.phase("joining")
    group = Group.join(env, config.parallel)
    cards = group.gather(Card.of(config, env))
    prove(cards)

    prepared = _prepare(config, env, log, group)
    settings = settings_of(config, env.world_size, prepared.base_sha256, prepared.data_sha256)
    checkpoints = Checkpoints(env.run_dir, group, settings, config.checkpoint.keep)
    found = checkpoints.agree()

    log.phase("loading")
    strategy, loaded, model = _load(config, env, group, prepared.folder, cards)
    batching = attention.settle(config.loop.batching, model)
    pad = prepared.tokenizer.pad_token_id or 0
    feed = Feed.of(prepared.sequences, config, batching, env.world_size, pad)

    def start(total_steps: int) -> None:
        log.emit(
            Start(
                rank=env.rank,
                run_id=env.run_id,
                node=env.node,
                world_size=env.world_size,
                total_steps=total_steps,
                strategy=strategy,
                base_sha256=prepared.base_sha256,
                parameters=loaded.parameters,
                local_parameters=loaded.local_parameters,
                trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
                bytes_read=loaded.bytes_read,
                train_rows=len(prepared.sequences.train),
                held_out_rows=len(prepared.sequences.held_out),
                device=str(group.device),
            )
        )

    trainer = make_trainer(
        model,
        prepared.tokenizer,
        feed,
        config,
        group.device,
        env.run_dir / CHECKPOINTS,
        log,
        loaded.parameters,
        start,
    )
    if env.rank == 0:
        went_on = found.step if found else None
        trainer.curves = Curves(env.run_dir, env.run_id, config, went_on)
    trainer.keep_checkpoints(checkpoints, config.checkpoint.every, group, log)
    log.phase("training")
    if found is not None:
        log.emit(
            Resumed(
                rank=env.rank,
                step=found.step,
                passed_over=list(found.passed_over),
                elapsed=log.elapsed,
            )
        )
    first, last = trainer.train_and_evaluate(found)

    log.phase("saving")
    facts = card.Facts(
        run_id=env.run_id,
        world_size=env.world_size,
        strategy=strategy,
        steps=trainer.state.global_step,
        tokens=sum(group.gather(trainer.tokens)),
        loss_before=first,
        loss_after=last,
        base_sha256=prepared.base_sha256,
        data_sha256=prepared.data_sha256,
        libraries=cards[0].versions,
    )
    saved = save(model, prepared.tokenizer, prepared.folder, config, env, group, facts)
    group.leave()
    if trainer.curves is not None:
        trainer.curves.finish()
    totals = trainer.totals
    log.emit(
        Result(
            rank=env.rank,
            step=facts.steps,
            eval_loss_first=first,
            eval_loss_last=last,
            weights_sha256=saved.weights_sha256,
            saved=str(saved.folder) if saved.folder else None,
            tokens=facts.tokens,
            tokens_per_second=totals.tokens_per_second,
            mfu=totals.mfu,
            memory_peak=totals.memory_peak,
            step_seconds=totals.seconds,
            seconds=log.elapsed,
        )
    )


@dataclass(frozen=True)
class _Prepared:
    """What every rank has on its disk and in its hands, the same everywhere."""

    folder: Path
    base_sha256: str
    data_sha256: str
    tokenizer: Any
    sequences: "Sequences"


def _prepare(
    config: TrainingConfig, env: RunEnvironment, log: EventLog, group: "Group"
) -> _Prepared:
    """Data and base model, fetched where they are missing, and proven to be the same everywhere."""
    from transformers import AutoTokenizer

    from training.data import tokens
    from training.data.data import read_examples

    log.phase("preparing data")
    examples = group.together(lambda: read_examples(config.data, env.data_dir))
    data_sha256 = agree(
        "the data",
        group.gather((env.node, rows_sha256((*examples.train, *examples.held_out)))),
        "Pin data.revision to a commit, or put the same file on every node.",
        "data_mismatch",
    )

    log.phase("preparing base")
    folder = group.together(lambda: base_folder(config.model, env.cache_dir, env.data_dir))
    sums = group.gather((env.node, folder_sha256(folder)))
    base_sha256 = agree(
        "the base model",
        sums,
        "Pin model.revision to a commit, or remove the differing copy from its node.",
        "base_mismatch",
    )
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    sequences = group.together(
        lambda: tokens.prepare(examples, tokenizer, config.data, env.world_size)
    )
    return _Prepared(folder, base_sha256, data_sha256, tokenizer, sequences)


def _load(
    config: TrainingConfig,
    env: RunEnvironment,
    group: "Group",
    folder: Path,
    cards: Sequence[Card],
) -> "tuple[Strategy, Loaded, Any]":
    """The strategy, the base, and what is trained of it or beside it."""
    from training.model import adapter, load
    from training.output import export

    shape = shape_of(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    smallest = min(card.memory for card in cards)
    machine = GB10 if group.device.type == "cuda" else CPU
    strategy = choose(config, env.world_size, shape, checkpoint_bytes(folder), smallest, machine)
    least = memory(shape, config, strategy, env.world_size, machine).least if shape else 0
    if least > smallest:
        raise ConfigurationError("does_not_fit", *too_large(least, smallest))
    loaded = group.together(
        lambda: load.load(folder, strategy, env.world_size, config, group.device)
    )
    if isinstance(config.method, Full):
        return strategy, loaded, export.train_all(loaded.model, folder)
    return strategy, loaded, adapter.attach(loaded.model, config.method, config.loop.seed)


if __name__ == "__main__":
    status = main(sys.argv[1:], take_stdout())
    sys.stdout.flush()
    sys.stderr.flush()
    # A rank that failed must leave at once, so that the others notice; threads of a broken process
    # group could keep the interpreter here.
    os._exit(status)
