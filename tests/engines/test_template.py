"""`{{ name }}`: a value and nothing more."""

import json

import pytest

from orchestrator.engines.template import filled_file, filled_word
from orchestrator.errors import SpecError
from tests.engines.jobs import job

VALUES = job({"loop": {"max_steps": 7}, "model": {"name": 'a"b'}}).values(1)


def test_a_file_has_values_as_json() -> None:
    text = '{"steps": {{ training.loop.max_steps }}, "model": {{training.model.name}}}'
    assert json.loads(filled_file(text, VALUES, "f")) == {"steps": 7, "model": 'a"b'}


def test_a_word_has_text_as_it_is() -> None:
    word = "--at={{ address }}:{{ port }} {{ run_dir }}/x {{ training.loop }}"
    assert filled_word(word, VALUES, "w") == '--at=10.0.0.0:29500 /sparkctl/run/x {"max_steps": 7}'


@pytest.mark.parametrize("text", ["{% for x in y %}", "{{ 7 * 7 }}", "{{ rank.__class__ }}{", "{}"])
def test_there_is_no_other_language(text: str) -> None:
    if "__class__" in text:
        with pytest.raises(SpecError, match=r"f: there is no value called rank.__class__"):
            filled_file(text, VALUES, "f")
    else:
        assert filled_file(text, VALUES, "f") == text


def test_a_value_is_not_filled_again() -> None:
    assert filled_word("{{ run }}", {"run": "{{ rank }}", "rank": 1}, "w") == "{{ rank }}"
