"""From a socket to a transport that let us in: key exchange, host key, login; each in time."""

import shlex
import socket
import threading
from collections.abc import Iterable

from orchestrator.errors import (
    AuthenticationError,
    ConnectError,
    HostKeyError,
    PassphraseNeededError,
    UnknownHostKeyError,
)
from orchestrator.node.keys import PERSON, Offer, Unlocked, offer
from orchestrator.node.known_hosts import Known, KnownKey, host_name, known_keys, write_down
from orchestrator.node.login import Login
from orchestrator.node.ssh_library import paramiko

_KEEPALIVE = 15  # seconds between keepalives
_LOST = 60  # seconds without an answer to one of them; then the connection is gone
_RSA = "ssh-rsa"  # the kind of key behind the algorithms rsa-sha2-256 and rsa-sha2-512


def dial(login: Login) -> socket.socket:
    """A TCP connection to the machine."""
    try:
        dialled = socket.create_connection((login.host, login.port), timeout=login.timeout)
    except (OSError, UnicodeError) as error:
        raise unreachable(login, error) from None
    # paramiko sends keepalives and does not look for answers: the kernel does.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _LOST * 1000)
    return dialled


def log_in(
    login: Login, way: socket.socket | paramiko.Channel, unlocked: Unlocked
) -> paramiko.Transport:
    """Speak SSH over `way`.

    Raises ConnectError, HostKeyError, AuthenticationError, or PassphraseNeededError when only an
    encrypted key is left to try.
    """
    try:
        transport = paramiko.Transport(way)
    except (paramiko.SSHException, OSError) as error:
        way.close()
        raise unreachable(login, error) from None
    try:
        known = _known(login)
        _exchange_keys(transport, login, known)
        _check_host_key(login, known, transport.get_remote_server_key())
        with offer(login, unlocked) as offered:
            _authenticate(transport, login, offered)
    except BaseException:
        transport.close()
        way.close()  # a transport that never began leaves it open
        raise
    transport.set_keepalive(_KEEPALIVE)
    return transport


def unreachable(login: Login, why: object) -> ConnectError:
    """There is no way to the machine."""
    reason, ask = str(why) or type(why).__name__, "Is it switched on and on this network?"
    if isinstance(why, socket.gaierror):
        reason = f"the name {login.host!r} is not known: {reason}"
        ask = "Is the name right, and the machine switched on and on this network?"
    elif isinstance(why, ConnectionRefusedError):
        reason = f"it answers, and nothing listens at port {login.port}: {reason}"
        ask = "Does its SSH server run, and is the port right (ssh.port)?"
    elif "protocol banner" in reason:
        reason = f"what listens at port {login.port} does not speak SSH: {reason}"
        ask = "Is the port right (ssh.port in the cluster file; 22 where none is given)?"
    return ConnectError(
        f"{login.title} cannot be reached",
        details="\n".join([reason, *_not_served(login)]),
        resolution=f"{ask} Try: {login.command}",
        node=login.node,
    )


def _exchange_keys(transport: paramiko.Transport, login: Login, known: Known) -> None:
    options = transport.get_security_options()
    kinds = {key.kind for key in known.keys or known.without_port}
    # A key that we know is asked for first, else the machine chooses one that we do not.
    options.key_types = sorted(options.key_types, key=lambda name: _kind(name) not in kinds)
    transport.auth_timeout = login.timeout
    transport.banner_timeout = (
        2 * login.timeout
    )  # our own deadline comes first, with a clearer error
    done = threading.Event()
    transport.start_client(event=done)
    if not done.wait(login.timeout):
        raise unreachable(login, f"it takes connections and is silent for {login.timeout:g} s")
    if not transport.is_active():
        raise unreachable(login, transport.get_exception() or "it ended the connection")


def _kind(algorithm: str) -> str:
    return _RSA if algorithm.startswith("rsa-sha2-") else algorithm


def _known(login: Login) -> Known:
    files = (*login.known_hosts, *login.system_known_hosts)
    plain = host_name(login.host, 22)
    may_be_plain = login.host_key_alias is None and login.known_as != plain
    try:
        return Known(
            known_keys(files, login.known_as), known_keys(files, plain) if may_be_plain else []
        )
    except OSError as error:
        raise HostKeyError(
            f"{error.filename} cannot be read",
            details=str(error),
            resolution="It holds the host keys of the machines; ssh.known_hosts in the cluster "
            "file names another.",
            node=login.node,
        ) from None


