"""About how many tokens a text has, where nobody has the model's tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.texts.example import Sample
from training.texts.template import ChatTemplate
from training.tokens.encode import Encoded
from training.tokens.tokens import mark

_ASCII, _OTHER = 4.0, 1.6
"""Characters of a token: of English text and code, and of other writing. Byte-level vocabularies of
100,000 and more are about there; a language that they know badly takes twice as many."""
_PLAIN = ChatTemplate(
    "{% if tools %}<|im_start|>tools\n{{ tools | tojson }}<|im_end|>\n{% endif %}"
    "{% for turn in messages %}<|im_start|>{{ turn.role }}\n"
    "{% if turn.reasoning_content %}<think>{{ turn.reasoning_content }}</think>\n{% endif %}"
    "{{ turn.content or '' }}{% if turn.tool_calls %}{{ turn.tool_calls | tojson }}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    {},
)


@dataclass(frozen=True)
class RoughEncoder:
    """In the place of an `Encoder`: about as many tokens; none has a number."""

    template: ChatTemplate = _PLAIN
    """Where no model is named: turns between marks, as many models have them."""

    vocabulary = 1

    def encode(self, samples: Sequence[Sample]) -> list[Encoded]:
        """Each sample by itself; the end of a text that no template has written is one token."""
        return [self._encoded(sample) for sample in samples]

    def _encoded(self, sample: Sample) -> Encoded:
        learned = [
            np.full(_about(segment.text), segment.in_loss, np.bool_) for segment in sample.segments
        ]
        if not sample.marked:
            learned.append(np.ones(1, np.bool_))
        whole = np.concatenate(learned)
        return Encoded(mark(np.zeros(len(whole), np.uint32), whole), 0)


def _about(text: str) -> int:
    other = len(text) - len(text.encode("ascii", "ignore"))
    return round((len(text) - other) / _ASCII + other / _OTHER) or (1 if text else 0)
