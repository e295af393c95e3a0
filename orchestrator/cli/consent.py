"""What the user has said yes to beforehand, and what is asked of the rest."""

import sys
from dataclasses import dataclass

from orchestrator.cli.asking import confirm
from orchestrator.reconcile.others import refuse_others
from orchestrator.reconcile.plan import Plan


@dataclass(frozen=True)
class Consent:
    """`--yes` and `--end-others`."""

    yes: bool
    end_others: bool

    def to(self, plan: Plan) -> None:
        """Return when the plan may be carried out.

        Raises DeclinedError, or OthersError when nobody can be asked about what is not sparkctl's.
        """
        if not self.end_others and (self.yes or not sys.stdin.isatty()):
            refuse_others(plan.others)
        machines = ", ".join(plan.nodes)
        confirm(f"Change {machines} of cluster {plan.cluster!r}?", yes=self.yes)
        if plan.others:
            names = ", ".join(f"{other.kind} {other.name}" for other in plan.others)
            question = f"Not sparkctl's, and ended or stopped by this: {names}. Go on?"
            confirm(question, yes=self.end_others)
