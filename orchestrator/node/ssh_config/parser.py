"""ssh_config read here, for computers without OpenSSH: equal to it, or refused by name.

Read as readconf.c of OpenSSH 9.2 does. `Match exec`, `Match final` and `canonical`, and
CanonicalizeHostname are left to OpenSSH.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.node.ssh_config import keywords
from orchestrator.node.ssh_config.files import ConfigFile
from orchestrator.node.ssh_config.host import Settings, hops
from orchestrator.node.ssh_config.patterns import matches, matches_list
from orchestrator.node.ssh_config.tokens import Tokens, local_user
from orchestrator.node.ssh_config.values import is_variable, printed
from orchestrator.node.ssh_config.words import (
    BLANK,
    Unreadable,
    UnreadableFile,
    arguments,
    first_word,
)

_DEEPEST = 16  # files including files; as in ssh
_USUAL_KEYS = ("rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk", "xmss", "dsa")
_USUAL: Settings = {
    "port": ("22",),
    "identityfile": tuple(f"~/.ssh/id_{kind}" for kind in _USUAL_KEYS),
    "userknownhostsfile": ("~/.ssh/known_hosts", "~/.ssh/known_hosts2"),
    "globalknownhostsfile": ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"),
    "stricthostkeychecking": ("ask",),
    "identitiesonly": ("no",),
}
_SAME = {"identityfile2": "identityfile", "keepalive": "tcpkeepalive"}
_SINGLE = keywords.FLAGS | keywords.WORDS | keywords.NUMBERS | {"stricthostkeychecking"}
_SEVERAL = ("identityfile", "certificatefile")  # each line adds one
_NEEDS_OPENSSH = "needs OpenSSH, and there is no `ssh` on this computer"


@dataclass(frozen=True)
class OwnParser:
    """Of several files the first value holds."""

    files: Sequence[ConfigFile]

    def settings(self, host: str, user: str | None, port: int | None) -> Settings:
        """Unreadable: what OpenSSH would not read, or what is left to it; with file and line."""
        reading = _Reading(host, user, port)
        for file in self.files:
            reading.active = True
            reading.file(file, 0)
        return reading.settings()


@dataclass
class _Reading:
    host: str
    user: str | None
    port: int | None
    found: dict[str, list[str]] = field(default_factory=dict)
    active: bool = True
    """Whether lines hold for the host, by the last Host or Match."""
    shut: bool = False
    """Within an Include that does not hold: nothing in it does."""

    def __post_init__(self) -> None:
        if self.user is not None:
            self.found["user"] = [self.user]
        if self.port is not None:
            self.found["port"] = [str(self.port)]

    def file(self, file: ConfigFile, depth: int) -> None:
        if depth > _DEEPEST:
            raise UnreadableFile(f"{file.path}: the Include goes in a circle")
        for number, line in file.lines():
            try:
                self._line(line, file, depth)
            except UnreadableFile:  # one that it includes
                raise
            except Unreadable as error:
                raise UnreadableFile(f"{file.path} line {number}: {error}") from None

    def settings(self) -> Settings:
        given = {keyword: tuple(values) for keyword, values in self.found.items()}
        if "hostkeyalias" in given:
            given["hostkeyalias"] = (given["hostkeyalias"][0].lower(),)
        user = given.get("user", (local_user(),))
        name = self._hostname()
        settings = {**_USUAL, **given, "user": user, "hostname": (name,)}
        tokens = Tokens(
            self.host,
            name,
            int(settings["port"][0]),
            user[0],
            settings.get("hostkeyalias", (None,))[0],
        )
        settings["userknownhostsfile"] = tuple(map(tokens.path, settings["userknownhostsfile"]))
        agent = given.get("identityagent")
        if agent and not is_variable(agent[0]):
            settings["identityagent"] = (tokens.path(agent[0]),)
        return settings

    def _hostname(self) -> str:
        """HostName with its tokens, in lower case unless it is an address."""
        given = self.found.get("hostname", ["%h"])[0]
        name = ""
        parts = iter(given)
        for char in parts:
            token = next(parts, "") if char == "%" else None
            if token not in (None, "h", "%"):
                raise Unreadable(f"unknown key %{token} in HostName {given}")
            name += {None: char, "h": self.host, "%": "%"}[token]
        try:
            ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return name.lower()
        return name

    def _line(self, line: str, file: ConfigFile, depth: int) -> None:
        word, rest = first_word(line.lstrip(BLANK))
        keyword = word.lower()
        if not keyword or keyword.startswith("#"):
            return
        if not rest:
            raise Unreadable(f'no argument after keyword "{keyword}"')
        if rest.startswith("="):
            raise Unreadable(f'"{word}" in quotes, and = after it')
        words = arguments(rest)
        if keyword not in keywords.ALL:
            if matches_list(self.found.get("ignoreunknown", [""])[0].lower(), keyword):
                return
            raise Unreadable(f"Bad configuration option: {keyword}")
        match keyword:
            case "include":
                for pattern in words:
                    self._include(pattern, file, depth)
            case "host":
                self._host(words)
            case "match":
                self.active = self._match(rest) and not self.shut
            case "proxycommand" | "proxyjump" | "knownhostscommand":
                self._way(keyword, rest)
            case _:
                self._setting(_SAME.get(keyword, keyword), words)

    def _include(self, pattern: str, file: ConfigFile, depth: int) -> None:
        active, shut = self.active, self.shut
        for included in file.included(pattern):
            self.shut = shut or not active
            self.file(included, depth + 1)
            self.active, self.shut = active, shut

    def _host(self, patterns: list[str]) -> None:
        self.active = False
        for pattern in patterns:
            if not pattern:
                raise Unreadable("keyword host empty argument")
            if self.shut:
                return
            if matches(pattern.removeprefix("!"), self.host):
                self.active = not pattern.startswith("!")
                if not self.active:
                    return

    def _match(self, rest: str) -> bool:
        holds, criteria = True, 0
        while rest:
            word, rest = first_word(rest)
            if not word or word.startswith("#"):
                break
            negated, criterion = word.startswith("!"), word.removeprefix("!").lower()
            if criterion == "all":
                if criteria > 1 or (rest and not rest.startswith("#")):
                    raise Unreadable("'all' cannot be combined with other Match attributes")
                return holds and not negated
            criteria += 1
            if criterion in ("canonical", "final"):
                raise Unreadable(f"`Match {criterion}` {_NEEDS_OPENSSH}")
            given, rest = first_word(rest)
            if not given or given.startswith("#"):
                raise Unreadable(f"Missing Match criteria for {criterion}")
            if criterion == "exec":
                if holds:
                    raise Unreadable(f"`Match exec` {_NEEDS_OPENSSH}")
                continue
            holds = holds and self._meets(criterion, given) != negated
        if not criteria:
            raise Unreadable("One or more attributes required for Match")
        return holds

    def _meets(self, criterion: str, given: str) -> bool:
        match criterion:
            case "host":
                return matches_list(given.lower(), self._hostname().lower())
            case "originalhost":
                return matches_list(given.lower(), self.host.lower())
            case "user":
                return matches_list(given, self.found.get("user", [local_user()])[0])
            case "localuser":
                return matches_list(given, local_user())
        raise Unreadable(f"Unsupported Match attribute {criterion}")

    def _way(self, keyword: str, rest: str) -> None:
        """The rest of the line as it is. Of ProxyCommand and ProxyJump the first one counts."""
        text = rest.lstrip(BLANK + "=")
        if keyword == "proxyjump":
            text = text if "," in text else text.partition(" #")[0].rstrip(BLANK)
            if text.lower() != "none":
                before, comma, _ = text.rpartition(",")
                text = f"{before}{comma}{hops(text)[-1]}"
        other = {"proxyjump": "proxycommand", "proxycommand": "proxyjump"}.get(keyword)
        if self.active and other not in self.found:
            self.found.setdefault(keyword, [text])

    def _setting(self, keyword: str, words: list[str]) -> None:
        if keyword in keywords.LISTS:
            if "" in words:
                raise Unreadable(f"keyword {keyword} empty argument")
            if len(words) > 1 and "none" in map(str.lower, words):
                raise Unreadable(f'keyword {keyword} "none" argument must appear alone.')
        elif keyword in _SINGLE:
            if not words or not words[0]:
                raise Unreadable("Missing argument.")
            if len(words) > 1:
                raise Unreadable(f"keyword {keyword} extra arguments at end of line")
            words = [printed(keyword, words[0])]
        if not self.active or not words:
            return
        if keyword == "canonicalizehostname" and words[0].lower() not in ("no", "false"):
            raise Unreadable(f"CanonicalizeHostname {_NEEDS_OPENSSH}")
        if keyword == "forkafterauthentication" and words == ["yes"]:
            raise Unreadable("Cannot fork into background without a command to execute.")
        if keyword in _SEVERAL:
            named = self.found.setdefault(keyword, [])
            named += [word for word in words if word not in named]
        else:
            self.found.setdefault(keyword, words)
