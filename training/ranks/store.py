"""The rendezvous of torch's ranks: a key-value store on rank 0, on the fabric's address alone.

torch's own rendezvous listens on every interface, and the store authenticates nobody: whoever can
change its keys decides whom the ranks exchange pickles with.
"""

import os
import socket
from datetime import timedelta

import torch.distributed as dist

from training.contract.errors import ConfigurationError


def rendezvous_store(
    host: str, port: int, rank: int, world_size: int, timeout: timedelta
) -> dist.TCPStore:
    """The store of this run, once all ranks have connected to it.

    Raises `ConfigurationError` when rank 0 cannot listen there, torch's `DistError` when a rank
    does not connect within `timeout`.
    """
    if rank > 0:
        return dist.TCPStore(host, port, world_size, False, timeout)
    listening = _listen(host, port)
    # The store closes the descriptor.
    return dist.TCPStore(host, port, world_size, True, timeout, master_listen_fd=listening.detach())


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    try:
        return socket.create_server(address[:2], family=family, backlog=128)
    except OSError as refused:
        raise ConfigurationError(
            "port_taken",
            f"rank 0 cannot listen at {host}:{port}: {os.strerror(refused.errno or 0)}",
            "`ss -tlnp` on the node names who listens there; or set another fabric.port in "
            "cluster.yaml.",
        ) from None
