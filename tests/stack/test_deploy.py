"""Putting a run onto the swarm: nothing is left behind, and no secret is in a command."""

import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from orchestrator.engines.find import engine_of
from orchestrator.errors import RemoteError
from orchestrator.node.connection import Completed
from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node
from orchestrator.spec.load import load_stack
from orchestrator.stack import deploy as stack_deploy
from orchestrator.stack.deploy import (
    deploy,
    remove,
    remove_run_folder,
    wait_for_exit,
    write_run_folder,
)
from orchestrator.stack.ranks import placeholder_ranks
from orchestrator.stack.render import Rendered, render
from orchestrator.testing.connection import FakeConnection, marks_of
from tests.support.clusters import sparks

RUN = "llama3-70b-lora-0a1b2c"
SECRET = "hf_this-is-the-secret"


@dataclass
class Thing:
    """A config, a secret or a service in the swarm."""

    store: "Store"
    fields: dict[str, Any]

    @property
    def attrs(self) -> dict[str, Any]:
        return {"Spec": {"Labels": self.fields["labels"]}}

    def remove(self) -> None:
        self.store.things.remove(self)


@dataclass
class Store:
    """One kind of things; `create` and `list` as in the Docker SDK."""

    things: list[Thing] = field(default_factory=list)

    def create(self, **fields: Any) -> None:
        self.things.append(Thing(self, fields))

    def list(self, filters: dict[str, str]) -> list[Thing]:
        name, _, value = filters["label"].partition("=")
        found = [t for t in self.things if name in t.fields["labels"]]
        return [t for t in found if not value or t.fields["labels"][name] == value]


