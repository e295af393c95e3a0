"""The card says what a run was, and nothing of the machine it ran on."""

import yaml

from training.contract.config import TrainingConfig
from training.contract.counts import DataCounts
from training.output.model_card import CardFacts, model_card

FACTS = CardFacts(
    run_id="mine-1a2b3c",
    world_size=2,
    strategy="sharded",
    steps=60,
    kept_step=60,
    tokens=12345,
    loss_before=9.125,
    loss_after=0.5,
    base_sha256="cd" * 32,
    data_key="1-" + "ef" * 32,
    data=DataCounts(
        rows=1205,
        bad=1,
        bad_places=("/data/x:1: no",),
        left_out={"empty answer": 2},
        sequences=1202,
        tokens=9,
        learned=4,
    ),
    libraries="torch=2 peft=0",
)

WEIGHTS = "ab" * 32


def config(model: str, data: str, kind: str) -> TrainingConfig:
    return TrainingConfig.model_validate(
        {"model": {"name": model}, "data": {"name": data}, "method": {"kind": kind}}
    )


def front(text: str) -> object:
    return yaml.safe_load(text.split("---\n")[1])


def test_an_adapter_names_its_base_as_hubs_read_it() -> None:
    text = model_card(config("org/base", "org/data", "lora"), FACTS, WEIGHTS)
    assert front(text) == {
        "base_model": "org/base",
        "datasets": ["org/data"],
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["lora", "sparkctl"],
    }
    assert 'PeftModel.from_pretrained(base, ".")' in text
    for line in (
        "| method | LoRA r 8, alpha 16, dropout 0.0, targets all-linear, init default |",
        "| steps | 60 (12,345 tokens without padding) |",
        "| ranks | 2 (sharded) |",
        (
            "| data | org/data, split train: 1,205 rows, 1 bad, 2 left out "
            "(2 empty answer); 1,202 sequences of 9 tokens, 4 learned, the longest 0; "
            "key 1-efefefefefefef |"
        ),
        "| held-out loss | 9.1250 before, 0.5000 after |",
        f"| weights | sha256 {WEIGHTS}, the same on all ranks |",
    ):
        assert line in text.splitlines()


def test_every_source_is_named() -> None:
    training = config("org/base", "org/data", "lora").model_dump()
    training["data"] = {
        "sources": [
            {"name": "org/a", "config": "main", "share": 3},
            {"name": "/secret/b.csv"},
            {"name": "org/a", "config": "other"},
        ],
        "evaluation": {"name": "org/c", "split": "test"},
    }
    text = model_card(TrainingConfig.model_validate(training), FACTS, WEIGHTS)
    assert (
        "| data | org/a main, split train, share 3; b.csv, split train, share 1; org/a other, "
        "split train, share 1; evaluated on org/c, split test: "
    ) in text
    assert front(text)["datasets"] == ["org/a", "org/c"]  # type: ignore[index]


def test_a_whole_model_loads_without_peft() -> None:
    text = model_card(config("org/base", "org/data", "full"), FACTS, WEIGHTS)
    assert "peft" not in text.replace(FACTS.libraries, "")
    assert 'AutoModelForCausalLM.from_pretrained(".")' in text
    assert "| method | full fine-tuning |" in text


def test_folders_of_the_node_are_not_named() -> None:
    text = model_card(
        config("/home/secret/base", "/home/secret/rows.jsonl", "qlora"), FACTS, WEIGHTS
    )
    assert "/home" not in text and "secret" not in text
    assert "# base, QLoRA" in text and "rows.jsonl" in text
    assert "base_model" not in str(front(text)) and "datasets" not in str(front(text))
