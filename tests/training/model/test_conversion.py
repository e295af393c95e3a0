"""What from_pretrained takes is loaded with the same numbers; what it would drop is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training.contract.config import Lora, Qlora
from training.contract.errors import ConfigurationError

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A tiny checkpoint of a family, made once."""
    made: dict[str, Path] = {}

    def of(name: str) -> Path:
        from tests.families.twins import write

        if name not in made:
            made[name] = write(name, tmp_path_factory.mktemp("twins") / name)
        return made[name]

    return of


def loaded(folder: Path, *, dtype: str = "float32", qlora: bool = False) -> Any:
    import torch

    from training.model.replicate import replicate

    method = Qlora(kind="qlora") if qlora else Lora(kind="lora")
    return replicate(folder, getattr(torch, dtype), torch.device("cpu"), method)[0]


def from_transformers(folder: Path, dtype: str = "float32") -> Any:
    import torch
    import transformers

    from training.model.architecture import architecture_of

    auto = getattr(transformers, architecture_of(folder).auto)
    return auto.from_pretrained(folder, dtype=getattr(torch, dtype))


def same(ours: Any, theirs: Any) -> None:
    import torch

    own, wanted = dict(ours.state_dict()), dict(theirs.state_dict())
    assert own.keys() == wanted.keys()
    for name, value in wanted.items():
        assert own[name].dtype == value.dtype and torch.equal(own[name], value), name
    buffers = zip(ours.named_buffers(), theirs.named_buffers(), strict=True)
    assert all(torch.equal(a, b) for (_, a), (_, b) in buffers)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("llama_tied", "bfloat16"),
        ("deepseek_v3", "bfloat16"),  # experts one by one; keeps a bias in float32
        ("nemotron_h", "float32"),  # another prefix, other names
        ("gemma3", "float32"),  # a wrapper: text and images
        ("mistral3", "float32"),  # a wrapper that AutoModelForCausalLM does not know
        ("qwen3_5", "float32"),  # a wrapper of which the text alone is loaded
        ("gpt_oss_mxfp4", "bfloat16"),
        ("qwen3_moe_fp8", "float32"),
    ],
)
def test_weights_and_buffers_are_those_of_from_pretrained(
    twin: Callable[[str], Path], name: str, dtype: str
) -> None:
    same(loaded(twin(name), dtype=dtype), from_transformers(twin(name), dtype))


def test_four_bits_stay_four_bits(twin: Callable[[str], Path]) -> None:
    import torch

    folder = twin("llama_bnb_4bit")
    ours, theirs = loaded(folder, qlora=True), from_transformers(folder)
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(ours(ids).logits, theirs(ids).logits)
    assert type(ours.model.layers[0].mlp.up_proj).__name__ == "Linear4bit"


