"""How a supervisor and the coordinator prove to each other that they belong to the same run.

    coordinator -> worker        Challenge: 16 random bytes
    worker -> coordinator        Hello: who it is, 16 random bytes, and a proof over both challenges
    coordinator -> worker        Welcome: its own proof over both

Each proof is an HMAC with the run's nonce as its key, over the role, both challenges and who the
worker is: nobody can send one back, nor use one again. Nothing is believed before, and every
message after it carries an HMAC with a key of this conversation alone, over its number.
"""

import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Literal

from training.gang.link import Link, LinkLost, Occupied, Seal
from training.gang.messages import Challenge, Hello, Welcome

STEP_SECONDS = 5.0
"""Seconds that the other side may take for each step."""
_SIZE = 16
"""Bytes of a challenge."""

Role = Literal["hub", "hub: occupied", "worker", "key"]
"""Who proves itself, as it stands in the proof; `hub` is the coordinator."""


@dataclass(frozen=True)
class Talk:
    """What both sides of one conversation know after their messages."""

    nonce: str
    challenge: str
    """The coordinator's."""
    hello: Hello

    def proof(self, role: Role) -> str:
        """What only this role can prove, and only in this conversation."""
        hello = self.hello
        text = json.dumps([role, self.challenge, hello.challenge, hello.rank, hello.node])
        return hmac.digest(self.nonce.encode(), text.encode(), "sha256").hex()

    def answer(self, free: bool) -> str:
        """The coordinator's proof: the rank is accepted, or not now."""
        return self.proof("hub" if free else "hub: occupied")

    def seal(self, sends: Literal["hub", "worker"]) -> Seal:
        """For the messages that follow; `sends`: which side this is."""
        return Seal(self.proof("key").encode(), sends)


async def greet(link: Link, nonce: str, rank: int, node: str) -> None:
    """The worker's side.

    Raises LinkLost unless this run's coordinator answers, Occupied when it has no place now.
    """
    first = await link.receive(STEP_SECONDS)
    if not isinstance(first, Challenge):
        raise LinkLost("something other than a coordinator is there")
    blank = Hello(rank=rank, node=node, challenge=secrets.token_hex(_SIZE), proof="")
    talk = Talk(nonce, first.challenge, blank)
    await link.send(blank.model_copy(update={"proof": talk.proof("worker")}))
    answer = await link.receive(STEP_SECONDS)
    if not isinstance(answer, Welcome) or not _same(answer.proof, talk.answer(answer.free)):
        raise LinkLost("who is there does not prove that it belongs to this run")
    if not answer.free:
        raise Occupied("the place of this rank is still taken")
    link.seal = talk.seal("worker")


async def question(link: Link, nonce: str) -> Talk:
    """The coordinator's side, up to the point where the worker is known.

    Raises LinkLost unless a supervisor of this run is there.
    """
    challenge = secrets.token_hex(_SIZE)
    await link.send(Challenge(challenge=challenge))
    hello = await link.receive(STEP_SECONDS)
    if isinstance(hello, Hello):
        talk = Talk(nonce, challenge, hello)
        if _same(hello.proof, talk.proof("worker")):
            return talk
    raise LinkLost("a stranger")


async def welcome(link: Link, talk: Talk, *, free: bool) -> None:
    """The coordinator's answer; sealed messages follow when the place is free."""
    await link.send(Welcome(free=free, proof=talk.answer(free)))
    link.seal = talk.seal("hub")


def _same(proof: str, expected: str) -> bool:
    return hmac.compare_digest(proof.encode(), expected.encode())
