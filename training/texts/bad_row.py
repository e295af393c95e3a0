"""A row that cannot be understood."""

from typing import Any

from training.contract.errors import ConfigurationError

_KINDS = {bool: "a truth value", int: "a number", float: "a number", type(None): "null"}


def bad_row(where: str, problem: str, remedy: str = "") -> ConfigurationError:
    """Its error: `data_invalid`, the place first."""
    return ConfigurationError("data_invalid", f"{where}: {problem}", remedy)


def not_text(where: str, name: str, value: Any) -> ConfigurationError:
    """`name` should be text. How a number is written is learned, so nobody chooses that but the
    one who made the row."""
    kind = _KINDS.get(type(value), f"a {type(value).__name__}")
    shown = f" ({value})" if isinstance(value, int | float) else ""
    remedy = "Put it in quotes, as the model is to write it." if shown else ""
    return bad_row(where, f"{name} is {kind}{shown}, not text", remedy)
