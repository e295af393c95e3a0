"""The engine of a stack with a script: `engine.yaml`, and what the stack's `script:` says."""

from collections.abc import Mapping
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

from orchestrator import assets
from orchestrator.engines.engine import Engine
from orchestrator.engines.folder import files_of
from orchestrator.engines.outside import SUPERVISORS
from orchestrator.engines.script.accelerate import notes_on, settings_of, shards, template_of
from orchestrator.engines.sources import sources
from orchestrator.engines.spec import FILE, EngineSpec, RenderedFile
from orchestrator.errors import SpecError
from orchestrator.spec.parse import parse_document
from orchestrator.spec.script import NODE_FOLDER, ScriptSpec
from orchestrator.spec.validate import validate
from training.contract.config import TrainingConfig
from training.contract.verdict import RESTS_ON

_IN_IMAGE = "/opt/sparkctl/engine"
_ACCELERATE = RenderedFile(
    name="accelerate",
    template="accelerate.yml",
    target="/sparkctl/accelerate.yml",
    variable="SPARKCTL_ACCELERATE_CONFIG",
    per="rank",
)


def script_engine(script: ScriptSpec) -> Engine:
    """Reads the user's files; raises SpecError for what is missing, or is not what it should be."""
    uses_accelerate = script.launcher == "accelerate"
    settings = settings_of(script) if uses_accelerate else {}
    if script.folder is not None and not Path(script.folder, script.file).is_file():
        raise SpecError(
            f"script.file: there is no {script.file} in {script.folder}",
            resolution="script.folder is a folder on this computer, script.file a file in it. "
            "NVIDIA's scripts are fetched once: docs/scripts.md.",
        )
    spec = _base().model_copy(
        update={
            "command": _command(script),
            "files": [_ACCELERATE] if uses_accelerate else [],
            "lines": tuple(script.lines),
            "results": tuple(script.results),
            "proof": script.proof,
            "sharded": script.sharded if script.sharded is not None else shards(settings),
            "share_saves": True,
        }
    )
    return Engine(
        spec,
        lambda _: template_of(settings),
        partial(_contents, script),
        (f"proof: {_foretold(script)}", *notes_on(settings)),
    )


def _foretold(script: ScriptSpec) -> str:
    if script.proof == "exit code":
        return RESTS_ON["exit code"].removeprefix("proof: ")
    return "gang: at its first optimizer steps the ranks must be one group that shares its work"


def _command(script: ScriptSpec) -> list[str]:
    where = _IN_IMAGE if script.node_folder is None else NODE_FOLDER
    start = ["python3", "-P", "-m", "training.script.start", where, script.launcher, script.file]
    return [*start, *script.args]


def _contents(script: ScriptSpec, _: TrainingConfig | None = None) -> Mapping[str, bytes]:
    """The supervisors, what starts the script, and the folder as it is."""
    own = {} if script.folder is None else dict(files_of(Path(script.folder)))
    ours = {
        path: content
        for path, content in sources("training").items()
        if path.startswith((*SUPERVISORS, "training/script/"))
    }
    return {
        "Dockerfile": (files("orchestrator.engines") / "Dockerfile").read_bytes(),
        "requirements.txt": _requirements(script, own),
        **ours,
        "engine/.script": script.file.encode(),
        **{f"engine/{path}": content for path, content in own.items()},
    }


def _requirements(script: ScriptSpec, own: Mapping[str, bytes]) -> bytes:
    if script.requirements is not None:
        return "".join(f"{line}\n" for line in script.requirements).encode()
    if "requirements.txt" in own:
        return own["requirements.txt"]
    return assets.text("training/requirements.txt").encode()


@cache
def _base() -> EngineSpec:
    text = files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    return validate(EngineSpec, parse_document(text, source=f"script/{FILE}"))
