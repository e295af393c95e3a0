"""An engine from elsewhere: a folder of this computer, read and never run here."""

from functools import partial
from importlib.resources import files
from pathlib import Path

from orchestrator.engines.engine import Engine
from orchestrator.engines.folder import files_of
from orchestrator.engines.sources import sources
from orchestrator.engines.spec import FILE, EngineSpec
from orchestrator.errors import SpecError
from orchestrator.spec.document import Document, read_document
from orchestrator.spec.files import UnfitFile, read_text
from orchestrator.spec.validate import validate
from training.contract.config import TrainingConfig

SUPERVISORS = ("training/__init__.py", "training/contract/", "training/gang/")
_REQUIREMENTS = "requirements.txt"


def outside(folder: Path) -> Engine:
    """The engine in this folder. Raises SpecError, with the place, for one that cannot be."""
    document = read_document(
        folder / FILE,
        what="engine",
        resolution=f"An engine is a folder with an {FILE}: docs/engines.md.",
    )
    spec = validate(EngineSpec, document)
    _refuse(spec, folder, document)
    return Engine(spec, partial(_template, folder), partial(_contents, folder))


def _refuse(spec: EngineSpec, folder: Path, document: Document) -> None:
    """What only ours may do, and what is missing."""
    place = document.place
    if not spec.command:
        raise SpecError(f"{document.source}: command: this key is missing")
    if spec.proof in ("proved", "gang"):
        raise SpecError(
            f"{place(('proof',))}: proof: `checked` or `exit code` is expected",
            resolution="Only sparkctl's own training proves its group before step 1, and only a "
            "script is watched from inside (docs/scripts.md).",
        )
    for number, file in enumerate(spec.files):
        at = f"{place(('files', number))}: files.{number}"
        if (file.variable or "").startswith("SPARKCTL_"):
            raise SpecError(f"{at}.variable: names that begin with SPARKCTL_ are taken")
        if not (folder / file.template).exists():
            raise SpecError(f"{at}.template: there is no {file.template} in {folder}")
        _template(folder, file.template)


def _template(folder: Path, name: str) -> str:
    """A file of the folder itself: no link on the way leads to another of this computer."""
    path = folder / name
    if path.resolve() != folder.resolve() / name:
        raise SpecError(f"{path}: a template is a file of the engine's folder, not a link")
    try:
        return read_text(path)
    except UnfitFile as error:
        raise SpecError(f"{path}: the template cannot be read", details=str(error)) from None


def _contents(folder: Path, _: TrainingConfig | None) -> dict[str, bytes]:
    """The supervisors, and the folder as it is."""
    own = dict(files_of(folder))
    ours = {
        path: content
        for path, content in sources("training").items()
        if path.startswith(SUPERVISORS)
    }
    return {
        "Dockerfile": (files("orchestrator.engines") / "Dockerfile").read_bytes(),
        _REQUIREMENTS: own.get(_REQUIREMENTS, b""),
        **ours,
        **{f"engine/{path}": content for path, content in own.items()},
    }
