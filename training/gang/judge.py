"""Who failed first, and whether to try again. Pure."""

from collections.abc import Mapping

from training.contract.errors import DISK_FULL, ExitCode
from training.contract.verdict import Attempt, Verdict
from training.gang.advice import advice
from training.gang.config import GangConfig
from training.gang.history import History
from training.gang.messages import Ended
from training.gang.proof import NOT_ONE_GANG, NOT_SHARDED

LOST = "lost"
SILENT = "silent"
STUCK = "stuck"
"""Silent, and it did not even dump its stacks on a signal."""
_FINAL = {DISK_FULL, NOT_ONE_GANG, NOT_SHARDED}
"""The next attempt would end the same way."""
SUCCEEDED = "succeeded"
STOPPED = "stopped"
PEER_LOST = "peer_lost"


def failed(report: Ended) -> bool:
    """Whether the rank ended badly."""
    return report.code not in {SUCCEEDED, STOPPED}


def is_secondary(report: Ended) -> bool:
    """Whether the cause may be another rank: it lost or reports a peer, or it waited, silent."""
    return report.of_peer or report.code in {PEER_LOST, SILENT}


def first_failure(reports: Mapping[int, Ended]) -> Ended | None:
    """The rank that failed first, from reports in the order in which they came in.

    Of ranks that were silent it is the one that was behind.
    """
    bad = [report for report in reports.values() if failed(report)]
    primary = [r for r in bad if not is_secondary(r)]
    silent = sorted((r for r in bad if r.code == SILENT), key=lambda r: r.step)
    return next(iter((*primary, *silent, *bad, *_different_weights(reports))), None)


def _different_weights(reports: Mapping[int, Ended]) -> list[Ended]:
    """Ranks that succeeded, each by itself: N models instead of one."""
    sums = {r.weights_sha256 for r in reports.values() if r.code == SUCCEEDED}
    if len(sums) < 2:
        return []
    message = "the ranks ended with different weights: they did not train together"
    first = next(iter(reports.values()))
    return [first.model_copy(update={"code": "weights_mismatch", "message": message})]


def is_decided(reports: Mapping[int, Ended], world_size: int) -> bool:
    """Whether the first failure is known; if not, it is worth waiting a moment for more reports."""
    first = first_failure(reports)
    primary_known = first is not None and not is_secondary(first)
    return primary_known or len(reports) == world_size


def attempt_of(
    number: int, began: str, ended: str, reports: Mapping[int, Ended], steps: Mapping[int, int]
) -> Attempt:
    """What to remember of an attempt. `steps`: how far each rank is known to have come."""
    step = max([0, *steps.values(), *(r.step for r in reports.values())])
    saved = max([0, *(r.saved for r in reports.values())])
    first = first_failure(reports)
    if first is None:
        stopped = any(r.code == STOPPED for r in reports.values())
        end: str = "stopped" if stopped else "succeeded"
    else:
        end = "lost" if first.code == LOST else "failed"
    return Attempt.model_validate(
        {
            "attempt": number, "began": began, "ended": ended, "end": end,
            "step": step, "saved": saved,
        }
        | ({} if first is None else first.model_dump(include=_FAILURE_FIELDS - {"help", "tail"}))
    )  # fmt: skip


_FAILURE_FIELDS = {"rank", "node", "exit_code", "code", "message", "help", "tail"}


def verdict_of(
    run: str,
    attempt: Attempt,
    first: Ended | None,
    history: History,
    config: GangConfig,
    *,
    stop_requested: bool,
) -> Verdict | None:
    """None: try again. `history` is what came before this attempt.

    A machine that went away may come back, so that alone does not predict the next attempt; but
    an error of the trainer is only tried again when the attempt came further than all before it,
    which also means: not before step 1. A full disk could not even count the attempts.
    """
    made = history.made + 1

    def verdict(state: str, note: str = "") -> Verdict:
        failure_fields: dict[str, object] = {}
        if first is not None:
            failure_fields = first.model_dump(include=_FAILURE_FIELDS)
            failure_fields["help"] = first.help or advice(first.code, run, first.node)
        elif state == "failed":
            failure_fields = {
                "code": STOPPED,
                "message": "its containers were stopped from outside",
                "help": advice(STOPPED, run, "each node"),
            }
        if failure_fields and note:
            failure_fields["message"] = f"{failure_fields['message']} ({note})"
        return Verdict.model_validate(
            failure_fields
            | {
                "run": run,
                "state": state,
                "step": max(attempt.step, history.step),
                "attempts": made,
                "ended": attempt.ended,
            }
        )

    if attempt.end == "succeeded":
        return verdict("succeeded")
    if stop_requested:
        return verdict("stopped")
    if attempt.end == "failed":
        if attempt.exit_code == ExitCode.CONFIGURATION or attempt.code in _FINAL:
            return verdict("failed")
        if attempt.step <= history.step and attempt.saved <= history.saved:
            return verdict("failed", _no_progress(attempt, history))
    if made >= config.attempts:
        return verdict("failed", f"attempt {made} of {config.attempts}" if made > 1 else "")
    return None


def _no_progress(attempt: Attempt, history: History) -> str:
    if attempt.step == 0:
        return "before step 1, so another attempt would not help"
    return f"no further than step {history.step}, where an earlier attempt ended"
