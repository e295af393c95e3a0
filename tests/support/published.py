"""config.json of models on the Hub, by their names, as far as it has sizes."""

import json
from typing import Any

from tests.support.clusters import ROOT

PUBLISHED: dict[str, dict[str, Any]] = json.loads(
    (ROOT / "tests/support/published.json").read_text(encoding="utf-8")
)
"""`weights`: as many as the model's page gives. `inferred`: sizes are written from descriptions,
not copied, and hold for the tests alone."""
