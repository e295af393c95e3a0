"""One rank of one fine-tuning: `python -m training.train CONFIG`, started by an entry point.

Proof of the group -> base -> method -> training with evaluations -> adapter or model, equal on all
ranks.
Where the run folder has a checkpoint that all ranks have, the same command line goes on from it.
Every step of the way is an event on stdout (`training.events`); the exit status is an `ExitCode`.
"""

import json
import os
import shutil
import sys
import traceback
from pathlib import Path

from training.config import Full, TrainingConfig, read_config
from training.environment import RunEnvironment, rank_of
from training.errors import ConfigurationError, ExitCode, explain
from training.estimate import CPU, GB10, memory, too_large
from training.events import Error, EventLog, Result, Resumed, Start, take_stdout
from training.fetch import base_folder
from training.fingerprint import folder_sha256, rows_sha256
from training.proof import Card, agree, prove
from training.shape import shape_of
from training.strategy import checkpoint_bytes, choose


def main(arguments: list[str], stream: int) -> int:
    """Run one rank and return its exit status. `stream` is the descriptor for events."""
    log = EventLog(stream, rank_of(os.environ))
    try:
        log.keep_in(os.environ.get("SPARKCTL_RUN_DIR"))
        if len(arguments) != 1:
            raise ConfigurationError("usage", "python -m training.train CONFIG")
        env = RunEnvironment.read(os.environ)
        run(read_config(Path(arguments[0])), env, log)
        return ExitCode.SUCCEEDED
    except Exception as failure:
        error = explain(failure)
        if error.exit_code is ExitCode.CRASHED and error is not failure:
            traceback.print_exc()
        log.emit(
            Error(
                rank=log.rank,
                code=error.code,
                message=error.message,
                help=error.remedy,
                exit_code=error.exit_code,
                seconds=log.elapsed,
            )
        )
        return error.exit_code


def run(config: TrainingConfig, env: RunEnvironment, log: EventLog) -> None:
    """Train; raises what `training.errors.explain` understands."""
    # Seconds of imports, so they wait until environment and configuration are known to be good.
    from transformers import AutoTokenizer

    from training import adapter, attention, card, export, load, quiet, tokens
    from training.checkpoint import Checkpoints, settings_of
    from training.data import read_examples
    from training.group import Group
    from training.planned import Feed
    from training.trainer import make_trainer

    quiet.silence_libraries()
    log.phase("joining")
    group = Group.join(env, config.parallel)
    cards = group.gather(Card.of(config, env))
    prove(cards)

    log.phase("preparing data")
    examples = group.together(lambda: read_examples(config.data))
    data_sha256 = agree(
        "the data",
        group.gather((env.node, rows_sha256((*examples.train, *examples.held_out)))),
        "Pin data.revision to a commit, or put the same file on every node.",
        "data_mismatch",
    )

    log.phase("preparing base")
    folder = group.together(lambda: base_folder(config.model, env.cache_dir))
    sums = group.gather((env.node, folder_sha256(folder)))
    base_sha256 = agree(
        "the base model",
        sums,
        "Pin model.revision to a commit, or remove the differing copy from its node.",
        "base_mismatch",
    )

    settings = settings_of(config, env.world_size, base_sha256, data_sha256)
    checkpoints = Checkpoints(env.run_dir, group, settings, config.checkpoint.keep)
    found = checkpoints.agree()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    sequences = group.together(
        lambda: tokens.prepare(examples, tokenizer, config.data, env.world_size)
    )

    log.phase("loading")
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
        model = export.train_all(loaded.model, folder)
    else:
        model = adapter.attach(loaded.model, config.method, config.loop.seed)
    batching = attention.settle(config.loop.batching, model)
    feed = Feed.of(sequences, config, batching, env.world_size, tokenizer.pad_token_id or 0)

    def start(total_steps: int) -> None:
        log.emit(
            Start(
                rank=env.rank,
                run_id=env.run_id,
                node=env.node,
                world_size=env.world_size,
                total_steps=total_steps,
                strategy=strategy,
                base_sha256=base_sha256,
                parameters=loaded.parameters,
                local_parameters=loaded.local_parameters,
                trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
                bytes_read=loaded.bytes_read,
                train_rows=len(sequences.train),
                held_out_rows=len(sequences.held_out),
                device=str(group.device),
            )
        )

    scratch = env.run_dir / "checkpoints"
    trainer = make_trainer(
        model, tokenizer, feed, config, group.device, scratch, log, loaded.parameters, start
    )
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
    kind = export.FOLDER if isinstance(config.method, Full) else adapter.FOLDER
    saved, aside = env.run_dir / kind, env.run_dir / f".{kind}.tmp"
    out = aside if env.rank == 0 else None

    def write() -> str:
        if isinstance(config.method, Full):
            return export.write(model, tokenizer, folder, out)
        return adapter.write(model, tokenizer, config.model.name, out)

    weights_sha256 = agree(
        "the trained weights",
        group.gather((env.node, group.together(write))),
        "The ranks drifted apart while training; please report this.",
        "weights_mismatch",
    )
    total_tokens = sum(group.gather(trainer.tokens))
    if out is not None:
        facts = card.Facts(
            run_id=env.run_id,
            world_size=env.world_size,
            strategy=strategy,
            steps=trainer.state.global_step,
            tokens=total_tokens,
            loss_before=first,
            loss_after=last,
            weights_sha256=weights_sha256,
            base_sha256=base_sha256,
            data_sha256=data_sha256,
            libraries=cards[0].versions,
        )
        (out / "README.md").write_text(card.card(config, facts), encoding="utf-8")
        shutil.rmtree(saved, ignore_errors=True)
        out.rename(saved)
    group.leave()
    log.emit(
        Result(
            rank=env.rank,
            step=trainer.state.global_step,
            eval_loss_first=first,
            eval_loss_last=last,
            weights_sha256=weights_sha256,
            saved=str(saved) if out else None,
            tokens=total_tokens,
            seconds=log.elapsed,
        )
    )


if __name__ == "__main__":
    status = main(sys.argv[1:], take_stdout())
    sys.stdout.flush()
    sys.stderr.flush()
    # A rank that failed must leave at once, so that the others notice; threads of a broken process
    # group could keep the interpreter here.
    os._exit(status)
