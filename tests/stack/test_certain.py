"""What would certainly fail on the nodes is told before anything starts."""

import pytest

from orchestrator.errors import SpecError
from orchestrator.spec.load import load_stack
from orchestrator.stack.certain import refuse_what_cannot_work
from tests.support.clusters import cluster, sparks

TINY = "tiny-llama-lora"
OWN_IMAGE = {"container": {"base_image": "mine/torch"}}


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("training.data.name=/home/me/x.jsonl", "training.data.name: no container of a run sees"),
        ("training.data.name=/sparkctl/run/x.jsonl", "training.data.name: no container"),
        ("training.data.name=/sparkctl/database/x.jsonl", "training.data.name: no container"),
        (
            "training.data={sources: [{name: a/b}, {name: /x.csv}]}",
            r"training.data.sources\.1\.name: no container of a run sees /x.csv",
        ),
        ("training.data.evaluation={name: /x/}", r"training.data.evaluation\.name: no container"),
        ("training.model.name=/models/llama", "training.model.name: no container of a run sees"),
        ("training.method.init_from=/runs/adapter", "training.method.init_from: no container"),
        ("training.data.chat_template=/x.jinja", "training.data.chat_template: no container"),
        ("training.tracking.to=[wandb]", "wandb needs the secret WANDB_API_KEY"),
        ("training.tracking.to=[trackio, mlflow]", "MLFLOW_TRACKING_URI"),
    ],
)
def test_what_cannot_work(setting: str, says: str) -> None:
    with pytest.raises(SpecError, match=says) as caught:
        refuse_what_cannot_work(sparks(2), load_stack(TINY, (setting,)))
    assert caught.value.resolution


@pytest.mark.parametrize(
    "settings",
    [
        ("training.data.name=x.jsonl",),
        ("training.data.name=/sparkctl/data/sub/x.jsonl",),
        ("training.model.name=/sparkctl/hub/models--a--b/snapshots/c",),
        ("training.model.name=/models/llama", "base_image=mine/torch"),
        ("training.tracking.to=wandb", "secrets=[{name: WANDB_API_KEY}]"),
        ("training.tracking.to=wandb", "env.WANDB_MODE=offline"),
        ("training.tracking.to=mlflow", "env.MLFLOW_TRACKING_URI=http://h:5000"),
        ("training.tracking.to=trackio",),
    ],
    ids=lambda settings: " ".join(settings),
)
def test_what_can_work(settings: tuple[str, ...]) -> None:
    refuse_what_cannot_work(sparks(2), load_stack(TINY, settings))


def test_what_the_cluster_brings_counts() -> None:
    stack = load_stack(TINY, ("training.model.name=/models/llama", "training.tracking.to=wandb"))
    offline = {"container": {**OWN_IMAGE["container"], "env": {"WANDB_MODE": "offline"}}}
    refuse_what_cannot_work(cluster(offline), stack)
