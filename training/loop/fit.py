"""The training of this rank from its first step, or from a checkpoint, to its last."""

from dataclasses import dataclass

from training.contract.events import Resumed, Start
from training.contract.files import CHECKPOINTS
from training.data.prepared import Prepared
from training.loop.checkpoint import Checkpoints, Found, settings_of
from training.loop.curves import Curves
from training.loop.planned import Feed
from training.loop.totals import Totals
from training.loop.trainer import make_trainer
from training.model import attention
from training.model.base import Base
from training.ranks.joined import Joined


@dataclass(frozen=True)
class ResumePoint:
    """This rank's checkpoints, and the one that all ranks go on from, if there is one."""

    checkpoints: Checkpoints
    found: Found | None


@dataclass(frozen=True)
class Trained:
    """What came of it."""

    steps: int
    tokens: int
    """Of this rank."""
    loss_before: float
    loss_after: float
    """Held out."""
    totals: Totals
    curves: Curves | None
    """On the rank that draws them; not finished yet."""


def agree_on_checkpoint(rank: Joined, prepared: Prepared) -> ResumePoint:
    """All ranks go on from the same step, or all begin."""
    world_size = rank.env.world_size
    settings = settings_of(rank.config, world_size, prepared.base_sha256, prepared.data_sha256)
    keep = rank.config.checkpoint.keep
    checkpoints = Checkpoints(rank.env.run_dir, rank.group, settings, keep)
    return ResumePoint(checkpoints, checkpoints.agree())


def fit(rank: Joined, prepared: Prepared, base: Base, resume: ResumePoint) -> Trained:
    """Train and evaluate."""
    config, env, log, found = rank.config, rank.env, rank.log, resume.found
    batching = attention.settle(config.loop.batching, base.model)
    pad = prepared.tokenizer.pad_token_id or 0
    feed = Feed.of(prepared.sequences, config, batching, env.world_size, pad)
    trainer = make_trainer(
        base.model,
        prepared.tokenizer,
        feed,
        config,
        device=rank.group.device,
        scratch=env.run_dir / CHECKPOINTS,
        log=log,
        parameters=base.loaded.parameters,
        on_start=lambda total_steps: log.emit(_start(rank, prepared, base, total_steps)),
    )
    if env.rank == 0:
        went_on = found.step if found else None
        trainer.curves = Curves(env.run_dir, env.run_id, config, went_on)
    trainer.keep_checkpoints(resume.checkpoints, config.checkpoint.every, rank.group, log)
    log.phase("training")
    if found is not None:
        passed_over = list(found.passed_over)
        log.emit(
            Resumed(rank=env.rank, step=found.step, passed_over=passed_over, elapsed=log.elapsed)
        )
    first, last = trainer.train_and_evaluate(found)
    steps = trainer.state.global_step
    return Trained(steps, trainer.tokens, first, last, trainer.totals, trainer.curves)


def _start(rank: Joined, prepared: Prepared, base: Base, total_steps: int) -> Start:
    env, loaded = rank.env, base.loaded
    return Start(
        rank=env.rank,
        run_id=env.run_id,
        node=env.node,
        world_size=env.world_size,
        total_steps=total_steps,
        strategy=base.strategy,
        base_sha256=prepared.base_sha256,
        parameters=loaded.parameters,
        local_parameters=loaded.local_parameters,
        trainable_parameters=sum(p.numel() for p in base.model.parameters() if p.requires_grad),
        bytes_read=loaded.bytes_read,
        train_rows=len(prepared.sequences.train),
        held_out_rows=len(prepared.sequences.held_out),
        device=str(rank.group.device),
    )
