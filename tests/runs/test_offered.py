"""Whatever nodes call their files: what is let in is below the target, once, and its rank's."""

import os
import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.runs.landing import Landing
from orchestrator.runs.offered import Offer, admitted, unfit

PARTS = st.one_of(
    st.sampled_from(
        ["", ".", "..", "adapter", "Adapter", "a", "A", "log-rank0.txt", "rank1", "run.json"]
    ),
    st.text(min_size=1, max_size=6),
    st.text(st.characters(categories=["Cc", "Cf", "Cs", "Mn", "Zl"]), min_size=1, max_size=3),
)
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


def offer(name: str) -> tuple[str, Offer]:
    return name, Offer(name, 1, "0" * 64)


@given(st.lists(NAMES, max_size=8), st.lists(NAMES, max_size=8))
def test_what_is_let_in_can_all_be_written_and_nothing_else(
    first: list[str], second: list[str]
) -> None:
    found = admitted({0: [offer(name) for name in first], 1: [offer(name) for name in second]})
    names = [one.name for offers in found.offers.values() for one in offers]
    root = Path("/somewhere/target")
    for name in names:
        assert root in Path(os.path.normpath(root / name)).parents
        assert name.isprintable() and not name.startswith(("/", "~/.", "."))
    seen = [unicodedata.normalize("NFC", name).casefold() for name in names]
    assert len(set(seen)) == len(seen)
    parents = {parent for name in seen for parent in map(str, Path(name).parents)}
    assert not parents & set(seen)
    assert all("rank1" in one.name for one in found.offers[1])
    assert set(first) | set(second) == {*names, *found.left_out}


def test_what_ranks_really_make_is_let_in(tmp_path: Path) -> None:
    real = [
        "adapter/adapter_model.safetensors", "adapter/README.md", "debug/stacks-rank0.txt",
        "tensorboard/events.out.tfevents.1764173616.spark-a.7.0",
        "model/model-00001-of-00030.safetensors",
        "told by me.txt", "Bericht über alles.md", "2026-11-24T16:33:36.json", "v1.2_final (2).txt",
    ]  # fmt: skip
    assert [unfit(name) for name in real] == [None] * len(real)
    with Landing.opened(tmp_path, "run") as landing:
        for name in real:
            with landing.new(name) as put:
                put(b"x")
        assert landing.finish() == tmp_path / "run"
    assert all((tmp_path / "run" / name).read_bytes() == b"x" for name in real)
