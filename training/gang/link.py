"""A connection between two supervisors, with a beat that shows that the other one lives."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from training.gang.messages import Message, decode

BEAT = 1.0
"""Seconds between two beats."""


class LinkLost(Exception):
    """The other supervisor went away, or has been silent too long."""


class NeverMet(LinkLost):
    """The hub could not be reached at all."""


@dataclass(frozen=True)
class Link:
    """One end. Every message is a line."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, message: Message) -> None:
        """Raises LinkLost when the other end has closed."""
        try:
            self.writer.write(message.model_dump_json().encode() + b"\n")
            await self.writer.drain()
        except OSError as gone:
            raise LinkLost(str(gone)) from None

    async def receive(self, patience: float) -> Message:
        """The next message; raises LinkLost when none comes within `patience` seconds."""
        try:
            line = await asyncio.wait_for(self.reader.readline(), patience)
        except TimeoutError:
            raise LinkLost(f"silent for {patience:.0f} s") from None
        except (OSError, ValueError) as broken:  # ValueError: a line without end
            raise LinkLost(str(broken)) from None
        if not line.endswith(b"\n"):
            raise LinkLost("the connection was closed")
        try:
            return decode(line)
        except ValidationError:
            raise LinkLost("something else than a supervisor speaks there") from None

    async def close(self) -> None:
        """Send what is still to be sent, and close."""
        self.writer.close()
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(self.writer.wait_closed(), 2)
