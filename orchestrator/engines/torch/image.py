"""What our training image is built from: see entrypoints/Dockerfile."""

from orchestrator import assets
from orchestrator.engines.sources import sources
from training.contract.config import TrainingConfig


def contents(training: TrainingConfig | None = None) -> dict[str, bytes]:
    """The whole training code, and what the recipe names besides: trackers, kernels."""
    named = {*training.tracking.to, training.loop.kernels} if training else set()
    known = [
        line
        for file in ("trackers.txt", "kernels.txt")
        for line in assets.text(f"training/{file}").splitlines()
    ]
    chosen = [line for line in known if line.startswith(tuple(sorted(named)))]
    return {
        "Dockerfile": (assets.folder("entrypoints") / "Dockerfile").read_bytes(),
        "packages.txt": "".join(f"{line}\n" for line in chosen).encode(),
        **sources("entrypoints"),
        **sources("training"),
    }
