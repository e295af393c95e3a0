"""From the cluster file to connected nodes."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import PassphraseNeededError, SparkctlError, SpecError
from orchestrator.node.connection import Connection
from orchestrator.node.local import LocalConnection
from orchestrator.node.login import login_for
from orchestrator.node.node import Node
from orchestrator.node.parallel import raise_all, try_each
from orchestrator.spec.cluster import ClusterSpec, NodeSpec, SudoSpec
from orchestrator.spec.files import OpenToOthers, UnfitFile, read_private

if TYPE_CHECKING:  # of paramiko, which is imported when it is needed
    from orchestrator.node.keys import Unlocked
    from orchestrator.node.ssh_library import paramiko

PASSWORD_VARIABLE = "SPARKCTL_SUDO_PASSWORD"

Connect = Callable[[NodeSpec, ClusterSpec], Connection]
AskPassphrase = Callable[[str], str | None]
"""Given the file of an encrypted key: its passphrase, or None when nobody can be asked."""

_LOGINS = 8  # at once: sshd (a jump host's) begins to drop them at 10 (MaxStartups)


def connection_to(node: NodeSpec, spec: ClusterSpec, unlocked: "Unlocked") -> Connection:
    """Open the connection that the cluster file asks for."""
    if node.connection == "local":
        return LocalConnection()
    from orchestrator.node.ssh import SshConnection

    return SshConnection(login_for(node, spec.ssh), unlocked)


@contextmanager
def connect_all(
    spec: ClusterSpec,
    connect: Connect | None = None,
    *,
    ask_passphrase: AskPassphrase = lambda key: None,
) -> Iterator[dict[str, Node]]:
    """All nodes of the cluster, connected in parallel, in the order of the file.

    Every node's error is kept; when any failed, the others are closed again.
    """
    with connect_available(spec, connect, ask_passphrase=ask_passphrase) as (nodes, errors):
        raise_all(errors)
        yield nodes


@contextmanager
def connect_available(
    spec: ClusterSpec,
    connect: Connect | None = None,
    *,
    ask_passphrase: AskPassphrase = lambda key: None,
) -> Iterator[tuple[dict[str, Node], dict[str, SparkctlError]]]:
    """As `connect_all`, but with the errors of the nodes that could not be reached beside them.

    An encrypted key is asked for once for all nodes; a wrong passphrase is an error.
    """
    by_name = {node.name: node for node in spec.nodes}
    passwords = {node.name: sudo_password(node.sudo or spec.sudo) for node in spec.nodes}
    unlocked: dict[str, paramiko.PKey] = {}
    open_one = connect or (lambda node, spec: connection_to(node, spec, unlocked))
    nodes: dict[str, Node] = {}

    def open_node(name: str) -> Node:
        def reopen() -> Connection:
            return open_one(by_name[name], spec)

        return Node(name, reopen(), passwords[name], reopen)

    def open_all(names: Iterable[str]) -> dict[str, SparkctlError]:
        opened, errors = try_each(names, open_node, at_once=_LOGINS)
        nodes.update(opened)
        return errors

    try:
        errors = open_all(by_name)
        while locked := {
            name: error.key
            for name, error in errors.items()
            if isinstance(error, PassphraseNeededError) and error.key not in unlocked
        }:
            # One after the other: a machine may accept the first and never need the second.
            key = next(iter(locked.values()))
            if (passphrase := ask_passphrase(key)) is None:
                break
            from orchestrator.node.keys import unlock

            unlocked[key] = unlock(key, passphrase)
            waiting = [name for name in locked if locked[name] == key]
            errors = {n: e for n, e in errors.items() if n not in waiting} | open_all(waiting)
        yield {name: nodes[name] for name in by_name if name in nodes}, errors
    finally:
        for node in nodes.values():
            node.close()


def sudo_password(sudo: SudoSpec) -> str | None:
    """The password known without asking: from the file of the spec, or the environment."""
    if sudo.password_file is None:
        text = os.environ.get(PASSWORD_VARIABLE, "")
    else:
        try:
            text = read_private(Path(sudo.password_file))
        except OpenToOthers as unfit:
            raise SpecError(
                f"{sudo.password_file}: others may read the sudo password file",
                details=str(unfit),
                resolution=f"chmod 600 {sudo.password_file}",
            ) from None
        except UnfitFile as unfit:
            raise SpecError(
                f"{sudo.password_file}: the sudo password file cannot be read",
                details=str(unfit),
                resolution="Fix sudo.password_file in the cluster file, or remove that line.",
            ) from None
    return text.partition("\n")[0].rstrip("\r") or None
