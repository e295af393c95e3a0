"""Twins whose weights are held in fewer bits, in the layouts of published checkpoints."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

FP8 = torch.float8_e4m3fn
BLOCK = 32
"""Rows and columns of a block with a scale of its own; published files have 128."""
LEAST = 2.0**-120


def _fp8(name: str, folder: Path) -> None:
    """Block scales, as DeepSeek and Qwen publish them."""
    from tests.families.twins import change, write

    write(name, folder)
    file = folder / "model.safetensors"
    tensors = {}
    for key, value in load_file(file).items():
        linear = value.dim() == 2 and "proj" in key and not any(n % BLOCK for n in value.shape)
        if not linear:
            tensors[key] = value
            continue
        rows, columns = (n // BLOCK for n in value.shape)
        blocks = value.view(rows, BLOCK, columns, BLOCK)
        scale = blocks.abs().amax(dim=(1, 3)) / torch.finfo(FP8).max + LEAST
        small = (blocks / scale[:, None, :, None]).view(value.shape).to(FP8)
        tensors |= {key: small, f"{key}_scale_inv": scale}
    save_file(tensors, file, {"format": "pt"})
    settings = {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3"}
    change(folder, quantization_config=settings | {"weight_block_size": [BLOCK, BLOCK]})


def _mxfp4(folder: Path) -> None:
    """gpt-oss as it is published: its experts in blocks of 32 numbers in 4 bits with exponents."""
    from tests.families.twins import change, write

    write("gpt_oss", folder)
    file = folder / "model.safetensors"
    tensors, drawn = load_file(file), torch.Generator().manual_seed(1)
    for key in [key for key in tensors if key.endswith(("gate_up_proj", "down_proj"))]:
        experts, inputs, outputs = tensors.pop(key).shape
        shape = (experts, outputs, inputs // 32, 16)
        tensors[f"{key}_blocks"] = torch.randint(256, shape, generator=drawn).to(torch.uint8)
        exponents = torch.randint(121, 124, shape[:-1], generator=drawn)
        tensors[f"{key}_scales"] = exponents.to(torch.uint8)
    save_file(tensors, file, {"format": "pt"})
    outside = [
        "model.layers.*.self_attn",
        "model.layers.*.mlp.router",
        "model.embed_tokens",
        "lm_head",
    ]
    change(folder, quantization_config={"quant_method": "mxfp4", "modules_to_not_convert": outside})


def _bnb_4bit(folder: Path) -> None:
    """As people save a Llama in 4 bits: NF4, its scales in 8 bits, states beside the weights."""
    import transformers

    from tests.families.tokenizer import tokenizer
    from tests.families.twins import write

    write("llama", folder)
    settings = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )  # fmt: skip
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=settings, dtype=torch.float32
    )
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)


TWINS: dict[str, Callable[[Path], None]] = {
    "llama_fp8": lambda folder: _fp8("llama", folder),
    "qwen3_moe_fp8": lambda folder: _fp8("qwen3_moe", folder),
    "gpt_oss_mxfp4": _mxfp4,
    "llama_bnb_4bit": _bnb_4bit,
}
