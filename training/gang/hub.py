"""Where the supervisors of a gang meet: it runs beside the supervisor of rank 0."""

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
from training.gang.judge import LOST, attempt_of, first_failure, settled, verdict_of
from training.gang.link import BEAT, PORT_SECONDS, Link, LinkLost, PortTaken
from training.gang.log import now
from training.gang.messages import (
    Beat,
    Begin,
    Ended,
    Hello,
    Message,
    Over,
    Stop,
    Stopping,
)
from training.gang.strangers import Strangers

_SETTLE = 5.0
"""Seconds that other ranks may still report in, when the first report blames nobody."""


@dataclass(frozen=True)
class Team:
    """Who belongs to the run."""

    run: str
    nonce: str
    nodes: tuple[str, ...]
    """By rank."""

    @property
    def world_size(self) -> int:
        """Number of ranks."""
        return len(self.nodes)


@dataclass
class Hub:
    """One attempt: everyone comes, everyone works, everyone hears how it ended."""

    team: Team
    config: GangConfig
    history: History
    began: Callable[[int, str], None]
    """Told before the first process starts: number and time of the attempt."""
    say: Callable[[str], object]
    """Told what rank 0's log should have."""
    rests_on: str | None = None
    """What a success is, where that is less than ours proves; in words."""
    _links: dict[int, Link] = field(default_factory=dict)
    _inbox: "asyncio.Queue[tuple[int, Message | None]]" = field(default_factory=asyncio.Queue)
    _asked: bool = False
    """Somebody wants the run to end."""
    _leaving: bool = False
    """Somebody wants this attempt to end."""

    def __post_init__(self) -> None:
        self._strangers = Strangers(2 * self.team.world_size)

    async def meet(self, host: str, port: int) -> Over:
        """Listen there, see one attempt through, and return what everyone was told.

        Raises PortTaken when something else listens there, OSError when the address does not come.
        """
        server = await self._listen(host, port)
        beats = asyncio.create_task(self._beat())
        try:
            over = await self._attempt()
            for link in self._links.values():
                await _try_to_send(link, over)
            return over
        finally:
            beats.cancel()
            server.close()
            for link in self._links.values():
                await link.close()

    async def _listen(self, host: str, port: int) -> asyncio.Server:
        began, said = time.monotonic(), ""
        while True:
            try:
                return await asyncio.start_server(self._come, host, port, limit=4096)
            except OSError as refused:  # after a reboot the fabric may come later than we do
                waited, taken = time.monotonic() - began, refused.errno == errno.EADDRINUSE
                why = f"cannot listen at {host}:{port}: {refused.strerror}"
                if taken:
                    why = f"the port is taken: something else listens at {host}:{port}"
                if why != said:
                    said = why
                    self.say(f"{why}; trying again")
                if taken and waited > min(PORT_SECONDS, self.config.join_seconds):
                    raise PortTaken(why) from None
                if waited > self.config.join_seconds:
                    raise
                await asyncio.sleep(min(BEAT, self.config.join_seconds))

    async def _attempt(self) -> Over:
        missing = await self._gather()
        number, began = self.history.made + 1, now()
        if missing or self._leaving:
            return self._called_off(missing)
        self.began(number, began)
        steps: dict[int, int] = {}
        for rank, link in self._links.items():
            if not await _try_to_send(link, Begin(attempt=number)):
                self._inbox.put_nowait((rank, None))
        reports = await self._watch(steps)
        attempt = attempt_of(number, began, now(), reports, steps)
        first = first_failure(reports)
        verdict = verdict_of(
            self.team.run, attempt, first, self.history, self.config, asked=self._asked
        )
        if verdict is not None and verdict.state == "succeeded":
            verdict = verdict.model_copy(update={"message": self.rests_on})
        return Over(attempt=attempt, verdict=verdict)

    async def _gather(self) -> list[int]:
        """Wait for everyone; the ranks that did not come."""
        end = time.monotonic() + self.config.join_seconds
        while len(self._links) < self.team.world_size and not self._leaving:
            rest = end - time.monotonic()
            if rest <= 0:
                break
            try:
                rank, message = await asyncio.wait_for(self._inbox.get(), rest)
            except TimeoutError:
                break
            self._hear_wish(message)
            if message is None and rank in self._links:
                self._links.pop(rank).abort()
        return [rank for rank in range(self.team.world_size) if rank not in self._links]

    async def _watch(self, steps: dict[int, int]) -> dict[int, Ended]:
        """Until it is known how the attempt ended; reports in the order in which they came."""
        reports: dict[int, Ended] = {}
        settle: float | None = None
        told = False
        while not settled(reports, self.team.world_size):
            if self._leaving and not told:
                told = True
                for link in self._links.values():
                    await _try_to_send(link, Stop())
            if first_failure(reports) is not None and settle is None:
                settle = time.monotonic() + _SETTLE
            rest = None if settle is None else settle - time.monotonic()
            if rest is not None and rest <= 0:
                break
            try:
                rank, message = await asyncio.wait_for(self._inbox.get(), rest)
            except TimeoutError:
                break
            self._hear_wish(message)
            if isinstance(message, Beat):
                steps[rank] = message.step
            elif isinstance(message, Ended):
                reports.setdefault(rank, message)
            elif message is None and rank not in reports:
                reports[rank] = self._lost(rank, steps.get(rank, 0))
        return reports

    def _lost(self, rank: int, step: int) -> Ended:
        node = self.team.nodes[rank]
        return Ended(
            rank=rank,
            node=node,
            exit_code=None,
            code=LOST,
            message=f"its container or {node} itself went away, or the fabric to it is cut",
            step=step,
        )

    def _called_off(self, missing: list[int]) -> Over:
        """Nothing was started."""
        ended = now()
        if self._leaving and not self._asked:
            return Over(attempt=None, verdict=None)
        blame: dict[str, object] = {}
        if not self._asked:
            absent = ", ".join(f"rank {rank} on {self.team.nodes[rank]}" for rank in missing)
            blame = {
                "rank": missing[0],
                "node": self.team.nodes[missing[0]],
                "code": "rank_missing",
                "message": f"{absent} did not come within {self.config.join_seconds:.0f} s",
                "help": advice("rank_missing", self.team.run, self.team.nodes[missing[0]]),
            }
        verdict = Verdict.model_validate(
            blame
            | {
                "run": self.team.run, "state": "stopped" if self._asked else "failed",
                "step": self.history.step, "attempts": self.history.made, "ended": ended,
            }
        )  # fmt: skip
        return Over(attempt=None, verdict=verdict)

    def _hear_wish(self, message: Message | None) -> None:
        if isinstance(message, Stopping):
            self._leaving = True
            self._asked = self._asked or message.asked

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One supervisor, from its proof on; a stranger is sent away."""
        link = Link(reader, writer)
        try:
            with self._strangers.among(link):
                talk = await question(link, self.team.nonce)
                free = self._is_free(talk.hello)
                await welcome(link, talk, free=free)
            if not free or not self._is_free(talk.hello):
                raise LinkLost("its place is taken")
        except LinkLost:
            await link.close()
            return
        rank, node = talk.hello.rank, talk.hello.node
        self._links[rank] = link
        self._inbox.put_nowait((rank, Beat()))
        try:
            while True:
                message = await link.receive(self.config.lost_seconds)
                if isinstance(message, Ended) and (message.rank, message.node) != (rank, node):
                    raise LinkLost("it speaks for another rank")
                self._inbox.put_nowait((rank, message))
        except LinkLost:
            self._inbox.put_nowait((rank, None))

    def _is_free(self, hello: Hello) -> bool:
        """Raises LinkLost when the gang has no such place at all."""
        if dict(enumerate(self.team.nodes)).get(hello.rank) != hello.node:
            raise LinkLost("there is no such rank")
        return hello.rank not in self._links

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            for link in list(self._links.values()):
                await _try_to_send(link, Beat())


async def _try_to_send(link: Link, message: Message) -> bool:
    try:
        await link.send(message)
    except LinkLost:
        return False  # its reader finds out as well, and reports it
    return True
