"""Data and base model on every node, the same everywhere, and the data as tokens."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, reduce
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from training.contract.config import Data
from training.contract.counts import DataCounts, total
from training.contract.events import DataRead
from training.data.fetch import base_folder
from training.data.tokenizer import encoder_of, tokenizer_of
from training.ranks.fingerprint import folder_sha256
from training.ranks.group_check import require_equal
from training.ranks.joined import Joined
from training.rows.read import read_evaluation, read_rows
from training.rows.row import BadRow, Row
from training.tokens.chunk import Recipe, example_of
from training.tokens.key import key_of, rows_sha256
from training.tokens.prepare import data_set, parts
from training.tokens.tokens import Sequences

_PIN = "Pin data.revision to a commit, or put the same file on every node."
_FIRST = 100
"""Rows that are read before anything else."""


@dataclass(frozen=True)
class Prepared:
    """What every rank has on its disk and in its hands, the same everywhere."""

    folder: Path
    base_sha256: str
    data_key: str
    tokenizer: Any
    sequences: Sequences
    counts: DataCounts


def prepare(rank: Joined) -> Prepared:
    """Data and base model, fetched where they are missing, and proven to be the same everywhere."""
    rank.log.phase("preparing data")
    reads = _reads(rank.config.data, rank.env.data_dir)
    rows = [
        _equal(rank, "the data", rank.group.run_on_all(partial(_look, rank, one)), _PIN)
        for one in reads
    ]

    rank.log.phase("preparing base")
    folder = rank.group.run_on_all(
        lambda: base_folder(
            rank.config.model,
            rank.env.cache_dir,
            rank.env.data_dir,
            known=rank.env.has_checkpoint,
        )
    )
    sums = rank.group.gather((rank.env.node, folder_sha256(folder)))
    base_sha256 = require_equal(
        "the base model",
        sums,
        "Pin model.revision to a commit, or remove the differing copy from its node.",
        "base_mismatch",
    )
    tokenizer = rank.group.run_on_all(lambda: tokenizer_of(folder, rank.config.data.chat_template))
    recipe = Recipe(rank.config.data, encoder_of(tokenizer, folder))
    same = "The chat template and the tokenizer must be the same on every node."
    keys = [
        _equal(rank, "tokenizer and chat template", key_of(sha256, recipe), same) for sha256 in rows
    ]

    rank.log.phase("preparing tokens")
    made = [
        rank.group.run_on_all(partial(data_set, key, recipe, one.rows, rank.env.cache_dir))
        for key, one in zip(keys, reads, strict=True)
    ]
    broken = "Remove the folder `tokens` from `paths.cache` of the nodes."
    for one in made:
        _equal(rank, "the tokens of the data", one.stored.sha256, broken)
    sequences = rank.group.run_on_all(
        lambda: parts([one.stored for one in made], rank.config.data, rank.env.world_size)
    )
    counts = reduce(total, (one.stored.counts for one in made))
    rank.log.emit(
        DataRead(
            rank=rank.env.rank,
            counts=counts,
            train=len(sequences.train),
            held_out=len(sequences.held_out),
            reused=all(one.reused for one in made),
            elapsed=rank.log.elapsed,
        )
    )
    return Prepared(folder, base_sha256, "+".join(keys), tokenizer, sequences, counts)


def _equal(rank: Joined, what: str, value: str, remedy: str) -> str:
    of_all = rank.group.gather((rank.env.node, value))
    return require_equal(what, of_all, remedy, "data_mismatch")


class _Read(NamedTuple):
    """Rows that become one list of sequences."""

    names: tuple[str, ...]
    """Of their sources."""
    rows: Callable[[], Iterable[Row | BadRow]]


def _reads(data: Data, folder: Path) -> list[_Read]:
    """The rows to train on and, where they are not set apart from these, those to evaluate on."""
    names = tuple(source.name for source in data.training_sources)
    reads = [_Read(names, partial(read_rows, data, folder))]
    if data.evaluation is not None:
        reads.append(_Read((data.evaluation.name,), partial(read_evaluation, data, folder)))
    return reads


def _look(rank: Joined, one: _Read) -> str:
    """The SHA-256 of the rows. The first of them are read: data of a form that is not understood
    are refused before a base is fetched for them."""
    data, rows = rank.config.data, iter(one.rows())
    first = list(islice(rows, _FIRST))
    if data.on_bad_row == "stop":
        for row in first:
            example_of(row, data)
    return rows_sha256(one.names, rank.env.data_dir, chain(first, rows))
