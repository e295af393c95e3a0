"""What leads to one machine: the cluster file, completed from ssh_config as `ssh` would."""

import getpass
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import AuthenticationError, SpecError
from orchestrator.node.ssh_config import Entry, SshConfig, expanded
from orchestrator.spec.cluster import NodeSpec, SshSpec, SshTarget

_DEEPEST = 8  # jump hosts in a chain; a longer one goes in a circle
_USUAL_KEYS = ("id_rsa", "id_ecdsa", "id_ed25519")
_USUAL_KNOWN_HOSTS = "~/.ssh/known_hosts"
_SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
AGENT_OF_THE_ENVIRONMENT = "SSH_AUTH_SOCK"


@dataclass(frozen=True)
class Login:
    """Everything that leads to one machine, after ssh_config was consulted."""

    node: str
    host: str
    port: int
    user: str | None
    keys: tuple[str, ...]
    known_hosts: tuple[Path, ...]
    """All are read; a new key is written to the first."""
    accept_new: bool
    timeout: float
    system_known_hosts: tuple[Path, ...] = ()
    agent: str = AGENT_OF_THE_ENVIRONMENT
    """The agent's socket, as IdentityAgent says it: a path, SSH_AUTH_SOCK, or none."""
    only_keys: bool = False
    """No other identity is offered than `keys`, whoever holds them: a file or the agent."""
    jumps: tuple["Login", ...] = ()
    """ProxyJump: the machines on the way, the nearest first."""
    proxy_jump: str | None = None
    """The same as ssh_config writes it."""
    proxy_command: str | None = None
    """ProxyCommand: a local command whose streams lead there."""
    is_jump: bool = False
    """Not the node itself, but on the way to it."""

    @property
    def command(self) -> str:
        """The `ssh` line that does the same, for a person to try."""
        parts = ["ssh", "-p", str(self.port)]
        for key in self.keys:
            parts += ["-i", key]
        if self.only_keys:
            parts += ["-o", "IdentitiesOnly=yes"]
        if self.agent != AGENT_OF_THE_ENVIRONMENT:
            parts += ["-o", f"IdentityAgent={_quoted(self.agent)}"]
        known = " ".join(_quoted(str(file)) for file in self.known_hosts)
        parts += ["-o", f"UserKnownHostsFile={known or 'none'}"]
        if self.accept_new:
            parts += ["-o", "StrictHostKeyChecking=accept-new"]
        if self.proxy_jump:
            parts += ["-J", self.proxy_jump]
        if self.proxy_command:
            parts += ["-o", f"ProxyCommand={self.proxy_command}"]
        return shlex.join([*parts, f"{self.as_user}@{self.host}"])

    @property
    def as_user(self) -> str:
        """The user there."""
        return self.user or getpass.getuser()

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def title(self) -> str:
        """Who it is, for messages."""
        return f"{'the jump host of ' if self.is_jump else ''}{self.node} ({self.where})"


def login_for(node: NodeSpec, ssh: SshSpec, config_file: Path | None = None) -> Login:
    """The spec, completed from ~/.ssh/config; what the cluster file says wins."""
    config = SshConfig(config_file or Path("~/.ssh/config").expanduser())
    key = node.target.key
    if key is not None and not Path(key).expanduser().is_file():
        raise AuthenticationError(
            f"{node.name}: there is no key file {key}",
            resolution="Mend ssh.key in the cluster file, or leave it out: the agent, ssh_config "
            "and the usual files in ~/.ssh are tried.",
            node=node.name,
        )
    return _login(node.name, node.target, ssh, config, depth=0)


def _login(node: str, target: SshTarget, ssh: SshSpec, config: SshConfig, depth: int) -> Login:
    entry = config.lookup(target.host)

    def files(keyword: str, usual: str, ours: str | None = None) -> tuple[Path, ...]:
        paths = [ours] if ours else _split(str(entry.get(keyword, usual)))
        found = (Path(expanded(path, entry, target.host)) for path in paths)
        # These two keep nothing: with accept-new any key would be taken every time.
        return tuple(path for path in found if str(path) not in ("none", os.devnull))

    jump = str(entry.get("proxyjump", "none"))
    jump = "" if jump.lower() == "none" else jump
    return Login(
        node=node,
        host=str(entry["hostname"]),
        port=target.port or _port(node, entry),
        user=target.user or _text(entry.get("user")),
        keys=_keys(target, entry),
        known_hosts=files("userknownhostsfile", _USUAL_KNOWN_HOSTS, ssh.known_hosts),
        accept_new=_accepts_new(ssh, entry),
        timeout=ssh.connect_timeout,
        system_known_hosts=files("globalknownhostsfile", _SYSTEM_KNOWN_HOSTS),
        agent=_agent(entry, target.host),
        only_keys=target.key is not None or str(entry.get("identitiesonly")).lower() == "yes",
        jumps=_jumps(node, jump, ssh, config, depth) if jump else (),
        proxy_jump=jump or None,
        proxy_command=_text(entry.get("proxycommand")),
        is_jump=depth > 0,
    )


def _keys(target: SshTarget, entry: Entry) -> tuple[str, ...]:
    if target.key:
        return (str(Path(target.key).expanduser()),)
    named = entry.get("identityfile")
    assert named is None or isinstance(named, list)
    if named is None:
        named = [f"~/.ssh/{name}" for name in _USUAL_KEYS]
    # They need not exist, as with ssh itself; the public half is enough for the agent.
    paths = [Path(key).expanduser() for key in named]
    return tuple(str(p) for p in paths if p.is_file() or Path(f"{p}.pub").is_file())


def _agent(entry: Entry, host: str) -> str:
    said = str(entry.get("identityagent", AGENT_OF_THE_ENVIRONMENT))
    if said == AGENT_OF_THE_ENVIRONMENT or said.lower() == "none":
        return said
    variable = said[1:] if said.startswith("$") and not said.startswith("${") else None
    path = os.environ.get(variable, "") if variable else expanded(said, entry, host)
    return path or "none"


def _accepts_new(ssh: SshSpec, entry: Entry) -> bool:
    """The cluster file's word, else ssh_config's; a check that it turns off is not turned off."""
    said = ssh.host_keys or str(entry.get("stricthostkeychecking", "ask")).lower()
    return said in ("accept-new", "no", "off")


def _port(node: str, entry: Entry) -> int:
    port = str(entry.get("port", 22))
    if not port.isdecimal():
        raise SpecError(f"{node}: ~/.ssh/config gives it the port {port!r}", node=node)
    return int(port)


def _jumps(node: str, hosts: str, ssh: SshSpec, config: SshConfig, depth: int) -> tuple[Login, ...]:
    """Each host of the list may have a way of its own, which comes before it."""
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


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quotation mark without its pair
        return text.split()


def _text(value: object) -> str | None:
    return None if value is None or str(value).lower() == "none" else str(value)


def _quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path
