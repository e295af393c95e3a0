"""What our training image is built from: see entrypoints/Dockerfile."""

from orchestrator import assets
from orchestrator.engines.sources import sources
from training.contract.config import TrainingConfig


def contents(training: TrainingConfig | None = None) -> dict[str, bytes]:
    """The whole training code, and the trackers that the recipe names."""
    trackers = training.tracking.to if training else ()
    known = assets.text("training/trackers.txt").splitlines()
    chosen = [line for line in known if line.startswith(tuple(sorted(trackers)))]
    return {
        "Dockerfile": (assets.folder("entrypoints") / "Dockerfile").read_bytes(),
        "packages.txt": "".join(f"{line}\n" for line in chosen).encode(),
        **sources("entrypoints"),
        **sources("training"),
    }
