"""`python -m training.gang COMMAND…`: supervise one rank, whose process COMMAND starts.

The exit status is for Swarm: 0 means that nothing more is to be started here (there is a verdict,
good or bad), anything else that this container is to be started again.
"""

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec

from training.contract.environment import nonce_of, rank_of, text_of
from training.contract.errors import ConfigurationError, ExitCode
from training.contract.files import RankFiles
from training.contract.redactor import Redactor, secrets_dir
from training.contract.verdict import Attempt, Verdict
from training.gang import hooks
from training.gang.advice import advice
from training.gang.config import GangConfig
from training.gang.coordinator import Coordinator
from training.gang.engine import ENGINE, EngineConfig
from training.gang.health import LastHeartbeat
from training.gang.history import AttemptLog, History
from training.gang.info import GangInfo
from training.gang.link import LinkLost, NeverMet, PortTaken
from training.gang.log import RankLog, now
from training.gang.messages import AttemptResult
from training.gang.patterns import Patterns
from training.gang.rank import RankIdentity, Supervisor
from training.gang.reader import Events, Reader
from training.gang.sharing import SavesOfAll

P = ParamSpec("P")
_RESTART = int(ExitCode.PEER_LOST)


def main(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Supervise one attempt, and return the exit status."""
    run_dir, rank = Path(text_of(environ, "SPARKCTL_RUN_DIR")), rank_of(environ)
    secrets = secrets_dir(environ)
    try:
        log = RankLog(run_dir / RankFiles(rank).log, Redactor.of(secrets))
    except OSError as refused:
        raise ConfigurationError(
            "run_dir_unwritable",
            f"user {os.getuid()} cannot write to {run_dir}: {refused.strerror}",
            "The run folder must belong to the user that the container runs as.",
        ) from None
    attempt_log = AttemptLog(run_dir, rank)
    try:
        if (verdict := attempt_log.verdict()) is not None:
            log.line(f"this run is over: {verdict.strip()}")
            return 0
        folder = environ.get("SPARKCTL_RUN_FOLDER") or str(run_dir)
        me = RankIdentity(
            rank, text_of(environ, "SPARKCTL_NODE"), nonce_of(environ), run_dir, folder
        )
        config = GangConfig.model_validate_json(environ.get("SPARKCTL_GANG", "{}"))
        supervisor = Supervisor(
            me,
            config,
            command,
            _rank_environment(environ),
            log,
            attempt_log.reserve,
            _reader(me, environ, log),
        )
        result = asyncio.run(_attempt(supervisor, environ, attempt_log))
        if result.verdict is None:
            return _RESTART
        if hooks.reporter(result.verdict) == rank:
            hooks.run_hooks(config.hooks, result.verdict, supervisor.environ, secrets, log.line)
        return 0
    finally:
        log.close()


async def _attempt(
    supervisor: Supervisor, environ: Mapping[str, str], attempt_log: AttemptLog
) -> AttemptResult:
    """Run one attempt, and keep its result."""
    loop, log = asyncio.get_running_loop(), supervisor.log
    history = _close_unfinished(attempt_log, supervisor.heartbeat, log)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.signalled)
    host, port = text_of(environ, "SPARKCTL_GANG_ADDRESS").rsplit(":", 1)
    nodes = tuple(text_of(environ, "SPARKCTL_NODES").split(","))
    gang = GangInfo(text_of(environ, "SPARKCTL_RUN_ID"), supervisor.me.nonce, nodes)
    coordinating: asyncio.Task[AttemptResult] | None = None
    if supervisor.me.rank == 0:
        begin, rests_on = _log_disk_errors(log, attempt_log.begin), supervisor.reader.rests_on
        proof = supervisor.reader.gang_proof(gang.world_size)
        shares = supervisor.reader.shares_saves
        coordinator = Coordinator(
            gang, supervisor.config, history, begin, log.line, rests_on, proof,
            SavesOfAll(supervisor.me.run_dir, log.line) if shares else None,
        )  # fmt: skip
        coordinating = asyncio.create_task(coordinator.run(host, int(port)))
    try:
        result = await _unless_port_taken(coordinating, supervisor.attempt(host, int(port)))
    except LinkLost as lost:
        log.line(f"this rank exits: {lost}")
        if coordinating is not None:
            coordinating.cancel()
        result = _without_coordinator(supervisor, history, gang, lost)
    if coordinating is not None:
        with suppress(asyncio.CancelledError, OSError, LinkLost):
            await coordinating  # until everyone has the result
    if result.attempt is not None:
        _log_disk_errors(log, attempt_log.end)(result.attempt)
        _print_event(log, {"event": "ended"} | result.attempt.model_dump())
    if result.verdict is not None:
        _log_disk_errors(log, attempt_log.close)(result.verdict)
        _print_event(log, result.verdict.model_dump())
    return result


def _reader(me: RankIdentity, environ: Mapping[str, str], log: RankLog) -> Reader:
    """Ours, unless the controller describes how to read another engine."""
    if not (engine := environ.get(ENGINE)):
        return Events()
    return Patterns(EngineConfig.model_validate_json(engine), me.rank, me.run_dir, log.line)


def _log_disk_errors(log: RankLog, keep: Callable[P, None]) -> Callable[P, None]:
    """The same, but a disk error is only a line in the log: the gang continues without the file."""

    def kept(*given: P.args, **named: P.kwargs) -> None:
        try:
            keep(*given, **named)
        except OSError as refused:
            log.line(f"cannot be written: {refused.filename or ''} {refused.strerror}")

    return kept


async def _unless_port_taken(
    coordinating: "asyncio.Task[AttemptResult] | None", attempt: Awaitable[AttemptResult]
) -> AttemptResult:
    """The attempt's result; raises PortTaken at once when the coordinator cannot listen."""
    work = asyncio.ensure_future(attempt)
    if coordinating is not None:
        await asyncio.wait({coordinating, work}, return_when=asyncio.FIRST_COMPLETED)
        if coordinating.done() and isinstance(coordinating.exception(), PortTaken):
            work.cancel()
            await asyncio.wait({work})
            await coordinating
    return await work


def _print_event(log: RankLog, event: dict[str, object]) -> None:
    """Print an event for the controller."""
    log.line(json.dumps(event, ensure_ascii=False, separators=(",", ":")))


def _close_unfinished(
    attempt_log: AttemptLog, heartbeat: LastHeartbeat | None, log: RankLog
) -> History:
    """The history, with an end for an attempt during which this container went away."""
    history = attempt_log.read()
    if history.unfinished is None:
        return history
    (number, began), step = history.unfinished, heartbeat.step if heartbeat else 0
    _log_disk_errors(log, attempt_log.end)(
        Attempt(
            attempt=number, began=began, ended=now(), end="lost", step=step,
            saved=history.saved, rank=attempt_log.rank, code="lost",
            message="this rank's own container or machine went away",
        )
    )  # fmt: skip
    return attempt_log.read()


def _without_coordinator(
    supervisor: Supervisor, history: History, gang: GangInfo, lost: LinkLost
) -> AttemptResult:
    """The result without a coordinator: restart and try again, unless it was never reachable."""
    stop_request = supervisor.stop_request
    stopped = stop_request is not None and stop_request.asked
    if not isinstance(lost, NeverMet) or (stop_request is not None and not stopped):
        return AttemptResult(attempt=None, verdict=None)
    verdict = Verdict(
        run=gang.run,
        state="stopped" if stopped else "failed",
        step=history.step,
        attempts=history.made,
        ended=now(),
    )
    if not stopped:
        code = "port_taken" if isinstance(lost, PortTaken) else "rank_missing"
        remedy = advice(code, gang.run, gang.nodes[0])
        failure_fields = {"rank": 0, "node": gang.nodes[0], "code": code, "message": str(lost)}
        verdict = verdict.model_copy(update=failure_fields | {"help": remedy})
    return AttemptResult(attempt=None, verdict=verdict)


def _rank_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The rank's environment, with the secrets that it needs there (keys of trackers)."""
    names = filter(None, environ.get("SPARKCTL_SECRET_ENV", "").split(","))
    files = {name: secrets_dir(environ) / name for name in names}
    return dict(environ) | {
        name: file.read_text("utf-8").strip() for name, file in files.items() if file.exists()
    }


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:], os.environ))
    except ConfigurationError as error:
        print(f"{error.code}: {error.message} {error.remedy}", file=sys.stderr)
        sys.exit(int(error.exit_code))
    except Exception:
        print(Redactor.of(secrets_dir(os.environ))(traceback.format_exc()), file=sys.stderr)
        sys.exit(int(ExitCode.CRASHED))
