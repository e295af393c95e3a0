"""The files that an engine writes for a run, as Docker configs. Pure."""

import hashlib
from dataclasses import dataclass

from orchestrator.engines.engine import Engine
from orchestrator.engines.job import Job
from orchestrator.engines.spec import RenderedFile


@dataclass(frozen=True)
class ConfigFile:
    """A Docker config; immutable, so its name carries the hash of its content."""

    name: str
    content: str
    source: str
    """What the compose file calls it."""
    target: str
    """Where it is in the container."""
    variable: str | None
    """Environment variable with that path."""
    rank: int | None = None
    """The rank that has it; None: all ranks."""


def configs_of(engine: Engine, job: Job) -> tuple[ConfigFile, ...]:
    """The files that all ranks have, then those of each rank."""
    files = engine.spec.files
    common = [_config(engine, job, file) for file in files if file.per == "run"]
    each = [file for file in files if file.per == "rank"]
    own = [_config(engine, job, file, rank) for rank in range(len(job.places)) for file in each]
    return (*common, *own)


def _config(engine: Engine, job: Job, file: RenderedFile, rank: int | None = None) -> ConfigFile:
    source = file.name if rank is None else f"{file.name}-rank{rank}"
    content = engine.file(file, job, rank or 0)
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    name = f"{job.run}-{source}-{digest}"
    return ConfigFile(name, content, source, file.target, file.variable, rank)
