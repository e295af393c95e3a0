"""A plan saved to a file, to be reviewed and applied later, or refused when stale."""

import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

from orchestrator.errors import SpecError, StalePlanError
from orchestrator.reconcile.plan import Plan
from orchestrator.resources.base import State
from orchestrator.resources.masking import masked_state
from orchestrator.spec.base import API_VERSION
from orchestrator.spec.files import UnfitFile, read_text

_LIMIT = 2**26  # bytes of a plan file
_ROUNDS = 100_000
"""A guess at a password costs that much; a plan's own check takes a twentieth of a second."""


def write_plan(plan: Plan, path: Path) -> None:
    """Write the plan; only its owner may read it, for it holds the content of files.

    Secrets in them are masked. That they are still the same is seen by a slow, salted hash.
    """
    salt = secrets.token_hex(16)
    document = {"apiVersion": API_VERSION, "kind": "Plan", **_plain(plan)}
    document |= {"salt": salt, "hidden": _hidden(plan, salt)}
    try:
        path.touch(mode=0o600)
        path.chmod(0o600)  # of a file that was there, too
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{path}: the plan cannot be written", details=str(error)) from None


def ensure_current(plan: Plan, path: Path) -> None:
    """Raise StalePlanError unless `plan`, made just now, is the one in the file."""
    kept = _read(path)
    now = _plain(plan)
    if kept.get("cluster") != now["cluster"]:
        raise StalePlanError(
            f"{path} is a plan for the cluster {kept.get('cluster')!r}, not {now['cluster']!r}",
            resolution="Name the right cluster file with -f.",
        )
    before = {change["id"]: change for change in kept["changes"]}
    after = {change["id"]: change for change in now["changes"]}
    was, salt = kept.get("hidden", {}), str(kept.get("salt", ""))
    is_ = _hidden(plan, salt)
    differing = [
        id_
        for id_ in {**before, **after}
        if before.get(id_) != after.get(id_) or was.get(id_) != is_.get(id_)
    ]
    if differing or kept["direction"] != now["direction"]:
        raise StalePlanError(
            f"{path} is not what `sparkctl cluster up` would do now; nothing was changed",
            details="\n".join(f"differs: {id_}" for id_ in differing) or None,
            resolution="The machines or the cluster file have changed since. Make a new plan: "
            f"sparkctl cluster plan --out {path}",
        )


def ensure_unchanged(now: Plan, shown: Plan) -> None:
    """Raise StalePlanError when the machines have changed since the plan was shown.

    Notes may differ: a container that has just ended is no reason to ask again. One that has just
    begun is, for nobody agreed to its end.
    """
    if _states(now) != _states(shown) or not {*now.others} <= {*shown.others}:
        raise StalePlanError(
            "the machines have changed since the plan was made; nothing was changed",
            resolution="Run the command again and look at the new plan.",
        )


def _states(plan: Plan) -> list[tuple[str, State | None, State | None]]:
    return [(change.id, change.before, change.after) for change in plan.changes]


def _hidden(plan: Plan, salt: str) -> dict[str, str]:
    """Of every change that is not shown in full: a hash, to compare it."""
    hashes = {}
    for change in plan.changes:
        states = [change.before, change.after]
        if states != [masked_state(state) for state in states]:
            content = json.dumps(states, sort_keys=True).encode()
            hashes[change.id] = hashlib.pbkdf2_hmac("sha256", content, salt.encode(), _ROUNDS).hex()
    return hashes


def _plain(plan: Plan) -> dict[str, Any]:
    """The plan as plain data, after a round trip through JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(plan.to_dict()))
    return plain


def _why(error: Exception) -> str:
    """Only our own words, and those of JSON, are of use to a person."""
    if isinstance(error, KeyError):
        return f"it has no key {error}"
    return str(error) if isinstance(error, UnfitFile | ValueError) else "it has another form"


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_text(path, limit=_LIMIT))
        ids = [change["id"] for change in document["changes"]]
        fit = document["kind"] == "Plan" and isinstance(document.get("hidden", {}), dict)
        if not fit or len(ids) != len(set(ids)) or "direction" not in document:
            raise ValueError("not a plan")
    except (UnfitFile, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SpecError(
            f"{path}: not a plan that sparkctl has written",
            details=_why(error),
            resolution=f"Make one: sparkctl cluster plan --out {path}",
        ) from None
    plan: dict[str, Any] = document
    return plan
