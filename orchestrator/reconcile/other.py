"""One thing in Docker that is not sparkctl's, and ends or stops with a plan."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from orchestrator.errors import OthersError


@dataclass(frozen=True)
class Other:
    """One thing of somebody else, and what happens to it."""

    node: str
    kind: str
    name: str
    fate: str

    def __str__(self) -> str:
        return f"{self.node}: {self.kind} {self.name}: {self.fate}"

    def to_dict(self) -> dict[str, str]:
        """Plain data; docs/json.md."""
        return asdict(self)


def ensure_no_others(others: Iterable[Other]) -> None:
    """Raise OthersError, which lists them, if there are any."""
    lines = [str(one) for one in others]
    if lines:
        raise OthersError(
            f"this would end or stop what is not sparkctl's ({len(lines)}); nothing was changed",
            details="\n".join(lines),
            resolution="--yes does not cover them. Move or stop them first, or add --end-others; "
            "without --yes, in a terminal, you are asked.",
        )
