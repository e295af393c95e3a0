"""What runs and changes left behind goes, also while Docker itself is removing it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
import requests

from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node
from orchestrator.resources.leftovers import BuiltImages, RunServices, UnfinishedCopies
from orchestrator.testing.connection import FakeConnection
from orchestrator.testing.facts import stock_spark
from tests.support.changes import change_of


@dataclass
class _Engine:
    """As much of the SDK's client as the resource uses; containers answer removal with a status."""

    listed: Iterator[list[Any]]
    removed: list[str] = field(default_factory=list)

    @property
    def containers(self) -> Any:
        return SimpleNamespace(
            list=lambda **_: [
                one if isinstance(one, SimpleNamespace) else _container(one)
                for one in next(self.listed)
            ]
        )

    @property
    def images(self) -> Any:
        return SimpleNamespace(remove=self._remove_image)

    def _remove_image(self, name: str, *, force: bool) -> None:
        assert force
        if name == "gone":
            raise docker.errors.ImageNotFound("no such image")
        self.removed.append(name)

    def close(self) -> None:
        pass


def _container(status: int) -> Any:
    def remove(*, force: bool) -> None:
        assert force
        if status != HTTPStatus.NO_CONTENT:
            response = requests.Response()
            response.status_code = status
            raise docker.errors.APIError("removal is already in progress", response=response)

    return SimpleNamespace(remove=remove, labels=RANK, attrs={"Config": {"Image": "sha256:1"}})


RANK = {"sparkctl.run": "tiny-0a1b2c", "com.docker.swarm.service.name": "tiny-0a1b2c_rank0"}


def _remove_images(engine: _Engine) -> None:
    node = Node("spark-a", FakeConnection(lambda _: ""), _docker=engine)  # type: ignore[arg-type]
    resource = BuiltImages("spark-a")
    world = {"spark-a": stock_spark(images=("gone", "one"))}
    resource.apply({"spark-a": node}, change_of(resource, world, None))


@pytest.mark.parametrize("status", [HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND])
def test_a_container_that_docker_is_removing_is_waited_for(status: int) -> None:
    engine = _Engine(iter([[status], [status], [HTTPStatus.NO_CONTENT], []]))
    _remove_images(engine)
    assert engine.removed == ["one"]


@pytest.mark.parametrize(
    "labels", [{"sparkctl.run": "tiny-0a1b2c"}, RANK | {"sparkctl.run": "another"}]
)
def test_a_container_that_only_bears_our_label_stays(labels: dict[str, str]) -> None:
    theirs = _container(HTTPStatus.INTERNAL_SERVER_ERROR)  # as if it were removed
    theirs.labels = labels
    engine = _Engine(iter([[theirs]] * 2))
    _remove_images(engine)
    assert engine.removed == ["one"]


def test_only_the_services_of_the_plan_go() -> None:
    """Another one may bear our label: whoever copied it."""
    gone: list[str] = []
    names = ["tiny-0a1b2c_rank0", "copied"]
    listed = [
        SimpleNamespace(name=name, remove=lambda name=name: gone.append(name)) for name in names
    ]
    engine = SimpleNamespace(
        services=SimpleNamespace(list=lambda **_: listed),
        containers=SimpleNamespace(list=lambda **_: []),
    )
    node = Node("spark-a", FakeConnection(lambda _: ""), _docker=engine)  # type: ignore[arg-type]
    resource = RunServices("spark-a")
    world = {"spark-a": stock_spark(services=("tiny-0a1b2c_rank0",))}
    resource.apply({"spark-a": node}, change_of(resource, world, None))
    assert gone == ["tiny-0a1b2c_rank0"]


def test_a_container_that_cannot_be_removed_is_an_error() -> None:
    engine = _Engine(iter([[HTTPStatus.INTERNAL_SERVER_ERROR]]))
    with pytest.raises(docker.errors.APIError):
        _remove_images(engine)
    assert engine.removed == []


def test_unfinished_copies_go_and_with_them_a_journal_without_records(tmp_path: Path) -> None:
    journal = tmp_path / "var lib" / "sparkctl" / "journal"
    kept, config, record = (
        tmp_path / "etc" / "daemon.json",
        tmp_path / "etc" / "daemon.json.sparkctl.aB3xY9",
        journal / "0001-daemon-json.json.sparkctl.aB3xY9",
    )
    for file in (kept, config, record):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{")
    here = Node("here", LocalConnection())
    world = {"here": stock_spark("here", staged=(str(config), str(record)))}
    resource = UnfinishedCopies("here")
    resource.apply({"here": here}, change_of(resource, world, None))
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == [kept]
    assert not journal.parent.exists()
