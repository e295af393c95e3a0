"""The parser that serves without OpenSSH, beside `ssh -G`: equal, or refused by name."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from orchestrator.node.ssh_config import HostConfig, Unreadable, host_config, keywords
from orchestrator.node.ssh_config.files import ConfigFile
from orchestrator.node.ssh_config.openssh import OpenSsh
from orchestrator.node.ssh_config.parser import OwnParser
from tests.support.ssh_config import SSH

VERSION = "OpenSSH_9.2"  # the one that the parser is after

HOST_CONFIGS = int(os.environ.get("SPARKCTL_TEST_SSH_CONFIGS", "300"))
pytestmark = [SSH, pytest.mark.patient]


def version() -> str:
    if shutil.which("ssh") is None:
        return ""
    return subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr


def both(
    text: str, folder: Path, host: str = "spark-a", user: str | None = None
) -> tuple[HostConfig | Unreadable, HostConfig | Unreadable]:
    """What ssh says, and the parser."""
    file = folder / "config"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    answers: list[HostConfig | Unreadable] = []
    for reader in (OpenSsh("ssh", file), OwnParser((ConfigFile(file, checked=False),))):
        try:
            answers.append(host_config(reader.settings(host, user, None)))
        except Unreadable as error:
            answers.append(error)
    return answers[0], answers[1]


@pytest.mark.skipif(not version().startswith(VERSION), reason=f"not {VERSION}")
@pytest.mark.parametrize("keyword", sorted(keywords.ALL - {"include", "host", "match"}))
def test_every_keyword_is_one_of_ssh_and_what_ssh_refuses_is_not_taken(
    keyword: str, tmp_path: Path
) -> None:
    for value in ("yes", "mmmaybe", "yes extra", ""):
        theirs, ours = both(f"{keyword} {value}\n", tmp_path)
        assert "Bad configuration option" not in str(theirs)
        looked_at = keyword not in keywords.OTHERS or keyword == "stricthostkeychecking"
        if isinstance(theirs, Unreadable) and (looked_at or not value):
            assert isinstance(ours, Unreadable), value


def test_of_the_users_file_and_the_systems_what_the_user_says_holds(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("Port 7\nHost other\n  User me\n")
    (tmp_path / "system").write_text("Port 8\nUser you\n")
    files = [ConfigFile(tmp_path / name) for name in ("user", "system", "none")]
    said = host_config(OwnParser(files).settings("spark-a", None, None))
    assert (said.port, said.user) == (7, "you")


HOSTS = ["spark-a", "spark-a", "Spark-A", "nas", "10.0.0.7", "fe80::1"]
PATTERNS = ["spark-a", "spark-*", "*", "!spark-a", "nas", "SPARK-A", "spark-?", "10.0.0.*", "a b"]
BLANKS = st.sampled_from([" ", " ", "\t", "  ", " = ", "=", "= "])
COMMENT = st.sampled_from(["", "", "", " # home", "\t# Kim's box", " #", ' # "', "  "])
ENDS = st.sampled_from(["\n", "\n", "\r\n", "\f\n"])

SETTINGS = {
    "HostName": ["10.1.1.1", "%h.lab", "LAB-1.%h", "100%%", "FE80::2", "a b"],
    "Port": ["22", "2811", "070", "ssh"],
    "User": ["nvidia", "door", "a#b", "with space"],
    "HostKeyAlias": ["spark.lab", "Spark.LAB"],
    "IdentityFile": ["~/.ssh/spark", "my key", "%n-%r-%p", "${SPARK_KEYS}/k", "none", "%q"],
    "IdentitiesOnly": ["yes", "no", "TRUE"],
    "IdentityAgent": ["~/a.sock", "none", "SSH_AUTH_SOCK", "$SPARK_KEYS", "${SPARK_KEYS}/%r",
                      "/run/my agent"],
    "UserKnownHostsFile": ["~/.ssh/k", "none", "/dev/null", "/%n-%p-%k", "${SPARK_KEYS}/known",
                           "/a b"],
    "GlobalKnownHostsFile": ["/etc/k", "none"],
    "StrictHostKeyChecking": ["yes", "no", "accept-new", "ask", "off", "OFF"],
    "Compression": ["yes"],
    "ServerAliveInterval": ["15"],
    "ForwardAgent": ["yes"],
    "SetEnv": ["A=b"],
    "CertificateFile": ["/my/cert"],
}  # fmt: skip
PLAIN = {  # where ssh itself takes quotes or comments for something else
    "UserKnownHostsFile": ["/a /b", "/a  ~/b # c"],
    "GlobalKnownHostsFile": ["/a '/b c'"],
    "ProxyJump": ["gw", "me@gw:22", "ssh://me@gw:2200", "a,b", "a,me@[fe80::1]:2", "none", "%r@gw",
                  "[fe80::1%%eth0]:2222", "a.%h", "gw # the door"],
    "ProxyCommand": ["nc %h %p", "none", 'sh -c "a#b; nc %h"', "cloudflared --hostname %n # x"],
    "LocalForward": ["8080 localhost:80"],
    "KnownHostsCommand": ["/bin/keys %h"],
}  # fmt: skip
FAULTS = [
    "HostName %n", "HostName a b", "Port 0", "Port many", "Port 65536", "User", 'User ""',
    "IdentitiesOnly maybe", "IdentityAgent ${NOT_SET_HERE}", "IdentityAgent $a-b",
    "UserKnownHostsFile none /a", "UserKnownHostsFile ${NOT_SET_HERE}", "UserKnownHostsFile /%q",
    "StrictHostKeyChecking maybe", "ProxyJump fe80::1", "ProxyJump a:b", "ProxyJump a,,b",
    "ProxyJump ssh://[fe80::1]:22", "Compression maybe", "UseKeychain yes", 'User "a', "User a'b",
    "Match tagged lab", "Match host", "Match", "Match all host a", 'Host ""', "Port 22 23",
]  # fmt: skip


@st.composite
def a_line(draw: st.DrawFn) -> str:
    """As people write it: in any case, indented, quoted, with a comment."""
    table = draw(st.sampled_from([SETTINGS, SETTINGS, PLAIN]))
    name = draw(st.sampled_from(sorted(table)))
    value = draw(st.sampled_from(table[name]))
    comment = ""
    if table is SETTINGS:
        quotes = [f'"{value}"', f"'{value}'"]
        plain = value.replace(" ", "\\ ")
        value = draw(st.sampled_from([plain, plain, *quotes]))
        comment = draw(COMMENT)
    keyword = draw(st.sampled_from([name, name.lower(), name.upper()])) + draw(BLANKS)
    keyword = draw(st.sampled_from([keyword, keyword, f'"{name}" ']))
    indent = draw(st.sampled_from(["", "  ", "\t"]))
    return f"{indent}{keyword}{value}{comment}{draw(ENDS)}"


@st.composite
def a_block(draw: st.DrawFn) -> str:
    quote = st.sampled_from(["{}", "{}", '"{}"'])
    listed = draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3))
    patterns = " ".join(draw(quote).format(one) for one in listed)
    criteria = st.builds(
        lambda no, what, blank, value: f"{no}{what}{blank}{value}",
        st.sampled_from(["", "", "!"]),
        st.sampled_from(["host", "originalhost", "user", "localuser", "Host"]),
        st.sampled_from([" ", "=", "  "]),
        st.sampled_from(["spark-*", "spark-a,nas", "!nas,*", '"nvidia"', "root", "10.*", "*.lab"]),
    )
    matched = draw(st.one_of(st.just(["all"]), st.lists(criteria, min_size=1, max_size=3)))
    host = f"Host{draw(BLANKS)}{patterns}"
    head = draw(st.sampled_from([host, f"Match {' '.join(matched)}"]))
    lines = draw(st.lists(a_line(), min_size=1, max_size=4))
    return head + draw(COMMENT) + draw(ENDS) + "".join(lines)


@st.composite
def a_config(draw: st.DrawFn) -> str:
    odd = ["# \udcbb\udcf5 (CP949)", "", "   ", "Include more", "IgnoreUnknown Nobody,Use*"]
    lines = st.sampled_from(["", "", *(f"{line}\n" for line in odd)])
    parts = draw(st.lists(a_line(), max_size=2))
    for block in draw(st.lists(a_block(), min_size=1, max_size=4)):
        parts += [draw(lines), block]
    if draw(st.integers(0, 3)) == 0:
        where = draw(st.integers(0, len(parts)))
        parts.insert(where, draw(st.sampled_from(FAULTS)) + "\n")
    text = "".join(parts)
    return text if draw(st.booleans()) else text.removesuffix("\n")


@settings(
    max_examples=HOST_CONFIGS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    text=a_config(),
    included=st.one_of(st.just(""), a_block()),
    host=st.sampled_from(HOSTS),
    user=st.sampled_from([None, None, "nvidia"]),
)
def test_any_configuration_is_read_as_ssh_reads_it_or_refused_by_name(
    text: str,
    included: str,
    host: str,
    user: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPARK_KEYS", "/keys of mine")
    (tmp_path / "more").write_text(included, newline="")
    text = text.replace("Include more", f"Include {tmp_path}/mor*")
    theirs, ours = both(text, tmp_path, host, user)
    if isinstance(ours, Unreadable):
        event("refused")
        # Nothing here is left to OpenSSH: what it reads, the parser reads.
        assert isinstance(theirs, Unreadable), ours
        return
    event("read")
    assert isinstance(theirs, HostConfig), theirs
    assert as_printed(ours) == as_printed(theirs)


def as_printed(config: HostConfig) -> object:
    """`ssh -G` does not tell a blank in a path from one between two."""
    return replace(
        config,
        user_known_hosts=(" ".join(config.user_known_hosts),),
        global_known_hosts=(" ".join(config.global_known_hosts),),
    )
