"""What a layer does with each token by itself: one MLP, or experts of which a router picks some."""

from training.plan.shape import Experts, Linear, Part


def mlp(
    hidden: int, inner: int, *, bias: bool = False, fused: bool = False, gated: bool = True
) -> Part:
    """gate, up and down; `fused`: gate and up are one weight. Not `gated`: up and down alone.

    Kept are the gate, its sigmoid, the other half and their product.
    """
    into = 2 if gated else 1
    first: tuple[Linear, ...]
    if fused:
        first = (Linear("gate_up_proj", hidden, 2 * inner),)
    else:
        first = (Linear("gate_proj", hidden, inner), Linear("up_proj", hidden, inner))[2 - into :]
    return Part(
        linear=(*first, Linear("down_proj", inner, hidden)),
        other=bias * (into * inner + hidden),
        inputs=hidden + inner,
        kept=(4 if gated else 2) * inner,
        working=3 * inner,
    )


def experts(
    hidden: int, inner: int, number: int, used: int, *, bias: bool = False, gated: bool = True
) -> Part:
    """The routed experts and their router. Every token is copied to each expert that it uses.

    `bias`: as gpt-oss has it, which clamps what its experts compute, and keeps more of it.
    """
    into = 2 if gated else 1
    first = "gate_up_proj" if gated else "up_proj"
    return Part(
        experts=(
            Experts(first, number, used, hidden, into * inner),
            Experts("down_proj", number, used, inner, hidden),
        ),
        other=number * hidden + bias * number * (1 + into * inner + hidden),
        inputs=hidden,
        kept=used * ((6 if bias else 3 if gated else 1) * inner + hidden),
        working=used * (3 * inner + hidden),
    )


def norms(hidden: int, number: int = 1, weights: int | None = None) -> Part:
    """RMSNorms of a token; `weights`: how many of them have one (all)."""
    having = number if weights is None else weights
    return Part(other=having * hidden, kept=2 * number * hidden)
