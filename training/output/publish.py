"""The end of a good training: saved on rank 0's disk, and reported as this rank's result."""

from training.contract.events import Result
from training.data.prepared import Prepared
from training.loop.fit import Trained
from training.model.architecture import architecture_of
from training.model.base import Base
from training.output.model_card import CardFacts
from training.output.save import save
from training.ranks.joined import Joined


def publish(rank: Joined, prepared: Prepared, base: Base, trained: Trained) -> None:
    """Save what was trained, shut the group down, emit the result. Raises if the ranks differ."""
    env, log, group = rank.env, rank.log, rank.group
    log.phase("saving")
    facts = CardFacts(
        run_id=env.run_id,
        world_size=env.world_size,
        strategy=base.strategy,
        steps=trained.steps,
        kept_step=trained.kept_step,
        tokens=sum(group.gather(trained.tokens)),
        loss_before=trained.loss_before,
        loss_after=trained.loss_after,
        base_sha256=prepared.base_sha256,
        data_key=prepared.data_key,
        data=prepared.counts,
        libraries=rank.rank_infos[0].versions,
        auto=architecture_of(prepared.folder).auto,
    )
    saved = save(base, prepared.tokenizer, prepared.folder, rank.config, env, group, facts)
    group.shutdown()
    if trained.curves is not None:
        trained.curves.finish()
    totals = trained.totals
    log.emit(
        Result(
            rank=env.rank,
            step=facts.steps,
            eval_loss_first=facts.loss_before,
            eval_loss_last=facts.loss_after,
            kept_step=facts.kept_step,
            ended_early=trained.ended_early,
            weights_sha256=saved.weights_sha256,
            saved=str(saved.folder) if saved.folder else None,
            tokens=facts.tokens,
            tokens_per_second=totals.tokens_per_second,
            mfu=totals.mfu,
            memory_peak=totals.memory_peak,
            memory=totals.memory,
            step_seconds=totals.seconds,
            seconds=log.elapsed,
        )
    )
