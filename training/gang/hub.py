"""Where the supervisors of a gang meet: it runs beside the supervisor of rank 0."""

import asyncio
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from training.contract.verdict import Verdict
from training.gang.config import GangConfig
from training.gang.history import History
from training.gang.judge import LOST, attempt_of, first_failure, settled, verdict_of
from training.gang.link import BEAT, Link, LinkLost
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

_SETTLE = 5.0
"""Seconds that other ranks may still report in, when the first report blames nobody."""
_HELLO = 5.0
"""Seconds for a stranger to say who it is."""


@dataclass(frozen=True)
class Team:
    """Who belongs to the run."""

    run: str
    nonce: str
    world_size: int


@dataclass
class Hub:
    """One attempt: everyone comes, everyone works, everyone hears how it ended."""

    team: Team
    config: GangConfig
    history: History
    began: Callable[[int, str], None]
    """Told before the first process starts: number and time of the attempt."""
    _links: dict[int, Link] = field(default_factory=dict)
    _nodes: dict[int, str] = field(default_factory=dict)
    _inbox: "asyncio.Queue[tuple[int, Message | None]]" = field(default_factory=asyncio.Queue)
    _asked: bool = False
    """Somebody wants the run to end."""
    _leaving: bool = False
    """Somebody wants this attempt to end."""

    async def meet(self, host: str, port: int) -> Over:
        """Listen there, see one attempt through, and return what everyone was told."""
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
        """Raises OSError when the port is still taken, or the address not there, in the end."""
        end = time.monotonic() + self.config.join_seconds
        while True:
            try:
                return await asyncio.start_server(self._welcome, host, port, limit=2**20)
            except OSError:  # after a reboot the fabric may come later than we do
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(BEAT)

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
            if message is None:
                self._links.pop(rank, None)
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
        node = self._nodes[rank]
        return Ended(
            rank=rank,
            node=node,
            exit_code=None,
            code=LOST,
            message=f"its container or its machine went away, or the fabric to {node} is cut",
            help=f"Look at {node}: `docker ps -a`, `journalctl -b -1`, the cable.",
            step=step,
        )

    def _called_off(self, missing: list[int]) -> Over:
        """Nothing was started."""
        ended = now()
        if self._leaving and not self._asked:
            return Over(attempt=None, verdict=None)
        blame: dict[str, object] = {}
        if not self._asked:
            blame = {
                "rank": missing[0],
                "code": "rank_missing",
                "message": f"it did not come within {self.config.join_seconds:.0f} s",
                "help": "Look at its machine, and at the fabric between the two. Then "
                f"`sparkctl runs resume {self.team.run}` goes on from the last checkpoint.",
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

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One supervisor, from its hello on; a stranger is sent away."""
        link = Link(reader, writer)
        try:
            hello = await link.receive(_HELLO)
        except LinkLost:
            await link.close()
            return
        known = (
            isinstance(hello, Hello)
            and hmac.compare_digest(hello.nonce.encode(), self.team.nonce.encode())
            and 0 <= hello.rank < self.team.world_size
            and hello.rank not in self._links
        )
        if not known or not isinstance(hello, Hello):
            await link.close()
            return
        rank = hello.rank
        self._links[rank], self._nodes[rank] = link, hello.node
        self._inbox.put_nowait((rank, Beat()))
        try:
            while True:
                self._inbox.put_nowait((rank, await link.receive(self.config.lost_seconds)))
        except LinkLost:
            self._inbox.put_nowait((rank, None))

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
