"""One file of a model on the Hugging Face Hub, read on this computer.

The Hub is where `HF_ENDPOINT` says, as for huggingface_hub, whose answers (status and
`X-Error-Code`) are understood here. It is not needed for this, nor is any library.
"""

import json
import re
import time
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

HUB = "https://huggingface.co"
_YES = {"1", "true", "yes", "on"}
_DEADLINE = 10.0
"""Seconds, of all together."""
_LARGEST = 4 * 2**20
"""Bytes; config.json of any model has a few thousand."""
_SECRET = "Authorization"


class Unread(Exception):
    """Why a file of the Hub was not read, in words, with what to do."""


class NotThere(Unread):
    """The model is there and has no such file."""


def read_config(
    model: str,
    revision: str,
    token: str | None,
    environ: Mapping[str, str],
    *,
    deadline: float = _DEADLINE,
) -> Any:
    """config.json of a model, parsed, and nothing else of it. Raises Unread."""
    body = read_file(model, revision, "config.json", token, environ, deadline=deadline)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Unread(f"config.json of {_hub(environ)}/{model} is no JSON") from None


def read_file(
    model: str,
    revision: str,
    name: str,
    token: str | None,
    environ: Mapping[str, str],
    *,
    deadline: float = _DEADLINE,
    largest: int = _LARGEST,
) -> bytes:
    """One file of a model, of at most `largest` bytes, within `deadline` seconds.

    The token goes to the Hub alone. Raises Unread, NotThere for a file that the model has not.
    """
    if environ.get("HF_HUB_OFFLINE", "").lower() in _YES:
        raise Unread("HF_HUB_OFFLINE is set here, so the Hub was not asked about it")
    hub = _hub(environ)
    if urlsplit(hub).scheme not in ("http", "https") or "@" in urlsplit(hub).netloc:
        raise Unread("HF_ENDPOINT here is no address of a Hub, such as https://huggingface.co")
    if token and not re.fullmatch(r"[!-~]+", token):
        raise Unread("the token of this computer's login is none: hf auth login")
    request = Request(f"{hub}/{model}/resolve/{quote(revision, safe='')}/{name}")
    request.add_header("User-Agent", "sparkctl")
    if token:
        request.add_unredirected_header(_SECRET, f"Bearer {token}")
    try:
        return _body(request, name, time.monotonic() + deadline, largest)
    except HTTPError as answer:
        answer.close()
        raise _meaning(answer, model, revision, name, f"{hub}/{model}", token) from None
    except (URLError, OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Unread(f"{hub} cannot be reached: {reason}") from None


def _hub(environ: Mapping[str, str]) -> str:
    return (environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def _body(request: Request, name: str, until: float, largest: int) -> bytes:
    """Raises TimeoutError for a Hub that is slow, however it is slow, and for a large file."""
    parts, size = list[bytes](), 0
    with _opener().open(request, timeout=max(until - time.monotonic(), 0.1)) as answer:
        while part := answer.read1(65536):
            parts.append(part)
            size += len(part)
            if size > largest:
                raise OSError(f"{name} is too large for one")
            if time.monotonic() > until:
                raise TimeoutError("it is too slow")
    return b"".join(parts)


def _meaning(
    answer: HTTPError, model: str, revision: str, name: str, page: str, token: str | None
) -> Unread:
    code = answer.headers.get("X-Error-Code", "")
    login = "" if token else ", and log in here: hf auth login"
    if code == "GatedRepo" or (answer.code == 403 and not code):
        return Unread(f"{model} is gated: accept its licence at {page}{login}")
    if code == "EntryNotFound":
        return NotThere(f"{page} has no {name}")
    if code == "RevisionNotFound":
        return Unread(f"{page} has no revision {revision}")
    if code == "RepoNotFound" or answer.code in (401, 404):
        private = "" if token else ", or it is private: hf auth login"
        return Unread(f"there is no model {page}{private}")
    return Unread(f"the Hub answers {answer.code} for {page}")


class _Redirects(HTTPRedirectHandler):
    """The token stays with the Hub: it follows to the same place, and to no other."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        token = req.unredirected_hdrs.get(_SECRET)
        if request is not None and token and _place(newurl) == _place(req.full_url):
            request.add_unredirected_header(_SECRET, token)
        return request


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _opener() -> OpenerDirector:
    """http and https alone: an answer must not lead to a file of this computer."""
    opener = OpenerDirector()
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler(), _Redirects(),
                    HTTPErrorProcessor(), HTTPDefaultErrorHandler()):  # fmt: skip
        opener.add_handler(handler)
    return opener
