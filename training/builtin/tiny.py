"""A small Llama made on the spot: the base model of the recipe that needs no download.

It is an ordinary checkpoint (several safetensors files, config, tokenizer, chat template), so what
serves 70B, or converts it, reads it too. It is trained for some seconds on the built-in facts
(`instructions.py`): a LoRA needs a base that knows something. One thread and fixed seeds make equal
machines build equal bytes.
"""

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import GenerationConfig, GPT2Tokenizer, LlamaConfig, LlamaForCausalLM

from training.builtin import instructions, pieces

_PAD, _BOS, _EOS = "<pad>", "<s>", "</s>"

_CHAT = """\
{%- for message in messages -%}
{%- set parts = message.content or [] -%}
{%- set text = parts if parts is string else parts | map(attribute='text') | join -%}
{%- if message.role == 'assistant' -%}
{{ text + eos_token }}
{%- else -%}
{{ text + '\\n' }}
{%- endif -%}
{%- endfor -%}"""
"""A question is a line of its own, as in the facts that the model was taught: so it answers. Text
may come in parts, as clients of servers send it."""


@dataclass(frozen=True)
class TinyRecipe:
    """Shape and schooling of the tiny base; sizes are chosen for some 9 s of one CPU core."""

    vocabulary: int = 512
    hidden: int = 128
    intermediate: int = 256
    layers: int = 2
    heads: int = 4
    key_value_heads: int = 2
    positions: int = 2048
    steps: int = 200
    batch: int = 32
    lr: float = 3e-3
    warmup: int = 20
    seed: int = 0


def build(cache_dir: Path, recipe: TinyRecipe = TinyRecipe()) -> Path:
    """Folder of the checkpoint below `cache_dir`, built when it is not there yet.

    Its name is a hash of everything that went in, so a change here never meets an old copy. It is
    written aside and renamed: a folder of that name is always whole.
    """
    folder = cache_dir / f"tiny-llama-{_inputs_sha256(recipe)[:16]}"
    if folder.is_dir():
        return folder
    cache_dir.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=cache_dir))
    try:
        tokenizer = make_tokenizer(recipe)
        model = _school(recipe, tokenizer)
        _save(model, aside)
        tokenizer.save_pretrained(aside)
        (aside / "tokenizer.model").write_bytes(pieces.tokenizer_model(tokenizer))
        aside.chmod(0o755)
        try:
            aside.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was faster, with the same bytes
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def make_tokenizer(recipe: TinyRecipe = TinyRecipe()) -> GPT2Tokenizer:
    """GPT-2's kind, which servers and converters know, with merges learned from the facts: it can
    write any text, and the facts briefly.

    Merges are learned with spaces apart. So a space is a token of its own, and a word is the same
    token in a sentence and after a quote.
    """
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\w+|\s|[^\w\s]"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    learner.train_from_iterator(
        instructions.base_texts(),
        trainers.BpeTrainer(
            vocab_size=recipe.vocabulary,
            special_tokens=[_PAD, _BOS, _EOS],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    learned = json.loads(learner.to_str())["model"]
    tokenizer = GPT2Tokenizer(
        vocab=learned["vocab"],
        merges=[tuple(merge) for merge in learned["merges"]],
        pad_token=_PAD,
        bos_token=_BOS,
        eos_token=_EOS,
        unk_token=_EOS,
        model_max_length=recipe.positions,
    )
    # GPT-2's own, which says that a text begins with no mark; llama.cpp would put one there.
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.chat_template = _CHAT
    return tokenizer


def _school(recipe: TinyRecipe, tokenizer: GPT2Tokenizer) -> LlamaForCausalLM:
    """Train from nothing on every fact, on one CPU thread; float32."""
    ids, labels = _tensors(tokenizer)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would give other bytes on another machine
    try:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.manual_seed(recipe.seed)
            model = LlamaForCausalLM(_shape(recipe, tokenizer)).train()
            optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=0.01)
            schedule = torch.optim.lr_scheduler.LambdaLR(
                optimizer,
                lambda step: min((step + 1) / recipe.warmup, 1) * (1 - step / recipe.steps),
            )
            for _ in range(recipe.steps):
                rows = torch.randint(len(ids), (recipe.batch,))
                loss = model(input_ids=ids[rows], labels=labels[rows]).loss
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
    finally:
        torch.set_num_threads(threads)
    return model.eval()


def _save(model: LlamaForCausalLM, folder: Path) -> None:
    """Write a sharded checkpoint. Not with save_pretrained: inside a process group that writes on
    rank 0 only and says nothing on the others, while here every node makes its own copy."""
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    shards = split_torch_state_dict_into_shards(state, max_shard_size="600KB")
    for file, names in shards.filename_to_tensors.items():
        save_file({name: state[name] for name in names}, folder / file, {"format": "pt"})
        (folder / file).chmod(0o644)  # safetensors makes it 0600
    index = {"metadata": shards.metadata, "weight_map": shards.tensor_to_filename}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    model.config.save_pretrained(folder)
    ends = {"bos_token_id", "eos_token_id", "pad_token_id"}
    own = {name: getattr(model.config, name) for name in sorted(ends)}
    GenerationConfig(**own, do_sample=False, max_new_tokens=64).save_pretrained(folder)


def _tensors(tokenizer: GPT2Tokenizer) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels, both (facts, longest); padding is at the end and -100 in the labels."""
    rows = [
        tokenizer(text)["input_ids"] + [tokenizer.eos_token_id]
        for text in instructions.base_texts()
    ]
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), tokenizer.pad_token_id)
    for row, tokens in zip(ids, rows, strict=True):
        row[: len(tokens)] = torch.tensor(tokens)
    return ids, ids.masked_fill(ids == tokenizer.pad_token_id, -100)


def _shape(recipe: TinyRecipe, tokenizer: GPT2Tokenizer) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=recipe.vocabulary,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.key_value_heads,
        head_dim=recipe.hidden // recipe.heads,
        max_position_embeddings=recipe.positions,
        tie_word_embeddings=False,
        architectures=["LlamaForCausalLM"],
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        dtype="float32",
    )


def _inputs_sha256(recipe: TinyRecipe) -> str:
    sources: list[Any] = [recipe, torch.__version__, transformers.__version__]
    digest = hashlib.sha256(repr(sources).encode())
    for source in (__file__, instructions.__file__, pieces.__file__):
        digest.update(Path(source).read_bytes())
    return digest.hexdigest()
