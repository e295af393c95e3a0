"""Wrong values in every key of every document: whatever it is, it is said in plain words."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from orchestrator.engines.spec import EngineSpec
from orchestrator.errors import SpecError
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.parse import parse_document
from orchestrator.spec.stack import StackSpec
from orchestrator.spec.validate import validate
from training.contract.record import RunRecord
from training.contract.sentences import told

pytestmark = pytest.mark.patient

THEIRS = re.compile(
    r"Input |should (be|have|match)|valid (dict|str|int|num|bool|tuple|list|set|IPv)|instance of"
    r"|expected tags|validation|Extra inputs|unable to (parse|interpret)|Value error|NoneType"
    r"|[Tt]uple|dictionary|Field required|\^|\[a-z|match pattern|a value of another kind",
)
"""Words of pydantic, of Python's types, and of regular expressions."""

MODELS: dict[str, type[BaseModel]] = {
    "Cluster": ClusterSpec,
    "Stack": StackSpec,
    "Engine": EngineSpec,
}
WHOLE: dict[str, dict[str, Any]] = {
    "Cluster": {
        "name": "desk",
        "nodes": [{"name": "a", "ssh": {"host": "a"}, "fabric": {}, "sudo": {}}],
    },
    "Stack": {
        "name": "one",
        "description": "d",
        "secrets": [{"name": "KEY"}],
        "gang": {"hooks": [{"url_secret": "KEY"}]},
        "training": {
            "model": {"name": "org/name"},
            "data": {"name": "org/name"},
            "method": {"kind": "qlora"},
        },
    },
    "Engine": {
        "name": "toy",
        "summary": "s",
        "command": ["x"],
        "files": [{"name": "f", "template": "f", "target": "/f"}],
        "lines": [{"event": "step", "pattern": r"(?P<step>\d+) (?P<loss>\d+)"}],
        "results": ["adapter"],
    },
}
"""One document of each kind, with an entry in each list of sections."""

WRONG: dict[str, Any] = {
    "nothing": None,
    "a number": 7,
    "a negative number": -3.5,
    "no number": float("nan"),
    "true": True,
    "empty text": "",
    "text": "wrong \N{GREEK SMALL LETTER ALPHA} [",
    "long text": "x" * 3000,
    "an empty list": [],
    "a list": [1],
    "a deep list": [[{}]],
    "a mapping": {"no such key": 1},
    "a mapping of odd keys": {"a b [": {"c": []}},
}


def keys(
    schema: Mapping[str, Any], defs: Mapping[str, Any], path: tuple[Any, ...]
) -> Iterator[Any]:
    """The path of every key in a JSON schema; the first entry of a list stands for all."""
    options = [schema, *schema.get("anyOf", []), *schema.get("oneOf", [])]
    for option in options:
        if "$ref" in option:
            yield from keys(defs[option["$ref"].rpartition("/")[2]], defs, path)
        for name, inner in option.get("properties", {}).items():
            yield (*path, name)
            yield from keys(inner, defs, (*path, name))
        if "items" in option:
            yield (*path, 0)
            yield from keys(option["items"], defs, (*path, 0))


def paths(kind: str) -> list[tuple[Any, ...]]:
    schema = MODELS[kind].model_json_schema()
    return list(dict.fromkeys(keys(schema, schema.get("$defs", {}), ())))


def put(kind: str, path: tuple[Any, ...], value: Any) -> str:
    """A document as YAML, one key of it replaced."""
    document = json.loads(json.dumps({"apiVersion": "sparkctl/v1", "kind": kind, **WHOLE[kind]}))
    at = document
    for key, below in pairwise(path):
        empty: Any = [] if isinstance(below, int) else {}
        if isinstance(key, int):
            at += [empty] if not at else []
        else:
            at.setdefault(key, empty)
        at = at[key]
    if isinstance(path[-1], int):
        at[:1] = [value]
    else:
        at[path[-1]] = value
    return yaml.safe_dump(document, allow_unicode=True)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_in_every_key(kind: str, name: str) -> None:
    refused = 0
    for path in paths(kind):
        text = put(kind, path, WRONG[name])
        try:
            validate(MODELS[kind], parse_document(text, source="FILE"))
        except SpecError as error:
            refused += 1
            lines = [error.brief, *(error.details or "").splitlines()]
            said = "\n".join([*lines, error.resolution or ""])
            assert not (found := THEIRS.search(said)), f"{found} in:\n{said}\n\n{text}"
            place = re.compile(r"FILE:\d+: [\w.\[\]-]+.*: \S")
            assert all(place.match(line) for line in lines), said
    assert refused > 10


@pytest.mark.parametrize("kind", MODELS)
def test_an_unknown_key_in_every_section(kind: str) -> None:
    """It names what there is, and no key of another kind of section."""
    for path in paths(kind):
        if isinstance(path[-1], str):
            text = put(kind, (*path[:-1], "xyzzy"), 1)
            with pytest.raises(SpecError, match=r"xyzzy: unknown key; known here: \w") as caught:
                validate(MODELS[kind], parse_document(text, source="FILE"))
            assert not THEIRS.search(str(caught.value.to_dict()))


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_record_of_a_run(name: str) -> None:
    """Whatever a node has of it."""
    schema = RunRecord.model_json_schema()
    refused = 0
    for path in keys(schema, schema["$defs"], ()):
        if len(path) == 1:
            try:
                RunRecord.model_validate({path[0]: WRONG[name]})
            except ValidationError as error:
                refused += 1
                assert not THEIRS.search("\n".join(told(error, {})))
    assert refused > 5
