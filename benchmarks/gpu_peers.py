"""One peer in a process of its own, telling its steps as JSON lines: trl, or Unsloth.

    python -m benchmarks.gpu_peers trl|unsloth BASE TEXTS [--batch 8] [--four] [--liger] …

Lines: `{"event": "phase", "name": "loading" | "loaded"}` and
`{"event": "step", "tokens": …, "loss": …, "memory": {"allocated": …, "reserved": …}}`; `tokens` are
those of the step, without padding.
"""

import argparse
import json
from pathlib import Path
from typing import Any

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def say(**event: Any) -> None:
    """One line."""
    print(json.dumps(event), flush=True)


def trl_model(chosen: argparse.Namespace) -> tuple[Any, Any]:
    """The base as trl's own examples load it, with the playbook's adapter."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    four = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(
        chosen.base, dtype=torch.bfloat16, device_map=chosen.device,
        quantization_config=four if chosen.four else None,
    )  # fmt: skip
    adapter = LoraConfig(
        r=8, lora_alpha=16, lora_dropout=0, task_type="CAUSAL_LM", target_modules=TARGETS
    )
    return get_peft_model(model, adapter), AutoTokenizer.from_pretrained(chosen.base)


def unsloth_model(chosen: argparse.Namespace) -> tuple[Any, Any]:
    """The base and adapter as Unsloth's notebooks make them."""
    from unsloth import FastLanguageModel  # type: ignore[import-not-found]

    model, tokenizer = FastLanguageModel.from_pretrained(
        str(chosen.base), max_seq_length=2048, dtype=None, load_in_4bit=chosen.four,
        local_files_only=True,
    )  # fmt: skip
    model = FastLanguageModel.get_peft_model(
        model, r=8, lora_alpha=16, lora_dropout=0, bias="none", target_modules=TARGETS,
        use_gradient_checkpointing="unsloth" if chosen.recompute else False, random_state=0,
    )  # fmt: skip
    return model, tokenizer


def train(chosen: argparse.Namespace) -> None:
    """Until the last step, or until somebody ends this process."""
    if chosen.system == "unsloth":
        import unsloth  # noqa: F401 - it changes what is imported after it
    import torch
    from datasets import load_dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    cuda = chosen.device == "cuda"
    say(event="phase", name="loading")
    model, tokenizer = (unsloth_model if chosen.system == "unsloth" else trl_model)(chosen)
    if cuda:
        torch.cuda.synchronize()
    say(event="phase", name="loaded")
    texts = load_dataset("json", data_files=str(chosen.texts), split="train")

    class Tell(TrainerCallback):  # type: ignore[misc]
        """A line for each step that the trainer logs, which is each."""

        def __init__(self) -> None:
            self.told = 0.0

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if not logs or "loss" not in logs:
                return
            seen = logs.get("num_tokens") or logs.get("num_input_tokens_seen") or 0
            seen = seen or state.num_input_tokens_seen
            memory = {
                "allocated": torch.cuda.max_memory_allocated() if cuda else 0,
                "reserved": torch.cuda.max_memory_reserved() if cuda else 0,
            }
            say(event="step", tokens=seen - self.told, loss=float(logs["loss"]), memory=memory)
            self.told = seen

    settings = SFTConfig(
        output_dir=str(chosen.out), per_device_train_batch_size=chosen.batch, num_train_epochs=1,
        learning_rate=1e-4, max_steps=chosen.steps, max_length=2048, packing=chosen.packing,
        logging_steps=1, report_to="none", save_strategy="no", bf16=cuda, use_cpu=not cuda,
        gradient_checkpointing=chosen.recompute,
        dataset_text_field="text", disable_tqdm=True, use_liger_kernel=chosen.liger,
        include_num_input_tokens_seen="non_padding",
    )  # fmt: skip
    trainer = SFTTrainer(
        model=model, processing_class=tokenizer, train_dataset=texts, args=settings,
        callbacks=[Tell()],
    )  # fmt: skip
    trainer.train()


def main() -> None:
    """Read what is wanted."""
    options = argparse.ArgumentParser()
    options.add_argument("system", choices=("trl", "unsloth"))
    options.add_argument("base", type=Path)
    options.add_argument("texts", type=Path)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--device", default="cuda")
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--steps", type=int, default=400)
    for switch in ("--four", "--liger", "--packing", "--recompute"):
        options.add_argument(switch, action="store_true")
    train(options.parse_args())


if __name__ == "__main__":
    main()
