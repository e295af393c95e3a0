"""The training of this rank from its first step, or from a checkpoint, to its last."""

import sys
from dataclasses import dataclass

import torch

from training.contract.events import Resumed, Start
from training.data.batching import Circumstances, choose, told
from training.data.batching import shape as shape_of
from training.data.prepared import Prepared
from training.loop.adapters_on_the_way import AdaptersOnTheWay
from training.loop.batch_plan import BatchPlan
from training.loop.checkpoint import Checkpoints, ResumePoint
from training.loop.curves import Curves
from training.loop.learner import Learner
from training.loop.progress import Progress
from training.loop.run_totals import RunTotals
from training.loop.settings import settings_of, usual_settings
from training.loop.step_timer import StepTimer
from training.loop.training import AfterStep, Training, batching_of
from training.model import attention, kernels
from training.model.base import Base
from training.model.checkpointing import recompute
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
    passes = getattr(torch, config.model.dtype)
    allowed = attention.choose_batching(config.loop.batching, base.model, passes)
    here = Circumstances(
        apart=allowed != "padded",
        parameters=base.loaded.parameters,
        sharded=base.strategy == "sharded" and env.world_size > 1,
        ranks=env.world_size,
        lengths=prepared.sequences.train.lengths,
        before=batching_of(resume_point),
    )
    batching = choose(config, here)
    pad = prepared.tokenizer.pad_token_id or 0 if batching == "padded" else None
    collate, shape = attention.collate(base.model, pad), shape_of(config, env.world_size, batching)
    plan = BatchPlan.of(prepared.sequences, config, shape, collate)
    packing = None
    if config.loop.batching == "auto" and batching == "packed":
        packing = told(config, here, plan.train)
        print(packing, file=sys.stderr)
    recompute(base.model, base.recompute)
    kernels.use(base.model, config.loop.kernels, env.cache_dir)
    timer = StepTimer()
    learner = Learner(base.model, config, plan.steps, env.world_size, rank.group.device, timer)
    progress = Progress(log, config, base.loaded.parameters, plan.steps, timer)
    if env.rank == 0:
        resumed_from = resume_point.step if resume_point else None
        progress.curves = Curves(env.run_dir, env.run_id, config, resumed_from)
    training = Training(
        learner,
        plan,
        config,
        rank.group,
        log,
        progress,
        resume.checkpoints,
        batching,
        _after_step(rank, prepared, base),
    )
    if config.loop.kernels == "compiled":
        log.phase("compiling")  # minutes, the first time on a node; nobody counts them as silence
        training.warm_up()
    torch.manual_seed(config.loop.seed)  # whatever loading and probing have drawn
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
    log.emit(_start(rank, prepared, base, plan.steps, batching, packing))
    kept = training.train(resume_point)
    return Trained(
        steps=training.step,
        kept_step=kept,
        ended_early=training.ended_early,
        tokens=training.tokens,
        loss_before=training.held_out[0],
        loss_after=training.held_out[kept],
        totals=progress.totals,
        curves=progress.curves,
    )


def _after_step(rank: Joined, prepared: Prepared, base: Base) -> AfterStep:
    if base.adapted is None or not rank.config.checkpoint.adapter_every:
        return lambda step: None
    return AdaptersOnTheWay(rank, base.adapted, prepared.tokenizer).after


def _start(
    rank: Joined,
    prepared: Prepared,
    base: Base,
    total_steps: int,
    batching: str,
    packing: str | None,
) -> Start:
    env, loaded, loop = rank.env, base.loaded, rank.config.loop
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
        batching=batching,
        packing=packing,
        gradient_checkpointing=base.recompute,
        attention=attention.how(base.model),
        kernels=loop.kernels,
    )
