"""What is wrong is said in a person's words, wherever in the declarative API it is."""

import json
import re
from collections.abc import Iterator

import pytest
from pydantic import TypeAdapter, ValidationError

from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.sentences import WORDS, sentence
from orchestrator.spec.stack import StackSpec
from training.contract.config import Name
from training.contract.source import DataName
from training.gang.config import Hook


def patterns(schema: object) -> Iterator[str]:
    """Of all values and keys in a JSON schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        yield from schema.get("patternProperties", {})
    for value in schema.values() if isinstance(schema, dict) else schema:  # type: ignore[attr-defined]
        if isinstance(value, dict | list):
            yield from patterns(value)


@pytest.mark.parametrize("model", [ClusterSpec, StackSpec])
def test_every_pattern_has_words(model: type[ClusterSpec] | type[StackSpec]) -> None:
    found = set(patterns(json.loads(json.dumps(model.model_json_schema()))))
    assert len(found) > 3
    assert found <= set(WORDS)


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        (Name, "my secret", "what stands there does not fit: it is org/name on the Hub"),
        (Name, "../secret", "a path of this computer is nothing to a node"),
        (Name, "secret", "no owner, as a name on the Hub has: it is org/name on the Hub"),
        (
            DataName,
            "my.xlsx",
            "data are read from .jsonl, .json, .csv, .tsv, .parquet and .txt files",
        ),
        (DataName, "~/secret.jsonl", "name it as it is called there, such as my.jsonl"),
        (Hook, {"url": "ftp://user:secret@x"}, "what stands there does not fit: an address begins"),
    ],
)
def test_what_does_not_fit_a_pattern(kind: object, value: object, says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    said = sentence(refused.value.errors()[0])
    assert says in said
    assert not re.search(r"secret|\^|\\s", said)
