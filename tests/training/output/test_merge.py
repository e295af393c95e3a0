"""A merged model says what base and adapter say together, and is made without holding it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from training.contract.errors import ConfigurationError, TrainingError
from training.merge import main, merge
from training.model.weight_files import header_of

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # of the libraries among themselves
]

TOKENS = [[1, 2, 3, 4, 5, 6]]


def a_base(folder: Path, *, tied: bool = False, dtype: str = "float32") -> Path:
    import torch  # seconds of imports, for these tests alone
    import transformers

    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=tied,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).to(getattr(torch, dtype))
    model.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) >= 2
    return folder


def an_adapter(base: Path, folder: Path, **settings: object) -> Path:
    """Not a fresh one, whose B is zero: that would change nothing."""
    import peft
    import torch
    import transformers

    torch.manual_seed(2)
    config = peft.LoraConfig(
        task_type="CAUSAL_LM", r=4, lora_alpha=16,
        **{"target_modules": ["q_proj", "down_proj", "lm_head"], **settings},
    )  # fmt: skip
    model = peft.get_peft_model(transformers.AutoModelForCausalLM.from_pretrained(base), config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


def logits(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(torch.tensor(TOKENS)).logits


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"use_dora": True}], ids=str)
def test_logits_are_those_of_base_and_adapter(tmp_path: Path, settings: dict[str, bool]) -> None:
    import peft
    import transformers

    base = a_base(tmp_path / "base")
    adapter = an_adapter(base, tmp_path / "adapter", **settings)
    assert merge(base, adapter, tmp_path / "out") == 5
    plain = transformers.AutoModelForCausalLM.from_pretrained(base)
    before = logits(plain)
    wanted = logits(peft.PeftModel.from_pretrained(plain, adapter))
    merged = logits(transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out"))
    assert (merged - wanted).abs().max() <= 1e-5
    assert (merged - before).abs().max() > 1e-2


def test_files_differ_only_in_the_weights_that_have_an_adapter(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base", dtype="bfloat16")
    adapter = an_adapter(base, tmp_path / "adapter", target_modules=["q_proj"])
    merge(base, adapter, tmp_path / "out")
    changed = set()
    for file in base.glob("*.safetensors"):
        header, tensors = header_of(file)
        assert header_of(tmp_path / "out" / file.name) == (header, tensors)
        ours, theirs = (path.read_bytes() for path in (tmp_path / "out" / file.name, file))
        for tensor in tensors:
            where = slice(len(header) + tensor.start, len(header) + tensor.end)
            if ours[where] != theirs[where]:
                changed.add(tensor.name)
    assert changed == {f"model.layers.{n}.self_attn.q_proj.weight" for n in (0, 1)}
    assert (tmp_path / "out" / "config.json").read_bytes() == (base / "config.json").read_bytes()
    assert not list((tmp_path / "out").glob("adapter_*"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
        ({"modules_to_save": ["embed_tokens"]}, "modules_to_save"),
    ],
)
def test_what_is_more_than_plain_lora_is_refused(
    tmp_path: Path, settings: dict[str, object], words: str
) -> None:
    base = a_base(tmp_path / "base")
    adapter = an_adapter(base, tmp_path / "adapter", **settings)
    with pytest.raises(ConfigurationError, match=words) as caught:
        merge(base, adapter, tmp_path / "out")
    assert "merge_and_unload" in caught.value.remedy
    assert not (tmp_path / "out").exists()


def test_the_adapter_of_another_base_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = an_adapter(a_base(tmp_path / "base"), tmp_path / "adapter")
    tied = a_base(tmp_path / "tied", tied=True)
    assert main([str(tied), str(adapter), str(tmp_path / "out")]) == 78
    assert "the base has no lm_head.weight" in capsys.readouterr().err
    assert main([str(tmp_path / "none"), str(adapter), str(tmp_path / "out")]) == 78
    assert not (tmp_path / "out").exists()


def test_a_base_that_is_cut_off_leaves_what_was_there(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    adapter = an_adapter(base, tmp_path / "adapter", target_modules=["q_proj"])
    merge(base, adapter, tmp_path / "out")
    whole = sorted(file.name for file in (tmp_path / "out").iterdir())
    last = max(base.glob("*.safetensors"))
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(TrainingError, match="cut off"):
        merge(base, adapter, tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == whole


def test_two_gigabytes_are_merged_in_less_than_one(tmp_path: Path) -> None:
    """The base is a sparse file of eight weights of 256 MiB each."""
    import torch
    from safetensors.torch import save_file

    base, adapter = tmp_path / "base", tmp_path / "adapter"
    base.mkdir()
    adapter.mkdir()
    rows, columns, size = 16384, 8192, 16384 * 8192 * 2
    entries = {
        f"layers.{n}.q_proj.weight": {
            "dtype": "BF16", "shape": [rows, columns], "data_offsets": [n * size, (n + 1) * size],
        }
        for n in range(8)
    }  # fmt: skip
    text = json.dumps(entries).encode()
    with (base / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + 8 * size)
    save_file(
        {
            name: torch.full(shape, 0.5)
            for name, shape in {
                "base_model.model.layers.3.q_proj.lora_A.weight": (4, columns),
                "base_model.model.layers.3.q_proj.lora_B.weight": (rows, 4),
            }.items()
        },
        adapter / "adapter_model.safetensors",
    )
    settings = {"peft_type": "LORA", "r": 4, "lora_alpha": 4}
    (adapter / "adapter_config.json").write_text(json.dumps(settings))

    # Its own peak: what the system keeps of children is the most of any of them.
    script = (
        "import sys; from training.merge import main;"
        "from training.contract.memory import memory_peak;"
        "print(main(sys.argv[1:]), memory_peak())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(base), str(adapter), str(tmp_path / "out")],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    code, peak = map(int, done.stdout.split()[-2:])
    assert code == 0, done.stderr
    assert 2**26 < peak < 2**30, f"{peak / 2**20:.0f} MiB"
    with (tmp_path / "out" / "model.safetensors").open("rb") as file:
        for layer, value in ((2, 0.0), (3, 1.0), (4, 0.0)):
            file.seek(8 + len(text) + layer * size)
            some = torch.frombuffer(bytearray(file.read(1024)), dtype=torch.bfloat16)
            assert some.unique().tolist() == [value]


@pytest.mark.parametrize("name", ["qwen3_moe", "gpt_oss", "gemma4_moe"])
def test_stacked_experts_are_merged_as_the_files_have_them(tmp_path: Path, name: str) -> None:
    """One by one in the files, stacked there too, and in a wrapper."""
    import peft
    import torch
    import transformers

    from tests.families.twins import write

    base = write(name, tmp_path / "base")
    targets = ["experts.down_proj", "experts.gate_up_proj"]
    plain = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    before = logits(plain)
    config = peft.LoraConfig(
        task_type="CAUSAL_LM", r=4, target_parameters=targets,
        target_modules=r".*(language_model|model)\.layers.*\.o_proj",
    )  # fmt: skip
    model = peft.get_peft_model(plain, config)
    for weight_name, weight in model.named_parameters():
        if "lora_B" in weight_name:
            torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(tmp_path / "adapter")
    wanted = logits(model.eval())
    count = merge(base, tmp_path / "adapter", tmp_path / "out")
    merged = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert count == {"qwen3_moe": 26, "gpt_oss": 6, "gemma4_moe": 6}[name]
    assert (logits(merged.eval()) - wanted).abs().max() <= 1e-5
    assert (wanted - before).abs().max() > 1e-1
