"""What leads to one machine: the cluster file, completed from ssh_config as `ssh` would."""

import getpass
import shlex
from dataclasses import dataclass
from pathlib import Path

import paramiko

from orchestrator.errors import AuthenticationError, SpecError
from orchestrator.spec.cluster import NodeSpec, SshSpec, SshTarget

_DEEPEST = 8  # jump hosts in a chain; a longer one goes in a circle


@dataclass(frozen=True)
class Login:
    """Everything that leads to one machine, after ssh_config was consulted."""

    node: str
    host: str
    port: int
    user: str | None
    keys: tuple[str, ...]
    known_hosts: Path
    accept_new: bool
    timeout: float
    only_keys: bool = False
    """The cluster file names the key: no other identity is offered, the agent's neither."""
    jumps: tuple["Login", ...] = ()
    """ProxyJump: the machines on the way, the nearest first."""
    proxy_command: str | None = None
    """ProxyCommand: a local command whose streams lead there."""

    @property
    def command(self) -> str:
        """The `ssh` line that does the same, for a person to try."""
        parts = ["ssh", "-p", str(self.port)]
        for key in self.keys:
            parts += ["-i", key]
        parts += ["-o", f"UserKnownHostsFile={self.known_hosts}"]
        if self.jumps:
            parts += ["-J", ",".join(f"{_at(jump)}:{jump.port}" for jump in self.jumps)]
        if self.proxy_command:
            parts += ["-o", f"ProxyCommand={self.proxy_command}"]
        return shlex.join([*parts, _at(self)])


def login_for(node: NodeSpec, ssh: SshSpec, config_file: Path | None = None) -> Login:
    """The spec, completed from ~/.ssh/config; what the cluster file says wins."""
    config = _user_config(config_file or Path("~/.ssh/config").expanduser())
    key = node.target.key
    if key is not None and not Path(key).expanduser().is_file():
        raise AuthenticationError(
            f"{node.name}: there is no key file {key}",
            resolution="Mend ssh.key in the cluster file, or leave it out: the agent, ssh_config "
            "and the usual files in ~/.ssh are tried.",
            node=node.name,
        )
    return _login(node.name, node.target, ssh, config, depth=0)


def _login(
    node: str, target: SshTarget, ssh: SshSpec, config: paramiko.SSHConfig, depth: int
) -> Login:
    entry = config.lookup(target.host)
    known = ssh.known_hosts or str(entry.get("userknownhostsfile", "~/.ssh/known_hosts")).split()[0]
    found = [str(Path(key).expanduser()) for key in entry.get("identityfile", [])]
    keys = [str(Path(target.key).expanduser())] if target.key else found
    return Login(
        node=node,
        host=str(entry["hostname"]),
        port=target.port or int(entry.get("port", 22)),
        user=target.user or entry.get("user"),
        # Those of ssh_config need not exist, as with ssh itself.
        keys=tuple(key for key in keys if target.key or Path(key).is_file()),
        known_hosts=Path(known).expanduser(),
        accept_new=ssh.host_keys == "accept-new",
        timeout=ssh.connect_timeout,
        only_keys=target.key is not None,
        jumps=_jumps(node, str(entry.get("proxyjump", "none")), ssh, config, depth),
        proxy_command=_unless_none(entry.get("proxycommand")),
    )


def _jumps(
    node: str, hosts: str, ssh: SshSpec, config: paramiko.SSHConfig, depth: int
) -> tuple[Login, ...]:
    """Each host of the list may have a way of its own, which comes before it."""
    if hosts.lower() == "none":
        return ()
    if depth >= _DEEPEST:
        raise SpecError(
            f"{node}: the ProxyJump of ~/.ssh/config goes in a circle",
            details=f"at {hosts}",
            node=node,
        )
    chain: list[Login] = []
    for host in hosts.split(","):
        user, at, rest = host.strip().rpartition("@")
        name, colon, port = rest.rpartition(":")
        target = SshTarget(
            host=name if colon and port.isdecimal() else rest,
            port=int(port) if colon and port.isdecimal() else None,
            user=user if at else None,
        )
        jump = _login(node, target, ssh, config, depth + 1)
        chain += [*jump.jumps, jump] if not chain else [jump]
    return tuple(chain)


def _unless_none(command: object) -> str | None:
    return None if command is None or str(command).lower() == "none" else str(command)


def _at(login: Login) -> str:
    return f"{login.user or getpass.getuser()}@{login.host}"


def _user_config(path: Path) -> paramiko.SSHConfig:
    config = paramiko.SSHConfig()
    if path.is_file():
        try:
            with path.open(encoding="utf-8") as file:
                config.parse(file)
        except (paramiko.ConfigParseError, OSError, ValueError) as error:
            raise SpecError(
                f"{path} cannot be read",
                details=str(error),
                resolution="Mend the line; `ssh -G any-host` shows what ssh makes of the file.",
            ) from None
    return config
