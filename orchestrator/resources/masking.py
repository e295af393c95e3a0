"""Secrets inside of files and lines that are shown: masked, with everything else as it is.

daemon.json may hold the passwords of proxies and the tokens of log drivers, at any depth. What is
shown of it goes into logs of CI systems, into plan files, and into issues.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MASK = "***"

_SECRET = (
    r"(?:pass(?:word|wd|phrase)|(?<![a-z])pass(?![a-z])|pwd|secret|token|credential|bearer|cookie"
    r"|(?:api|access|private|encryption|signing)[-_.]?key|auth(?!or)|authorization(?![-_]plugin))"
)
_NAME = re.compile(_SECRET, re.IGNORECASE)
_KEY = re.compile(r"(?<!^tls)key$", re.IGNORECASE)
"""Any key that ends so, but dockerd's `tlskey`, which is the name of a file."""

_IN_WORDS = (
    (re.compile(r"//[^\s\"'/]*@"), f"//{MASK}@"),
    (re.compile(r"://[^\s\"'/@:]+:[^\s\"'@]+@"), f"://{MASK}@"),
    (re.compile(rf"([\w.-]*{_SECRET}[\w.-]*\s*=\s*[\"']?)[^\s\"',;&]+", re.I), rf"\g<1>{MASK}"),
    (re.compile(rf"(--?[\w.-]*{_SECRET}[\w.-]*\s+[\"']?)(?!-)[^\s\"']+", re.I), rf"\g<1>{MASK}"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.I), rf"\g<1> {MASK}"),
)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


def masked_text(text: str) -> str:
    """The content of a file, or lines of a program. What is JSON is masked by its keys."""
    return _masked_json(text) if text.lstrip().startswith(("{", "[")) else masked_words(text)


def masked_words(text: str) -> str:
    """Passwords in URLs, values of `name=…` and `--name …` whose name marks them as secret."""
    for pattern, instead in _IN_WORDS:
        text = pattern.sub(instead, text)
    return text


def masked_state(state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A state of a resource, with the content of the files in it masked."""
    if state is None:
        return None
    return {key: _masked_part(key, value) for key, value in state.items()}


def _masked_part(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return masked_state(value)
    if isinstance(value, str) and key in ("text", "base64"):
        return masked_text(value) if key == "text" else MASK
    return value


@dataclass
class _Level:
    """A mapping or a list that is being read."""

    mapping: bool
    secret: bool
    key: str = ""
    """In a mapping its key, in a list the item before."""
    value: bool = False
    """What comes is a value, not a key."""

    @property
    def hides(self) -> bool:
        """Whether the value that comes is one that nobody should see."""
        if self.secret or not self.mapping:
            return self.secret or (self.key.startswith("-") and is_secret(self.key))
        return is_secret(self.key) or self.key.lower() == "proxies"


def is_secret(name: str) -> bool:
    """Whether a key's name marks its value as one."""
    return "=" not in name and bool(_NAME.search(name) or _KEY.search(name))


def _masked_json(text: str) -> str:
    """By position, not by value, and the rest byte for byte: also where the text is no JSON."""
    levels = [_Level(mapping=False, secret=False)]
    parts: list[str] = []
    end = 0
    for found in _TOKEN.finditer(text):
        token, level = found[0], levels[-1]
        shown = token
        if token in "{[":
            levels.append(_Level(mapping=token == "{", secret=level.hides))
        elif token in "}]":
            if len(levels) > 1:
                levels.pop()
            levels[-1].key = ""
        elif token == ":":
            level.mapping = level.value = True
        elif token == ",":
            level.value = False
        elif level.mapping and not level.value:
            level.key = _decoded(token)
        else:
            shown = _shown(token, hidden=level.hides)
            level.key = level.key if level.mapping else _decoded(token)
        parts += [text[end : found.start()], shown]
        end = found.end()
    return "".join([*parts, text[end:]])


def _decoded(token: str) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        return token.strip('"')


def _shown(token: str, *, hidden: bool) -> str:
    if token in ("true", "false", "null", '""'):
        return token
    if hidden:
        return f'"{MASK}"'
    words = _decoded(token)
    masked = masked_words(words)
    return token if masked == words else json.dumps(masked, ensure_ascii=False)
