"""The supervisor of one rank: it connects to the coordinator, runs the rank's process, reports."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training.contract.errors import DISK_FULL, ExitCode, disk_full, is_full
from training.contract.events import Error, Eval, Result, Saved, Step
from training.contract.files import DEBUG, STOP, RankFiles
from training.gang.child import Child
from training.gang.config import GangConfig
from training.gang.handshake import STEP_SECONDS, greet
from training.gang.health import LastHeartbeat, MemoryGuard, Silence, oom_kills
from training.gang.judge import SILENT, STOPPED, STUCK, SUCCEEDED
from training.gang.link import BEAT, PORT_SECONDS, Link, LinkLost, NeverMet, Occupied, PortTaken
from training.gang.log import RankLog
from training.gang.messages import AttemptResult, Beat, Begin, Ended, Stop, Stopping
from training.gang.reader import Events, Reader

_CONNECT_INTERVAL = 0.1
"""Seconds between two tries to reach the coordinator."""
_DUMP = 3.0
"""Seconds that a silent trainer has to dump its stacks."""


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

    def signalled(self) -> None:
        """SIGTERM: Docker wants this container to end."""
        self._signalled = True

    async def attempt(self, host: str, port: int) -> AttemptResult:
        """Connect to the coordinator there, and take part to the end of the attempt.

        Raises NeverMet when it cannot be reached, LinkLost when it goes away in the middle.
        """
        link = await self._join(host, port)
        beats = asyncio.create_task(self._beat(link))
        work: asyncio.Task[None] | None = None
        try:
            while True:
                match await link.receive(self.config.lost_seconds):
                    case Begin(attempt=number):
                        work = asyncio.create_task(self._work(link, number))
                    case Stop():
                        if self._child is not None:
                            self._child.terminate()
                    case AttemptResult() as result:
                        return result
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
                heartbeat = self.heartbeat
                await link.send(Beat(step=heartbeat.step if heartbeat and self._child else 0))
            except LinkLost:
                return  # the receiving side notices as well
            await asyncio.sleep(BEAT)

    async def _work(self, link: Link, attempt: int) -> None:
        """Start the process, see it to its end, report."""
        self._heartbeat_file.unlink(missing_ok=True)
        killed_before = oom_kills()
        try:
            self.reserve()
            self.reader.begin()
            environ = {**self.environ, "SPARKCTL_ATTEMPT": str(attempt)}
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
            await link.send(report)
        except LinkLost:
            return

    async def _watch(self, child: Child) -> None:
        silence, guard = Silence(self.config.silence_seconds), MemoryGuard(self.config.memory_floor)
        while True:
            await asyncio.sleep(BEAT)
            heartbeat = self.heartbeat
            if (why := guard.look()) is not None:
                self._kill_reason = self._ended(
                    None, "memory_guard", f"stopped before the machine would freeze: {why}",
                    "Lower loop.per_device_batch_size or data.max_length, switch on "
                    "loop.gradient_checkpointing, or end what else holds memory on this machine.",
                )  # fmt: skip
                child.kill()
                return
            if (silent := silence.look(heartbeat)) is not None:
                shown = await self._dump(heartbeat)
                mute = not shown and heartbeat is not None and heartbeat.pid is not None
                step = heartbeat.step + 1 if heartbeat else 0
                self._kill_reason = self._ended(
                    None,
                    STUCK if mute else SILENT,
                    f"no heartbeat for {silent:.0f} s in step {step}"
                    + (", and no answer to a signal" if mute else ""),
                    "debug/ in the run folder shows where each rank stood."
                    if shown or mute
                    else "",
                )
                child.kill()
                return

    async def _dump(self, heartbeat: LastHeartbeat | None) -> bool:
        """Have the trainer write its stacks (training/ranks/stack_dump.py); whether it did."""
        file = self.me.run_dir / DEBUG / f"stacks-rank{self.me.rank}.txt"
        before = file.stat().st_size if file.exists() else 0
        if heartbeat is None or heartbeat.pid is None:
            return False
        try:
            os.kill(heartbeat.pid, signal.SIGUSR1)
        except OSError:
            return False
        end = time.monotonic() + _DUMP
        while time.monotonic() < end:
            if file.exists() and file.stat().st_size > before:
                return True
            await asyncio.sleep(0.1)
        return False

    def _line(self, text: str) -> None:
        match self.reader.line(self.log.line(text)):
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
