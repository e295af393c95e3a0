"""Secrets are found in every form that a program may print them in."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.contract.redactor import MARK, SHORTEST, Redactor, secrets_dir

ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "percent": lambda text: quote(text, safe=""),
    "percent, slashes kept": quote,
    "form": quote_plus,
    "json": lambda text: json.dumps(text)[1:-1],
    "json, not only ASCII": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json in json": lambda text: json.dumps(json.dumps(text))[1:-1],
    "repr": lambda text: repr(text)[1:-1],
}
SECRETS = st.text(st.characters(codec="utf-8"), min_size=SHORTEST, max_size=40).filter(
    lambda text: len(text.strip()) >= SHORTEST
)
AROUND = st.text(st.characters(codec="utf-8"), max_size=12)


@given(SECRETS, AROUND, AROUND, st.sampled_from(sorted(ENCODINGS)))
def test_a_secret_is_in_no_output_whatever_stands_around_it(
    secret: str, before: str, after: str, encoding: str
) -> None:
    form = ENCODINGS[encoding](secret.strip())
    said = Redactor([secret])(f"{before}{form}{after}")
    assert form not in said
    assert MARK in said


@given(SECRETS, st.binary(max_size=9), st.binary(max_size=9), st.booleans())
def test_a_secret_is_found_inside_a_longer_text_in_base64(
    secret: str, before: bytes, after: bytes, urlsafe: bool
) -> None:
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    data = secret.strip().encode()
    said = Redactor([secret])(f"Basic {encode(before + data + after).decode()}")
    left = said.removeprefix("Basic ").rstrip("=").split(MARK)
    # What is left are the characters that it shares with what stands around it.
    around = -(-len(before) * 8 // 6) + -(-len(after) * 8 // 6)
    assert len(left) >= 2
    assert len("".join(left)) <= around + 2


@pytest.mark.parametrize("encoded", ["p%2Fss+w%C3%B6rd", "p%2fss+w%c3%b6rd"])
def test_percent_encoding_has_capital_and_small_digits(encoded: str) -> None:
    redact = Redactor(["p/ss wörd"])
    assert redact(f"?key={encoded}") == f"?key={MARK}"
    assert redact(f"https://a:{encoded.replace('+', '%20')}@host") == f"https://a:{MARK}@host"


KEY = """\
-----BEGIN KEY-----
MIIBOgIBAAJBAKj34GkxFhD9
  0vcNLYLInFEX6Ppy1tPf
ab==
-----END KEY-----
"""


def test_each_line_of_a_key_is_a_secret() -> None:
    redact = Redactor([KEY])
    said = [redact(f"line {n}: {line}") for n, line in enumerate(KEY.splitlines())]
    assert said == [
        f"line 0: {MARK}", f"line 1: {MARK}", f"line 2:   {MARK}", "line 3: ab==",
        f"line 4: {MARK}",
    ]  # fmt: skip
    wrapped = base64.encodebytes(KEY.strip().encode()).decode().splitlines()
    assert [redact(line) for line in wrapped] == [MARK] * len(wrapped)
    assert redact(json.dumps({"key": KEY.strip()})) == json.dumps({"key": MARK})


def test_short_secrets_are_passed_over() -> None:
    assert Redactor(["12345"])("12345") == "12345"
    assert Redactor(["123456"])("123456") == MARK
    assert Redactor()("anything") == "anything"


def test_what_replacing_brings_together_is_found_too() -> None:
    assert Redactor(["in***side", "abcdef"])("inabcdefside") == MARK
    assert Redactor(["******"])("*******") == f"{MARK}*"
    longer_first = Redactor(["hf_long", "hf_long_and_more"])
    assert longer_first("hf_long_and_more hf_long") == f"{MARK} {MARK}"


def test_the_secrets_of_a_container(tmp_path: Path) -> None:
    (tmp_path / "HF_TOKEN").write_text("hf_longsecret\n")
    (tmp_path / "BINARY").write_bytes(b"\xff\xfelonger")
    (tmp_path / "folder").mkdir()
    redact = Redactor.of(secrets_dir({"SPARKCTL_SECRETS_DIR": str(tmp_path)}))
    assert redact("a hf_longsecret") == f"a {MARK}"
    assert Redactor.of(tmp_path / "none")("hf_longsecret") == "hf_longsecret"
    assert secrets_dir({}) == Path("/run/secrets")
