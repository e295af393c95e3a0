"""The mark `sample(n)`: of a test's cases `make test` takes n, `make test-all` every one.

Drawn by SPARKCTL_TEST_SEED (default 1), so a red run is red again; of the cases that -k or their
names leave. For cases that take tens of seconds each and share all of their code; never of
what docs/reliability.md and docs/security.md promise.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from random import Random

import pytest


def left_out(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Those that this session does not run."""
    if os.environ.get("SPARKCTL_TEST_ALL"):
        return []
    cases = defaultdict[str, list[pytest.Item]](list)
    for item in items:
        if item.get_closest_marker("sample"):
            cases[item.nodeid.partition("[")[0]].append(item)
    out = list[pytest.Item]()
    for test, its in cases.items():
        number = next(int(mark.args[0]) for mark in its[0].iter_markers("sample"))
        seed = os.environ.get("SPARKCTL_TEST_SEED", "1")
        drawn = Random(f"{seed} {test}").sample(range(len(its)), min(number, len(its)))
        out += [item for place, item in enumerate(its) if place not in drawn]
    return out
