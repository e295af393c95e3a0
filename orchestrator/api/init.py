"""From host names to a cluster file: look at the machines, and say all that is to be fixed at once.

Nothing is changed on a machine. On this computer the file is written, and the host key of a machine
when a person says that it is the right one.
"""

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from orchestrator.api.person import Person, Question
from orchestrator.doctor.first_look import Item, Seen, State, first_look
from orchestrator.errors import DeclinedError, SparkctlError, SpecError, UnknownHostKeyError
from orchestrator.node.connect import connect_available
from orchestrator.node.known_hosts import write_down
from orchestrator.node.login import Login, login_for
from orchestrator.node.nearby import finder, nearby
from orchestrator.node.node import Node
from orchestrator.node.parallel import try_each
from orchestrator.node.ssh_config import Unreadable
from orchestrator.node.ssh_config.aliases import host_aliases
from orchestrator.reconcile.observe import try_observe
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.parse import parse_document
from orchestrator.spec.ssh_target import parse_target
from orchestrator.spec.validate import validate
from orchestrator.stack.secret import login_source
from orchestrator.templates import render_template

__all__ = [
    "Draft", "Item", "State", "candidates", "draft", "finder", "look", "may_write", "write",
]  # fmt: skip

HERE = "localhost"
"""As a host: the machine that sparkctl runs on, without SSH."""


@dataclass(frozen=True)
class Draft:
    """A cluster file that is not written yet."""

    text: str
    spec: ClusterSpec


def candidates(ssh_config: str | None = None, *, search: bool = False) -> list[str]:
    """Hosts that may be meant when none is named: this machine when it has a GPU, those that
    ssh_config names, and, with `search`, those that announce themselves on the local network.

    Raises SpecError.
    """
    here = [HERE] if shutil.which("nvidia-smi") else []
    try:
        named = host_aliases(ssh_config)
    except Unreadable as error:
        raise SpecError(
            "ssh_config cannot be read", details=str(error), resolution="Fix it, or name the hosts."
        ) from None
    return list(dict.fromkeys([*here, *named, *(nearby() if search else ())]))


def draft(
    hosts: Sequence[str], file: Path, *, name: str = "sparks", ssh_config: str | None = None
) -> Draft:
    """The cluster file of these hosts (`host`, `user@host`, `host:port`, a Host of ssh_config,
    `localhost`). Raises SpecError."""
    targets: dict[str, Mapping[str, object] | None] = {}
    for host in hosts:
        target = _target(host)
        targets[_name(target, len(targets), targets)] = target
    config = str(Path(ssh_config).expanduser().absolute()) if ssh_config else None
    text = render_template(
        "cluster.yaml.j2",
        cluster=_yaml({"name": name})[1:-1],
        nodes=[
            (_yaml({"name": node})[1:-1], target and _yaml(target))
            for node, target in targets.items()
        ],
        ssh=config and _yaml({"config": config}),
    )
    return Draft(text, validate(ClusterSpec, parse_document(text, source=str(file))))


def look(spec: ClusterSpec, person: Person) -> list[Item]:
    """Look at all machines in parallel; one that fails stops none of the others.

    The person is asked for passphrases, a sudo password, and about host keys never seen before.
    """
    logins = _logins(spec)
    with _reached(spec, person) as (nodes, unreached):
        world, unread = try_observe(spec, nodes, ask=person.sudo_password)
        free, _ = try_each(world, lambda name: _free(nodes[name]))
        seen = {
            node.name: Seen(
                logins.get(node.name),
                unreached.get(node.name),
                unread.get(node.name),
                world.get(node.name),
                nodes[node.name].sudo_asks if node.name in nodes else None,
                free.get(node.name),
            )
            for node in spec.nodes
        }
    return first_look(spec, seen, login_source())


def may_write(file: Path, person: Person) -> bool:
    """Whether it is there, and is to be overwritten. Raises DeclinedError when it is to stay."""
    there = file.exists() or file.is_symlink()
    if there:
        person.agree(Question("file", f"{file} is there already. Overwrite it?"))
    return there


