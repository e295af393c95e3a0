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
from training.gang.engine import ENGINE, EngineConfig
from training.gang.health import Beat as Sign
from training.gang.history import Book, History
from training.gang.hub import Hub, Team
from training.gang.link import LinkLost, NeverMet, PortTaken
from training.gang.log import RankLog, now
from training.gang.messages import Over
from training.gang.patterns import Patterns
from training.gang.rank import Identity, Supervisor
from training.gang.reader import Events, Reader

P = ParamSpec("P")
_AGAIN = int(ExitCode.PEER_LOST)


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
    book = Book(run_dir, rank)
    try:
        if (said := book.verdict()) is not None:
            log.line(f"this run is over: {said.strip()}")
            return 0
        folder = environ.get("SPARKCTL_RUN_FOLDER") or str(run_dir)
        me = Identity(rank, text_of(environ, "SPARKCTL_NODE"), nonce_of(environ), run_dir, folder)
        config = GangConfig.model_validate_json(environ.get("SPARKCTL_GANG", "{}"))
        supervisor = Supervisor(
            me,
            config,
            command,
            _for_the_rank(environ),
            log,
            book.reserve,
            _reader(me, environ, log),
        )
        over = asyncio.run(_attempt(supervisor, environ, book))
        if over.verdict is None:
            return _AGAIN
        if hooks.teller(over.verdict) == rank:
            hooks.fire(config.hooks, over.verdict, supervisor.environ, secrets, log.line)
        return 0
    finally:
        log.close()


async def _attempt(supervisor: Supervisor, environ: Mapping[str, str], book: Book) -> Over:
    """One attempt, and what there is to keep of it."""
    loop, log = asyncio.get_running_loop(), supervisor.log
    history = _mended(book, supervisor.sign, log)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.signalled)
    host, port = text_of(environ, "SPARKCTL_GANG_ADDRESS").rsplit(":", 1)
    nodes = tuple(text_of(environ, "SPARKCTL_NODES").split(","))
    team = Team(text_of(environ, "SPARKCTL_RUN_ID"), supervisor.me.nonce, nodes)
    hub: asyncio.Task[Over] | None = None
    if supervisor.me.rank == 0:
        begin, rests_on = _kept(log, book.begin), supervisor.reader.rests_on
        meeting = Hub(team, supervisor.config, history, begin, log.line, rests_on)
        hub = asyncio.create_task(meeting.meet(host, int(port)))
    try:
        over = await _unless_broken(hub, supervisor.attempt(host, int(port)))
    except LinkLost as lost:
        log.line(f"this rank leaves: {lost}")
        if hub is not None:
            hub.cancel()
        over = _alone(supervisor, history, team, lost)
    if hub is not None:
        with suppress(asyncio.CancelledError, OSError, LinkLost):
            await hub  # until everyone has been told
    if over.attempt is not None:
        _kept(log, book.end)(over.attempt)
        _tell(log, {"event": "ended"} | over.attempt.model_dump())
    if over.verdict is not None:
        _kept(log, book.close)(over.verdict)
        _tell(log, over.verdict.model_dump())
    return over


def _reader(me: Identity, environ: Mapping[str, str], log: RankLog) -> Reader:
    """Ours, unless the controller says how another engine is read."""
    if not (engine := environ.get(ENGINE)):
        return Events()
    return Patterns(EngineConfig.model_validate_json(engine), me.rank, me.run_dir, log.line)


def _kept(log: RankLog, keep: Callable[P, None]) -> Callable[P, None]:
    """The same, but what a disk has no room for is a line in the log: the gang goes on without."""

    def kept(*given: P.args, **named: P.kwargs) -> None:
        try:
            keep(*given, **named)
        except OSError as refused:
            log.line(f"cannot be written: {refused.filename or ''} {refused.strerror}")

    return kept


async def _unless_broken(hub: "asyncio.Task[Over] | None", attempt: Awaitable[Over]) -> Over:
    """The attempt's end; raises PortTaken at once when there is no hub to meet."""
    work = asyncio.ensure_future(attempt)
    if hub is not None:
        await asyncio.wait({hub, work}, return_when=asyncio.FIRST_COMPLETED)
        if hub.done() and isinstance(hub.exception(), PortTaken):
            work.cancel()
            await asyncio.wait({work})
            await hub
    return await work


def _tell(log: RankLog, event: dict[str, object]) -> None:
    """A line for who watches."""
    log.line(json.dumps(event, ensure_ascii=False, separators=(",", ":")))


def _mended(book: Book, sign: Sign | None, log: RankLog) -> History:
    """The history, with an end for an attempt that this container did not live to see."""
    history = book.read()
    if history.torn is None:
        return history
    number, began = history.torn
    _kept(log, book.end)(
        Attempt(
            attempt=number, began=began, ended=now(), end="lost", step=sign.step if sign else 0,
            saved=history.saved, rank=book.rank, code="lost",
            message="this rank's own container or machine went away",
        )
    )  # fmt: skip
    return book.read()


def _alone(supervisor: Supervisor, history: History, team: Team, lost: LinkLost) -> Over:
    """Without the hub: meet it again after a restart, unless it never was there in all the time."""
    wish = supervisor.wish
    asked = wish is not None and wish.asked
    if not isinstance(lost, NeverMet) or (wish is not None and not asked):
        return Over(attempt=None, verdict=None)
    verdict = Verdict(
        run=team.run,
        state="stopped" if asked else "failed",
        step=history.step,
        attempts=history.made,
        ended=now(),
    )
    if not asked:
        code = "port_taken" if isinstance(lost, PortTaken) else "rank_missing"
        remedy = advice(code, team.run, team.nodes[0])
        blame = {"rank": 0, "node": team.nodes[0], "code": code, "message": str(lost)}
        verdict = verdict.model_copy(update=blame | {"help": remedy})
    return Over(attempt=None, verdict=verdict)


def _for_the_rank(environ: Mapping[str, str]) -> dict[str, str]:
    """The rank's environment: with the secrets that it must find there (keys of trackers)."""
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
