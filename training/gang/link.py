"""A connection between two supervisors, with heartbeats that show that the other one lives."""

import asyncio
import hmac
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ValidationError

from training.gang.messages import Message, decode

BEAT = 1.0
"""Seconds between two beats."""
PORT_SECONDS = 60.0
"""How long something else may listen on the supervisors' port."""
_STRANGERS_LINE = 4096
"""Bytes of a message from a peer that has not proved itself yet."""
_LINE = 2**20
_CHUNK = 65536


class LinkLost(Exception):
    """The other supervisor went away, or has been silent too long."""


class NeverMet(LinkLost):
    """The coordinator could not be reached at all."""


class Occupied(LinkLost):
    """The coordinator still waits for the former connection of this rank."""


class PortTaken(NeverMet):
    """Something else listens on the supervisors' port."""


@dataclass
class Seal:
    """The HMAC that each message of a conversation carries, over its number and who sends it."""

    key: bytes
    sends: Literal["hub", "worker"]
    _sent: int = 0
    _received: int = 0

    def close(self, text: bytes) -> bytes:
        """The line to send."""
        self._sent += 1
        return text + b"\t" + self._of(self.sends, self._sent, text)

    def open(self, line: bytes) -> bytes:
        """The text of a line that was received. Raises LinkLost for any other line."""
        self._received += 1
        text, _, seal = line.rpartition(b"\t")
        other = "worker" if self.sends == "hub" else "hub"
        if not hmac.compare_digest(seal, self._of(other, self._received, text)):
            raise LinkLost("a message that the other supervisor has not sent")
        return text

    def _of(self, sender: str, number: int, text: bytes) -> bytes:
        signed = f"{sender} {number} ".encode() + text
        return hmac.digest(self.key, signed, "sha256").hex().encode()


@dataclass(eq=False)
class Link:
    """One end. Every message is a line."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seal: Seal | None = None
    """Once both sides have proved themselves."""
    _read: bytearray = field(default_factory=bytearray)

    async def send(self, message: Message) -> None:
        """Raises LinkLost when the other end has closed."""
        text = message.model_dump_json().encode()
        try:
            self.writer.write((self.seal.close(text) if self.seal else text) + b"\n")
            await self.writer.drain()
        except OSError as gone:
            raise LinkLost(str(gone)) from None

    async def try_to_send(self, message: Message) -> bool:
        """Whether it was sent; the receiver of a link that is lost notices as well."""
        try:
            await self.send(message)
        except LinkLost:
            return False
        return True

    async def receive(self, timeout: float) -> Message:
        """The next message; raises LinkLost when none comes within `timeout` seconds."""
        try:
            line = await asyncio.wait_for(self._line(), timeout)
        except TimeoutError:
            raise LinkLost(f"silent for {timeout:.0f} s") from None
        except OSError as broken:
            raise LinkLost(str(broken)) from None
        try:
            return decode(self.seal.open(line) if self.seal else line)
        except ValidationError:
            raise LinkLost("something other than a supervisor answers there") from None

    async def _line(self) -> bytes:
        """Up to the end of the line; what was read beyond it waits for the next call."""
        while (end := self._read.find(b"\n")) < 0:
            if len(self._read) > (_LINE if self.seal else _STRANGERS_LINE):
                raise LinkLost("a message without an end")
            chunk = await self.reader.read(_CHUNK if self.seal else _STRANGERS_LINE)
            if not chunk:
                raise LinkLost("the connection was closed")
            self._read += chunk
        line = bytes(self._read[:end])
        del self._read[: end + 1]
        return line

    @property
    def address(self) -> str:
        """Of the machine at the other end."""
        peer = self.writer.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    def abort(self) -> None:
        """Close at once, whatever is still to be sent; who receives finds out."""
        self.writer.transport.abort()

    async def close(self) -> None:
        """Send what is still to be sent, and close."""
        self.writer.close()
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(self.writer.wait_closed(), 2)
