"""Connections that have not proved themselves yet: few at a time, and none keeps a rank out."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from training.gang.link import Link


@dataclass
class Strangers:
    """At most so many; another one takes the place of the oldest, of the address that has most.

    So neither who connects and is silent nor who connects again and again is in the way for long:
    a rank needs a place for the blink of an eye, and tries again.
    """

    most: int
    _there: list[Link] = field(default_factory=list)

    @contextmanager
    def among(self, link: Link) -> Iterator[None]:
        """Hold a place as long as this lasts; whose place is taken is cut off."""
        while len(self._there) >= self.most:
            self._next_to_go().abort()
        self._there.append(link)
        try:
            yield
        finally:
            if link in self._there:
                self._there.remove(link)

    def _next_to_go(self) -> Link:
        most = Counter(link.address for link in self._there)
        gone = max(self._there, key=lambda link: most[link.address])  # the first of several
        self._there.remove(gone)
        return gone
