"""Files of a run from one node: one stream, in which no name and no structure is believed."""

import hashlib
from collections.abc import Callable
from typing import IO

from orchestrator.errors import ConnectError, RunError
from orchestrator.node.node import Node
from orchestrator.runs.landing import Landing
from orchestrator.runs.offered import OPEN_IN_PLACE, Offer
from orchestrator.templates import render_template

_CHUNK = 2**20
_SILENCE = 60.0
"""Seconds that a slow disk may be silent in the middle of a file."""


def receive(
    node: Node,
    folder: str,
    offers: list[Offer],
    landing: Landing,
    may_go: Callable[[str], bool] = lambda name: False,
) -> list[str]:
    """Bring these files of a node's folder, and compare each with its SHA-256.

    They come one after the other, in this order: a `+` and its bytes, or a `-`. No name comes.
    Returns the names of those that have gone and may. Raises RunError when another one has, or is
    another by now, ConnectError when the node is lost.
    """
    gone = list[str]()
    script = render_template(
        "runs/receive.sh.j2", folder=folder, offers=offers, open_in_place=OPEN_IN_PLACE
    )
    try:
        with node.reading(script, silence=_SILENCE) as stream:
            for offer in offers:
                if _exactly(stream, 1, node) != b"+":
                    if not may_go(offer.name):
                        raise _changed(node, offer)
                    gone.append(offer.name)
                    continue
                digest, left = hashlib.sha256(), offer.size
                with landing.new(offer.name) as put:
                    while left:
                        chunk = _exactly(stream, min(left, _CHUNK), node)
                        digest.update(chunk)
                        put(chunk)
                        left -= len(chunk)
                if digest.hexdigest() != offer.sha256:
                    raise _changed(node, offer)
    except TimeoutError:
        raise _lost(node, f"It was silent for {_SILENCE:.0f} s.") from None
    return gone


def _exactly(stream: IO[bytes], size: int, node: Node) -> bytes:
    try:
        data = stream.read(size)
    except TimeoutError:
        raise
    except (OSError, EOFError) as error:
        raise _lost(node, str(error) or type(error).__name__) from None
    if len(data) != size:
        raise _lost(node, "The stream ended in the middle.")
    return data


def _lost(node: Node, why: str) -> ConnectError:
    return ConnectError(
        f"the connection to {node.name} was lost while files came",
        details=why,
        resolution="Run the same command again: what has come is not sent again.",
        node=node.name,
    )


def _changed(node: Node, offer: Offer) -> RunError:
    return RunError(
        f"{offer.name} did not arrive as {node.name} has it",
        resolution="It was changed meanwhile. Run the same command again; if the run still goes "
        "on, when it has ended.",
        node=node.name,
    )
