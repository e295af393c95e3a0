"""What `sparkctl cluster … --json` prints: one document for all four commands.

The JSON schema in docs/schema/cluster-report.json is generated from these models, and a test keeps
the two equal.
"""

from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from orchestrator.errors import SparkctlError
from orchestrator.reconcile.plan import Plan
from orchestrator.resources.base import Change


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ChangeReport(_Part):
    """One thing on one machine that is, or was, to become something else."""

    id: str
    """`node/resource`, unique in the report."""
    node: str
    resource: str
    action: Literal["create", "update", "delete"]
    summary: str
    stage: int
    """Order between nodes: a stage begins when all nodes have ended the one before."""
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    notes: list[str]
    """What the user should know before saying yes."""


class OtherReport(_Part):
    """One thing in Docker that is not sparkctl's, and ends or stops with the changes."""

    node: str
    kind: str
    """container, task, stack, service, secret, config, network or worker."""
    name: str
    fate: str
    """What happens to it, in words."""


class NodeReport(_Part):
    """One machine as it is."""

    name: str
    reachable: bool
    error: dict[str, Any] | None
    engine: str | None
    """Docker Engine version."""
    gpus: list[str]
    """UUIDs."""
    gpu_name: str | None
    driver: str | None
    swarm_role: Literal["manager", "worker"] | None
    swarm_state: str | None
    """ready or down, as the manager sees the node; null when it is in no swarm."""
    fabric: str | None
    """`interface address`."""
    memory_available_bytes: int | None
    memory_bytes: int | None
    gpu_utilization_percent: float | None = None
    """Of the first GPU, at this moment; null, as the three below, where nvidia-smi has [N/A]."""
    gpu_power_watts: float | None = None
    gpu_temperature_celsius: float | None = None
    gpu_memory_used_bytes: int | None = None
    """Of its own memory: a Spark's GPU has none, look at memory_available_bytes."""
    runs: list[str]
    """Containers of training runs that run on the node."""

    @classmethod
    def unread(cls, name: str, error: SparkctlError | None) -> Self:
        """One that could not be reached, of which nothing is known."""
        nothing = dict.fromkeys(cls.model_fields) | {"gpus": [], "runs": []}
        problem = None if error is None else error.to_dict()
        return cls.model_validate(nothing | {"name": name, "reachable": False, "error": problem})


class ClusterReport(_Part):
    """The document."""

    apiVersion: Literal["sparkctl/v1"] = "sparkctl/v1"  # noqa: N815
    kind: Literal["ClusterReport"] = "ClusterReport"
    command: Literal["plan", "up", "status", "down"]
    cluster: str | None
    """null when the cluster file could not be read."""
    ok: bool
    """Whether the command did what it is for; the same as exit code 0."""
    converged: bool | None
    """plan, status: reality is as the file says. up, down: it is now. null: not known."""
    changes: list[ChangeReport]
    """plan, status: what `up` would change. up, down: what was changed."""
    kept: list[str]
    """down: what stays behind on purpose."""
    others: list[OtherReport] = []
    """plan, up, down: what is not sparkctl's and ends or stops; see --end-others."""
    advice: list[str] = []
    """plan, up, status: what is not sparkctl's to change and will be felt in a run."""
    nodes: list[NodeReport]
    """status only."""
    skipped: list[str] = []
    """Nodes that did not answer and were left out, with --skip-offline."""
    error: dict[str, Any] | None
    """code, brief, details, resolution, node; and errors[] when several nodes failed."""


def plan_report(
    command: Literal["plan", "up", "down"],
    plan: Plan,
    *,
    converged: bool,
    first: Iterable[Change] = (),
    skipped: Iterable[str] = (),
    error: SparkctlError | None = None,
) -> ClusterReport:
    """The report of a plan that was shown or applied, after a repair that came `first`.

    `error`: what is left to report when all of it was done.
    """
    return ClusterReport(
        command=command,
        cluster=plan.cluster,
        ok=error is None,
        converged=converged,
        changes=[_change(change) for change in (*first, *plan.changes)],
        kept=list(plan.kept),
        others=[OtherReport(**other.to_dict()) for other in plan.others],
        advice=list(plan.advice),
        nodes=[],
        skipped=list(skipped),
        error=None if error is None else error.to_dict(),
    )


def status_report(
    cluster: str, nodes: list[NodeReport], plan: Plan | None, error: SparkctlError | None
) -> ClusterReport:
    """The report of `cluster status`; without a plan it is not known what `up` would do."""
    return ClusterReport(
        command="status",
        cluster=cluster,
        ok=error is None,
        converged=None if plan is None else not plan.steps,
        changes=[] if plan is None else [_change(change) for change in plan.changes],
        kept=[],
        advice=[] if plan is None else list(plan.advice),
        nodes=nodes,
        error=None if error is None else error.to_dict(),
    )


def error_report(
    command: Literal["plan", "up", "status", "down"], cluster: str | None, error: SparkctlError
) -> ClusterReport:
    """The report of a command that failed."""
    return ClusterReport(
        command=command,
        cluster=cluster,
        ok=False,
        converged=None,
        changes=[],
        kept=[],
        nodes=[],
        error=error.to_dict(),
    )


def _change(change: Change) -> ChangeReport:
    return ChangeReport(**change.to_dict())
