"""What a value of ssh_config means, as `ssh -G` prints it."""

import re
import socket

from orchestrator.node.ssh_config import keywords
from orchestrator.node.ssh_config.tokens import variables
from orchestrator.node.ssh_config.words import Unreadable

_FLAGS = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_CHECKS = {"yes": "true", "true": "true", "no": "false", "false": "false", "off": "false"} | {
    value: value for value in ("ask", "accept-new")
}
_NUMBER = re.compile(r"\d+|(\d+[smhdw])+|none", re.IGNORECASE)


def printed(keyword: str, word: str) -> str:
    """The value as `ssh -G` prints it."""
    if keyword in keywords.FLAGS:
        found = _FLAGS.get(word.lower())
    elif keyword == "stricthostkeychecking":
        found = _CHECKS.get(word.lower())
    elif keyword in keywords.NUMBERS:
        found = word if _NUMBER.fullmatch(word) else None
    elif keyword == "port":
        found = _port(word)
    elif keyword == "identityagent":
        if is_variable(word) and not word[1:].replace("_", "a").isalnum():
            raise Unreadable(f"Invalid environment name {word}.")
        if not is_variable(word):
            variables(word)
        return word
    else:
        return word
    if found is None:
        raise Unreadable(f'unsupported option "{word}".')
    return found


def is_variable(agent: str) -> bool:
    """`IdentityAgent $VARIABLE`, which is older than `${VARIABLE}`."""
    return agent.startswith("$") and not agent.startswith("${")


def _port(word: str) -> str | None:
    if re.fullmatch("0*[0-9]{1,5}", word):
        return str(int(word)) if 0 < int(word) < 65536 else None
    try:
        return str(socket.getservbyname(word, "tcp"))
    except (OSError, ValueError):
        return None
