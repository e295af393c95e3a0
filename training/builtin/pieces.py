"""The tokenizer once more as `tokenizer.model`, sentencepiece's file, as Llama 2's checkpoints do.

A converter to GGUF knows a byte-level `tokenizer.json` by the ids of one text, of published
vocabularies, and refuses one made on the spot. In this form it takes any vocabulary.
"""

from transformers import GPT2Tokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.utils import sentencepiece_model_pb2_new as sentencepiece

_SPACE = "▁"
"""Stands for a space in sentencepiece's pieces."""


def tokenizer_model(tokenizer: GPT2Tokenizer) -> bytes:
    """The piece of each token id at its place; the earlier a merge was learned, the better.

    One byte is a piece like `<0x61>`, and all 256 have to be there. A space is a piece of its own
    besides, so that of its byte comes last, where no id is. What the tokenizer never makes, because
    it splits letters from figures first, is no piece at all: here nothing would split them.
    """
    byte_of = {sign: byte for byte, sign in bytes_to_unicode().items()}
    made, piece = sentencepiece.ModelProto(), sentencepiece.ModelProto.SentencePiece
    for place, token in enumerate(tokenizer.convert_ids_to_tokens(range(len(tokenizer)))):
        if token == tokenizer.pad_token:
            made.pieces.add(piece=token, type=piece.UNKNOWN)  # there has to be one
        elif token in tokenizer.all_special_tokens:
            made.pieces.add(piece=token, type=piece.CONTROL)
        elif len(token) == 1 and byte_of[token] != ord(" "):
            made.pieces.add(piece=_byte(byte_of[token]), type=piece.BYTE)
        elif tokenizer.encode(text := bytes(map(byte_of.__getitem__, token)).decode()) == [place]:
            made.pieces.add(piece=text.replace(" ", _SPACE), score=-place, type=piece.NORMAL)
        else:
            made.pieces.add(piece=f"<unused{place}>", type=piece.UNUSED)
    made.pieces.add(piece=_byte(ord(" ")), type=piece.BYTE)
    made.trainer_spec.model_type = sentencepiece.TrainerSpec.BPE
    made.trainer_spec.vocab_size = len(made.pieces)
    made.trainer_spec.byte_fallback = True
    made.trainer_spec.unk_id = tokenizer.pad_token_id
    made.trainer_spec.bos_id = tokenizer.bos_token_id
    made.trainer_spec.eos_id = tokenizer.eos_token_id
    made.trainer_spec.pad_id = -1
    made.normalizer_spec.name = "identity"
    made.normalizer_spec.add_dummy_prefix = False
    made.normalizer_spec.remove_extra_whitespaces = False
    return bytes(made.SerializeToString(deterministic=True))


def _byte(value: int) -> str:
    return f"<0x{value:02X}>"
