"""One training of a random model, and the peak of its memory: a process of its own.

    python estimate_probe.py '{"shape": {…}, "config": {…}, "rows": N, "length": M}'

Prints the bytes of RssAnon at the peak over what there was after the imports.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def main(asked: dict[str, Any]) -> int:
    import torch

    from benchmarks.load_rank import Watch
    from tests.support.ranks.alone import alone
    from tests.training.plan.in_blocks import InBlocks
    from training.contract.config import Full, TrainingConfig
    from training.model import adapter
    from training.ranks import log_levels
    from training.tokens.tokens import Tokens

    log_levels.silence_libraries()
    torch.set_num_threads(1)
    config = TrainingConfig.model_validate(asked["config"])
    text = asked["shape"].get("text_config", asked["shape"])
    words, length = text["vocab_size"], asked["length"]
    ids = [[(7 * i + 3 * row) % words for i in range(length)] for row in range(asked["rows"])]
    rows = [Tokens(row, row) for row in ids]
    with TemporaryDirectory() as folder, Watch([]) as watch:
        model = random_model(asked["shape"], config)
        if not isinstance(config.method, Full):
            model = adapter.attach(model, config.method, 0).model
        training, _ = alone(model, rows, rows[:1], config, Path(folder))
        with InBlocks():
            training.train()
    return watch.anonymous


def random_model(shape: dict[str, Any], config: Any) -> Any:
    """In the number format that it is trained in: a copy in another would be the peak."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    from training.contract.config import Full

    sizes = dict(shape)
    made = AutoConfig.for_model(sizes.pop("model_type"), **sizes)
    auto = AutoModelForImageTextToText if "text_config" in sizes else AutoModelForCausalLM
    usual = torch.get_default_dtype()
    if not isinstance(config.method, Full):
        torch.set_default_dtype(getattr(torch, config.model.dtype))
    try:
        return auto.from_config(made)
    finally:
        torch.set_default_dtype(usual)


if __name__ == "__main__":
    print(main(json.loads(sys.argv[1])))
