"""One SSH connection per machine; all that happens there is a channel of it."""

import logging
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise

from orchestrator.errors import ConnectError, RemoteError
from orchestrator.node.channels import Channels
from orchestrator.node.connection import Completed, Pipe, Stream
from orchestrator.node.handshake import dial, log_in, unreachable
from orchestrator.node.keys import Unlocked
from orchestrator.node.login import Login
from orchestrator.node.parallel import begin
from orchestrator.node.proxy_command import ProxyCommand
from orchestrator.node.ssh_library import paramiko

# It writes tracebacks of failed connections to its log; we report them in our own words.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

_CHUNK = 65536
_MOST = 2**28  # bytes that a command may print; a machine that never ends would fill this one
_FAREWELL = 1.0  # seconds for the machine to close the channel of a command that has ended
_NO_STATUS = -1  # paramiko's value for a command whose exit code never came


class SshConnection:
    """One paramiko transport; commands and Docker API calls are its channels."""

    def __init__(self, login: Login, unlocked: Unlocked | None = None) -> None:
        """Connect, or raise ConnectError, AuthenticationError or HostKeyError."""
        self._login = login
        self._chain: list[paramiko.Transport] = []
        self._proxy: ProxyCommand | None = None
        try:
            self._connect(unlocked or {})
        except ConnectError as error:
            self._explain(error)
            self.close()
            raise
        except BaseException:
            self.close()
            raise
        self._channels = Channels(self._chain[-1], login.timeout)

    def _connect(self, unlocked: Unlocked) -> None:
        """A chain of connections, each through a channel of the one before."""
        logins = [*self._login.jumps, self._login]
        if logins[0].proxy_command:
            self._proxy = ProxyCommand(logins[0].proxy_command)
        way = self._proxy.socket if self._proxy else dial(logins[0])
        self._chain.append(log_in(logins[0], way, unlocked))
        for here, there in pairwise(logins):
            try:
                through = self._chain[-1].open_channel(
                    "direct-tcpip",
                    (there.host, there.port),
                    ("127.0.0.1", 0),
                    timeout=here.timeout,
                )
            except (paramiko.SSHException, EOFError) as error:
                raise unreachable(there, f"from {here.where}: {error}") from None
            self._chain.append(log_in(there, through, unlocked))

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        end = time.monotonic() + deadline
        try:
            started = self._channels.start(command, deadline)
        except (paramiko.SSHException, EOFError) as error:
            raise self._gone(error) from None
        channel = started.inner
        # At the same time: the streams share one flow-control window, and a command that
        # waits for us to read one would never come to write the other.
        try:
            channel.settimeout(deadline)
            begin(partial(_feed, channel, stdin))
            drain = partial(_drain, self._login.node, channel, end)
            stderr = begin(partial(drain, channel.recv_stderr))
            stdout = drain(channel.recv)
            code = self._exit_code(channel, end)
            done = Completed(code, stdout, stderr.result())
            started.wait_closed(_FAREWELL)
            return done
        finally:
            started.close()  # ends what the two still wait for

    def open(self, command: str, first: bytes) -> Stream:
        try:
            channel = self._channels.start(command, self._login.timeout)
            channel.settimeout(self._login.timeout)
            channel.sendall(first)
        except TimeoutError as error:
            raise ConnectError(
                f"the SSH connection to {self._login.node} has no channel left",
                details=str(error),
                node=self._login.node,
            ) from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._gone(error) from None
        return channel

    def tunnel(self, host: str, port: int) -> Pipe:
        try:
            channel: Pipe = self._chain[-1].open_channel(
                "direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=self._login.timeout
            )
        except paramiko.ChannelException as refused:
            raise ConnectError(
                f"{self._login.node} opens no connection to {host}:{port}",
                details=refused.text,
                resolution="If its sshd forbids it: AllowTcpForwarding yes (or local) in "
                "/etc/ssh/sshd_config.",
                node=self._login.node,
            ) from None
        except (paramiko.SSHException, EOFError) as error:
            raise self._gone(error) from None
        return channel

    def close(self) -> None:
        for transport in reversed(self._chain):
            transport.close()
        if self._proxy is not None:
            self._proxy.close()

    def _explain(self, error: ConnectError) -> None:
        """What a ProxyCommand complains of is the reason."""
        if self._proxy is not None and self._proxy.stderr:
            error.details = f"{error.details}\nProxyCommand: {self._proxy.stderr}"

    def _exit_code(self, channel: paramiko.Channel, end: float) -> int:
        """A command may close its output long before it ends."""
        if not channel.status_event.wait(max(0.0, end - time.monotonic())):
            raise TimeoutError
        code = channel.recv_exit_status()
        if code == _NO_STATUS:  # killed by a signal, or the connection is gone
            try:
                self._chain[-1].open_session(timeout=self._login.timeout).close()
            except (paramiko.SSHException, EOFError) as error:
                raise self._gone(error) from None
        return code

    def _gone(self, why: object) -> ConnectError:
        return ConnectError(
            f"the SSH connection to {self._login.node} is gone",
            details=str(why) or type(why).__name__,
            resolution=f"Try: {self._login.command}\nThen run the same command again: what was "
            "done is known to the machine.",
            node=self._login.node,
        )


def _feed(channel: paramiko.Channel, stdin: bytes) -> None:
    try:
        channel.sendall(stdin)
        channel.shutdown_write()
    except OSError:
        pass  # it ended without reading; its exit code has the reason


def _drain(
    node: str, channel: paramiko.Channel, end: float, receive: Callable[[int], bytes]
) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        channel.settimeout(max(0.001, end - time.monotonic()))
        part = receive(_CHUNK)
        if not part:
            return b"".join(parts)
        size += len(part)
        if size > _MOST:
            raise RemoteError(f"{node} printed more than {_MOST // 2**20} MiB", node=node)
        parts.append(part)
