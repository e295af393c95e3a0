"""A plan kept in a file, to be read by somebody and carried out later, or refused when stale."""

import json
from pathlib import Path
from typing import Any

from orchestrator.errors import SpecError, StalePlanError
from orchestrator.reconcile.plan import Plan
from orchestrator.resources.base import State
from orchestrator.spec.base import API_VERSION


def write_plan(plan: Plan, path: Path) -> None:
    """Write the plan; only its owner may read it, for it holds the content of files."""
    document = {"apiVersion": API_VERSION, "kind": "Plan", **_plain(plan)}
    try:
        path.touch(mode=0o600)
        path.chmod(0o600)  # of a file that was there, too
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{path}: the plan cannot be written", details=str(error)) from None


def refuse_stale(plan: Plan, path: Path) -> None:
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
    differing = [id_ for id_ in {**before, **after} if before.get(id_) != after.get(id_)]
    if differing or kept["direction"] != now["direction"]:
        raise StalePlanError(
            f"{path} is not what `sparkctl cluster up` would do now; nothing was changed",
            details="\n".join(f"differs: {id_}" for id_ in differing) or None,
            resolution="The machines or the cluster file have changed since. Make a new plan: "
            f"sparkctl cluster plan --out {path}",
        )


def refuse_changed(now: Plan, shown: Plan) -> None:
    """Raise StalePlanError when the machines have changed since the plan was shown.

    Notes may differ: a container that has just ended is no reason to ask again. One that has just
    begun is, for nobody said yes to its end.
    """
    if _states(now) != _states(shown) or not {*now.others} <= {*shown.others}:
        raise StalePlanError(
            "the machines have changed since the plan was made; nothing was changed",
            resolution="Run the command again and look at the new plan.",
        )


def _states(plan: Plan) -> list[tuple[str, State | None, State | None]]:
    return [(change.id, change.before, change.after) for change in plan.changes]


def _plain(plan: Plan) -> dict[str, Any]:
    """As it comes back from JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(plan.to_dict()))
    return plain


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        ids = [change["id"] for change in document["changes"]]
        if document["kind"] != "Plan" or len(ids) != len(set(ids)) or "direction" not in document:
            raise ValueError("not a plan")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpecError(
            f"{path}: not a plan that sparkctl has written",
            details=str(error),
            resolution=f"Make one: sparkctl cluster plan --out {path}",
        ) from None
    plan: dict[str, Any] = document
    return plan
