"""A template is a program of somebody else's: what it cannot do."""

from typing import Any

import pytest
from jinja2 import TemplateError
from jinja2.exceptions import SecurityError

from training.texts import sandbox
from training.texts.sandbox import WATCH, Watch, compiled


def written(source: str, **given: Any) -> str:
    watch = Watch()
    return "".join(map(watch.wrote, compiled(source).generate({WATCH: watch, **given})))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "end within",
        ),
        (
            (
                "{% for a in range(9999) %}{% for b in range(9999) | map('string') %}"
                "{% endfor %}{% endfor %}"
            ),
            "end within",
        ),
        (
            (
                "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
                "{{ f(40) }}"
            ),
            "end within",
        ),
        ("{% for a in range(9999) %}{{ 'x' * 9999 }}{% endfor %}", "writes more than"),
        (
            (
                "{% set n = namespace(x='abc') %}"
                "{% for a in range(64) %}{% set n.x = n.x ~ n.x %}{% endfor %}"
            ),
            "text of more than",
        ),
        (
            (
                "{% set n = namespace(x='abc') %}"
                "{% for a in range(64) %}{% set n.x = n.x + n.x %}{% endfor %}"
            ),
            "text of more than",
        ),
        ("{{ 'x' * 10 ** 12 }}", "multiplies"),
        ("{{ 'x' * 1000000000000 }}", "multiplies"),
        ("{{ 1000000000000 * [1] }}", "multiplies"),
        ("{{ 9 ** 9 ** 9 }}", "multiplies"),
        ("{% set n = namespace() %}{% set n.__class__ = 1 %}", "namespace cannot hold"),
        ("{% set n = namespace(_x=1) %}", "namespace cannot hold"),
        ("{{ turn.clear() }}", "unsafe"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe|undefined"),
    ],
)
def test_what_it_cannot_do(source: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "STEPS", 20_000)
    monkeypatch.setattr(sandbox, "LONGEST", 1_000_000)
    with pytest.raises(TemplateError, match=said) as caught:
        written(source, turn={"role": "user"})
    assert isinstance(caught.value, SecurityError)


def test_loops_are_what_they_are_without_bounds() -> None:
    source = (
        "{% for a in 'xyz' %}{{ a }}{{ loop.index }}{{ loop.last }}{{ loop.length }} {% endfor %}"
        "{% for a, b in {'k': 1}.items() %}{{ a }}{{ b }}{% endfor %}"
        "{% for a in nothing %}{% else %}none{% endfor %}"
        "{% for a in [3, 1] | sort | map('string') if a != '3' %}{{ a + 'x' ~ 2 * 3 }}{% endfor %}"
        "{% for a in [1, 2, 3] %}{% if a == 2 %}{% break %}{% endif %}{{ a }}{% endfor %}"
        "{% for a in [[1, [2]]] recursive %}{{ loop(a) if a is sequence else a }}{% endfor %}"
    )
    assert written(source) == "x1False3 y2False3 z3True3 k1none1x61" + "12"


@pytest.mark.parametrize(
    ("form", "day"), [("%d %b %Y", "26 Jul 2024"), ("%Y-%m-%d", "2024-07-26"), ("%A", "Friday")]
)
def test_the_day_is_always_the_same(form: str, day: str) -> None:
    """Llama 3.2 and gpt-oss ask for it in these forms."""
    assert written(f"{{{{ strftime_now('{form}') }}}}") == day


def test_there_is_no_other_clock() -> None:
    assert (
        written("{{ now is defined }}{{ datetime is defined }}{{ time is defined }}") == "False" * 3
    )


def test_json_is_written_for_models_not_for_pages() -> None:
    assert written("{{ {'a': '<é>'} | tojson }}") == '{"a": "<é>"}'
    assert written("{{ {'b': 1, 'a': [2]} | tojson(indent=1, sort_keys=true) }}").startswith(
        '{\n "a"'
    )
