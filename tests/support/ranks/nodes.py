"""One run from its start to its end, and all that its ranks said: most tests need no more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.ranks.recipe import recipe
from tests.support.ranks.run import E, Run
from training.contract.events import parse


@dataclass(frozen=True)
class Rank:
    """How one rank ended, and all that it said."""

    status: int
    stdout: list[str]
    stderr: str
    run_dir: Path
    cache_dir: Path

    def events(self, kind: type[E]) -> list[E]:
        """Its events of one kind, in order."""
        return [event for line in self.stdout if isinstance(event := parse(line), kind)]


@dataclass(frozen=True)
class Nodes:
    """Starts one rank per node, each with folders of its own.

    The caches outlive a run, as on real nodes: the base model is built once per test session.
    """

    caches: Path
    new_folder: Callable[[], Path]

    def run(
        self,
        *,
        world_size: int = 2,
        environ: Mapping[int, Mapping[str, str]] | None = None,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        entry_point: bool = False,
    ) -> list[Rank]:
        """Train the tiny recipe, changed by `config`; `environ` changes the environment by rank.

        With `entry_point` as a container does it: a shell, accelerate's file, a fresh Python.
        """
        run = Run(
            self.new_folder(),
            self.caches,
            recipe(config or {}),
            world_size,
            environ or {},
            entry_point,
        )
        return [self._read(run, rank, status) for rank, status in enumerate(run.finish())]

    def _read(self, run: Run, rank: int, status: int | None) -> Rank:
        node = run.node(rank)
        assert status is not None, f"rank {rank} did not end"
        return Rank(
            status=status,
            stdout=(node / "stdout").read_text().splitlines(),
            stderr=run.stderr(rank),
            run_dir=node / "run",
            cache_dir=self.caches / node.name,
        )