@dataclass
class Engine:
    """The part of the Docker SDK that a deploy uses."""

    configs: Store = field(default_factory=Store)
    secrets: Store = field(default_factory=Store)
    services: Store = field(default_factory=Store)
    seen: list[dict[str, Any]] = field(default_factory=list)
    """Tasks."""

    @property
    def api(self) -> "Engine":
        return self

    def tasks(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        name, _, run = filters["label"].partition("=")
        assert (filters.keys(), name) == ({"label"}, "sparkctl.run")
        labels = [task["Spec"]["ContainerSpec"]["Labels"] for task in self.seen]
        return [t for t, has in zip(self.seen, labels, strict=True) if run in ("", has[name])]

    def close(self) -> None:
        pass


def manager(reply: Completed | str = "") -> tuple[Node, Engine, FakeConnection]:
    connection, engine = FakeConnection(lambda script: reply), Engine()
    return Node("spark-a", connection, _docker=engine), engine, connection  # type: ignore[arg-type]


@pytest.fixture
def rendered() -> Rendered:
    stack, spec = load_stack("llama3-70b-lora"), sparks(2)
    ranks = placeholder_ranks(spec, stack)
    return render(spec, stack, ranks, engine_of(stack), run=RUN, image="i", secrets=("HF_TOKEN",))


def test_configs_and_secrets_over_the_api_and_the_stack_on_standard_input(
    rendered: Rendered,
) -> None:
    node, engine, connection = manager()
    deploy(node, rendered, {"HF_TOKEN": SECRET})
    assert [thing.fields["name"] for thing in engine.configs.things] == [
        config.name for config in rendered.configs
    ]
    secret, nonce = engine.secrets.things
    assert secret.fields == {
        "name": f"{RUN}-HF_TOKEN",
        "data": SECRET.encode(),
        "labels": {"sparkctl.run": RUN},
    }
    assert connection.scripts == [rendered.compose]
    assert f"docker stack deploy --resolve-image never -c - {RUN}" in connection.commands[0]
    assert nonce.fields["name"] == f"{RUN}-SPARKCTL_NONCE"
    everywhere = "".join(
        [*connection.commands, *connection.scripts]
        + [str(config.fields["data"]) for config in engine.configs.things]
    )
    for value in (SECRET, nonce.fields["data"].decode()):
        assert value not in everywhere


def test_the_nonce_is_of_one_deploy_alone(rendered: Rendered) -> None:
    def nonce() -> bytes:
        node, engine, _ = manager()
        deploy(node, rendered, {"HF_TOKEN": SECRET})
        data: bytes = engine.secrets.things[-1].fields["data"]
        return data

    one, two = nonce(), nonce()
    assert one != two and len(one) == len(two) == 64


def test_when_the_deploy_fails_nothing_of_the_run_stays(rendered: Rendered) -> None:
    node, engine, _ = manager(Completed(1, b"", b"compose says no"))
    engine.configs.create(name="of another run", labels={"sparkctl.run": "other"})
    with pytest.raises(RemoteError) as caught:
        deploy(node, rendered, {"HF_TOKEN": SECRET})
    assert caught.value.details == "compose says no"
    assert [thing.fields["name"] for thing in engine.configs.things] == ["of another run"]
    assert engine.secrets.things == []


def test_removing_a_run_leaves_other_runs_alone() -> None:
    node, engine, _ = manager()
    for store in (engine.configs, engine.secrets, engine.services):
        store.create(name="mine", labels={"sparkctl.run": RUN})
        store.create(name="other", labels={"sparkctl.run": "other"})
        store.create(name="foreign", labels={})
    remove(node, RUN)
    for store in (engine.configs, engine.secrets, engine.services):
        assert [thing.fields["name"] for thing in store.things] == ["other", "foreign"]


class RemovedMeanwhile(Thing):
    """By another computer that saw the end."""

    def remove(self) -> None:
        super().remove()
        raise docker.errors.NotFound("config x not found")


def test_two_may_see_the_end_and_take_a_run_off_at_the_same_time() -> None:
    node, engine, _ = manager()
    stores = (engine.services, engine.configs, engine.secrets)
    for store in stores:
        store.things.append(RemovedMeanwhile(store, {"labels": {"sparkctl.run": RUN}}))
        store.create(labels={"sparkctl.run": RUN})
    remove(node, RUN)
    assert [store.things for store in stores] == [[], [], []]


def task(run: str, rank: int, state: str, at: str = "1") -> dict[str, Any]:
    labels = {"sparkctl.run": run, "sparkctl.rank": str(rank)}
    return {
        "CreatedAt": at, "Status": {"State": state}, "Spec": {"ContainerSpec": {"Labels": labels}},
    }  # fmt: skip


def test_ranks_that_have_a_verdict_are_let_leave() -> None:
    """Each state that Swarm tells is there for one look."""
    node, engine, _ = manager()
    engine.seen = [task(RUN, 0, "running"), task(RUN, 1, "complete")]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            engine.seen = [task(RUN, 0, "complete"), task(RUN, 1, "complete")]

    wait_for_exit(node, RUN, sleep=sleep)
    assert len(slept) == 3
    for gone in ([], [task(RUN, 0, "pending")], [task("other", 0, "running")]):
        engine.seen = gone
        wait_for_exit(node, RUN, sleep=sleep)
    assert len(slept) == 3


def test_a_rank_that_does_not_leave_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node, engine, _ = manager()
    engine.seen = [task(RUN, 0, "running")]
    monkeypatch.setattr(stack_deploy, "_EXIT", 0.0)
    wait_for_exit(node, RUN, sleep=lambda _: pytest.fail("it is waited for"))


def test_the_folder_of_a_run_is_made_once(tmp_path: Path) -> None:
    """By the shell that runs on the machine; a run of the same name is never written into."""
    (rank, _) = placeholder_ranks(sparks(2), load_stack("llama3-70b-lora"))
    mine = replace(rank, runs=str(tmp_path), uid=str(os.getuid()), gid=str(os.getgid()))

    class Unwrapped(LocalConnection):
        def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
            script = stdin.partition(b"\n")[2]
            return super().run(marks_of(command).around("sh -s"), script, deadline=deadline)

    node = Node("here", Unwrapped())
    write_run_folder(node, mine, "it's run-1", {"run.json": "{}\n", "b": "$x"})
    made, record = tmp_path / "it's run-1", tmp_path / ".records" / "it's run-1"
    assert list(made.iterdir()) == []
    assert {file.name: file.read_text() for file in record.iterdir()} == {
        "run.json": "{}\n",
        "b": "$x",
    }
    modes = [
        stat.S_IMODE(path.stat().st_mode) for path in (record.parent, record, *record.iterdir())
    ]
    assert modes == [0o700, 0o700, 0o600, 0o600]
    with pytest.raises(RemoteError):
        write_run_folder(node, mine, "it's run-1", {})
    for name in ("stop", "verdict-rank0.json", "log-rank0.txt"):
        (made / name).touch()
    write_run_folder(node, mine, "it's run-1", {"run.json": "{1}\n"}, is_new=False)
    assert {file.name for file in made.iterdir()} == {"log-rank0.txt"}
    assert (record / "run.json").read_text() == "{1}\n"
    with pytest.raises(RemoteError):
        write_run_folder(node, mine, "never there", {}, is_new=False)


@pytest.mark.parametrize("begun", [False, True])
def test_the_folder_of_a_run_that_has_not_begun_goes_again(tmp_path: Path, begun: bool) -> None:
    (rank, _) = placeholder_ranks(sparks(2), load_stack("llama3-70b-lora"))
    mine = replace(rank, runs=str(tmp_path), uid=str(os.getuid()), gid=str(os.getgid()))
    node = Node("here", LocalConnection())
    write_run_folder(node, mine, RUN, {"run.json": "{}\n"})
    if begun:
        (tmp_path / RUN / "log-rank0.txt").touch()
    remove_run_folder(node, mine, RUN)
    assert (tmp_path / RUN).exists() is begun
    assert (tmp_path / ".records" / RUN).exists() is begun


def test_a_folder_that_cannot_be_filled_does_not_stay(tmp_path: Path) -> None:
    """As on a full disk. One that was there before is not touched."""
    (rank, _) = placeholder_ranks(sparks(2), load_stack("llama3-70b-lora"))
    mine = replace(rank, runs=str(tmp_path), uid=str(os.getuid()), gid=str(os.getgid()))
    node = Node("here", LocalConnection())
    with pytest.raises(RemoteError):
        write_run_folder(node, mine, RUN, {"run.json": "{}\n", "no/such/folder": ""})
    assert not (tmp_path / RUN).exists()
    (tmp_path / RUN).mkdir()
    with pytest.raises(RemoteError):
        write_run_folder(node, mine, RUN, {})
    assert (tmp_path / RUN).exists()
