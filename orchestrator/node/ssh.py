"""One SSH connection per machine; all that happens there is a channel of it."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import paramiko
from paramiko.client import MissingHostKeyPolicy
from paramiko.hostkeys import InvalidHostKey

from orchestrator.errors import AuthenticationError, ConnectError, HostKeyError
from orchestrator.node.connection import Completed, Stream
from orchestrator.node.login import Login

_KEEPALIVE = 15  # seconds; a dead link is noticed instead of waited for
_CHUNK = 65536
_NO_STATUS = -1  # what paramiko says of a command whose exit code never came


class SshConnection:
    """One paramiko transport; commands and Docker API calls are its channels."""

    def __init__(self, login: Login) -> None:
        """Connect, or raise ConnectError, AuthenticationError or HostKeyError."""
        self._login = login
        self._clients: list[paramiko.SSHClient] = []
        self._proxy: paramiko.ProxyCommand | None = None
        try:
            self._transport = self._through_jumps(login)
        except BaseException:
            self.close()
            raise
        self._transport.set_keepalive(_KEEPALIVE)

    def _through_jumps(self, login: Login) -> paramiko.Transport:
        """The last of a chain of connections, each a channel of the one before."""
        chain = [*login.jumps, login]
        sock: paramiko.Channel | paramiko.ProxyCommand | None = None
        if chain[0].proxy_command:
            sock = self._proxy = paramiko.ProxyCommand(chain[0].proxy_command)
        for here, there in pairwise(chain):
            where = (there.host, there.port)
            try:
                sock = self._open(here, sock).open_channel(
                    "direct-tcpip", where, ("127.0.0.1", 0), timeout=login.timeout
                )
            except (paramiko.SSHException, EOFError) as error:
                raise _unreachable(there, error) from None
        return self._open(login, sock)

    def _open(
        self, login: Login, sock: paramiko.Channel | paramiko.ProxyCommand | None
    ) -> paramiko.Transport:
        client = paramiko.SSHClient()
        self._clients.append(client)  # first, so that it is closed also when this fails
        _connect(client, login, sock)
        transport = client.get_transport()
        assert transport is not None  # connect() returned
        return transport

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        end = time.monotonic() + deadline
        channel = self._channel()
        try:
            channel.settimeout(deadline)
            self._start(channel, command)
            # At the same time: the streams share one flow-control window, and a command that
            # waits for us to read one would never come to write the other.
            with ThreadPoolExecutor(2) as pool:
                pool.submit(_feed, channel, stdin)
                stderr = pool.submit(_drain, channel.recv_stderr, channel, end)
                try:
                    stdout = _drain(channel.recv, channel, end)
                    code = channel.recv_exit_status()
                    if code == _NO_STATUS:  # killed by a signal, or the connection is gone
                        self._channel().close()
                    return Completed(code, stdout, stderr.result())
                finally:
                    channel.close()  # ends what the two still wait for
        finally:
            channel.close()

    def open(self, command: str, first: bytes) -> Stream:
        channel = self._channel()
        self._start(channel, command)
        channel.sendall(first)
        return channel  # type: ignore[return-value]  # makefile(*args) is looser than ours

    def close(self) -> None:
        transports = [client.get_transport() for client in self._clients]
        for client in reversed(self._clients):
            client.close()
        if self._proxy is not None:
            for transport in transports:
                if transport is not None and transport.is_alive():
                    transport.join(timeout=10)  # it reads from the command's pipes until then
            _reap(self._proxy)

    def _channel(self) -> paramiko.Channel:
        try:
            return self._transport.open_session(timeout=self._login.timeout)
        except (paramiko.SSHException, EOFError) as error:
            raise self._gone(error) from None

    def _start(self, channel: paramiko.Channel, command: str) -> None:
        try:
            channel.exec_command(command)
        except (paramiko.SSHException, EOFError) as error:
            raise self._gone(error) from None

    def _gone(self, why: object) -> ConnectError:
        return ConnectError(
            f"the SSH connection to {self._login.node} is gone",
            details=str(why) or type(why).__name__,
            resolution=f"Try: {self._login.command}\nThen run the same command again: what was "
            "done is known to the machine.",
            node=self._login.node,
        )


@dataclass(frozen=True)
class _AcceptNew(MissingHostKeyPolicy):
    """Write down the key of a host never seen before; a changed key is still refused."""

    file: Path

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        client.get_host_keys().add(hostname, key.get_name(), key)
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as file:
            file.write(f"{hostname} {key.get_name()} {key.get_base64()}\n")


def _connect(
    client: paramiko.SSHClient,
    login: Login,
    sock: paramiko.Channel | paramiko.ProxyCommand | None,
) -> None:
    if login.known_hosts.exists():
        try:
            client.load_host_keys(str(login.known_hosts))
        except (InvalidHostKey, OSError, ValueError) as error:
            raise HostKeyError(
                f"{login.known_hosts} cannot be read",
                details=str(error),
                resolution="Remove the line that it names.",
                node=login.node,
            ) from None
    client.set_missing_host_key_policy(
        _AcceptNew(login.known_hosts) if login.accept_new else paramiko.RejectPolicy()
    )
    where = f"{login.host}:{login.port}"
    try:
        client.connect(
            login.host,
            port=login.port,
            username=login.user,
            key_filename=list(login.keys) or None,  # type: ignore[arg-type]  # a list is documented
            sock=sock,
            allow_agent=not login.only_keys,
            look_for_keys=not login.keys,
            timeout=login.timeout,
            banner_timeout=login.timeout,
            auth_timeout=login.timeout,
        )
    except paramiko.BadHostKeyException as error:
        raise HostKeyError(
            f"the host key of {login.node} ({where}) has CHANGED",
            details=f"{error}\nknown keys: {login.known_hosts}",
            resolution="If the machine was reinstalled: "
            f"ssh-keygen -R '[{login.host}]:{login.port}' -f {login.known_hosts}",
            node=login.node,
        ) from None
    except paramiko.AuthenticationException as error:
        raise AuthenticationError(
            f"{login.node} ({where}) refused the login of {login.user or 'this user'}",
            details=f"{error}\nkeys offered: {', '.join(login.keys) or 'agent and ~/.ssh'}",
            resolution=f"Try: {login.command}\nA key is installed with ssh-copy-id.",
            node=login.node,
        ) from None
    except paramiko.SSHException as error:
        if "not found in known_hosts" in str(error):
            raise HostKeyError(
                f"the host key of {login.node} ({where}) is not known",
                details=f"known keys: {login.known_hosts}",
                resolution=f"Look at it once with: {login.command}\n"
                "or set `ssh: {host_keys: accept-new}` in the cluster file.",
                node=login.node,
            ) from None
        raise _unreachable(login, error) from None
    except (OSError, EOFError) as error:
        raise _unreachable(login, error) from None


def _unreachable(login: Login, error: Exception) -> ConnectError:
    reason = str(error) or type(error).__name__
    if isinstance(error, socket.gaierror):
        reason = f"the name {login.host!r} is not known: {reason}"
    return ConnectError(
        f"{login.node} ({login.host}:{login.port}) cannot be reached",
        details=reason,
        resolution=f"Is it switched on and on this network? Try: {login.command}",
        node=login.node,
    )


def _reap(proxy: paramiko.ProxyCommand) -> None:
    """paramiko ends the command of a ProxyCommand and forgets about it."""
    process = proxy.process
    process.terminate()
    process.wait(timeout=10)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _feed(channel: paramiko.Channel, stdin: bytes) -> None:
    try:
        channel.sendall(stdin)
        channel.shutdown_write()
    except OSError:
        pass  # it ended without reading; its exit code says why


def _drain(receive: Callable[[int], bytes], channel: paramiko.Channel, end: float) -> bytes:
    parts: list[bytes] = []
    while True:
        channel.settimeout(max(0.001, end - time.monotonic()))
        part = receive(_CHUNK)
        if not part:
            return b"".join(parts)
        parts.append(part)
