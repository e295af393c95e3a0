"""The store of the process group is on one address: everything else of the machine is closed."""

import socket
import threading
from datetime import timedelta

import pytest

from tests.support.ranks.run import free_port
from training.contract.errors import ConfigurationError

pytest.importorskip("torch")

from training.ranks.store import rendezvous_store

pytestmark = pytest.mark.torch
FABRIC = "127.0.0.2"
PATIENCE = timedelta(seconds=60)


def test_the_store_listens_on_the_fabric_address_alone() -> None:
    port, stores = free_port(), {}

    def come(rank: int) -> None:
        stores[rank] = rendezvous_store(FABRIC, port, rank, 2, PATIENCE)

    ranks = [threading.Thread(target=come, args=(rank,)) for rank in (0, 1)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    stores[1].set("from", "rank 1")
    assert stores[0].get("from") == b"rank 1"
    for other in ("127.0.0.1", "127.0.0.3"):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((other, port), timeout=5)
    socket.create_connection((FABRIC, port), timeout=5).close()


def test_a_port_that_is_taken_is_an_error_that_says_so() -> None:
    with socket.create_server((FABRIC, 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"{FABRIC}:{port}: Address already") as error:
            rendezvous_store(FABRIC, port, 0, 2, PATIENCE)
    assert error.value.code == "port_taken"
