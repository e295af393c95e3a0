"""The supervisor of one rank: it connects to the coordinator, runs the rank's process, reports."""

import asyncio
import secrets as random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from training.contract.environment import MEMORY_FLOOR
from training.contract.errors import DISK_FULL, ExitCode, disk_full, is_full
from training.contract.events import Error, Eval, Group, Result, Saved, Step
from training.contract.files import STOP, RankFiles
from training.gang.child import Child
from training.gang.config import GangConfig
from training.gang.engine import WITNESS
from training.gang.handshake import STEP_SECONDS, greet
from training.gang.health import LastHeartbeat, oom_kills
from training.gang.judge import STOPPED, SUCCEEDED
from training.gang.link import BEAT, PORT_SECONDS, Link, LinkLost, NeverMet, Occupied, PortTaken
from training.gang.log import RankLog
from training.gang.messages import (
    AttemptResult,
    Beat,
    Begin,
    Ended,
    Stop,
    Stopping,
    Witnessed,
)
from training.gang.reader import Events, Reader
from training.gang.sharing import RankSaves
from training.gang.watch import Watcher

_REPORTS = 4
"""Reports of a witness that wait to be sent; it makes two."""
_CONNECT_INTERVAL = 0.1
"""Seconds between two tries to reach the coordinator."""


@dataclass(frozen=True)
class RankIdentity:
    """Which rank of which run this is."""

    rank: int
    node: str
    nonce: str
    run_dir: Path
    folder: str
    """The run folder as its node has it: for who reads a message."""


@dataclass
class _Output:
    """What the process's own events reported."""

    result: Result | None = None
    error: Error | None = None
    step: int = 0
    saved: int = 0


