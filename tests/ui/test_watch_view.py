"""`cluster status --watch`: what one look is in a terminal, and without one."""

import io

import pytest
from rich.cells import cell_len

from orchestrator.facts.gpu import Gauges, Gpu
from orchestrator.runs.glance import Glance, RunNow, Seen
from orchestrator.ui.console import PlainConsole
from orchestrator.ui.watch_view import picture, show_watch

GPU = Gpu("GPU-1", "NVIDIA GB10", "580.95.05", Gauges(97.0, 71.4, 68.0))
GLANCE = Glance(
    memory_bytes=119 * 2**30, memory_available_bytes=90 * 2**30, gpus=(GPU,),
    runs=(RunNow("llama3-70b-lora-0a1b2c", "training", 12),),
)  # fmt: skip
IDLE = Glance(memory_bytes=119 * 2**30, memory_available_bytes=115 * 2**30, gpus=(), runs=())
LOOK = {
    "spark-a": Seen(GLANCE, None),
    "spark-b": Seen(GLANCE, "spark-b cannot be reached"),
    "spark-c": Seen(IDLE, None),
    "spark-d": Seen(None, None),
}


def drawn(width: int) -> list[str]:
    console = PlainConsole(file=io.StringIO(), width=width)
    console.print(picture(LOOK, width))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_look_fits(width: int) -> None:
    lines = drawn(width)
    assert all(cell_len(line) <= width for line in lines)
    text = "\n".join(lines)
    assert "…" not in text
    for said in ("97 %", "71 W", "68 °C", "29 of 119 GiB", "llama3-70b-lora-0a1b2c", "step 12"):
        assert said in text
    assert "spark-b: spark-b cannot be reached" in lines
    assert all(name in text.split() for name in LOOK)


def test_at_80_columns_all_is_in_one_table() -> None:
    assert drawn(80)[1].split() == [
        "spark-a", "97", "%", "71", "W", "68", "°C", "29", "of", "119", "GiB",
        "llama3-70b-lora-0a1b2c", "step", "12",
    ]  # fmt: skip


def test_without_a_terminal_lines_are_added() -> None:
    console = PlainConsole(file=io.StringIO(), width=200)
    show_watch([LOOK, {"spark-a": Seen(IDLE, None)}], console)
    assert isinstance(console.file, io.StringIO)
    lines = [line[10:] for line in console.file.getvalue().splitlines()]
    assert lines == [
        "spark-a  GPU 97 %  71 W  68 °C  memory 29 of 119 GiB  llama3-70b-lora-0a1b2c step 12",
        "spark-b  spark-b cannot be reached",
        "spark-c  GPU -  -  -  memory 4 of 119 GiB",
        "spark-d  no answer yet",
        "spark-a  GPU -  -  -  memory 4 of 119 GiB",
    ]


def test_in_a_terminal_a_look_replaces_the_one_before() -> None:
    console = PlainConsole(file=io.StringIO(), width=80, force_terminal=True)
    show_watch([LOOK, LOOK], console)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "\x1b[1A" in said and said.endswith("\x1b[?25h")  # up again, and the cursor is back
