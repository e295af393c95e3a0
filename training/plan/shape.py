"""The shape of a language model as numbers: what is known about it without its weights."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import chain
from typing import NamedTuple


class Linear(NamedTuple):
    """A linear layer: an adapter can be put on it, and QLoRA holds it in 4 bits."""

    name: str
    inputs: int
    outputs: int

    @property
    def weights(self) -> int:
        """Without a bias."""
        return self.inputs * self.outputs


class Experts(NamedTuple):
    """The same linear layer of every expert; a token goes through `used` of them.

    transformers holds them as one weight, which no module of its own stands for.
    """

    name: str
    number: int
    used: int
    inputs: int
    outputs: int

    @property
    def weights(self) -> int:
        """Of all experts."""
        return self.number * self.inputs * self.outputs

    @property
    def active(self) -> int:
        """Weights that one token meets."""
        return self.used * self.inputs * self.outputs


@dataclass(frozen=True)
class Part:
    """A layer, or a part of one; parts are added up."""

    linear: tuple[Linear, ...] = ()
    experts: tuple[Experts, ...] = ()
    other: int = 0
    """Weights of all else: norms, biases, convolutions, routers."""
    scores: int = 0
    """Numbers of a token's queries: what attention over the whole row is computed from."""
    inputs: int = 0
    """Numbers of a token that linear layers take in, what several share once."""
    kept: int = 0
    """Numbers of a token that the backward pass needs, in the format of the pass."""
    kept_float: int = 0
    """The same, always in float32."""
    square: int = 0
    """Numbers of a token for every token of its row, in the format of the pass: where attention is
    computed one operation after the other, because no fused one does what the family wants."""
    working: int = 0
    """Numbers of a token that are there besides while the backward pass is at it."""

    def __add__(self, other: "Part") -> "Part":
        return Part(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def weights(self) -> int:
        """All of them."""
        linear = sum(one.weights for one in self.linear)
        return self.other + linear + sum(one.weights for one in self.experts)

    @property
    def products(self) -> int:
        """Numbers of a token that come out of attention and of products of matrices."""
        linear = sum(one.outputs for one in self.linear)
        return self.scores + linear + sum(one.used * one.outputs for one in self.experts)

    @property
    def computed(self) -> int:
        """Weights of matrices that one token is multiplied with."""
        return sum(one.weights for one in self.linear) + sum(one.active for one in self.experts)


@dataclass(frozen=True)
class Shape:
    """A decoder: embeddings, layers, an output layer. All counts are of weights, not of bytes."""

    hidden: int
    vocabulary: int
    tied: bool
    """Input and output embeddings are one weight."""
    layers: tuple[Part, ...]
    other: int
    """Outside of the layers: the last norm, further embeddings. They learn in full fine-tuning."""
    tower: int = 0
    """What sees or hears, beside the language model. It is loaded, and never learns."""
    stored: int = 0
    """Bytes of the weight files, about."""

    @property
    def embedding(self) -> int:
        """Weights of the embeddings; the output layer has as many, or is the same."""
        return self.vocabulary * self.hidden

    @property
    def language(self) -> int:
        """Weights of the language model, which can learn; what is tied counts once."""
        ends = self.embedding * (1 if self.tied else 2)
        return sum(layer.weights for layer in self.layers) + ends + self.other

    @property
    def parameters(self) -> int:
        """All weights that are loaded."""
        return self.language + self.tower

    @property
    def active(self) -> int:
        """Weights of the language model that one token needs."""
        idle = sum(e.weights - e.active for layer in self.layers for e in layer.experts)
        return self.language - idle

    @property
    def largest_layer(self) -> Part:
        """The one with the most weights."""
        return max(self.layers, key=lambda layer: layer.weights)

    @property
    def linear(self) -> Iterator[Linear]:
        """Of all layers."""
        return chain.from_iterable(layer.linear for layer in self.layers)

    @property
    def experts(self) -> Iterator[Experts]:
        """Of all layers."""
        return chain.from_iterable(layer.experts for layer in self.layers)
