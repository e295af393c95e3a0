"""What is on the swarm already when a run wants to be: what goes, what stays, what refuses."""

import pytest

from orchestrator.errors import RunError
from orchestrator.stack import deploy as stack_deploy
from orchestrator.stack.occupancy import remove_finished_runs, require_free_gpus
from tests.stack.test_deploy import Engine, manager, task


def no_verdict(run: str) -> bool:
    return False


def put(engine: Engine, *runs: str) -> None:
    """Each with a service, a config and a secret."""
    for run in runs:
        for store in (engine.services, engine.configs, engine.secrets):
            store.create(name=run, labels={"sparkctl.run": run})


def left(engine: Engine) -> list[str]:
    """The runs that are still there, whole."""
    stores = (engine.services, engine.configs, engine.secrets)
    names = [[thing.fields["name"] for thing in store.things] for store in stores]
    assert names[0] == names[1] == names[2]
    return names[0]


@pytest.mark.parametrize("state", ["pending", "preparing", "running"])
def test_gpus_that_a_run_holds_are_not_given_twice(state: str) -> None:
    node, engine, _ = manager()
    put(engine, "ended", "other-run")
    engine.seen = [
        task("ended", 0, "complete"),
        task("other-run", 0, "complete"), task("other-run", 1, state, at="2"),
    ]  # fmt: skip
    with pytest.raises(RunError, match="in use by the run other-run") as caught:
        remove_finished_runs(node, no_verdict)
    assert "sparkctl runs stop other-run" in str(caught.value.resolution)
    assert left(engine) == ["ended", "other-run"], "who is refused has changed something"


def test_runs_that_have_ended_go_and_take_their_secrets_along() -> None:
    node, engine, _ = manager()
    put(engine, "ended", "broken")
    engine.seen = [
        task("ended", 0, "failed", at="1"), task("ended", 0, "complete", at="2"),
        task("ended", 1, "complete"), task("broken", 0, "complete"), task("broken", 1, "rejected"),
    ]  # fmt: skip
    remove_finished_runs(node, no_verdict)
    assert left(engine) == ["broken"]


def test_to_look_takes_nothing_off() -> None:
    node, engine, _ = manager()
    put(engine, "ended")
    engine.seen = [task("ended", 0, "complete")]
    assert require_free_gpus(node, no_verdict).over == ("ended",)
    assert left(engine) == ["ended"]


@pytest.mark.parametrize("states", [("complete", "failed"), ("shutdown", "running")])
def test_a_verdict_frees_the_gpus_though_nobody_followed(
    states: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a rank that hangs, or whose machine is gone, Swarm says for ever that it runs."""
    monkeypatch.setattr(stack_deploy, "_EXIT", 0.0)
    node, engine, _ = manager()
    put(engine, "judged", "other")
    engine.seen = [task("judged", rank, state) for rank, state in enumerate(states)]
    asked: list[str] = []

    def judged(run: str) -> bool:
        asked.append(run)
        return True

    remove_finished_runs(node, judged)
    assert left(engine) == ["other"]
    assert set(asked) == {"judged"}


def test_secrets_of_a_controller_that_was_killed_go() -> None:
    """Killed before its services were there; other people's things are none of ours."""
    node, engine, _ = manager()
    put(engine, "broken")
    engine.seen = [task("broken", 0, "rejected")]
    engine.secrets.create(name="half", labels={"sparkctl.run": "half"})
    engine.configs.create(name="quarter", labels={"sparkctl.run": "quarter"})
    for store in (engine.secrets, engine.configs, engine.services):
        store.create(name="theirs", labels={})
    remove_finished_runs(node, no_verdict)
    assert left(engine) == ["broken", "theirs"]
