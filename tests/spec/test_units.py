"""Sizes as people write them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from orchestrator.spec.units import Bytes

SIZE: TypeAdapter[int] = TypeAdapter(Bytes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (1024, 1024),
        ("1024", 1024),
        ("1b", 1),
        ("1kB", 1000),
        ("1KiB", 1024),
        ("16GiB", 16 * 2**30),
        (" 1.5 gib ", 3 * 2**29),
        ("2TB", 2 * 10**12),
        ("9007199254740993", 9007199254740993),
    ],
)
def test_a_size(text: object, expected: int) -> None:
    assert SIZE.validate_python(text) == expected


@pytest.mark.parametrize(
    "text", ["", "GiB", "16 bananas", "-1GiB", "1e3", "1,5GiB", "1.GiB", [], None]
)
def test_no_size(text: object) -> None:
    with pytest.raises(ValidationError):
        SIZE.validate_python(text)


@given(st.integers(1, 10**6), st.sampled_from(["KiB", "MiB", "GiB", "TiB"]))
def test_binary_units_are_exact(number: int, unit: str) -> None:
    factor = 2 ** (10 * (1 + ["KiB", "MiB", "GiB", "TiB"].index(unit)))
    assert SIZE.validate_python(f"{number}{unit}") == number * factor


@given(st.text(max_size=10))
def test_any_text_is_a_size_or_a_fault(text: str) -> None:
    with contextlib.suppress(ValidationError):
        assert SIZE.validate_python(text) > 0
