"""A real SSH server in this process that lets one key in, starts commands, and never answers."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
import yaml


@dataclass
class SilentServer(paramiko.ServerInterface):
    """`commands`: those that it has started; each hangs until its connection ends."""

    port: int
    key: paramiko.PKey
    user: str | None = None
    """Who may log in; None: everybody."""
    commands: list[str] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)
    """A command hangs."""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = key.get_base64() == self.key.get_base64() and self.user in (None, username)
        return paramiko.common.AUTH_SUCCESSFUL if known else paramiko.common.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.commands.append(command.decode())
        self.started.set()
        return True

    def cluster_file(self, folder: Path) -> Path:
        """A cluster of this one machine, its keys in `folder`."""
        key = folder / "key"
        self.key.write_private_key_file(str(key))
        ssh = {"host": "127.0.0.1", "port": self.port, "user": "me", "key": str(key)}
        document = {
            "apiVersion": "sparkctl/v1",
            "kind": "Cluster",
            "name": "silent",
            "nodes": [{"name": "spark-a", "ssh": ssh}],
            "ssh": {
                "known_hosts": str(folder / "known"),
                "host_keys": "accept-new",
                "connect_timeout": 60,  # on a busy machine
            },
        }
        file = folder / "cluster.yaml"
        file.write_text(yaml.safe_dump(document))
        return file


@contextmanager
def silent_server() -> Iterator[SilentServer]:
    """Listening on loopback."""
    host_key = paramiko.ECDSAKey.generate()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = SilentServer(int(listening.getsockname()[1]), paramiko.ECDSAKey.generate())
        transports: list[paramiko.Transport] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    transport = paramiko.Transport(listening.accept()[0])
                    transports.append(transport)
                    transport.add_server_key(host_key)
                    transport.start_server(threading.Event(), server)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for transport in transports:
                transport.close()
