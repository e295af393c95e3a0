"""Data and base model on every node, the same everywhere, and the data as tokens."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data.fetch import base_folder
from training.data.tokenizer import encoder_of, tokenizer_of
from training.ranks.fingerprint import folder_sha256, rows_sha256
from training.ranks.group_check import require_equal
from training.ranks.joined import Joined
from training.texts.shapes import read_examples
from training.tokens import prepare as tokens
from training.tokens.tokens import Sequences


@dataclass(frozen=True)
class Prepared:
    """What every rank has on its disk and in its hands, the same everywhere."""

    folder: Path
    base_sha256: str
    data_sha256: str
    tokenizer: Any
    sequences: Sequences


def prepare(rank: Joined) -> Prepared:
    """Data and base model, fetched where they are missing, and proven to be the same everywhere."""
    rank.log.phase("preparing data")
    examples = rank.group.run_on_all(lambda: read_examples(rank.config.data, rank.env.data_dir))
    data_sha256 = require_equal(
        "the data",
        rank.group.gather((rank.env.node, rows_sha256((*examples.train, *examples.held_out)))),
        "Pin data.revision to a commit, or put the same file on every node.",
        "data_mismatch",
    )

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
    sequences = rank.group.run_on_all(
        lambda: tokens.prepare(
            examples, encoder_of(tokenizer), rank.config.data, rank.env.world_size
        )
    )
    return Prepared(folder, base_sha256, data_sha256, tokenizer, sequences)
