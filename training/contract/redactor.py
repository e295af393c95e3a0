"""Secrets are taken out of every text before it is parsed, written, posted or printed.

Found are a secret as it is and each of its lines, percent-encoded, in base64 (also in the middle of
a longer text that was encoded, such as `user:secret`), and escaped as in JSON or Python.
Nobody can find one that a program has turned into something else.
"""

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_origin
from urllib.parse import quote, quote_plus

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)

MARK = "***"
"""Stands where a secret stood. Shorter than any secret, so that replacing comes to an end; plain in
JSON, so that a redacted document stays one."""
SHORTEST = 6
"""Characters; anything shorter would take out half of the log, and protects nothing."""
SECRETS_DIR = "SPARKCTL_SECRETS_DIR"
_DEFAULT_DIR = "/run/secrets"
_SAFE = ("", "/", "!#$%&'()*+,/:;=?@[]~")
"""Characters that are not percent-encoded: nobody's, urllib's, and what requests does to an URL."""
_WRAPPED = (64, 76)
"""Characters in a line of base64, as openssl and MIME have it."""


class Redactor:
    """Made once from all secrets; calling it gives the text without them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Secrets and lines of fewer than `SHORTEST` characters are skipped."""
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._found = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        """No form of any secret is left, also none that replacing brings together."""
        if self._found is None:
            return text
        replaced = 1
        while replaced:
            text, replaced = self._found.subn(MARK, text)
        return text

    @classmethod
    def of(cls, folder: Path) -> "Redactor":
        """Of all secrets of a container; one that cannot be read cannot leak either."""
        return cls(_contents(folder))


def redacted(model: M, redact: Redactor) -> M:
    """The same with every text in it redacted; words of a fixed choice stay, so it is as valid."""
    fields = type(model).model_fields.items()
    free = [name for name, field in fields if get_origin(field.annotation) is not Literal]
    return model.model_copy(update={name: _within(getattr(model, name), redact) for name in free})


def _within(value: Any, redact: Redactor) -> Any:
    match value:
        case str():
            return redact(value)
        case list():
            return [_within(one, redact) for one in value]
        case tuple():
            return tuple(_within(one, redact) for one in value)
        case dict():
            return {_within(key, redact): _within(one, redact) for key, one in value.items()}
        case BaseModel():
            return redacted(value, redact)
    return value


def secrets_dir(environ: Mapping[str, str]) -> Path:
    """Where Docker puts the secrets of this container."""
    return Path(environ.get(SECRETS_DIR) or _DEFAULT_DIR)


def _contents(folder: Path) -> Iterator[str]:
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if file.is_file() and os.access(file, os.R_OK):
            yield file.read_text("utf-8", "replace")


def _forms(secret: str) -> Iterator[str]:
    """Everything that a secret may look like."""
    whole = secret.strip()
    lines = [line.strip() for line in whole.splitlines()]
    for part in dict.fromkeys((whole, *lines)):
        if len(part) >= SHORTEST:
            yield from _base64(part.encode())
            for form in dict.fromkeys((part, *_percent(part), *_quoted(part))):
                yield form
                # A message with a quoted secret is escaped once more when it becomes JSON.
                yield from _json(form)
    encoded = base64.b64encode(whole.encode()).decode()
    for width in _WRAPPED if len(whole) >= SHORTEST else ():
        yield from (encoded[at : at + width] for at in range(0, len(encoded), width))


def _percent(text: str) -> Iterator[str]:
    for encoded in (*(quote(text, safe) for safe in _SAFE), quote_plus(text)):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)


def _quoted(text: str) -> Iterator[str]:
    yield from _json(text)
    yield repr(text)[1:-1]
    yield ascii(text)[1:-1]


def _json(text: str) -> Iterator[str]:
    for ascii_only in (False, True):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        yield escaped.replace("/", "\\/")  # allowed, and done by other languages


def _base64(data: bytes) -> Iterator[str]:
    """In both alphabets, without the characters that depend on what stands before and after."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + data).decode()
        own = text[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        yield own
        yield own.translate(str.maketrans("+/", "-_"))
