"""The outer engine: the Docker Engine of this computer, on which the lab runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
from docker import DockerClient
from docker.context import ContextAPI
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from orchestrator.errors import LabError
from orchestrator.lab import labels

LONG_SECONDS = 900
"""Read timeout in seconds: an import of a large image answers only when it is done."""

REGISTRY_SECONDS = 8
"""How long in seconds a registry may take to answer before we build without one."""


@contextmanager
def connected() -> Iterator[DockerClient]:
    """A client of the engine, closed at the end.

    Raises:
        LabError: no engine answers, or it refused what was done with it.
    """
    client = connect()
    try:
        yield client
    except (DockerException, RequestException) as error:
        raise LabError(
            "the Docker engine of this computer refused or failed", details=str(error)
        ) from error
    finally:
        client.close()


def connect() -> DockerClient:
    """A client of the engine that the `docker` command would use.

    Raises:
        LabError: no engine answers.
    """
    failures = []
    named = "DOCKER_HOST" in os.environ
    for how in [_from_environment] if named else [_from_environment, _from_context]:
        client = None
        try:
            client = how()
            client.ping()
            return client
        except (DockerException, RequestException, OSError) as error:
            if client is not None:
                client.close()
            failures.append(str(error))
    raise LabError(
        "no Docker engine answers on this computer",
        details="\n".join(dict.fromkeys(failures)),
        resolution="Start Docker (Docker Desktop, or `sudo systemctl start docker`) and see that"
        " `docker info` works. From a checkout, as root on Debian, `.ci/engine` does it.",
    )


def _from_environment() -> DockerClient:
    return docker.from_env(timeout=LONG_SECONDS)


def _from_context() -> DockerClient:
    """Docker Desktop keeps its socket elsewhere; the current context has its address."""
    context: Any = ContextAPI.get_current_context()
    return DockerClient(base_url=context.Host, tls=context.TLSConfig or False, timeout=LONG_SECONDS)


def reaches_registry(client: DockerClient, image: str) -> bool:
    """Whether the engine can ask a registry for `image` within a few seconds."""
    usual = client.api.timeout
    client.api.timeout = REGISTRY_SECONDS
    try:
        client.images.get_registry_data(image)
    except (APIError, RequestException):
        return False
    finally:
        client.api.timeout = usual
    return True


@dataclass(frozen=True)
class Privileges:
    """What the engine can give to a node, which is a whole machine with an engine of its own."""

    full: bool
    """Whether `--privileged` works; a process can never get more than dockerd itself has."""

    def host_config(self, client: DockerClient, **settings: Any) -> dict[str, Any]:
        """The engine's HostConfig: `settings` of the Docker SDK and the privileges.

        Without `--privileged` it is the same piece by piece, less what the engine cannot give.
        """
        if self.full:
            return dict(client.api.create_host_config(privileged=True, **settings))
        config = client.api.create_host_config(
            cap_add=["ALL"],
            cap_drop=["SYS_RESOURCE"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            device_cgroup_rules=["a *:* rwm"],
            **settings,
        )
        # What the command line calls `systempaths=unconfined`.
        return {**config, "MaskedPaths": [], "ReadonlyPaths": []}


def privileges(client: DockerClient, image: str) -> Privileges:
    """Find out by trying: `image` runs `true` with all privileges."""
    probe = client.containers.create(
        image,
        entrypoint=["/bin/true"],
        privileged=True,
        network_mode="none",
        labels={labels.LAB: labels.SHARED},
    )
    try:
        probe.start()
    except APIError as error:
        if "caps" in str(error) or "not permitted" in str(error):
            return Privileges(full=False)
        raise LabError("the engine cannot start a container", details=str(error)) from error
    finally:
        probe.remove(force=True)
    return Privileges(full=True)
