"""How a run ended. Judged by what the ranks proved, not by exit codes alone. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DONE = {"complete", "failed", "rejected", "shutdown", "orphaned", "remove"}


@dataclass
class RankRecord:
    """What is known of one rank so far."""

    rank: int
    node: str
    state: str = "new"
    error: str | None = None
    exit_code: int | None = None
    ended_at: str = ""
    result: Mapping[str, Any] | None = None
    complaint: Mapping[str, Any] | None = None
    """Its own `error` event."""
    tail: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """The end of a run."""

    run: str
    succeeded: bool
    brief: str
    details: str | None = None
    resolution: str | None = None
    results: tuple[Mapping[str, Any], ...] = ()


def judge(run: str, ranks: Sequence[RankRecord]) -> Verdict:
    """Success only when every rank completed, reported, and ended with the same weights.

    Every stack of this field can silently train N separate models and exit 0; equal checksums of
    what was trained are the proof against that.
    """
    bad = [r for r in ranks if r.state != "complete"]
    if bad:
        return _failure(run, bad)
    silent = [r for r in ranks if r.result is None]
    if silent:
        return Verdict(
            run,
            False,
            f"rank {silent[0].rank} on {silent[0].node} ended without a result",
            details="\n".join(silent[0].tail) or None,
        )
    results = tuple(r.result for r in ranks if r.result is not None)
    sums = {r.get("weights_sha256") for r in results}
    if len(sums) != 1 or None in sums:
        return Verdict(
            run,
            False,
            "the ranks ended with different weights: they did not train together",
            details="\n".join(f"rank {r.get('rank')}: {r.get('weights_sha256')}" for r in results),
            resolution="Please report this together with the stack.",
            results=results,
        )
    return Verdict(run, True, "succeeded", results=results)


def _failure(run: str, bad: Sequence[RankRecord]) -> Verdict:
    """The rank that failed first is the one that matters; the others lost it as a peer.

    First comes who died of something else than losing a peer, whatever the machines' clocks say;
    then who died at all; then who never started, which Swarm gives a reason for.
    """
    dead = [r for r in bad if r.state in DONE]
    guilty = [r for r in dead if not _lost_a_peer(r)]
    waiting = [r for r in bad if r.state != "running"]
    first = min(guilty or dead or waiting or bad, key=lambda r: r.ended_at or "~")
    where = f"rank {first.rank} on {first.node}"
    if first.complaint is not None:
        return Verdict(
            run,
            False,
            f"{where} failed: {first.complaint.get('message')}",
            details="\n".join(first.tail) or None,
            resolution=first.complaint.get("help"),
        )
    code = "" if first.exit_code is None else f" (exit code {first.exit_code})"
    return Verdict(
        run,
        False,
        f"{where} {first.state}{code}: {first.error or 'no reason given'}",
        details="\n".join(first.tail) or None,
        resolution="The lines above are the last that this rank wrote.",
    )


def _lost_a_peer(record: RankRecord) -> bool:
    return record.complaint is not None and record.complaint.get("code") == "peer_lost"