def _check_host_key(login: Login, known: Known, shown: paramiko.PKey) -> None:
    """Known, or new where new ones are accepted; a changed or revoked one never is."""
    name, key = login.known_as, shown.get_base64()
    same = [line for line in (*known.keys, *known.without_port) if line.key == key]
    revoked = [line for line in same if line.revoked]
    if revoked:
        raise HostKeyError(
            f"the host key of {login.title} is REVOKED",
            details=f"it shows {_named(shown)}\n{_places(revoked)}",
            resolution="Do not connect. Give the machine a new host key.",
            node=login.node,
        )
    valid = [line for line in known.keys if not line.revoked]
    if any(line in same for line in valid) or (not valid and same):
        return
    if valid:
        files = dict.fromkeys(str(line.file) for line in valid)
        commands = [shlex.join(["ssh-keygen", "-R", name, "-f", file]) for file in files]
        raise HostKeyError(
            f"the host key of {login.title} has CHANGED",
            details=f"it shows {_named(shown)}; known is another, here:\n{_places(valid)}",
            resolution="Somebody may be in between. If the machine was reinstalled: "
            + "\n".join(commands),
            node=login.node,
        )
    if not login.known_hosts:
        raise HostKeyError(
            f"the host key of {login.title} is not known, and there is no file to keep it in",
            details=f"it shows {_named(shown)}\nUserKnownHostsFile of ssh_config keeps nothing",
            resolution="Set in the cluster file: "
            "`ssh: {known_hosts: ~/.ssh/known_hosts, host_keys: accept-new}`",
            node=login.node,
        )
    if not login.accept_new:
        raise UnknownHostKeyError(
            f"the host key of {login.title} is not known",
            login.known_hosts[0],
            (name, shown.get_name(), key),
            details="\n".join(
                [
                    f"it shows {_named(shown)}",
                    f"known keys: {', '.join(map(str, login.known_hosts))}",
                    *_not_served(login),
                ]
            ),
            resolution=f"Look at it once with: {login.asking_command}\n"
            "or set `ssh: {host_keys: accept-new}` in the cluster file.",
            node=login.node,
        )
    write_down(login.known_hosts[0], name, shown.get_name(), key)


def _places(lines: Iterable[KnownKey]) -> str:
    return "\n".join(f"{line.file}:{line.line}: {line.kind}" for line in lines)


def _not_served(login: Login) -> list[str]:
    """What ssh would do besides, where a login fails without it."""
    return [
        f"ssh_config has `{setting}`, which sparkctl does not support"
        for setting in login.not_served
    ]


def _named(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.fingerprint}"


def _authenticate(transport: paramiko.Transport, login: Login, offered: Offer) -> None:
    notes = list(offered.notes)
    for identity in offered.identities:
        # The agent may have to ask a person first.
        transport.auth_timeout = PERSON if identity.from_agent else login.timeout
        try:
            more = transport.auth_publickey(login.user, identity.key)
        except paramiko.BadAuthenticationType as error:
            allowed = ", ".join(error.allowed_types)
            raise _refused(login, [f"it takes no keys, only: {allowed}", *notes]) from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            notes.append(f"{identity.name}: {error}")
            # A machine that hung up (too many keys), or is silent, is not asked again.
            if not transport.is_active() or "timeout" in str(error):
                raise _refused(login, notes) from None
            continue
        if not more:
            return
        wants = ", ".join(more)
        raise _refused(login, [f"{identity.name}: good, but it also wants: {wants}", *notes])
    if offered.locked:
        raise PassphraseNeededError(offered.locked[0], login.node, login.title)
    if not offered.identities:
        raise _no_key(login, notes)
    raise _refused(login, notes)


def _refused(login: Login, notes: list[str]) -> AuthenticationError:
    return AuthenticationError(
        f"{login.title} refused the login of {login.user}",
        details="\n".join([*notes, *_not_served(login)]),
        resolution=f"Is {login.user} the right user (ssh.user)? Try: {login.command}\n"
        f"A key is installed with: {login.copying_command}",
        node=login.node,
    )


def _no_key(login: Login, notes: list[str]) -> AuthenticationError:
    """Nothing could be offered: what there is cannot be used, or there is nothing at all."""
    error = _refused(login, ["there is no key to offer", *notes])
    make = f"Make a key: ssh-keygen -t ed25519\nInstall it: {login.copying_command}\n"
    error.resolution = f"{'' if login.keys else make}Then try: {login.command}"
    return error
