"""When a trainer is ended because its machine would freeze, and when it is left alone."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from training.gang.config import GangConfig
from training.gang.health import MemoryGuard

FLOOR = GangConfig().memory_floor
SPARK = 119.7
"""GiB of a Spark."""


def machine(tmp_path: Path, available: float, pressed: str | None = None) -> None:
    """A Spark with so many GiB available."""
    kib = [f"{name}: {int(size * 2**20)} kB" for name, size in
           (("MemTotal", SPARK), ("MemAvailable", available))]  # fmt: skip
    (tmp_path / "meminfo").write_text("\n".join(kib))
    if pressed is not None:
        (tmp_path / "pressure").write_text(f"some avg10=99\nfull avg10={pressed} avg60=0.00\n")


def guard(tmp_path: Path, floor: float = FLOOR) -> MemoryGuard:
    """One that looks every second."""
    seconds = iter(range(10**6))
    return MemoryGuard(
        floor, tmp_path / "meminfo", tmp_path / "pressure", lambda: float(next(seconds))
    )


def left_when_it_goes(tmp_path: Path, readings: Iterable[float]) -> float | None:
    """GiB that are available when the trainer must go; None where it may stay."""
    watch = guard(tmp_path)
    for available in readings:
        machine(tmp_path, available)
        if watch.look() is not None:
            return available
    return None


def test_it_wants_to_see_it_twice(tmp_path: Path) -> None:
    watch = guard(tmp_path)
    machine(tmp_path, 5.5)
    assert watch.look() is None
    assert "5.5 of 120 GiB" in (watch.look() or "")
    machine(tmp_path, 60)
    assert watch.look() is None
    machine(tmp_path, 5.5)
    assert watch.look() is None


@pytest.mark.parametrize(
    ("available", "pressed", "goes"), [(15, "60.0", True), (15, "1.0", False), (60, "60.0", False)]
)
def test_pressure_alone_is_no_reason(
    tmp_path: Path, available: float, pressed: str, goes: bool
) -> None:
    machine(tmp_path, available, pressed)
    watch = guard(tmp_path)
    watch.look()
    assert (watch.look() is not None) == goes


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    machine(tmp_path, 0.1)
    watch = guard(tmp_path, floor=0)
    assert watch.look() is None and watch.look() is None


@pytest.mark.parametrize("above", [0.0, 0.6, 1.2, 1.8])
def test_the_fall_that_was_reported_ends_in_time(tmp_path: Path, above: float) -> None:
    """28.9 GiB became 6.3 in 10 s; whenever within a second the guard looks."""
    left = left_when_it_goes(tmp_path, (28.9 + above - 2.26 * second for second in range(13)))
    assert left is not None and 6.5 < left < 9.5


def test_a_faster_fall_ends_with_more_left(tmp_path: Path) -> None:
    left = left_when_it_goes(tmp_path, (60 - 5.0 * second for second in range(12)))
    assert left == 10


@pytest.mark.parametrize(
    "readings",
    [
        [*range(115, 20, -3), *[20.0] * 60],  # llama3-70b-lora: weights come at 3 GiB/s
        [*range(85, 18, -11), *[15.0] * 60],  # a first pass that takes 11 GiB/s, and no more
        [110, 95, 60, 20, *[8.0] * 60],  # all that the estimate lets a run have, within seconds
        [*[9.0, 8.0, 9.0] * 20],  # a save now and then
        [*[17 - 0.05 * second for second in range(200)]],  # page cache and logs
    ],
    ids=["loading", "a first pass", "a large first batch", "saving", "slowly"],
)
def test_a_healthy_run_is_left_alone(tmp_path: Path, readings: list[float]) -> None:
    assert left_when_it_goes(tmp_path, readings) is None
