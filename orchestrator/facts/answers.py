"""What the Docker Engine says of its networks, its images and its swarm, asked in one go.

A start of Docker's client takes longer than the engine takes for all answers together. So one
client carries all questions (`docker system dial-stdio`), one after the other over one connection
of HTTP/1.1, and the answers are taken apart here, into what the groups of facts read.
"""

import io
import json
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from socket import socket
from typing import Any, cast
from urllib.parse import quote

from orchestrator.facts.fact import Raw
from orchestrator.facts.strangers import MOST
from orchestrator.names import LABEL_IMAGE, LABEL_RUN

FACT = "docker_answers"
_IMAGES = quote(json.dumps({"label": [LABEL_IMAGE]}))
PATHS = (
    "/networks", f"/images/json?filters={_IMAGES}",
    "/nodes", "/services", "/tasks", "/secrets", "/configs",
)  # fmt: skip
"""Paths of the Engine's API, alike in all versions. Only a manager answers from `/nodes` on."""

_AT_WORK = {
    "new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running",
}  # fmt: skip

MOST_BYTES = 16 * 2**20
"""Of all answers; a swarm that says more is no pair of Sparks, and is not understood."""

Things = list[Mapping[str, Any]]


def questions() -> str:
    """The requests, as `printf %b` takes them."""
    heads = [f"GET {path} HTTP/1.1\\r\\nHost: docker\\r\\n" for path in PATHS]
    return "\\r\\n".join([*heads[:-1], f"{heads[-1]}Connection: close\\r\\n", ""])


def taken_apart(raw: Raw) -> Raw:
    """The facts, with lines that the groups read in the place of the answers.

    An engine that gave no answer, or an error, has told nothing. Raises ValueError and the like for
    what is no answer of an engine.
    """
    if FACT not in raw:
        return raw
    networks, images, nodes, services, tasks, secrets, configs = _answers(raw[FACT])
    told = {
        "networks": [_word(network["Name"]) for network in networks or ()],
        "images": [_word(tag) for image in images or () for tag in image.get("RepoTags") or ()],
    }
    if nodes is not None:
        runs = {s["ID"] for s in services or () if _label(s["Spec"], LABEL_RUN) != "-"}
        hosts = {node["ID"]: _word(node["Description"]["Hostname"]) for node in nodes}
        told |= {
            "swarm_nodes": [json.dumps(node) for node in nodes],
            "services": [
                f"{_word(s['Spec']['Name'])} {_label(s['Spec'], 'com.docker.stack.namespace')} "
                f"{_label(s['Spec'], LABEL_RUN)}"
                for s in (services or ())[:MOST]
            ],
            "busy": [
                hosts.get(task.get("NodeID"), "-")
                for task in tasks or ()
                if task.get("ServiceID") in runs and task["Status"]["State"] in _AT_WORK
            ],
            "things": [
                *_things("secret", [secret["Spec"] for secret in secrets or ()]),
                *_things("config", [config["Spec"] for config in configs or ()]),
                *_things("network", [network for network in networks or () if _in_swarm(network)]),
            ],
        }  # fmt: skip
    return {**raw, **{name: "\n".join(lines).encode() for name, lines in told.items()}}


def _things(kind: str, specs: Things) -> list[str]:
    return [f"{kind} {_word(spec['Name'])} {_label(spec, LABEL_RUN)}" for spec in specs[:MOST]]


def _in_swarm(network: Mapping[str, Any]) -> bool:
    return network.get("Scope") == "swarm" and network["Name"] != "ingress"


def _label(spec: Mapping[str, Any], name: str) -> str:
    return _word((spec.get("Labels") or {}).get(name))


def _word(value: object) -> str:
    """What is one word; `-` for everything else. Docker's names are, labels may be anything."""
    return value if isinstance(value, str) and value.split() == [value] else "-"


class _Printed(io.BytesIO):
    """Stands where a response expects a socket, and stays open for the next one."""

    def makefile(self, mode: str) -> "_Printed":
        return self

    def close(self) -> None:
        pass


def _answers(printed: bytes) -> Iterator[Things | None]:
    """For each question the list that was the answer; None for an error, and for no answer."""
    connection = _Printed(printed)
    for _ in PATHS:
        response = HTTPResponse(cast(socket, connection))
        try:
            response.begin()
            answer = json.loads(response.read())
        except (HTTPException, ValueError):  # none, or not all of it
            answer = None
        yield answer if response.status == 200 else None