def changed(base: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    from safetensors.torch import load_file, save_file

    shutil.copytree(base, folder)
    tensors = load_file(base / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def extra(tensors: dict[str, Any]) -> None:
    tensors["model.layers.0.odd.weight"] = tensors["model.norm.weight"].clone()


def two_ends(tensors: dict[str, Any]) -> None:
    """A last row that differs: it may lie on one rank alone."""
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    tensors["lm_head.weight"][-1] += 1


def one_end_twice(tensors: dict[str, Any]) -> None:
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()


def lacking(tensors: dict[str, Any]) -> None:
    del tensors["model.layers.1.mlp.experts.2.up_proj.weight"]


def without_a_norm(tensors: dict[str, Any]) -> None:
    del tensors["model.norm.weight"]


def reshaped(tensors: dict[str, Any]) -> None:
    tensors["model.norm.weight"] = tensors["model.norm.weight"][:-1].clone()


def small(tensors: dict[str, Any]) -> None:
    import torch

    for name in ("model.layers.0.self_attn.q_proj.weight",):
        tensors[name] = tensors[name].to(torch.float8_e4m3fn)


def without_a_scale(tensors: dict[str, Any]) -> None:
    del tensors["model.layers.0.mlp.experts.1.up_proj.weight_scale_inv"]


def without_scales(tensors: dict[str, Any]) -> None:
    for name in [name for name in tensors if name.endswith("_scale_inv")]:
        del tensors[name]


@pytest.mark.parametrize("change", [two_ends, one_end_twice])
@pytest.mark.parametrize("qlora", [False, True])
def test_ends_that_config_json_ties_are_two_where_the_files_hold_two(
    twin: Callable[[str], Path],
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
    qlora: bool,
) -> None:
    folder = changed(twin("llama_tied"), tmp_path / "it", change)
    ours, theirs = loaded(folder, qlora=qlora), from_transformers(folder)
    one, other = ours.model.embed_tokens.weight, ours.lm_head.weight
    assert (one is other) == (change is one_end_twice)
    assert ours.all_tied_weights_keys == theirs.all_tied_weights_keys
    ours.tie_weights()  # as libraries do it, who ask the configuration
    assert ours.lm_head.weight is other
    if not qlora:
        same(ours, theirs)


def an_end_of_8_bits(tensors: dict[str, Any]) -> None:
    import torch

    tensors["lm_head.weight"] = tensors["lm_head.weight"].to(torch.float8_e4m3fn)
    tensors["lm_head.weight_scale_inv"] = torch.ones(16, 2)


def test_tied_ends_that_cannot_be_compared_are_refused(
    twin: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = changed(twin("llama_fp8"), tmp_path / "it", an_end_of_8_bits)
    file = folder / "config.json"
    said = json.loads(file.read_text())
    loaded(folder)
    file.write_text(json.dumps(said | {"tie_word_embeddings": True}))
    with pytest.raises(
        ConfigurationError, match=r"ties lm_head\.weight to model\.embed"
    ) as refused:
        loaded(folder)
    assert refused.value.remedy and "tie_word_embeddings: false" in refused.value.remedy


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("qwen3_moe", extra, r"hold model\.layers\.0\.odd\.weight"),
        ("qwen3_moe", lacking, r"model\.layers\.1\.mlp\.experts\.gate_up_proj"),
        ("qwen3_moe", without_a_norm, r"have no model\.norm\.weight"),
        ("qwen3_moe", reshaped, r"\(63,\) for model\.norm\.weight, the model wants \(64,\)"),
        ("qwen3_moe", small, r"q_proj\.weight is held in F8_E4M3"),
        ("qwen3_moe_fp8", without_a_scale, r"count mismatch"),
        ("qwen3_moe_fp8", without_scales, r"is held in F8_E4M3"),
    ],
)
def test_nothing_is_dropped_or_made_up(
    twin: Callable[[str], Path],
    tmp_path: Path,
    name: str,
    change: Callable[[dict[str, Any]], None],
    words: str,
) -> None:
    folder = changed(twin(name), tmp_path / "base", change)
    with pytest.raises(ConfigurationError, match=words) as caught:
        loaded(folder)
    assert caught.value.code == "checkpoint_unfit" and caught.value.remedy


def test_what_the_class_ignores_and_files_outside_the_index_are_ignored(
    twin: Callable[[str], Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "base"
    shutil.copytree(twin("llama"), folder)
    (folder / "model.safetensors").unlink()
    tensors = load_file(twin("llama") / "model.safetensors")
    save_file(
        {"tok_embeddings.weight": tensors["lm_head.weight"]}, folder / "consolidated.safetensors"
    )
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = tensors["model.norm.weight"].clone()
    names = {name: f"part-{n % 2}.safetensors" for n, name in enumerate(tensors)}
    for part in set(names.values()):
        some = {name: tensors[name] for name in tensors if names[name] == part}
        save_file(some, folder / part, {"format": "pt"})
    index = {"metadata": {}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    same(loaded(folder), from_transformers(twin("llama")))


@pytest.mark.parametrize("index", ["{", "[]", '{"weight_map": {"a": "../other.safetensors"}}'])
def test_an_index_that_is_none_is_refused(
    twin: Callable[[str], Path], tmp_path: Path, index: str
) -> None:
    folder = tmp_path / "base"
    shutil.copytree(twin("llama"), folder)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ConfigurationError, match=r"model\.safetensors\.index\.json"):
        loaded(folder)


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}", None])
def test_a_file_that_is_no_safetensors_file_is_refused(
    twin: Callable[[str], Path], tmp_path: Path, content: bytes | None
) -> None:
    folder = tmp_path / "base"
    shutil.copytree(twin("llama"), folder)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] if content is None else content)
    with pytest.raises(ConfigurationError):
        loaded(folder)
