"""What plans, checks and applies, in one place: `Cluster` imports it while the machines answer."""

from orchestrator.doctor.before_change import check, check_down
from orchestrator.doctor.found import every_check
from orchestrator.reconcile.apply import apply_plan
from orchestrator.reconcile.evidence import left_unread
from orchestrator.reconcile.owner import this_owner
from orchestrator.reconcile.plan import Plan, plan_down, plan_up
from orchestrator.reconcile.plan_file import ensure_current, write_plan
from orchestrator.reconcile.ports import with_ports_asked
from orchestrator.reconcile.repair import plan_repair

__all__ = [
    "Plan",
    "apply_plan",
    "check",
    "check_down",
    "ensure_current",
    "every_check",
    "left_unread",
    "plan_down",
    "plan_repair",
    "plan_up",
    "this_owner",
    "with_ports_asked",
    "write_plan",
]
