"""What a step asks for, counted: collectives in their order, and waits of the host. No clock."""

import json
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from tests.support.clusters import ROOT
from tests.support.ranks.run import free_port
from tests.training.loop.counting_rank import HIDDEN, LAYERS, VOCABULARY

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

PASSES = 2
COLLECTIVES = "c10d::"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """Of two ranks with a sharded base and adapters: of a step of two passes, and of a reading."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder, port = tmp_path_factory.mktemp("base"), free_port()
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=HIDDEN, intermediate_size=48,
            num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=2,
        )
    ).to(torch.bfloat16).save_pretrained(folder)  # fmt: skip
    script = Path(__file__).parent / "counting_rank.py"
    ranks = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), str(port), str(folder)],
            cwd=ROOT, env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(folder)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    try:
        (said, errors), _ = (rank.communicate(timeout=180) for rank in ranks)
    finally:
        for rank in ranks:
            rank.kill()
    assert said, errors
    step, reading = map(json.loads, said.splitlines())
    return step, reading


def test_adapters_travel_once_a_step_and_last(seen: tuple[list[str], list[str]]) -> None:
    """All gradients in one all-reduce, and the loss with them; nothing else but gathers."""
    step, reading = seen
    reduced = [name for name in step if name.startswith("R")]
    assert len(reduced) == 1
    talks = [name for name in step if name[0] in "GR"]
    assert talks[-1] == reduced[0]
    assert not [name for name in step + reading if name.startswith(COLLECTIVES)]
    adapters = int(reduced[0][1:]) - 1
    assert adapters == LAYERS * 8 * sum(
        ins + outs
        for ins, outs in ((32, 32), (32, 16), (32, 16), (32, 32), (32, 48), (32, 48), (48, 32))
    )


def test_a_layer_is_gathered_twice_a_pass_the_next_one_before_it_is_needed(
    seen: tuple[list[str], list[str]],
) -> None:
    ends, head = f"G{VOCABULARY * HIDDEN}", f"G{VOCABULARY * HIDDEN + HIDDEN}"
    step = [name for name in seen[0] if name[0] in "GAB"]
    half = len(step) // PASSES
    assert step[:half] == step[half:]  # both passes alike
    one = [name for name, _ in groupby_runs(step[:half])]
    layer = next(name for name in one if name.startswith("G") and name not in (ends, head))
    forwards = [ends, *[layer, "A"] * LAYERS, head]
    # Backwards a layer is computed again, while the one before it is already on its way. Nobody
    # needs the embeddings, so they do not come.
    backwards = [layer, layer, "A", "B", layer, "A", "B", layer, "A", "B", "A", "B"]
    assert one == forwards + backwards


def test_no_step_waits_for_the_device(seen: tuple[list[str], list[str]]) -> None:
    """Nothing is read on the way; what a logged step reads is one small tensor, of what every rank
    has by then."""
    step, reading = seen
    assert "host" not in step
    assert not [name for name in reading if name[0] in "GR" or name == "host"]
    assert reading.count("aten::stack") == 1


def groupby_runs(names: list[str]) -> list[tuple[str, int]]:
    """Attention of several sequences counts as one; gathers each by itself."""
    runs = []
    for name, same in groupby(names):
        number = len(list(same))
        runs += [(name, number)] if name in "AB" else [(name, 1)] * number
    return runs
