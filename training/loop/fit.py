"""The training of this rank from its first step, or from a checkpoint, to its last."""

from dataclasses import dataclass

from training.contract.events import Resumed, Start
from training.contract.files import CHECKPOINTS
from training.data.prepared import Prepared
from training.loop.adapters_on_the_way import AdaptersOnTheWay
from training.loop.checkpoint import Checkpoints, ResumePoint
from training.loop.curves import Curves
from training.loop.planned import BatchPlan
from training.loop.run_totals import RunTotals
from training.loop.settings import settings_of, usual_settings
from training.loop.trainer import make_trainer
from training.model import attention
from training.model.base import Base
from training.ranks.joined import Joined


@dataclass(frozen=True)
class CheckpointChoice:
    """This rank's checkpoints, and where all ranks resume, if anywhere."""

    checkpoints: Checkpoints
    resume_point: ResumePoint | None


@dataclass(frozen=True)
class Trained:
    """The outcome of a training."""

    steps: int
    kept_step: int
    """The one after which the weights were as they are now."""
    ended_early: bool
    tokens: int
    """Of this rank."""
    loss_before: float
    loss_after: float
    """Held out; the latter of the weights as they are now."""
    totals: RunTotals
    curves: Curves | None
    """On the rank that draws them; not finished yet."""


def agree_on_checkpoint(rank: Joined, prepared: Prepared) -> CheckpointChoice:
    """All ranks resume from the same step, or all start from the beginning."""
    world_size = rank.env.world_size
    settings = settings_of(rank.config, world_size, prepared.base_sha256, prepared.data_key)
    keep, usual = rank.config.checkpoint.keep, usual_settings(rank.config)
    checkpoints = Checkpoints(rank.env.run_dir, rank.group, settings, keep, usual)
    return CheckpointChoice(checkpoints, checkpoints.negotiate())


def fit(rank: Joined, prepared: Prepared, base: Base, resume: CheckpointChoice) -> Trained:
    """Train and evaluate."""
    config, env, log, resume_point = rank.config, rank.env, rank.log, resume.resume_point
    batching = attention.choose_batching(config.loop.batching, base.model)
    pad = prepared.tokenizer.pad_token_id or 0
    batch_plan = BatchPlan.of(prepared.sequences, config, batching, env.world_size, pad)
    trainer = make_trainer(
        base.model,
        prepared.tokenizer,
        batch_plan,
        config,
        device=rank.group.device,
        scratch=env.run_dir / CHECKPOINTS,
        log=log,
        parameters=base.loaded.parameters,
        on_start=lambda total_steps: log.emit(_start(rank, prepared, base, total_steps)),
    )
    if env.rank == 0:
        resumed_from = resume_point.step if resume_point else None
        trainer.curves = Curves(env.run_dir, env.run_id, config, resumed_from)
    trainer.keep_checkpoints(resume.checkpoints, config, rank.group, log)
    if base.adapted is not None and config.checkpoint.adapter_every:
        trainer.add_callback(AdaptersOnTheWay(rank, base.adapted, prepared.tokenizer))
    log.phase("training")
    if resume_point is not None:
        log.emit(
            Resumed(
                rank=env.rank,
                step=resume_point.step,
                passed_over=list(resume_point.skipped),
                elapsed=log.elapsed,
            )
        )
    kept = trainer.train_and_evaluate(resume_point)
    return Trained(
        steps=trainer.state.global_step,
        kept_step=kept,
        ended_early=trainer.ended_early,
        tokens=trainer.tokens,
        loss_before=trainer.held_out[0],
        loss_after=trainer.held_out[kept],
        totals=trainer.totals,
        curves=trainer.curves,
    )


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
