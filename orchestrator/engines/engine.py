"""An engine: its data, its folder, and what becomes of them for one run. Pure but for reading."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from orchestrator.engines.job import Job
from orchestrator.engines.spec import EngineSpec, RenderedFile
from orchestrator.engines.template import filled_file, filled_word
from orchestrator.errors import SpecError
from training.contract.config import TrainingConfig
from training.gang.config import GangConfig
from training.gang.engine import ENGINE, EngineConfig

Contents = Callable[[TrainingConfig | None], Mapping[str, bytes]]
"""The files that an image is built from, by path; `Dockerfile` is one of them."""


@dataclass(frozen=True)
class Engine:
    """One engine."""

    spec: EngineSpec
    template: Callable[[str], str]
    """The text of a file in its folder, by the file's path there."""
    contents: Contents
    notes: tuple[str, ...] = ()
    """What a user should know of it before the run, in lines."""

    @property
    def name(self) -> str:
        """For messages."""
        return self.spec.name

    def file(self, file: RenderedFile, job: Job, rank: int = 0) -> str:
        """The text of a file; `rank` counts for one that each rank has of its own."""
        return filled_file(
            self.template(file.template), job.values(rank), f"{self.name}/{file.template}"
        )

    def environment(self, job: Job, rank: int) -> dict[str, str]:
        """Its own variables."""
        values = job.values(rank)
        return {
            name: filled_word(text, values, f"{self.name}: environment.{name}")
            for name, text in self.spec.environment.items()
        }

    def command(self, job: Job, rank: int) -> list[str]:
        """What the rank starts; empty: its image knows."""
        values, place = job.values(rank), f"{self.name}: command"
        return [filled_word(word, values, place) for word in self.spec.command]

    def watched(self, job: Job) -> dict[str, str]:
        """The variable that names to the supervisors how to read its output; none: as ours."""
        if self.spec.proof == "proved":
            return {}
        config = EngineConfig(
            proof=self.spec.proof,
            lines=self.spec.lines,
            results=self.spec.results,
            sharded=self.spec.sharded,
            share_saves=self.spec.share_saves,
            total_steps=job.training["loop"]["max_steps"] if job.training else None,
        )
        return {ENGINE: config.model_dump_json()}

    def with_timeouts(self, gang: GangConfig) -> GangConfig:
        """The gang's settings with the engine's own timeouts, where the stack sets none."""
        own = {
            "silence_seconds": self.spec.quiet_seconds,
            "start_seconds": self.spec.start_seconds,
        }
        unset = {
            key: seconds
            for key, seconds in own.items()
            if seconds is not None and key not in gang.model_fields_set
        }
        return gang.model_copy(update=unset)

    def ensure_settings_honoured(self, recipe: str, training: TrainingConfig) -> None:
        """Raises SpecError when the recipe sets a key that this engine would ignore."""
        honoured = self.spec.honours
        ignored = [
            f"training.{key}"
            for key in set_keys(training)
            if not any(key == one or key.startswith(f"{one}.") for one in honoured)
        ]
        if ignored:
            raise SpecError(
                f"{recipe}: the engine {self.name} does not honour {', '.join(ignored)}",
                resolution="Remove it from the recipe, or choose another engine. This one honours: "
                f"{', '.join(f'training.{key}' for key in honoured) or 'none of them'}.",
            )


def set_keys(section: BaseModel, prefix: str = "") -> Iterator[str]:
    """The keys that somebody has written, in the order of the schema."""
    for name in type(section).model_fields:
        if name not in section.model_fields_set:
            continue
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from set_keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
