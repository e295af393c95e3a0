"""daemon.json: our keys in, everybody's keys kept, our keys out again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.node.files import File
from orchestrator.resources.base import file_state, state_file
from orchestrator.resources.daemon_json import DaemonJson
from orchestrator.resources.daemon_merge import NotAnObject, merge, parse, unmerge
from orchestrator.testing.facts import stock_spark
from tests.support.strategies import daemon_documents, json_texts, values, words

RESOURCE = DaemonJson("spark-a", "NVIDIA_GPU", ("GPU-00000001",))
OURS = RESOURCE.ours

texts = daemon_documents().flatmap(json_texts)


@given(texts)
def test_ours_are_in_and_foreign_keys_stay(text: bytes) -> None:
    before, after = parse(text), parse(merge(text, OURS))
    assert after["default-runtime"] == "nvidia"
    assert after["runtimes"]["nvidia"]["path"] == "nvidia-container-runtime"
    gpus = [r for r in after["node-generic-resources"] if r.startswith("NVIDIA_GPU=")]
    assert gpus == ["NVIDIA_GPU=GPU-00000001"]
    foreign = {key: value for key, value in before.items() if key not in OURS}
    assert {key: value for key, value in after.items() if key not in OURS} == foreign
    assert before.get("runtimes", {}).keys() <= after["runtimes"].keys()


@given(texts)
def test_merged_twice_is_the_same_bytes(text: bytes) -> None:
    once = merge(text, OURS)
    assert merge(once, OURS) == once


def test_a_file_that_is_right_already_keeps_its_very_bytes() -> None:
    """However it is formatted: another file would mean another restart of Docker."""
    odd = b'{ "debug":true,\n\n' + merge(None, OURS).lstrip(b"{\n")
    assert merge(odd, OURS) == odd


@given(texts)
def test_taken_out_again_nothing_of_ours_is_left(text: bytes) -> None:
    back = unmerge(merge(text, OURS), text, OURS)
    assert back is not None
    assert parse(back) == parse(text)


@given(texts, st.dictionaries(words.map("user-{}".format), values, min_size=1, max_size=2))
def test_what_the_user_adds_in_between_survives(text: bytes, added: dict[str, Any]) -> None:
    edited = json.dumps(parse(merge(text, OURS)) | added).encode()
    back = unmerge(edited, text, OURS)
    assert back is not None
    assert parse(back) == parse(text) | added


@given(texts)
def test_what_the_user_takes_out_in_between_stays_out(text: bytes) -> None:
    edited = {k: v for k, v in parse(merge(text, OURS)).items() if k != "default-runtime"}
    back = unmerge(json.dumps(edited).encode(), text, OURS)
    assert back is not None
    assert "default-runtime" not in parse(back)


def test_a_file_that_was_only_ours_goes() -> None:
    assert unmerge(merge(None, OURS), None, OURS) is None


def test_a_runtime_that_the_user_adds_stays_without_ours() -> None:
    document = parse(merge(None, OURS))
    document["runtimes"]["kata"] = {"path": "kata"}
    back = unmerge(json.dumps(document).encode(), None, OURS)
    assert back is not None
    assert parse(back) == {"runtimes": {"kata": {"path": "kata"}}}


def test_an_edited_runtime_of_ours_stays_whole() -> None:
    """A runtime without its path would keep dockerd from starting."""
    document = parse(merge(None, OURS))
    document["runtimes"]["nvidia"]["runtimeArgs"] = ["--debug"]
    back = unmerge(json.dumps(document).encode(), None, OURS)
    left = {} if back is None else parse(back).get("runtimes", {})
    assert all("path" in runtime for runtime in left.values())


def test_a_resource_that_the_user_adds_stays_and_a_displaced_one_returns() -> None:
    original = b'{"node-generic-resources": ["NVIDIA_GPU=GPU-old", "SSD=fast"]}'
    document = parse(merge(original, OURS))
    assert document["node-generic-resources"] == ["SSD=fast", "NVIDIA_GPU=GPU-00000001"]
    document["node-generic-resources"].append("FPGA=one")
    back = unmerge(json.dumps(document).encode(), original, OURS)
    assert back is not None
    assert set(parse(back)["node-generic-resources"]) == {
        "SSD=fast",
        "FPGA=one",
        "NVIDIA_GPU=GPU-old",
    }


def test_the_indent_of_the_user_is_kept() -> None:
    assert b'\n  "default-runtime"' in merge(b'{\n  "debug": true\n}', OURS)
    assert b'\n\t"default-runtime"' in merge(b'{\n\t"debug": true\n}', OURS)


def test_a_file_without_anything_of_ours_comes_back_in_the_very_same_bytes() -> None:
    """No reason to restart Docker."""
    theirs = b'{"debug":true}'
    assert unmerge(theirs, None, OURS) == theirs


@pytest.mark.parametrize("text", [b"", b" \n", b"{}", b"null", b"\xef\xbb\xbf", b"\xef\xbb\xbf{}"])
def test_nothing_is_an_empty_document(text: bytes) -> None:
    assert parse(text) == {}


@pytest.mark.parametrize("text", [b"[]", b'"x"', b"1"])
def test_json_that_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(NotAnObject):
        parse(text)


@pytest.mark.parametrize("text", [b"{", b"{'a': 1}", b"\xff\xfe", b"{} {}"])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_mode_and_owner_of_the_file_are_kept() -> None:
    facts = stock_spark(daemon_json=File(b"{}", "600", 7, 8))
    after = RESOURCE.desired({"spark-a": facts})["file"]
    assert (after["mode"], after["uid"], after["gid"]) == ("600", 7, 8)


def test_a_new_file_is_root_s_and_readable() -> None:
    after = RESOURCE.desired({"spark-a": stock_spark()})["file"]
    assert (after["mode"], after["uid"], after["gid"]) == ("644", 0, 0)


def test_an_unedited_file_goes_back_to_the_original_bytes() -> None:
    """Not through unmerge: odd formatting comes back as it was."""
    odd = File(b'{"debug":\n\n true }', "640", 0, 5)
    original = RESOURCE.observe({"spark-a": stock_spark(daemon_json=odd)})
    written = RESOURCE.desired({"spark-a": stock_spark(daemon_json=odd)})
    merged = File(written["file"]["text"].encode(), "640", 0, 5)
    now = {"spark-a": stock_spark(daemon_json=merged)}
    assert RESOURCE.reverted(now, original, written)["file"] == file_state(odd)


BY_TYPE = {
    "runtimeType": "io.containerd.runc.v2",
    "options": {"BinaryName": "/usr/bin/nvidia-container-runtime"},
}


@pytest.mark.parametrize(
    "runtime",
    [
        {"args": [], "path": "nvidia-container-runtime"},
        {"path": "nvidia-container-runtime"},
        {"path": "/usr/bin/nvidia-container-runtime", "runtimeArgs": []},
        {"path": "nvidia-container-runtime", "runtimeArgs": None},
        BY_TYPE,
    ],
)
def test_a_file_that_is_right_in_other_words_keeps_its_very_bytes(runtime: dict[str, Any]) -> None:
    right = {
        "default-runtime": "nvidia",
        "node-generic-resources": ["NVIDIA_GPU=GPU-00000001", "SSD=fast"],
        "runtimes": {"nvidia": runtime},
    }
    text = json.dumps(right).encode()
    assert merge(text, OURS) == text


def test_a_runtime_by_type_gets_no_path_and_comes_back() -> None:
    """dockerd refuses a runtime that has both."""
    original = json.dumps({"runtimes": {"nvidia": BY_TYPE}}).encode()
    written = parse(merge(original, OURS))
    assert written["runtimes"]["nvidia"] == BY_TYPE
    back = unmerge(json.dumps(written | {"debug": True}).encode(), original, OURS)
    assert back is not None
    assert parse(back) == {"runtimes": {"nvidia": BY_TYPE}, "debug": True}


@pytest.mark.parametrize(
    "runtime",
    [{}, {"path": "runc"}, {"path": "nvidia-container-runtime", "runtimeArgs": ["--x"]}],
)
def test_a_runtime_that_is_another_becomes_ours(runtime: dict[str, Any]) -> None:
    text = json.dumps({"runtimes": {"nvidia": runtime}}).encode()
    assert parse(merge(text, OURS))["runtimes"] == OURS["runtimes"]


@pytest.mark.parametrize("text", [b'\xef\xbb\xbf{\n  "log-driver": "json-file"\n}\n', b"null\n"])
def test_what_dockerd_accepts_is_accepted_and_comes_back_exactly(text: bytes) -> None:
    theirs = File(text, "644", 0, 0)
    before = {"spark-a": stock_spark(daemon_json=theirs)}
    original, written = RESOURCE.observe(before), RESOURCE.desired(before)
    assert parse(state_file(written["file"]).content)["default-runtime"] == "nvidia"
    now = {"spark-a": stock_spark(daemon_json=state_file(written["file"]))}
    back = RESOURCE.reverted(now, original, written)
    assert state_file(back["file"]) == theirs