@dataclass
class Supervisor:
    """Of one rank, for one attempt."""

    me: RankIdentity
    config: GangConfig
    command: Sequence[str]
    environ: Mapping[str, str]
    log: RankLog
    reserve: Callable[[], None]
    """Keep room on the disk for the verdict. Raises OSError."""
    reader: Reader = field(default_factory=Events)
    _child: Child | None = None
    _output: _Output = field(default_factory=_Output)
    _signalled: bool = False
    _kill_reason: Ended | None = None
    """Why we have killed the process ourselves."""
    _heard: float = 0.0
    """When its last line came, by the monotonic clock."""
    _number: int = field(default_factory=lambda: random.randbelow(2**48))
    """What its process adds up with those of the others: only who speaks with them has the sum."""
    _seen: list[Group] = field(default_factory=list)
    """What is still to be sent of what it saw of its group."""

    def __post_init__(self) -> None:
        self._saves = (
            RankSaves(self.me.run_dir, self.me.rank, self.log.line)
            if self.reader.shares_saves
            else None
        )

    def signalled(self) -> None:
        """SIGTERM: Docker wants this container to end."""
        self._signalled = True

    async def attempt(self, host: str, port: int) -> AttemptResult:
        """Connect to the coordinator there, and take part to the end of the attempt.

        Raises NeverMet when it cannot be reached, LinkLost when it goes away in the middle.
        """
        link = await self._join(host, port)
        if self._saves is not None:
            await link.send(self._saves.holding())
        beats = asyncio.create_task(self._beat(link))
        work: asyncio.Task[None] | None = None
        try:
            while True:
                match await link.receive(self.config.lost_seconds):
                    case Begin() as begin:
                        work = asyncio.create_task(self._work(link, begin))
                    case Stop():
                        if self._child is not None:
                            self._child.terminate()
                    case AttemptResult() as result:
                        return result
                    case message if self._saves is not None:
                        with suppress(LinkLost):  # the result may be here already, unread
                            await self._saves.message(link, message)
        finally:
            beats.cancel()
            if self._child is not None:
                self._child.kill()
            if work is not None:
                await asyncio.wait([work], timeout=10)
            await link.close()

    async def _join(self, host: str, port: int) -> Link:
        began, stranger = time.monotonic(), None
        while True:
            try:
                return await self._connect(host, port)
            except Occupied as refused:
                why, stranger = str(refused), None
            except LinkLost as refused:
                why, stranger = str(refused), stranger or time.monotonic()
            except (OSError, TimeoutError) as refused:
                why, stranger = str(refused), None
            now, timeout = time.monotonic(), self.config.join_seconds
            late = now - began > timeout
            if stranger and (late or now - stranger > PORT_SECONDS):
                raise PortTaken(f"at {host}:{port} {why}")
            if late or self.stop_request is not None:
                raise NeverMet(f"the supervisor of rank 0 is not at {host}:{port} ({why})")
            await asyncio.sleep(_CONNECT_INTERVAL)

    async def _connect(self, host: str, port: int) -> Link:
        """Raises LinkLost when the other side does not prove to be the coordinator."""
        link = Link(*await asyncio.wait_for(asyncio.open_connection(host, port), STEP_SECONDS))
        try:
            await greet(link, self.me.nonce, self.me.rank, self.me.node)
        except BaseException:
            link.abort()
            raise
        return link

    @property
    def stop_request(self) -> Stopping | None:
        """The request to stop, if there is one."""
        asked = (self.me.run_dir / STOP).exists()
        return Stopping(asked=asked) if asked or self._signalled else None

    @property
    def heartbeat(self) -> LastHeartbeat | None:
        """The trainer's last heartbeat."""
        return LastHeartbeat.read(self._heartbeat_file)

    async def _beat(self, link: Link) -> None:
        """Send the current step, and any stop request, to the coordinator every second."""
        sent: Stopping | None = None
        while True:
            try:
                if (stop_request := self.stop_request) is not None and stop_request != sent:
                    await link.send(stop_request)
                    sent = stop_request
                await self._send_seen(link)
                heartbeat = self.heartbeat
                step = heartbeat.step if heartbeat and self._child else 0
                if self._saves is not None:
                    await self._saves.beat(link, max(step, self._output.step))
                await link.send(Beat(step=step))
            except LinkLost:
                return  # the receiving side notices as well
            await asyncio.sleep(BEAT)

    async def _work(self, link: Link, begin: Begin) -> None:
        """Start the process, see it to its end, report."""
        self._heartbeat_file.unlink(missing_ok=True)
        killed_before = oom_kills()
        try:
            self.reserve()
            self.reader.begin()
            environ = {
                **self.environ,
                "SPARKCTL_ATTEMPT": str(begin.attempt),
                MEMORY_FLOOR: str(self.config.memory_floor),
                **({WITNESS: str(self._number)} if self.reader.wants_witness else {}),
                **(self._saves.environment(begin.resume_from) if self._saves else {}),
            }
            self._heard = time.monotonic()
            self._child = await Child.start(self.command, environ, self._line)
        except OSError as refused:
            if is_full(refused):
                report = self._disk_full(None)
            else:
                why = f"{refused.filename or self.command[0]}: {refused.strerror}"
                report = self._ended(ExitCode.CONFIGURATION, "not_started", why)
        else:
            watching = asyncio.create_task(self._watch(self._child))
            code = await self._child.wait()
            watching.cancel()
            report = self._kill_reason or self._report(code, oom_kills() > killed_before)
        try:
            await self._send_seen(link)
            await link.send(report)
        except LinkLost:
            return

    async def _send_seen(self, link: Link) -> None:
        while self._seen:
            await link.send(Witnessed(number=self._number, seen=self._seen.pop(0)))

    async def _watch(self, child: Child) -> None:
        watcher = Watcher(
            self.config, self.me.rank, self.me.run_dir, lambda: self.heartbeat, lambda: self._heard
        )
        found = await watcher.problem()
        self._kill_reason = self._ended(None, found.code, found.message, found.remedy)
        child.kill()

    def _line(self, text: str) -> None:
        self._heard = time.monotonic()
        match self.reader.line(self.log.line(text)):
            case Group() as seen if len(self._seen) < _REPORTS:
                self._seen.append(seen)
            case Result() as result:
                self._output.result, self._output.step = result, result.step
            case Error() as error:
                self._output.error = error
            case Saved(step=step):
                self._output.saved = step
            case Step(step=step) | Eval(step=step):
                self._output.step = step

    def _report(self, code: int, out_of_memory: bool) -> Ended:
        """How the process ended, from its status and its own events."""
        error, result = self._output.error, self._output.result
        lacks = (
            self.reader.lacks(result)
            if code == 0
            else f"exit status {code} without an error message"
        )
        if lacks is None:
            return self._ended(code, SUCCEEDED)
        if code == ExitCode.STOPPED and (error is None or error.code == STOPPED):
            return self._ended(code, STOPPED)
        if error is not None:
            return self._ended(code, error.code, error.message, error.help)
        if self.log.full:
            return self._disk_full(code)
        if out_of_memory:
            return self._ended(code, "out_of_memory", "the kernel killed it: out of memory")
        if code > 128:
            return self._ended(code, "killed", f"killed by {_signal(code - 128)}")
        return self._ended(code, "no_result" if code == 0 else "crash", lacks)

    def _disk_full(self, exit_code: int | None) -> Ended:
        error = disk_full(self.me.run_dir)
        return self._ended(exit_code, error.code, error.message, error.remedy)

    def _ended(
        self, exit_code: int | None, code: str, message: str = "", remedy: str = ""
    ) -> Ended:
        heartbeat, output = self.heartbeat, self._output
        return Ended(
            rank=self.me.rank,
            node=self.me.node,
            exit_code=exit_code,
            code=code,
            message=message.replace(str(self.me.run_dir), self.me.folder)
            if code == DISK_FULL
            else message,
            help=remedy,
            tail=list(self.log.tail),
            step=max(output.step, heartbeat.step if heartbeat else 0),
            saved=output.saved,
            weights_sha256=output.result.weights_sha256 if output.result else None,
            of_peer=output.error is not None and output.error.of_peer,
        )

    @property
    def _heartbeat_file(self) -> Path:
        return self.me.run_dir / RankFiles(self.me.rank).heartbeat


def _signal(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:
        return f"signal {number}"
