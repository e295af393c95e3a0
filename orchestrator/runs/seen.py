"""What the supervisor and the trainer of one rank have left in its run folder. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from training.contract.events import AnyEvent, parse
from training.contract.files import RankFiles
from training.contract.heartbeat import Heartbeat
from training.contract.verdict import Attempt, Verdict

E = TypeVar("E", bound=AnyEvent)
M = TypeVar("M", bound=BaseModel)

OF_A_RANK = re.compile(r"(?:verdict|attempts|heartbeat|metrics)-rank\d+\.jsonl?")


@dataclass(frozen=True)
class RankSeen:
    """What could be parsed."""

    verdict: Verdict | None = None
    attempts: tuple[Attempt, ...] = ()
    """Attempts that ended, oldest first."""
    heartbeat: Heartbeat | None = None
    events: tuple[AnyEvent, ...] = ()
    """The last of its events: data, start, step, eval, result."""
    unreadable: tuple[str, ...] = ()
    """Names of files that cannot be understood."""

    def last(self, kind: type[E]) -> E | None:
        """The newest event of a kind."""
        return next((e for e in reversed(self.events) if isinstance(e, kind)), None)


def rank_seen(run: str, rank: int, files: Mapping[str, str]) -> RankSeen:
    """From the files of this rank's own node, by name."""
    names, unreadable = RankFiles(rank), list[str]()

    def whole(name: str, model: type[M]) -> M | None:
        if not files.get(name):
            return None
        try:
            return model.model_validate_json(files[name])
        except ValidationError:
            unreadable.append(name)
            return None

    verdict = whole(names.verdict, Verdict)
    if verdict is not None and verdict.run != run:
        unreadable.append(names.verdict)
        verdict = None
    heartbeat = whole(names.heartbeat, Heartbeat)
    return RankSeen(
        verdict,
        tuple(_attempts(files.get(names.attempts, ""))),
        heartbeat,
        tuple(event for event in map(parse, _lines(files, names.metrics)) if event is not None),
        tuple(unreadable),
    )


def _attempts(text: str) -> Iterator[Attempt]:
    """A line that a power cut tore, or the beginning of an attempt, is none."""
    for line in text.split("\n"):
        try:
            yield Attempt.model_validate_json(line)
        except ValidationError:
            continue


def _lines(files: Mapping[str, str], name: str) -> list[str]:
    return files.get(name, "").split("\n")
