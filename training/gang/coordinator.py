"""The coordinator of a gang's supervisors: it runs beside the supervisor of rank 0."""

import asyncio
import errno
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from training.contract.verdict import Verdict
from training.gang.advice import advice
from training.gang.config import GangConfig
from training.gang.handshake import question, welcome
from training.gang.history import History
from training.gang.info import GangInfo
from training.gang.judge import LOST, attempt_of, first_failure, is_decided, verdict_of
from training.gang.link import BEAT, PORT_SECONDS, Link, LinkLost, PortTaken
from training.gang.log import now
from training.gang.messages import (
    AttemptResult,
    Beat,
    Begin,
    Ended,
    Hello,
    Message,
    Stop,
    Stopping,
    Witnessed,
)
from training.gang.proof import GangProof
from training.gang.sharing import SavesOfAll
from training.gang.strangers import Strangers

_FAREWELL_SECONDS = 5.0
"""Seconds that ranks have to read the result."""
_GRACE_SECONDS = 5.0
"""Seconds that other ranks may still report, when the first failure may be secondary."""


@dataclass
class Coordinator:
    """One attempt: all ranks connect, all work, all get the result."""

    gang: GangInfo
    config: GangConfig
    history: History
    on_begin: Callable[[int, str], None]
    """Called before the first process starts, with number and time of the attempt."""
    log_line: Callable[[str], object]
    """Writes a line into rank 0's log."""
    rests_on: str | None = None
    """What a success is, where that is less than ours proves; in words."""
    proof: GangProof | None = None
    """Of a script's ranks, which are watched from inside."""
    saves: SavesOfAll | None = None
    """Checkpoints of an engine whose ranks cannot agree on them."""
    _links: dict[int, Link] = field(default_factory=dict)
    _inbox: "asyncio.Queue[tuple[int, Message | None]]" = field(default_factory=asyncio.Queue)
    _connected: set[int] = field(default_factory=set)
    _stop_requested: bool = False
    """`runs stop` was asked for: the whole run ends."""
    _stopping: bool = False
    """This attempt ends: a rank has sent a stop request."""

    def __post_init__(self) -> None:
        self._strangers = Strangers(2 * self.gang.world_size)

    async def run(self, host: str, port: int) -> AttemptResult:
        """Listen there, run one attempt, and return the result that everyone was sent.

        Raises PortTaken when something else listens there, OSError when the address does not come.
        """
        server = await self._listen(host, port)
        beats = asyncio.create_task(self._beat())
        try:
            result = await self._attempt()
            for link in self._links.values():
                await link.try_to_send(result)
            await self._until_all_have_left()
            return result
        finally:
            beats.cancel()
            if self.saves is not None:
                self.saves.close()
            server.close()
            for link in self._links.values():
                await link.close()

    async def _until_all_have_left(self) -> None:
        """Ranks leave with the result. Who is still sending would lose it if we closed first."""
        end = time.monotonic() + _FAREWELL_SECONDS
        while self._connected and time.monotonic() < end:
            await asyncio.sleep(0.01)

    async def _listen(self, host: str, port: int) -> asyncio.Server:
        began, logged = time.monotonic(), ""
        while True:
            try:
                return await asyncio.start_server(self._accept, host, port, limit=4096)
            except OSError as refused:  # after a reboot the fabric may come later than we do
                waited, taken = time.monotonic() - began, refused.errno == errno.EADDRINUSE
                why = f"cannot listen at {host}:{port}: {refused.strerror}"
                if taken:
                    why = f"the port is taken: something else listens at {host}:{port}"
                if why != logged:
                    logged = why
                    self.log_line(f"{why}; trying again")
                if taken and waited > min(PORT_SECONDS, self.config.join_seconds):
                    raise PortTaken(why) from None
                if waited > self.config.join_seconds:
                    raise
                await asyncio.sleep(min(BEAT, self.config.join_seconds))

    async def _attempt(self) -> AttemptResult:
        missing = await self._gather()
        number, began = self.history.made + 1, now()
        if missing or self._stopping:
            return self._not_started(missing)
        self.on_begin(number, began)
        resume_from = self.saves.resume_from() if self.saves else None
        steps: dict[int, int] = {}
        for rank, link in self._links.items():
            if not await link.try_to_send(Begin(attempt=number, resume_from=resume_from)):
                self._inbox.put_nowait((rank, None))
        reports = await self._watch(steps)
        attempt = attempt_of(number, began, now(), reports, steps)
        first = first_failure(reports)
        verdict = verdict_of(
            self.gang.run,
            attempt,
            first,
            self.history,
            self.config,
            stop_requested=self._stop_requested,
        )
        if verdict is not None and verdict.state == "succeeded":
            rests_on = self.proof.rests_on if self.proof else self.rests_on
            verdict = verdict.model_copy(update={"message": rests_on})
        return AttemptResult(attempt=attempt, verdict=verdict)

    async def _gather(self) -> list[int]:
        """Wait for everyone; the ranks that did not come."""
        end = time.monotonic() + self.config.join_seconds
        while not self._all_are_there() and not self._stopping:
            rest = end - time.monotonic()
            if rest <= 0:
                break
            try:
                rank, message = await asyncio.wait_for(self._inbox.get(), rest)
            except TimeoutError:
                break
            self._note_stop_request(message)
            if message is None and rank in self._links:
                self._links.pop(rank).abort()
            if self.saves is not None:
                await self.saves.message(rank, message, self._links)
        return [rank for rank in range(self.gang.world_size) if rank not in self._links]

    def _all_are_there(self) -> bool:
        told = self._links if self.saves is None else self.saves.holding
        return len(self._links) == self.gang.world_size and set(self._links) <= set(told)

    async def _watch(self, steps: dict[int, int]) -> dict[int, Ended]:
        """Until it is known how the attempt ended; reports in the order in which they came."""
        reports: dict[int, Ended] = {}
        grace_ends: float | None = None
        stop_sent = False
        while not is_decided(reports, self.gang.world_size):
            if self._stopping and not stop_sent:
                stop_sent = True
                for link in self._links.values():
                    await link.try_to_send(Stop())
            if first_failure(reports) is not None and grace_ends is None:
                grace_ends = time.monotonic() + _GRACE_SECONDS
            rest = None if grace_ends is None else grace_ends - time.monotonic()
            if rest is not None and rest <= 0:
                break
            try:
                rank, message = await asyncio.wait_for(self._inbox.get(), rest)
            except TimeoutError:
                break
            self._note_stop_request(message)
            if self.saves is not None:
                await self.saves.message(rank, message, self._links)
            if isinstance(message, Beat):
                steps[rank] = message.step
            elif isinstance(message, Ended):
                reports.setdefault(rank, message)
            elif isinstance(message, Witnessed):
                self._judge(rank, message, reports, steps)
            elif message is None and rank not in reports:
                reports[rank] = self._lost(rank, steps.get(rank, 0))
        return reports

    def _judge(
        self, rank: int, seen: Witnessed, reports: dict[int, Ended], steps: dict[int, int]
    ) -> None:
        """End the attempt by the report of a rank that is no part of a gang."""
        if self.proof is not None and (flaw := self.proof.add(rank, seen)) is not None:
            reports[flaw.rank] = Ended(
                rank=flaw.rank,
                node=self.gang.nodes[flaw.rank],
                exit_code=None,
                code=flaw.code,
                message=flaw.message,
                step=steps.get(flaw.rank, 0),
            )

    def _lost(self, rank: int, step: int) -> Ended:
        node = self.gang.nodes[rank]
        return Ended(
            rank=rank,
            node=node,
            exit_code=None,
            code=LOST,
            message=f"its container or {node} itself went away, or the fabric to it is cut",
            step=step,
        )

    def _not_started(self, missing: list[int]) -> AttemptResult:
        """Nothing was started."""
        ended = now()
        if self._stopping and not self._stop_requested:
            return AttemptResult(attempt=None, verdict=None)
        failure_fields: dict[str, object] = {}
        if not self._stop_requested:
            absent = ", ".join(f"rank {rank} on {self.gang.nodes[rank]}" for rank in missing)
            failure_fields = {
                "rank": missing[0],
                "node": self.gang.nodes[missing[0]],
                "code": "rank_missing",
                "message": f"{absent} did not come within {self.config.join_seconds:.0f} s",
                "help": advice("rank_missing", self.gang.run, self.gang.nodes[missing[0]]),
            }
        verdict = Verdict.model_validate(
            failure_fields
            | {
                "run": self.gang.run, "state": "stopped" if self._stop_requested else "failed",
                "step": self.history.step, "attempts": self.history.made, "ended": ended,
            }
        )  # fmt: skip
        return AttemptResult(attempt=None, verdict=verdict)

    def _note_stop_request(self, message: Message | None) -> None:
        if isinstance(message, Stopping):
            self._stopping = True
            self._stop_requested = self._stop_requested or message.asked

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one supervisor, from its proof on; a stranger is refused."""
        link = Link(reader, writer)
        try:
            with self._strangers.among(link):
                talk = await question(link, self.gang.nonce)
                free = self._is_free(talk.hello)
                await welcome(link, talk, free=free)
            if not free or not self._is_free(talk.hello):
                raise LinkLost("its place is taken")
        except LinkLost:
            await link.close()
            return
        rank, node = talk.hello.rank, talk.hello.node
        self._links[rank] = link
        self._connected.add(rank)
        self._inbox.put_nowait((rank, Beat()))
        try:
            while True:
                message = await link.receive(self.config.lost_seconds)
                if isinstance(message, Ended) and (message.rank, message.node) != (rank, node):
                    raise LinkLost("it reports for another rank")
                self._inbox.put_nowait((rank, message))
        except LinkLost:
            self._connected.discard(rank)
            self._inbox.put_nowait((rank, None))

    def _is_free(self, hello: Hello) -> bool:
        """Raises LinkLost when the gang has no such place at all."""
        if dict(enumerate(self.gang.nodes)).get(hello.rank) != hello.node:
            raise LinkLost("there is no such rank")
        return hello.rank not in self._links

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            for link in list(self._links.values()):
                await link.try_to_send(Beat())
