"""The environment variables of one rank. Pure."""

from collections.abc import Mapping

from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.ranks import Rank

RUN_DIR = "/sparkctl/run"
CACHE_DIR = "/sparkctl/cache"
HUB = "/sparkctl/hub"
DATA_DIR = "/sparkctl/data"
SECRETS = "/run/secrets"


DEBUG = {
    "ACCELERATE_DEBUG_MODE": "1",
    "ACCELERATE_LOG_LEVEL": "DEBUG",
    "TORCH_CPP_LOG_LEVEL": "INFO",
    "TORCH_DISTRIBUTED_DEBUG": "DETAIL",
    "NCCL_DEBUG": "INFO",
    # The flight recorder: the last collectives of every rank, written when one hangs.
    "TORCH_FR_BUFFER_SIZE": "2000",
    "TORCH_NCCL_DUMP_ON_TIMEOUT": "1",
    "TORCH_FR_DUMP_TEMP_FILE": f"{RUN_DIR}/debug/flight-rank",
}
"""What `train --debug` adds: the playbook's troubleshooting table, and what shows a hang. The NCCL
part is unverified without GPUs."""


def with_debug(stack: StackSpec) -> StackSpec:
    """The stack with verbose logging of its ranks; variables that it sets itself stay."""
    return stack.model_copy(update={"env": DEBUG | stack.env})


def environment_of(
    rank: Rank,
    ranks: list[Rank],
    run: str,
    spec: ClusterSpec,
    stack: StackSpec,
    secrets: tuple[str, ...],
    engine_files: Mapping[str, str],
    own: Mapping[str, str],
) -> dict[str, str]:
    """Sorted by what it is for; the stack's and then the cluster's own entries win.

    From the engine come `engine_files` (where its files are, how its output is read) and `own`.

    The supervisors meet at rank 0, one port above the process group. `secrets` are names: the
    supervisor gives their values to the trainer, which finds HF_TOKEN by itself.
    """
    first, world_size = ranks[0], len(ranks)
    not_for_it = {"HF_TOKEN", *(hook.url_secret for hook in stack.gang.hooks)}
    for_the_trainer = ",".join(name for name in secrets if name not in not_for_it)
    environment = {
        "SPARKCTL_RUN_ID": run,
        "SPARKCTL_NODE": rank.node,
        "SPARKCTL_RANK": str(rank.rank),
        "SPARKCTL_WORLD_SIZE": str(world_size),
        "SPARKCTL_NODES": ",".join(one.node for one in ranks),
        "SPARKCTL_RUN_DIR": RUN_DIR,
        "SPARKCTL_RUN_FOLDER": f"{rank.runs}/{run}",
        "SPARKCTL_CACHE_DIR": CACHE_DIR,
        "SPARKCTL_DATA_DIR": DATA_DIR,
        **engine_files,
        "SPARKCTL_SECRETS_DIR": SECRETS,
        "SPARKCTL_GANG": stack.gang.model_dump_json(),
        "SPARKCTL_GANG_ADDRESS": f"{first.address}:{spec.fabric.port + 1}",
        **({"SPARKCTL_SECRET_ENV": for_the_trainer} if for_the_trainer else {}),
        # Models are shared with the user; their token and code in the same folder are not.
        "HF_HOME": f"{CACHE_DIR}/huggingface",
        "HF_HUB_CACHE": HUB,
        # Read by huggingface_hub itself: the token is never in an environment.
        "HF_TOKEN_PATH": f"{SECRETS}/HF_TOKEN",
        "PYTHONUNBUFFERED": "1",
        **own,
    }
    if world_size > 1:
        environment |= {
            "NCCL_SOCKET_IFNAME": rank.interface,
            "GLOO_SOCKET_IFNAME": rank.interface,
            "TP_SOCKET_IFNAME": rank.interface,
        }
    if world_size > 1 and rank.rdma:
        # Unverified without a Spark, so all of it can be overridden. NVIDIA_MOFED makes the NVIDIA
        # runtime show /dev/infiniband to a Swarm task, which cannot ask for devices; GB10 has no
        # GPUDirect RDMA, and an unset GDR level was seen to hang at the start.
        environment |= {
            "NVIDIA_MOFED": "enabled",
            "NCCL_IB_HCA": ",".join(rank.rdma),
            "UCX_NET_DEVICES": ",".join(f"{device}:1" for device in rank.rdma),
            "NCCL_NET_GDR_LEVEL": "0",
            "NCCL_IGNORE_CPU_AFFINITY": "1",
        }
    return environment | stack.env | spec.container.env
