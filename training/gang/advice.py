"""What to do about a run that failed, when the failed rank could not report it itself."""

from training.contract.errors import LESS_MEMORY

_SEE_LOGS = "`sparkctl runs logs {run}` has its last lines."
ADVICE = {
    "lost": "Look at {node}: `docker node ls`, there `docker ps -a` and `journalctl -b -1`; and at "
    "the cable.",
    "rank_missing": "Look at {node} (`docker node ls`, there `docker ps -a`), and at the fabric "
    "between the two.",
    "port_taken": "`ss -tlnp` on {node} names who listens there; or set another fabric.port in "
    "cluster.yaml.",
    "disk_full": "Free space on {node}: `sparkctl runs list` shows what runs take, `docker system "
    "df` the images.",
    "stopped": "`last reboot` and `journalctl -u docker` on {node} show who ended them.",
    "killed": "`journalctl -k` on {node} shows whether the kernel killed it. " + _SEE_LOGS,
    "out_of_memory": f"{LESS_MEMORY}, or end what else holds memory on {{node}}.",
    "peer_lost": "Look at the cable between the nodes, and at the logs of the other ranks. "
    + _SEE_LOGS,
    "weights_mismatch": "Each rank must get the same data, settings and image; nothing of this run "
    "is to be trusted.",
    "not_one_gang": "Whatever it wrote, each rank has trained a model of its own: nothing of this "
    "run is to be trusted. Start the script with accelerate or torchrun and a trainer that uses "
    "their group; on CPUs set env.ACCELERATE_USE_CPU to true.",
    "not_sharded": "Let accelerate's configuration shard it (script.accelerate: fsdp-lora or "
    "fsdp-full), or say script.sharded: false if every rank may hold the whole model.",
    "no_result": "The program ended before it had trained. " + _SEE_LOGS,
}


def advice(code: str, run: str, node: str) -> str:
    """One or two lines for people: what to look at on that node, and how to resume."""
    on = f"`sparkctl runs resume {run}` resumes from the last checkpoint."
    return f"{ADVICE.get(code, _SEE_LOGS).format(run=run, node=node)} Then {on}"
