"""LoRA with trl's SFTTrainer, as people write it. Knows nothing of sparkctl but two variables."""

import json
import os
import sys
import time

from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    TrainerCallback,
    set_seed,
)
from trl import SFTConfig, SFTTrainer

STEPS, EVERY = 20, 8
ROWS = [f"What is {a} plus {b}? {a} plus {b} is {a + b}." for a in range(10) for b in range(10)]


def tokenizer() -> PreTrainedTokenizerFast:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(ROWS, trainers.BpeTrainer(vocab_size=512, special_tokens=["<eos>"]))
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<eos>", pad_token="<eos>")


def model() -> LlamaForCausalLM:
    set_seed(7)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
            bos_token_id=0, eos_token_id=0, pad_token_id=0,
        )
    )  # fmt: skip


class Slow(TrainerCallback):
    """Leaves time to do something to it."""

    def on_step_end(self, *_: object, **__: object) -> None:
        time.sleep(0.5 if "SLOW" in os.environ else 0)


def main() -> None:
    base = model()
    if os.environ.get("RANK", "0") == "0" and not os.path.exists("base"):  # noqa: PTH110
        base.save_pretrained("base")
    trainer = SFTTrainer(
        model=base,
        processing_class=tokenizer(),
        train_dataset=Dataset.from_dict({"text": ROWS}),
        callbacks=[Slow()],
        peft_config=LoraConfig(r=8, lora_alpha=16, target_modules="all-linear"),
        args=SFTConfig(
            output_dir=os.environ["SPARKCTL_CHECKPOINTS"],
            per_device_train_batch_size=4,
            max_steps=STEPS,
            learning_rate=1e-2,
            logging_steps=1,
            save_steps=EVERY,
            save_on_each_node="--save-on-each-node" in sys.argv,
            max_length=64,
            report_to="none",
            bf16=False,
            gradient_checkpointing=False,
            seed=7,
        ),
    )
    trainer.train(resume_from_checkpoint=os.environ.get("SPARKCTL_RESUME_FROM"))
    trainer.save_model("final")
    if trainer.is_world_process_zero():
        with open("losses.json", "w") as file:  # noqa: PTH123
            json.dump(
                [entry["loss"] for entry in trainer.state.log_history if "loss" in entry], file
            )


if __name__ == "__main__":
    main()
