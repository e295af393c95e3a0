"""The Docker SDK over any byte stream that ends in `docker system dial-stdio`.

The SDK's own `ssh://` opens connections of its own, ignores ProxyJump and cannot use sudo. Here
each HTTP connection is a channel of the one SSH connection that sparkctl already has.
"""

import queue
from collections.abc import Callable
from typing import Any

import docker
import docker.auth
import docker.utils.proxy
import requests
import requests.adapters
import urllib3
import urllib3.connection

from orchestrator.node.connection import Stream
from orchestrator.node.docker_errors import translate_docker_errors

Dial = Callable[[], Stream]

_TIMEOUT = 60.0  # seconds a call may stay silent
_CHANNELS = 4  # of the 10 sessions that sshd allows per connection by default


def docker_over(
    dial: Dial, node: str, before_change: Callable[[], None] = lambda: None
) -> docker.DockerClient:
    """A Docker SDK client whose every connection comes from `dial`.

    `before_change` is called before each request that may change something.

    Costs one API call (`/version`), so that a Docker 20.10 and a Docker 29 are both spoken to in a
    version that they know.
    """
    adapter = _Adapter(dial, before_change)
    try:
        with translate_docker_errors(node):
            version = _client(adapter, "1.41").api.version(api_version=False)["ApiVersion"]
    except BaseException:
        adapter.close()
        raise
    return _client(adapter, version)  # over the same stream


def _client(adapter: "_Adapter", version: str) -> docker.DockerClient:
    client = docker.DockerClient.__new__(docker.DockerClient)
    client.api = _Api(adapter, version)
    return client


class _NoLogins(docker.auth.AuthConfig):
    """No login for any registry. An empty one would make the SDK look for some on this computer."""

    @property
    def is_empty(self) -> bool:
        return False


class _Api(docker.APIClient):
    """The SDK's client, made without its constructor, which reads ~/.docker/config.json.

    What is written there is for the engine of this computer: a build would hand all its registry
    logins to the node (X-Registry-Config), its proxies and headers too, and fails where a
    `credsStore` is left over.
    """

    def __init__(self, adapter: "_Adapter", version: str) -> None:
        requests.Session.__init__(self)
        self.trust_env = False  # neither: proxies, .netrc
        self.headers["User-Agent"] = "sparkctl"
        self.timeout = int(_TIMEOUT)
        self.credstore_env = None
        self._version = version
        self._general_configs: dict[str, Any] = {}
        self._auth_configs = _NoLogins({})
        self._proxy_configs = docker.utils.proxy.ProxyConfig()
        # This name makes the SDK read logs from a channel instead of a socket's raw file.
        self.base_url = "http+docker://ssh"
        self.mount("http+docker://", adapter)


class _Connection(urllib3.connection.HTTPConnection):
    def __init__(self, dial: Dial) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._dial = dial

    def connect(self) -> None:
        stream = self._dial()
        stream.settimeout(_TIMEOUT)
        self.sock = stream


class _Pool(urllib3.HTTPConnectionPool):
    def __init__(self, dial: Dial) -> None:
        super().__init__("localhost", timeout=_TIMEOUT, maxsize=_CHANNELS)
        self._dial = dial

    def _new_conn(self) -> _Connection:
        return _Connection(self._dial)

    def _get_conn(self, timeout: float | None = None) -> Any:
        # urllib3 would poll the connection's file descriptor, which a channel does not have.
        try:
            kept = self.pool.get(block=False) if self.pool else None
        except queue.Empty:
            kept = None
        return kept or self._new_conn()


class _Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, dial: Dial, before_change: Callable[[], None]) -> None:
        super().__init__()
        self._pool = _Pool(dial)
        self._before_change = before_change

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        if request.method not in ("GET", "HEAD"):
            self._before_change()
        return super().send(request, *args, **options)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        return self._pool

    def request_url(self, request: Any, proxies: Any) -> str:
        return str(request.path_url)

    def close(self) -> None:
        self._pool.close()
        super().close()
