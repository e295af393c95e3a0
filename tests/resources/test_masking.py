"""Secrets in daemon.json and in lines about it: not one is shown, and all else is."""

import json

import pytest

from orchestrator.resources.base import Change
from orchestrator.resources.masking import MASK, masked_state, masked_text, masked_words

SECRETS = [f"s3cret{number:02}" for number in range(21)]
DAEMON = {
    "default-runtime": "nvidia",
    "runtimes": {"nvidia": {"path": "nvidia-container-runtime", "runtimeArgs": []}},
    "proxies": {"http-proxy": SECRETS[0], "https-proxy": f"http://alice:{SECRETS[1]}@proxy:3128"},
    "log-driver": "splunk",
    "log-opts": {
        "splunk-token": SECRETS[2],
        "splunk-url": f"https://bob:{SECRETS[3]}@splunk.corp:8088",
        "api-key": SECRETS[4],
        "x-Password": SECRETS[5],
        "client_secret": SECRETS[6],
        "tag": "{{.Name}}",
    },
    "registry-mirrors": [f"https://{SECRETS[7]}@mirror.corp", "https://plain.corp/v2"],
    "labels": [f"TOKEN={SECRETS[8]}", "rack=7"],
    "nested": {"a": [{"b": {"passwd": [SECRETS[9], {"c": SECRETS[10]}]}}], "pass": SECRETS[11]},
    "args": ["--token", SECRETS[12], f"--auth-key={SECRETS[13]}", "--debug"],
    "auths": {"corp": {"auth": SECRETS[14]}},
    "url": f"https://corp/?a=b&access_token={SECRETS[15]}&c=d",
    "header": f"Authorization: Bearer {SECRETS[16]}",
    "slash": f"http://u:{SECRETS[17]}/with/slashes@proxy",
    "Credentials": {"user": SECRETS[18]},
    "encryption.key": SECRETS[19],
    "cookie": SECRETS[20],
    "tlskey": "/etc/docker/key.pem",
    "authorization-plugins": ["opa"],
    "live-restore": False,
    "max-concurrent-downloads": 3,
}
SHOWN = ["nvidia-container-runtime", "splunk.corp:8088", "proxy", "{{.Name}}", "mirror.corp",
         "https://plain.corp/v2", "rack=7", "--debug", "/etc/docker/key.pem", "opa", "a=b", "c=d",
         "TOKEN="]  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_no_secret_of_daemon_json_is_shown_and_all_else_is(indent: int | str | None) -> None:
    shown = masked_text(json.dumps(DAEMON, indent=indent))
    assert [secret for secret in SECRETS if secret in shown] == []
    assert [words for words in SHOWN if words not in shown] == []
    again = json.loads(shown)
    assert list(again) == list(DAEMON)
    assert again["live-restore"] is False and again["max-concurrent-downloads"] == 3


def test_what_holds_no_secret_stays_byte_for_byte() -> None:
    text = '{ "runtimes" : {\n\t"a":{"path":"/x"} },\n "n": [1, -2e3,null], "m": "\\u00fc" }\n\n'
    assert masked_text(text) == text
    for other in ("", "{", "}]{", "[}", '{"a": "b', "plain words\n"):
        assert masked_text(other) == other


def test_a_secret_in_any_way_to_write_it() -> None:
    text = (
        r'{"splunk\u002dtoken": "s3\u0063ret", "u": "https:\/\/a:s3cret\u0040host",'
        r' "secret": 1234}'
    )
    shown = masked_text(text)
    assert "s3" not in shown and "1234" not in shown
    assert json.loads(shown) == {"splunk-token": MASK, "u": f"https://{MASK}@host", "secret": MASK}


def test_a_text_that_is_no_json_is_masked_up_to_its_end() -> None:
    assert "s3cret" not in masked_text('{"a": 1, "password": "s3cret", oops')
    assert "s3cret" not in masked_text('{"password": ["s3cret"]]}, "token": "s3cret"')


@pytest.mark.parametrize("line, shown", [
    ("dockerd --log-opt splunk-token=abc --debug", "dockerd --log-opt splunk-token=*** --debug"),
    ("dockerd --auth-token abc --debug", "dockerd --auth-token *** --debug"),
    ('proxy "http://a:b@c:1": refused', 'proxy "http://***@c:1": refused'),
    ('password = "x y"', 'password = "*** y"'),
    ("invalid character '}' looking for beginning of object key string", None),
    ("unable to configure the Docker daemon with file /etc/docker/daemon.json", None),
    ("nvcr.io/nvidia/pytorch@sha256:0123", None),
])  # fmt: skip
def test_lines_of_a_program(line: str, shown: str | None) -> None:
    assert masked_words(line) == (shown or line)


def test_a_change_is_shown_masked_and_carried_out_as_it_is() -> None:
    file = {"text": json.dumps(DAEMON), "mode": "600", "uid": 0, "gid": 0}
    state = {"file": file, "active": True}
    change = Change("a", "daemon.json", "update", "", 1, state, {"base64": "czNjcmV0"})
    assert "s3cret" not in json.dumps(change.to_dict())
    assert "czNjcmV0" not in json.dumps(change.to_dict())
    assert change.before == state
    assert change.to_dict()["before"]["file"]["mode"] == "600"
    assert masked_state(None) is None
