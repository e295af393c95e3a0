"""A Hub on loopback: the few endpoints that huggingface_hub uses, for the real client.

    with Hub({"org/name": Repository(folder)}) as hub:
        …  # HF_ENDPOINT=hub.url HF_HUB_DISABLE_XET=1
        assert hub.fetched == ["org/name/config.json"]

What is answered (status, `X-Error-Code`, headers) is what huggingface.co answers, as the client
reads it; tests/artifacts/test_local_hub.py runs the client against it.
"""

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.hub.repository import Repository

_NAME = r"(?P<name>[\w.-]+/[\w.-]+)"
_FILE = re.compile(rf"/(?P<kind>datasets/)?{_NAME}/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
_CACHED = re.compile(
    rf"/api/resolve-cache/(?P<kind>models|datasets)/{_NAME}/(?P<revision>[^/]+)/(?P<file>.+)"
)
_INFO = re.compile(rf"/api/(?P<kind>models|datasets)/{_NAME}(/revision/(?P<revision>[^/]+))?")
_TREE = re.compile(
    rf"/api/(?P<kind>models|datasets)/{_NAME}/tree/(?P<revision>[^/]+)(/(?P<under>.+))?"
)


@dataclass(frozen=True)
class Answer:
    """Of one request."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Hub:
    """Serves repositories by name until it is left."""

    repositories: Mapping[str, Repository]
    redirects: bool = False
    """Small files come by a redirect to the same host, as huggingface.co sends them since 2025."""
    stalls: bool = False
    """It takes requests and answers none, until it is left."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each, in order."""
    tokens: list[str | None] = field(default_factory=list)
    """What came in `Authorization` with each."""
    fetched: list[str] = field(default_factory=list)
    """Files whose contents were sent, as `org/name/file`."""

    def __enter__(self) -> "Hub":
        self.left = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.left.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """What HF_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path: str, token: str | None, *, recursive: bool) -> Answer:
        """What a GET gets; a HEAD the same without its body. `recursive`: of a tree, all of it."""
        if found := _FILE.fullmatch(path):
            return self._file(found, token, f"{found['kind'] or 'models/'}"[:-1])
        if found := _CACHED.fullmatch(path):
            return self._file(found, token, found["kind"], cached=True)
        if found := _TREE.fullmatch(path):
            return self._tree(found, token, recursive=recursive)
        if found := _INFO.fullmatch(path):
            return self._info(found, token)
        return _error(404, "", "Not Found")

    def _open(
        self, kind: str, name: str, revision: str | None, token: str | None, *, files: bool
    ) -> "Repository | Answer":
        repository = self.repositories.get(name)
        member = repository is not None and token in repository.members
        seen = repository is not None and (member or not repository.private)
        if repository is None or not seen or repository.kind != kind:
            # Who is not logged in does not learn whether it is missing or private.
            return _error(404 if token else 401, "RepoNotFound", "Repository not found")
        if files and repository.gated and not member:
            said = f"Access to {kind[:-1]} {name} is restricted"
            return _error(403 if token else 401, "GatedRepo", said)
        if revision not in (None, "main", repository.commit):
            return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repository

    def _file(
        self, found: re.Match[str], token: str | None, kind: str, *, cached: bool = False
    ) -> Answer:
        name, file = found["name"], found["file"]
        repository = self._open(kind, name, found["revision"], token, files=True)
        if isinstance(repository, Answer):
            return repository
        if file not in repository.files:
            headers = {"X-Repo-Commit": repository.commit}
            return _error(404, "EntryNotFound", "Entry not found", headers)
        headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{repository.etag(file)}"'}
        body = repository.bytes_of(file)
        if repository.is_large(file):
            headers["X-Linked-Size"] = str(len(body))
            headers["X-Linked-Etag"] = headers["ETag"]
        elif self.redirects and not cached:
            to = f"/api/resolve-cache/{kind}/{name}/{repository.commit}/{file}"
            return Answer(307, headers | {"Location": to})
        return Answer(200, headers, body)

    def _info(self, found: re.Match[str], token: str | None) -> Answer:
        repository = self._open(found["kind"], found["name"], found["revision"], token, files=False)
        if isinstance(repository, Answer):
            return repository
        return _json(
            {
                "id": found["name"], "sha": repository.commit, "private": repository.private,
                "gated": "manual" if repository.gated else False, "tags": [], "downloads": 0,
                "siblings": [{"rfilename": name} for name in repository.files],
            }
        )  # fmt: skip

    def _tree(self, found: re.Match[str], token: str | None, *, recursive: bool) -> Answer:
        repository = self._open(found["kind"], found["name"], found["revision"], token, files=True)
        if isinstance(repository, Answer):
            return repository
        under = f"{found['under']}/" if found["under"] else ""
        return _json(repository.tree(under, recursive=recursive))


def _error(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Answer:
    said = {"X-Error-Code": code, "X-Error-Message": message} if code else {}
    return Answer(status, said | dict(headers or {}), json.dumps({"error": message}).encode())


def _json(document: Any) -> Answer:
    return Answer(200, {"Content-Type": "application/json"}, json.dumps(document).encode())


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply(with_body=True)

        def do_HEAD(self) -> None:
            self._reply(with_body=False)

        def log_message(self, *_: object) -> None:
            """Nothing: a test looks at `requests`."""

        def _reply(self, *, with_body: bool) -> None:
            asked = urlsplit(self.path)
            path = unquote(asked.path)
            token = self.headers.get("Authorization")
            token = token.removeprefix("Bearer ") if token else None
            hub.requests.append((self.command, path))
            hub.tokens.append(token)
            if hub.stalls:
                hub.left.wait()
                self.close_connection = True
                return
            recursive = "recursive=true" in asked.query.lower()
            answer = hub.answer(path, token, recursive=recursive)
            body = _range(answer.body, self.headers.get("Range"))
            self.send_response(206 if body is not answer.body else answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                found = _FILE.fullmatch(path) or _CACHED.fullmatch(path)
                if found and answer.status == 200:
                    hub.fetched.append(f"{found['name']}/{found['file']}")
                self.wfile.write(body)

    return Handler


def _range(body: bytes, asked: str | None) -> bytes:
    """A part of the body, as a download that goes on asks for it."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "")
    if found is None:
        return body
    return body[int(found[1]) : int(found[2]) + 1 if found[2] else None]
