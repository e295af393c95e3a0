"""What it takes to have data as tokens: ours, a second start, and datasets.map as trl uses it.

    python -m benchmarks.tokenising [--rows N] [--write]

Every way runs in a process of its own, over the same file of short chats and the same tokenizer
(BPE of 32,000 tokens, Llama 3's splits and ChatML's marks, learned from such chats). Seconds are of
the clock; CPU seconds are of the process and all that it started, and say more on a busy machine.
Memory is the most that all of them held at once (PSS). `--write` puts the table into
docs/benchmarks.md.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import accumulate
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Thread

from tokenizers import Tokenizer

from benchmarks.document import machine, write
from training.contract.config import Data
from training.contract.counts import DataCounts
from training.texts.template import ChatTemplate
from training.tokens.encode import Encoder

TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + "
    "'\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
TRAINING_TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ '<|im_start|>assistant\\n' }}"
    "{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}{% else %}"
    "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endif %}"
    "{% endfor %}"
)
"""The same text, with the marks by which trl finds what is learned."""
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
END = "<|im_end|>"
MAX_LENGTH = 1024


@dataclass(frozen=True)
class Spent:
    """What one way took."""

    seconds: float
    cpu: float
    memory: int
    """Bytes."""
    tokens: int


def chats(rows: int, seed: int) -> Iterator[dict[str, object]]:
    """Short ones: a question, an answer, at times a second pair."""
    chance = random.Random(seed)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    weights = [26 - i for i in range(26)]
    words = [
        "".join(chance.choices(letters, weights, k=chance.randint(2, 9))) for _ in range(20000)
    ]
    often = list(accumulate(1 / (i + 2) for i in range(len(words))))

    def said(few: int, many: int) -> str:
        found = chance.choices(words, cum_weights=often, k=chance.randint(few, many))
        return f"{' '.join(found).capitalize()}."

    for _ in range(rows):
        turns = []
        for _ in range(chance.choice((1, 1, 2))):
            turns.append({"role": "user", "content": said(5, 30)})
            turns.append({"role": "assistant", "content": said(10, 50)})
        yield {"messages": turns}


def learned_tokenizer(texts: Iterator[str]) -> Tokenizer:
    """From these texts."""
    # Here: datasets sends what a module knows to its processes, and these cannot be sent.
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=32000, special_tokens=["<|im_start|>", END], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def ours(file: Path, tokenizer: Path) -> int:
    """As a rank does it, store included; found where it was made before."""
    from training.rows.read import read_rows
    from training.tokens.chunk import Recipe
    from training.tokens.key import key_of, rows_sha256
    from training.tokens.prepare import data_set

    data = Data(name=str(file), max_length=MAX_LENGTH)
    source = tokenizer.read_text(encoding="utf-8")
    end = Tokenizer.from_str(source).token_to_id(END) or 0
    recipe = Recipe(data, Encoder(source, end, ChatTemplate(TEMPLATE, {"eos_token": END})))
    key = key_of(rows_sha256([str(file)], Path("/"), ()), recipe)
    made = data_set(key, recipe, lambda: read_rows(data, Path("/")), file.parent / "cache")
    counts: DataCounts = made.stored.counts
    return counts.tokens


def theirs(file: Path, tokenizer: Path) -> int:
    """datasets.map with transformers' template and masks, row by row, as trl 1.16 prepares chats
    (`SFTTrainer._prepare_dataset`), on as many processes as there are cores."""
    import datasets
    from transformers import PreTrainedTokenizerFast

    datasets.disable_progress_bars()
    fast = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer), eos_token=END)
    fast.chat_template = TRAINING_TEMPLATE

    def row(example: dict[str, object]) -> dict[str, object]:
        found = fast.apply_chat_template(
            example["messages"],
            return_dict=True,
            return_assistant_tokens_mask=True,
            tokenize=True,
        )
        return {"input_ids": found["input_ids"], "assistant_masks": found["assistant_masks"]}

    cache = str(file.parent / "datasets")
    rows = datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=cache)
    made = rows.map(row, num_proc=os.cpu_count(), remove_columns=["messages"])
    return sum(map(len, made["input_ids"]))


def measured(way: Callable[[Path, Path], int], file: Path, tokenizer: Path) -> Spent:
    """In a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_in_process, args=(sender, way, file, tokenizer))
    process.start()
    sender.close()  # so that a process that fails is the end of the pipe
    spent: Spent = receiver.recv()
    process.join()
    return spent


def _in_process(answer: Connection, way: Callable[[Path, Path], int], *files: Path) -> None:
    over, most = Event(), [0]

    def watch() -> None:
        while not over.wait(0.2):
            most[0] = max(most[0], sum(map(_memory, _family(os.getpid()))))

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    began = time.monotonic()
    tokens = way(*files)
    seconds = time.monotonic() - began
    over.set()
    watcher.join()
    own, below = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime
    answer.send(Spent(seconds, cpu, most[0], tokens))


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _memory(pid: int) -> int:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return 0


def table(ways: dict[str, Spent], rows: int) -> str:
    """The table of the document."""
    lines = ["| way | s | CPU s | memory, MB | tokens per CPU s |", "|---|---|---|---|---|"]
    for name, spent in ways.items():
        lines.append(
            f"| {name} | {spent.seconds:.1f} | {spent.cpu:.1f} | {spent.memory / 1e6:,.0f} "
            f"| {spent.tokens / spent.cpu:,.0f} |"
        )
    tokens = next(iter(ways.values())).tokens
    load = os.getloadavg()[0]
    conditions = (
        f"{datetime.now(UTC):%Y-%m-%d}, {machine()}, load {load:.1f} at the end; tokenizers "
        f"{version('tokenizers')}, datasets {version('datasets')}, transformers "
        f"{version('transformers')}. {rows:,} chats, {tokens:,} tokens."
    )
    return "\n".join([*lines, "", conditions])


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=200_000)
    options.add_argument("--write", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file, tokenizer = Path(folder) / "chats.jsonl", Path(folder) / "tokenizer.json"
        with file.open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in chats(chosen.rows, seed=1))
        some = (json.dumps(row["messages"]) for row in chats(5000, seed=1))
        learned_tokenizer(some).save(str(tokenizer))
        ways = {}
        for name, way in (
            ("sparkctl, first start", ours),
            ("sparkctl, second start", ours),
            ("datasets.map, as trl prepares chats", theirs),
        ):
            ways[name] = measured(way, file, tokenizer)
            print(f"{name}: {ways[name]}", file=sys.stderr, flush=True)
    lines = table(ways, chosen.rows)
    print(lines)
    if chosen.write:
        write("tokenising", lines)


if __name__ == "__main__":
    main()
