"""What leads to one machine: the cluster file, completed from ssh_config as `ssh` would."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import AuthenticationError, SpecError
from orchestrator.node.known_hosts import host_name
from orchestrator.node.ssh_config import (
    HostConfig,
    Reader,
    Tokens,
    Unreadable,
    find_reader,
    hops,
    host_config,
)
from orchestrator.spec.cluster import NodeSpec, SshSpec, SshTarget

_DEEPEST = 8  # jump hosts in a chain; a longer one goes in a circle
AGENT_OF_THE_ENVIRONMENT = "SSH_AUTH_SOCK"


@dataclass(frozen=True)
class Login:
    """Everything that leads to one machine, after ssh_config was consulted."""

    node: str
    host: str
    port: int
    user: str
    keys: tuple[str, ...]
    known_hosts: tuple[Path, ...]
    """All are read; a new key is written to the first."""
    accept_new: bool
    timeout: float
    system_known_hosts: tuple[Path, ...] = ()
    host_key_alias: str | None = None
    """The name in the known-hosts files, whatever the port."""
    agent: str = AGENT_OF_THE_ENVIRONMENT
    """The agent's socket, as in IdentityAgent: a path, SSH_AUTH_SOCK, or none."""
    only_keys: bool = False
    """No other identity is offered than `keys`, whoever holds them: a file or the agent."""
    jumps: tuple["Login", ...] = ()
    """ProxyJump: the machines on the way, the nearest first."""
    proxy_jump: str | None = None
    """The same as ssh_config writes it."""
    proxy_command: str | None = None
    """ProxyCommand: a local command whose streams lead there."""
    config: str | None = None
    """Another file than the usual ones, from the cluster file."""
    not_served: tuple[str, ...] = ()
    """Settings of ssh_config that sparkctl does not support, as `keyword value`."""
    is_jump: bool = False
    """Not the node itself, but on the way to it."""

    @property
    def known_as(self) -> str:
        """Its name in the known-hosts files."""
        return self.host_key_alias or host_name(self.host, self.port)

    @property
    def command(self) -> str:
        """The `ssh` line that does the same, for a person to try."""
        return self._command("accept-new" if self.accept_new else None)

    @property
    def asking_command(self) -> str:
        """The same, and ssh asks whether a new host key is right."""
        return self._command("ask")

    @property
    def copying_command(self) -> str:
        """The line that installs a key there, for a person to run once."""
        head = ["ssh-copy-id", *(["-i", f"{self.keys[0]}.pub"] if self.keys else [])]
        options = self._options("accept-new" if self.accept_new else None)
        jump = ["-o", f"ProxyJump={self.proxy_jump}"] if self.proxy_jump else []
        return shlex.join([*head, *self._way, *options, *jump, f"{self.user}@{self.host}"])

    @property
    def _way(self) -> list[str]:
        return [*(["-F", self.config] if self.config else []), "-p", str(self.port)]

    def _command(self, new_keys: str | None) -> str:
        keys = [part for key in self.keys for part in ("-i", key)]
        jump = ["-J", self.proxy_jump] if self.proxy_jump else []
        rest = [*keys, *self._options(new_keys), *jump]
        return shlex.join(["ssh", *self._way, *rest, f"{self.user}@{self.host}"])

    def _options(self, new_keys: str | None) -> list[str]:
        parts: list[str] = []
        if self.only_keys:
            parts += ["-o", "IdentitiesOnly=yes"]
        if self.agent != AGENT_OF_THE_ENVIRONMENT:
            parts += ["-o", f"IdentityAgent={_quoted(self.agent)}"]
        known = " ".join(_quoted(str(file)) for file in self.known_hosts)
        parts += ["-o", f"UserKnownHostsFile={known or 'none'}"]
        if self.host_key_alias:
            parts += ["-o", f"HostKeyAlias={self.host_key_alias}"]
        if new_keys:
            parts += ["-o", f"StrictHostKeyChecking={new_keys}"]
        if self.proxy_command:
            parts += ["-o", f"ProxyCommand={self.proxy_command}"]
        return parts

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def title(self) -> str:
        """Who it is, for messages."""
        return f"{'the jump host of ' if self.is_jump else ''}{self.node} ({self.where})"


