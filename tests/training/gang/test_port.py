"""Who comes in at the port where a gang meets, and who does not: a real coordinator on loopback."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from tests.support.ranks.run import free_port
from training.gang import handshake
from training.gang.config import GangConfig
from training.gang.coordinator import Coordinator
from training.gang.handshake import Talk, greet
from training.gang.history import History
from training.gang.info import GangInfo
from training.gang.link import Link, LinkLost, Occupied
from training.gang.messages import (
    AttemptResult,
    Beat,
    Begin,
    Challenge,
    Ended,
    Hello,
    Stop,
    Stopping,
    Welcome,
)

NONCE = "of this run alone"
NODES = ("node-0", "node-1")
DEADLINE = 30
T = TypeVar("T")


@dataclass
class Meeting:
    """A coordinator that waits for its ranks."""

    coordinator: Coordinator
    port: int
    over: "asyncio.Task[AttemptResult]"
    links: list[Link] = field(default_factory=list)

    async def connect(self) -> Link:
        """A connection that has said nothing."""
        self.links.append(Link(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self.links[-1]

    async def come(self, rank: int, nonce: str = NONCE, node: str | None = None) -> Link:
        """As a supervisor comes. Raises LinkLost when it is not let in."""
        link = await self.connect()
        await greet(link, nonce, rank, NODES[rank] if node is None else node)
        return link

    async def begun(self, *links: Link) -> None:
        """Wait until all of them are told to begin."""
        for link in links:
            while not isinstance(await link.receive(DEADLINE), Begin):
                pass


def met(scenario: Callable[[Meeting], Awaitable[T]], **config: float) -> T:
    """The scenario with a coordinator for two ranks."""

    async def whole() -> T:
        port = free_port()
        gang, settings = GangInfo("r", NONCE, NODES), GangConfig.model_validate(config)
        coordinator = Coordinator(gang, settings, History(), lambda *_: None, print)
        over = asyncio.create_task(coordinator.run("127.0.0.1", port))
        meeting = Meeting(coordinator, port, over)
        while True:
            try:
                (await meeting.connect()).abort()
                break
            except OSError:
                await asyncio.sleep(0.01)
        try:
            return await asyncio.wait_for(scenario(meeting), DEADLINE)
        finally:
            over.cancel()
            await asyncio.wait({over})
            for link in meeting.links:
                await link.close()

    return asyncio.run(whole())


def test_a_wrong_nonce_gets_no_place_that_is_free() -> None:
    async def scenario(meeting: Meeting) -> None:
        await meeting.come(0)
        for nonce in ("wrong", "", NONCE[:-1]):
            with pytest.raises(LinkLost):
                await meeting.come(1, nonce)
        assert set(meeting.coordinator._links) == {0}
        assert not meeting.over.done()
        await meeting.begun(await meeting.come(1))

    met(scenario)


@pytest.mark.parametrize(("rank", "node"), [(1, "node-0"), (1, ""), (0, "node-1")])
def test_a_rank_is_let_in_at_its_own_node_alone(rank: int, node: str) -> None:
    async def scenario(meeting: Meeting) -> None:
        with pytest.raises(LinkLost):
            await meeting.come(rank, node=node)
        assert not meeting.coordinator._links

    met(scenario)


def test_a_rank_outside_the_gang_is_not_let_in() -> None:
    async def scenario(meeting: Meeting) -> None:
        for rank in (2, -1):
            with pytest.raises(LinkLost):
                await greet(await meeting.connect(), NONCE, rank, "node-1")

    met(scenario)


def test_a_place_that_is_taken_is_no_reason_to_give_up() -> None:
    async def scenario(meeting: Meeting) -> None:
        first = await meeting.come(1)
        with pytest.raises(Occupied):
            await meeting.come(1)
        first.abort()
        while True:
            try:
                await meeting.begun(await meeting.come(0), await meeting.come(1))
                return
            except Occupied:
                await asyncio.sleep(0.01)

    met(scenario)


@pytest.mark.parametrize(
    "answer",
    [
        Welcome(free=True, proof="00"),
        Welcome(free=False, proof="00"),
        Stop(),
        AttemptResult(attempt=None, verdict=None),
        "its own proof",
        "of another conversation",
    ],
    ids=str,
)
def test_an_impostor_is_not_believed_and_learns_nothing(
    answer: Welcome | Stop | AttemptResult | str,
) -> None:
    """It may know a whole conversation of before, and send back what the worker said."""
    heard: list[Hello] = []

    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer)
        await link.send(Challenge(challenge="00"))
        hello = await link.receive(DEADLINE)
        assert isinstance(hello, Hello)
        heard.append(hello)
        if answer == "its own proof":
            await link.send(Welcome(free=True, proof=hello.proof))
        elif answer == "of another conversation":
            old = Talk(NONCE, "00", hello.model_copy(update={"challenge": "11"}))
            await link.send(Welcome(free=True, proof=old.answer(free=True)))
        elif not isinstance(answer, str):
            await link.send(answer)
        await link.close()

    async def scenario() -> None:
        port = free_port()
        async with await asyncio.start_server(impostor, "127.0.0.1", port):
            link = Link(*await asyncio.open_connection("127.0.0.1", port))
            with pytest.raises(LinkLost, match="does not prove"):
                await greet(link, NONCE, 1, "node-1")
            assert link.seal is None
            await link.close()

    asyncio.run(scenario())
    (hello,) = heard
    assert NONCE not in hello.model_dump_json()
    assert len(hello.challenge) == 32 and len(hello.proof) == 64


def test_a_conversation_of_before_opens_nothing() -> None:
    async def scenario(meeting: Meeting) -> None:
        link = await meeting.connect()
        asked = await link.receive(DEADLINE)
        assert isinstance(asked, Challenge) and len(asked.challenge) == 32
        hello = Hello(rank=1, node="node-1", challenge="11", proof="")
        proof = Talk(NONCE, asked.challenge, hello).proof("worker")
        hello = hello.model_copy(update={"proof": proof})
        again = await meeting.connect()
        other = await again.receive(DEADLINE)
        assert isinstance(other, Challenge) and other.challenge != asked.challenge
        await again.send(hello)
        with pytest.raises(LinkLost):
            await again.receive(DEADLINE)
        await link.send(hello)
        assert isinstance(await link.receive(DEADLINE), Welcome)

    met(scenario)


@pytest.mark.patient
@pytest.mark.parametrize("forged", ["unsealed", "twice", "reflected", "changed"])
def test_nobody_else_speaks_in_a_conversation(forged: str) -> None:
    async def scenario(meeting: Meeting) -> None:
        first, second = await meeting.come(0), await meeting.come(1)
        await meeting.begun(first, second)
        assert second.seal is not None
        text = Stopping(asked=True).model_dump_json().encode()
        sealed = second.seal.close(Beat(step=1).model_dump_json().encode())
        lines = {
            "unsealed": [text],
            "twice": [sealed, sealed],
            "reflected": [text + b"\t" + second.seal._of("hub", 1, text)],
            "changed": [sealed.replace(b"1", b"2", 1)],
        }
        second.writer.write(b"".join(line + b"\n" for line in lines[forged]))
        over = await meeting.over
        assert over.attempt is not None
        assert (over.attempt.rank, over.attempt.node, over.attempt.code) == (1, "node-1", "lost")
        assert over.verdict is None  # not stopped, whoever said so

    met(scenario)


@pytest.mark.patient
def test_a_rank_speaks_for_itself_alone() -> None:
    async def scenario(meeting: Meeting) -> None:
        first, second = await meeting.come(0), await meeting.come(1)
        await meeting.begun(first, second)
        await second.send(Ended(rank=0, node="node-0", exit_code=1, code="crash"))
        over = await meeting.over
        assert over.attempt is not None
        assert (over.attempt.rank, over.attempt.code) == (1, "lost")

    met(scenario)


async def _is_open(link: Link) -> bool:
    try:
        await link.receive(0.01)
    except LinkLost as lost:
        return "silent" in str(lost)
    return True


def test_strangers_are_few_and_keep_nobody_out() -> None:
    async def scenario(meeting: Meeting) -> None:
        silent = [await meeting.connect() for _ in range(40)]
        for link in silent:  # all have been taken in when the last one is asked for a proof
            try:
                await link.receive(DEADLINE)
            except LinkLost:
                continue
        assert len(meeting.coordinator._strangers._there) == 2 * len(NODES)
        assert sum([await _is_open(link) for link in silent]) == 2 * len(NODES)
        await meeting.begun(await meeting.come(0), await meeting.come(1))
        assert len(meeting.coordinator._strangers._there) <= 2 * len(NODES)

    met(scenario)


def test_strangers_that_come_again_and_again_keep_nobody_out() -> None:
    async def scenario(meeting: Meeting) -> None:
        async def flood() -> None:
            while True:
                await meeting.connect()

        floods = [asyncio.create_task(flood()) for _ in range(3)]
        links: list[Link] = []
        while len(links) < len(NODES):
            try:
                links.append(await meeting.come(len(links)))
            except (LinkLost, OSError):
                await asyncio.sleep(0.01)
        for one in floods:
            one.cancel()
        await asyncio.wait(floods)
        await meeting.begun(*links)

    met(scenario)


@pytest.mark.parametrize("said", [b"GET / HTTP/1.0\r\n\r\n", b"x" * 9000, b'{"kind":"stop"}\n'])
def test_what_is_no_supervisor_is_cut_off(said: bytes) -> None:
    async def scenario(meeting: Meeting) -> None:
        link = await meeting.connect()
        await link.receive(DEADLINE)
        link.writer.write(said)
        with pytest.raises(LinkLost, match=r"closed|reset"):
            await link.receive(DEADLINE)
        assert meeting.coordinator._strangers._there == []

    met(scenario)


def test_who_says_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "STEP_SECONDS", 0.05)

    async def scenario(meeting: Meeting) -> None:
        link = await meeting.connect()
        await link.receive(DEADLINE)
        with pytest.raises(LinkLost, match="closed"):
            await link.receive(DEADLINE)

    met(scenario)


def test_who_is_still_sending_when_the_attempt_ends_gets_the_result() -> None:
    """A write to a connection that the other side has closed loses what is unread on it."""

    async def scenario(meeting: Meeting) -> None:
        ranks = await meeting.come(0), await meeting.come(1)
        await meeting.begun(*ranks)
        end = Ended(rank=0, node="node-0", exit_code=1, code="crash", message="x")
        await ranks[0].send(end)
        for _ in range(50):  # rank 1 does not read meanwhile
            await ranks[1].send(Beat(step=1))
            await asyncio.sleep(0.01)
        for link in ranks:
            while not isinstance(result := await link.receive(DEADLINE), AttemptResult):
                pass
            assert result.attempt is not None and result.attempt.code == "crash"
            await link.close()
        await asyncio.wait_for(meeting.over, 3)  # as soon as all have left

    met(scenario)
