"""What would certainly fail on the nodes, told before anything starts. Pure."""

from collections.abc import Iterator

from orchestrator.errors import SpecError
from orchestrator.spec.cluster import ClusterSpec, ContainerSpec
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.environment import CACHE_DIR, DATA_DIR, HUB
from training.contract.config import TrainingConfig

_SEEN = tuple(f"{folder}/" for folder in (DATA_DIR, CACHE_DIR, HUB))
"""What a container has of its node."""
_OFFLINE = ("offline", "disabled", "dryrun")


def refuse_what_cannot_work(spec: ClusterSpec, stack: StackSpec) -> None:
    """Raises SpecError."""
    if training := stack.training:
        _refuse_unseen_paths(spec, stack, training)
        _refuse_trackers_without_settings(spec, stack, training)


def _refuse_unseen_paths(spec: ClusterSpec, stack: StackSpec, training: TrainingConfig) -> None:
    """An image of the user's own may have anything anywhere."""
    usual = ContainerSpec().base_image
    if stack.engine_folder or (stack.base_image or spec.container.base_image) != usual:
        return
    for key, path in _paths(training):
        if not path.startswith(_SEEN):
            name = path.rstrip("/").rpartition("/")[2]
            raise SpecError(
                f"{stack.name}: training.{key}: no container of a run sees {path}",
                details=f"Of a node it sees {spec.paths.data}, as {DATA_DIR}.",
                resolution=f"Copy it to every node, into {spec.paths.data}, and write "
                f"training.{key}: {DATA_DIR}/{name}",
            )


def _paths(training: TrainingConfig) -> Iterator[tuple[str, str]]:
    named = {
        "model.name": training.model.name,
        "method.init_from": getattr(training.method, "init_from", None) or "",
        **{f"data.{key}": name for key, name in training.data.named.items()},
        "data.chat_template": training.data.chat_template or "",
    }
    return ((key, path) for key, path in named.items() if path.startswith("/"))


def _refuse_trackers_without_settings(
    spec: ClusterSpec, stack: StackSpec, training: TrainingConfig
) -> None:
    """They stop a run when it starts: long after its image has been built."""
    env = spec.container.env | stack.env
    known = {*env, *(secret.name for secret in stack.secrets)}
    offline = env.get("WANDB_MODE") in _OFFLINE
    at = f"{stack.name}: training.tracking.to:"
    if "wandb" in training.tracking.to and "WANDB_API_KEY" not in known and not offline:
        raise SpecError(
            f"{at} wandb needs the secret WANDB_API_KEY, which the stack does not name",
            resolution="Add to the stack `secrets: [{name: WANDB_API_KEY, required: true}]`, and "
            "export WANDB_API_KEY=… here. Without an account: `env: {WANDB_MODE: offline}`.",
        )
    if "mlflow" in training.tracking.to and "MLFLOW_TRACKING_URI" not in known:
        raise SpecError(
            f"{at} mlflow needs the address of its server, MLFLOW_TRACKING_URI",
            resolution="Add to the stack `env: {MLFLOW_TRACKING_URI: http://…}`.",
        )