def login_for(node: NodeSpec, ssh: SshSpec) -> Login:
    """The spec, completed from ssh_config; the cluster file wins."""
    key = node.target.key
    if key is not None and not _is_file(Path(key).expanduser()):
        raise AuthenticationError(
            f"{node.name}: there is no key file {key}",
            resolution="Fix ssh.key in the cluster file, or leave it out: the agent, ssh_config "
            "and the usual files in ~/.ssh are tried.",
            node=node.name,
        )
    if ssh.config and not _is_file(Path(ssh.config).expanduser()):
        raise SpecError(
            f"there is no file {ssh.config} that can be read",
            resolution="Fix ssh.config in the cluster file, or leave it out for ~/.ssh/config.",
            node=node.name,
        )
    return _Way(node.name, ssh, find_reader(ssh.config)).login(node.target, depth=0)


@dataclass(frozen=True)
class _Way:
    """To one node."""

    node: str
    ssh: SshSpec
    reader: Reader

    def login(self, target: SshTarget, depth: int) -> Login:
        try:
            return self._login(target, depth)
        except Unreadable as error:
            raise SpecError(
                f"{self.ssh.config or '~/.ssh/config'} does not lead to {target.host}",
                details=str(error),
                resolution=f"Fix it; `ssh -G {target.host}` shows what ssh makes of it. "
                "ssh.config in the cluster file names another file.",
                node=self.node,
            ) from None

    def _login(self, target: SshTarget, depth: int) -> Login:
        config = host_config(self.reader.settings(target.host, target.user, target.port))
        tokens = Tokens(
            target.host, config.hostname, config.port, config.user, config.host_key_alias
        )
        user_files = (self.ssh.known_hosts,) if self.ssh.known_hosts else config.user_known_hosts
        return Login(
            node=self.node,
            host=config.hostname,
            port=config.port,
            user=config.user,
            keys=_keys(target, config, tokens),
            known_hosts=_files(user_files),
            accept_new=_accepts_new(self.ssh, config),
            timeout=self.ssh.connect_timeout,
            system_known_hosts=_files(config.global_known_hosts),
            host_key_alias=config.host_key_alias,
            agent=_agent(config),
            only_keys=target.key is not None or config.identities_only,
            jumps=self._jumps(config.proxy_jump, tokens, depth) if config.proxy_jump else (),
            proxy_jump=config.proxy_jump,
            proxy_command=config.proxy_command and tokens.on_the_way(config.proxy_command),
            config=self.ssh.config,
            not_served=config.not_served,
            is_jump=depth > 0,
        )

    def _jumps(self, jump: str, tokens: Tokens, depth: int) -> tuple[Login, ...]:
        """Only the first host of the list may have a way of its own, which comes before it."""
        if depth >= _DEEPEST:
            raise Unreadable(f"its ProxyJump goes in a circle, at {jump}")
        chain: list[Login] = []
        for hop in hops(jump):
            user = hop.user and tokens.on_the_way(hop.user)
            target = SshTarget(host=tokens.on_the_way(hop.host), port=hop.port, user=user)
            login = self.login(target, depth + 1)
            chain += [login] if chain else [*login.jumps, login]
        return tuple(chain)


def _keys(target: SshTarget, config: HostConfig, tokens: Tokens) -> tuple[str, ...]:
    if target.key:
        return (str(Path(target.key).expanduser()),)
    paths = [Path(tokens.path(key)) for key in config.identity_files if key.lower() != "none"]
    # They need not exist, as with ssh itself; the public half is enough for the agent.
    return tuple(str(p) for p in paths if _is_file(p) or _is_file(Path(f"{p}.pub")))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder of somebody else
        return False


def _files(paths: tuple[str, ...]) -> tuple[Path, ...]:
    # These two keep nothing: with accept-new any key would be taken every time.
    kept = (path for path in paths if path.lower() != "none" and path != os.devnull)
    return tuple(Path(path).expanduser() for path in kept)


def _agent(config: HostConfig) -> str:
    agent = config.identity_agent or AGENT_OF_THE_ENVIRONMENT
    if agent.startswith("$"):
        return os.environ.get(agent[1:]) or "none"
    return "none" if agent.lower() == "none" else agent


def _accepts_new(ssh: SshSpec, config: HostConfig) -> bool:
    """The cluster file's word, else ssh_config's; a check that it turns off is not turned off."""
    return config.accepts_new if ssh.host_keys is None else ssh.host_keys == "accept-new"


def _quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path
