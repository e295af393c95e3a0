"""How a script's saves get to all ranks: rank 0 offers, the others say what they lack."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from training.contract.files import CHECKPOINTS
from training.gang.link import Link, LinkLost
from training.gang.messages import Holding, Message, Offered, Piece, Shared, Wanted
from training.gang.saves import Received, Saves, common

CHECKPOINTS_DIR = "SPARKCTL_CHECKPOINTS"
"""Environment variable of a script: where it is to save, each time in a numbered folder."""
RESUME_FROM = "SPARKCTL_RESUME_FROM"
"""Environment variable of a script: folder of the save that all ranks resume from; or not set."""


class RankSaves:
    """Of one rank, for one attempt. A save that cannot be kept or shared is told in the log, and no
    reason to end: an older one will do."""

    def __init__(self, run_dir: Path, rank: int, log_line: Callable[[str], object]) -> None:
        self._folder = run_dir / CHECKPOINTS
        self._rank, self._log_line = rank, log_line
        self._saves, self._received = Saves(self._folder, rank), Received(self._folder, rank)
        self._done: set[str] = set()
        self._told = False
        """That files are not shared: of the first save alone."""

    def holding(self) -> Holding:
        """What this rank could resume from; to be sent first."""
        known: tuple[str, ...] = ()
        with self._troubles_logged():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._received.begin()
            known = self._saves.known()
        self._done = set(known)
        return Holding(saves=known)

    def environment(self, resume_from: str | None) -> dict[str, str]:
        """For the script's process."""
        begin = {RESUME_FROM: str(self._folder / resume_from)} if resume_from else {}
        return {CHECKPOINTS_DIR: str(self._folder), **begin}

    async def beat(self, link: Link, step: int) -> None:
        """Offer or remember saves that are complete by now, at this step. Raises LinkLost."""
        with self._troubles_logged():
            for name in list(self._saves.complete(step, self._done)):
                self._done.add(name)
                if self._rank:
                    self._saves.remember(name)
                else:
                    await link.send(self._offered(name))

    async def message(self, link: Link, message: Message) -> None:
        """What the coordinator sends about saves. Raises LinkLost."""
        with self._troubles_logged():
            match message:
                case Offered() as offered:
                    await link.send(self._received.lacking(offered))
                case Piece() as piece:
                    if self._received.piece(piece):
                        await link.send(Wanted(save=piece.save, files=()))
                case Shared(save=name):
                    self._saves.remember(name)

    def _offered(self, name: str) -> Offered:
        offered, kept = self._saves.offer(name)
        if kept and not self._told:
            self._told = True
            self._log_line(
                f"{name}: {', '.join(kept[:3])} … stay on rank 0: too large, or too many, to be "
                "shared. If the others need them to resume, let each node save all of it "
                "(save_on_each_node: true)"
            )
        return offered

    @contextmanager
    def _troubles_logged(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as refused:
            self._log_line(f"a checkpoint cannot be shared: {refused}")


class SavesOfAll:
    """The coordinator's side, on rank 0's node."""

    def __init__(self, run_dir: Path, log_line: Callable[[str], object]) -> None:
        self._saves, self._log_line = Saves(run_dir / CHECKPOINTS, 0), log_line
        self.holding: dict[int, tuple[str, ...]] = {}
        self._waiting: dict[str, set[int]] = {}
        """Ranks that still lack something of a save."""
        self._sending: set[asyncio.Task[None]] = set()

    def resume_from(self) -> str | None:
        """The save to begin from, once every rank has said what it holds."""
        others = [saves for rank, saves in self.holding.items() if rank != 0]
        return common(self.holding.get(0, ()), others)

    async def message(self, rank: int, message: Message | None, links: Mapping[int, Link]) -> None:
        """What a rank has sent; anything else is left alone."""
        match message:
            case Holding(saves=saves):
                self.holding[rank] = saves
            case Offered() as offered if rank == 0:
                self._waiting[offered.save] = set(links) - {0}
                for other in set(links) - {0}:
                    await links[other].try_to_send(offered)
                await self._when_shared(offered.save, links)
            case Wanted(save=save, files=()) if rank in self._waiting.get(save, ()):
                self._waiting[save].discard(rank)
                await self._when_shared(save, links)
            case Wanted() as wanted if rank in self._waiting.get(wanted.save, ()):
                task = asyncio.create_task(self._send(rank, wanted, links))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)

    def close(self) -> None:
        """The attempt is over."""
        for task in self._sending:
            task.cancel()

    async def _send(self, rank: int, wanted: Wanted, links: Mapping[int, Link]) -> None:
        try:
            for piece in self._saves.pieces(wanted):
                await links[rank].send(piece)
        except (OSError, LinkLost, KeyError) as refused:
            self._log_line(f"{wanted.save} does not get to rank {rank}: {refused}")

    async def _when_shared(self, save: str, links: Mapping[int, Link]) -> None:
        if not self._waiting[save] and 0 in links:
            await links[0].try_to_send(Shared(save=save))
