"""Machines and documents as hypothesis draws them."""

import json
from typing import Any

from hypothesis import strategies as st

from orchestrator.facts.engine import docker_info
from orchestrator.facts.files import STOCK_CONFIG
from orchestrator.facts.folders import Folder, NoFolder
from orchestrator.facts.machine import Facts
from orchestrator.node.files import File
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.testing.facts import stock_spark
from tests.support.clusters import cluster, sparks

words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(words, v, max_size=3), max_leaves=8
)

runtimes = st.fixed_dictionaries({"path": st.sampled_from(["nvidia-container-runtime", "/opt/rt"])})
ours_maybe: dict[Any, st.SearchStrategy[Any]] = {
    "default-runtime": st.sampled_from(["runc", "nvidia"]),
    "runtimes": st.dictionaries(st.sampled_from(["nvidia", "kata"]), runtimes),
    "node-generic-resources": st.lists(
        st.sampled_from(["NVIDIA_GPU=GPU-old", "NVIDIA_GPU=GPU-00000001", "SSD=fast"]), unique=True
    ),
}
"""Keys of daemon.json that sparkctl writes too, as a user may have them."""


@st.composite
def daemon_documents(draw: st.DrawFn) -> dict[str, Any]:
    """What may be in a daemon.json: foreign keys, and some of ours."""
    foreign = draw(st.dictionaries(words, values, max_size=3))
    ours = draw(st.fixed_dictionaries({}, optional=ours_maybe))
    items = draw(st.permutations([*foreign.items(), *ours.items()]))
    return dict(items)


@st.composite
def json_texts(draw: st.DrawFn, document: dict[str, Any]) -> bytes:
    """The document in one of the ways in which people format JSON."""
    indent = draw(st.sampled_from([None, 1, 2, 4, "\t"]))
    separators = draw(st.sampled_from([None, (",", ":"), (" , ", " : ")]))
    text = json.dumps(
        document, indent=indent, separators=separators, ensure_ascii=draw(st.booleans())
    )
    return (
        draw(st.sampled_from(["", "\n", " "])) + text + draw(st.sampled_from(["", "\n"]))
    ).encode()


config_lines = st.sampled_from(
    [
        "# a comment",
        "",
        "disable-require = false",
        "supported = true",
        '#swarm-resource = "DOCKER_RESOURCE_GPU"',
        '# swarm-resource = "DOCKER_RESOURCE_GPU"  # as shipped',
    ]
)
active_lines = st.sampled_from(
    [
        'swarm-resource = "DOCKER_RESOURCE_GPU"',
        '  swarm-resource="DOCKER_RESOURCE_GPU" # mine',
        'swarm-resource = "A, B ,C"',
        'swarm-resource = ""',
        "swarm-resource = 'DOCKER_RESOURCE_GPU'",
    ]
)
table_lines = st.sampled_from(
    ["key = 1", 'swarm-resource = "INSIDE"', '# swarm-resource = "X"', ""]
)


@st.composite
def runtime_configs(draw: st.DrawFn) -> str:
    """A config.toml that is valid: a top level with or without the key, then tables."""
    head = draw(st.lists(config_lines, max_size=4, unique=True))
    if draw(st.booleans()):
        head.insert(draw(st.integers(0, len(head))), draw(active_lines))
    lines = list(head)
    for name in draw(st.lists(words, max_size=2, unique=True)):
        lines += [f"[{name}]", *draw(st.lists(table_lines, max_size=3, unique=True))]
    return "\n".join(lines) + draw(st.sampled_from(["", "\n"]))


@st.composite
def machines(draw: st.DrawFn, name: str, number: int) -> Facts:
    """A machine on which `cluster up` may be run for the first time."""
    root = draw(st.booleans())
    document = draw(st.none() | daemon_documents())
    text = None if document is None else draw(json_texts(document))
    config = draw(st.just(STOCK_CONFIG.decode()) | runtime_configs())
    modes = st.sampled_from(["644", "600"])
    there = st.booleans().map(lambda empty: Folder("755", 1000, 1000, () if empty else ("a",)))
    folder = st.just(NoFolder("/home/nvidia")) | there
    folders = draw(st.fixed_dictionaries(dict.fromkeys(stock_spark().folders, folder)))
    bridge = draw(st.sampled_from([frozenset(), frozenset({"docker_gwbridge"})]))
    return stock_spark(
        name,
        number,
        uid=0 if root else 1000,
        groups=frozenset({"x"}) | draw(st.sampled_from([frozenset(), frozenset({"docker"})])),
        docker=docker_info(DefaultRuntime=(document or {}).get("default-runtime", "runc")),
        daemon_json=None if text is None else File(text, draw(modes), 0, draw(st.integers(0, 9))),
        runtime_config=draw(st.none() | st.just(File(config.encode(), draw(modes), 0, 0))),
        folders=folders,
        networks=stock_spark().networks | bridge,
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[ClusterSpec, dict[str, Facts]]:
    """A cluster of one to three machines, each in its own state."""
    spec = sparks(draw(st.integers(1, 3)))
    if draw(st.booleans()):
        spec = cluster({"nodes": [n.name for n in spec.nodes], "gpu": {"kind": "my-gpu"}})
    return spec, {
        node.name: draw(machines(node.name, number))
        for number, node in enumerate(spec.nodes, start=1)
    }
