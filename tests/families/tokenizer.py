"""A tokenizer of bytes and three marks: every text can be written, with 259 ids."""

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast


def tokenizer() -> Any:
    """As a checkpoint's folder has it."""
    marks = ["<pad>", "<s>", "</s>"]
    words = [*marks, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    bytes_of = Tokenizer(models.BPE(vocab={w: i for i, w in enumerate(words)}, merges=[]))
    bytes_of.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_of.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=bytes_of, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
