"""How a subject is read: its shell, its parser, and the way back. See `machine` for all.

A `Group` is the house's own: it fills fields that `Facts` has by inheritance. A `Fact` stands by
itself: it is found where it is defined (`added`), and its value is read with `FACT.of(facts)`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from orchestrator.spec.cluster import PathsSpec

G = TypeVar("G")
T = TypeVar("T")

Raw = Mapping[str, bytes]
"""What a machine printed, by name."""
Printed = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Group(Generic[G]):
    """Fields that are read together."""

    shell: Callable[[PathsSpec], str]
    """POSIX shell that prints each after `fact NAME`. Changes nothing; sees the variables of the
    groups before it."""
    parse: Callable[[Raw], G]
    """From what was printed. Raises KeyError, ValueError and the like for what it cannot be."""
    stock: Callable[[int], G]
    """Of Spark `number` as it comes out of its box."""
    printed: Callable[[G], Printed]
    """What the shell would have printed for these; the inverse of `parse`."""


@dataclass(frozen=True, kw_only=True)
class More:
    """Values of the facts that stand by themselves."""

    more: Mapping[str, Any] = field(default_factory=dict)
    """By the fact's name; read them with `Fact.of`."""


@dataclass(frozen=True)
class Fact(Generic[T]):
    """One thing more to know of a machine; a file of this folder that defines it is enough."""

    name: str
    shell: str
    """Prints the value, as root; POSIX, changes nothing. What fails prints nothing."""
    parse: Callable[[bytes], T]
    """Raises ValueError and the like for what it cannot be; `values` has the usual shapes."""
    stock: T
    """The value of a stock Spark."""
    printed: Callable[[T], str | bytes] = str
    """What the shell would have printed for this value; the inverse of `parse`."""

    def of(self, facts: More) -> T:
        """The value on this machine."""
        value: T = facts.more[self.name]
        return value

    @property
    def wire(self) -> str:
        """Its name in the answer of the machine: none that a group has."""
        return f"more.{self.name}"

    @property
    def script(self) -> str:
        """Its shell, which may leave and set what it likes."""
        return f"fact {self.wire}\n(\n{self.shell.rstrip()}\n) 2>/dev/null\n"