def write(drafted: Draft, file: Path, *, overwrite: bool) -> None:
    """Write it whole or not at all.

    Raises DeclinedError for one that is there and not to be overwritten, SpecError when it cannot
    be written.
    """
    try:
        _write(drafted.text, file, overwrite=overwrite)
    except FileExistsError:
        raise DeclinedError(f"{file} was made meanwhile; it stays as it is") from None
    except OSError as error:
        raise SpecError(
            f"{file} cannot be written",
            details=error.strerror,
            resolution="Name another place: sparkctl -f FILE init …",
        ) from None


def _write(text: str, file: Path, *, overwrite: bool) -> None:
    """A file that came meanwhile is not replaced by one that was to be new."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as made:
            made.write(text)
            made.flush()
            os.fsync(made.fileno())
        Path(name).chmod(0o644)
        if overwrite:
            Path(name).replace(file.resolve())
        else:
            os.link(name, file)
    finally:
        Path(name).unlink(missing_ok=True)


def _target(host: str) -> dict[str, object] | None:
    """None: this computer."""
    if host.lower() in (HERE, "127.0.0.1", "::1", socket.gethostname().lower()):
        return None
    try:
        return parse_target(host)
    except ValueError as error:
        raise SpecError(str(error), resolution="sparkctl init user@spark-a.local …") from None


def _yaml(values: Mapping[str, object]) -> str:
    """On one line, in braces."""
    text = yaml.safe_dump(dict(values), default_flow_style=True, sort_keys=False, width=10**6)
    return str(text).strip()


def _name(target: Mapping[str, object] | None, number: int, taken: Collection[str]) -> str:
    """From the first part of the host's name; addresses become spark-a, spark-b, …"""
    host = str(target["host"]) if target else socket.gethostname()
    first = re.sub(r"[^a-z0-9]+", "-", host.lower().partition(".")[0]).strip("-")[:36].strip("-")
    if not re.search("[a-z]", first) or ":" in host:
        first = f"spark-{chr(ord('a') + number)}" if number < 26 else f"spark-{number}"
    name, more = first, 2
    while name in taken:
        name, more = f"{first}-{more}", more + 1
    return name


def _logins(spec: ClusterSpec) -> dict[str, Login]:
    """Those that ssh_config gives; the error of another one comes when it is connected to."""
    over_ssh = {node.name: node for node in spec.nodes if node.connection == "ssh"}
    found, _ = try_each(over_ssh, lambda name: login_for(over_ssh[name], spec.ssh))
    return found


@contextmanager
def _reached(
    spec: ClusterSpec, person: Person
) -> Iterator[tuple[dict[str, Node], dict[str, SparkctlError]]]:
    """Connected nodes, and why the others are not. A host key that a person has agreed to is
    written down, exactly the one that was shown, and its machine asked again."""
    passphrase = cache(person.passphrase)
    agreed = True
    while agreed:
        agreed = False
        with connect_available(spec, ask_passphrase=passphrase) as (nodes, errors):
            new = [error for error in errors.values() if isinstance(error, UnknownHostKeyError)]
            for error in new:
                agreed = _is_agreed(error, person) or agreed
            if not agreed:
                yield nodes, errors


def _is_agreed(error: UnknownHostKeyError, person: Person) -> bool:
    name, kind, key = error.line
    kinds = kind.removeprefix("ssh-")
    compare = f"on the machine: ssh-keygen -lf /etc/ssh/ssh_host_{kinds}_key.pub"
    heading = f"{error.brief}:"
    details = (heading, *(error.details or "").splitlines(), f"compare with, {compare}")
    try:
        person.agree(Question("host key", f"Is this the key of {error.node}?", details))
    except DeclinedError:
        return False
    write_down(error.file, name, kind, key)
    return True


def _free(node: Node) -> dict[str, int]:
    """Free bytes, by what the folder is for; what is no number is not known."""
    lines = node.script(render_template("node/free.sh.j2"), need="docker").split()
    known = zip(("models", "Docker"), lines, strict=False)
    return {what: int(number) * 1024 for what, number in known if number.isdecimal()}
