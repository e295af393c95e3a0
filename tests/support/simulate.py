"""What facts would say after a plan was carried out: pure, no machine, no network.

The lab tests carry plans out for real; here the point is that many thousands of worlds can be
planned up, down and up again.
"""

import base64
import json
import re
from dataclasses import replace

from orchestrator.facts.docker import BRIDGE
from orchestrator.facts.engine import docker_info
from orchestrator.facts.folders import Folder, NoFolder
from orchestrator.facts.machine import Facts
from orchestrator.node.node import Node
from orchestrator.reconcile import journal
from orchestrator.reconcile.plan import Plan, Step
from orchestrator.resources.base import World, state_file
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.testing.connection import FakeConnection


def made(plan: Plan, spec: ClusterSpec, world: World) -> dict[str, Facts]:
    """The world after the plan."""
    after = dict(world)
    for step in plan.steps:
        node = step.change.node
        if step.journaled:
            after[node] = _journaled(world, after[node], spec, step)
        after = _EFFECTS.get(step.resource.kind, _foreseen)(after, step)
        if step.record is not None:
            after[node] = _forgotten(after[node], step.record)
    for node, record in plan.already_restored:
        after[node] = _forgotten(after[node], record)
    return after


def written_record(record: journal.Record, node: str) -> dict[str, object]:
    """The JSON that `journal.write` puts on a machine, taken from the script it runs there."""
    connection = FakeConnection(lambda script: "")
    journal.write(Node(node, connection), "/var/lib/sparkctl", record)
    (script,) = connection.scripts
    block = re.search(r"<<'SPARKCTL_END'[^\n]*\n(.*?)SPARKCTL_END", script, re.DOTALL)
    assert block is not None
    return dict(json.loads(base64.b64decode(block[1])))


def _journaled(world: World, facts: Facts, spec: ClusterSpec, step: Step) -> Facts:
    known = journal.records(facts)
    record = journal.record_for(known, spec.name, step.resource, step.change, world)
    document = written_record(record, facts.node)
    return replace(facts, journal={**facts.journal, record.file: document})


def _forgotten(facts: Facts, file: str) -> Facts:
    left = {name: record for name, record in facts.journal.items() if name != file}
    return replace(facts, journal=left)


def _foreseen(world: dict[str, Facts], step: Step) -> dict[str, Facts]:
    """Of a resource that is not known here: what it says itself, which it must then see, too."""
    after = dict(step.resource.foreseen(world, step.change))
    seen = step.resource.observe(after)
    assert seen == step.change.after, f"{step.change.id}: its `foreseen` leads to {seen}"
    return after


def _group(world: dict[str, Facts], step: Step) -> dict[str, Facts]:
    facts, after = world[step.change.node], step.change.after or {}
    now = {"docker"} if after["member"] else set()
    listed = {facts.user} if after["member"] else set()
    groups = facts.groups - {"docker"} | now
    shadow = facts.docker_gshadow - {facts.user} | listed
    return _with(world, replace(facts, groups=groups, docker_gshadow=shadow))


def _runtime(world: dict[str, Facts], step: Step) -> dict[str, Facts]:
    file = None if step.change.after is None else state_file(step.change.after)
    return _with(world, replace(world[step.change.node], runtime_config=file))


def _daemon(world: dict[str, Facts], step: Step) -> dict[str, Facts]:
    """Docker restarts, reads its file, and no container survives."""
    facts, after = world[step.change.node], step.change.after or {}
    file = None if after["file"] is None else state_file(after["file"])
    document = json.loads(file.content or b"{}") if file and file.content.strip() else {}
    named = [r.partition("=") for r in document.get("node-generic-resources", [])]
    docker = {
        **(facts.docker or {}),
        "DefaultRuntime": document.get("default-runtime", "runc"),
        "GenericResources": [{"NamedResourceSpec": {"Kind": k, "Value": v}} for k, _, v in named]
        or None,
    }
    folder = facts.daemon_folder
    if file is None and "folder" in after:
        folder = "absent"
    elif file is not None and folder == "absent":
        folder = "alone"
    changes = {"daemon_json": file, "daemon_folder": folder, "docker": docker, "containers": ()}
    return _with(world, replace(facts, **changes))


def _directory(world: dict[str, Facts], step: Step) -> dict[str, Facts]:
    facts, after = world[step.change.node], step.change.after or {}
    path = step.change.resource.partition(":")[2]
    before = facts.folders[path]
    now: Folder | NoFolder
    if not after["present"]:
        now = NoFolder(after["nearest"])
    elif isinstance(before, Folder):
        gone = (step.change.before or {}).get("made", ())
        now = replace(before, entries=tuple(e for e in before.entries if e not in gone))
    else:
        now = Folder("755", facts.uid, facts.gid)
    folders = {**facts.folders, path: now}
    above, _, name = path.rpartition("/")
    if isinstance(holds := folders.get(above), Folder):
        others = {*holds.entries} - {name} | ({name} if after["present"] else set())
        folders[above] = replace(holds, entries=tuple(sorted(others)))
    return _with(world, replace(facts, folders=folders))


def _swarm(world: dict[str, Facts], step: Step) -> dict[str, Facts]:
    name, after = step.change.node, step.change.after or {}
    manager = getattr(step.resource, "manager", name)
    node_id = f"id-of-{name}"
    others = [n for n in world[manager].swarm_nodes if n["ID"] != node_id]
    facts = world[name]
    joins = after["role"] is not None
    swarm = {
        "LocalNodeState": "active" if joins else "inactive",
        "NodeID": node_id if joins else "",
        "ControlAvailable": after["role"] == "manager",
    }
    if joins:
        swarm["NodeAddr"] = after["address"]
        labels = {"Labels": after["labels"]}
        listed = {"ID": node_id, "Spec": labels, "Status": {"State": "ready"}}
        others.append(listed | {"Description": {"Hostname": name}})
    bridge = {BRIDGE} if joins or after["bridge"] else set()
    networks = (facts.networks - {BRIDGE}) | bridge
    docker = {**(facts.docker or {}), "Swarm": swarm}
    world = _with(world, replace(facts, docker=docker, networks=networks))
    left = () if name == manager and not joins else tuple(others)
    return _with(world, replace(world[manager], swarm_nodes=left))


def _membership(world: dict[str, Facts], step: Step) -> dict[str, Facts]:
    """Leaves, and is taken off the list; a list ends with its manager."""
    name = step.change.node
    world = {
        n: replace(f, swarm_nodes=tuple(x for x in f.swarm_nodes if x["ID"] != f"id-of-{name}"))
        for n, f in world.items()
    }
    docker = {**(world[name].docker or {}), "Swarm": {"LocalNodeState": "inactive", "NodeID": ""}}
    return _with(world, replace(world[name], docker=docker, swarm_nodes=()))


def _swarm_list(world: dict[str, Facts], step: Step) -> dict[str, Facts]:
    facts, former = world[step.change.node], (step.change.before or {})["former"]
    left = tuple(listed for listed in facts.swarm_nodes if listed["ID"] not in former)
    return _with(world, replace(facts, swarm_nodes=left))


def _engine(world: dict[str, Facts], step: Step) -> dict[str, Facts]:
    """It did not start until all of ours was undone."""
    before = json.loads(json.dumps(getattr(step.resource, "former", None)))
    file = None if before is None else state_file(before)
    facts = replace(world[step.change.node], docker=docker_info(), daemon_json=file)
    return _with(world, replace(facts, docker_log="", swarm_on_disk=None))


def _runs(world: dict[str, Facts], step: Step) -> dict[str, Facts]:
    return {n: replace(f, services=(), run_containers=()) for n, f in world.items()}


def _images(world: dict[str, Facts], step: Step) -> dict[str, Facts]:
    return _with(world, replace(world[step.change.node], images=()))


def _copies(world: dict[str, Facts], step: Step) -> dict[str, Facts]:
    return _with(world, replace(world[step.change.node], staged=()))


def _with(world: dict[str, Facts], facts: Facts) -> dict[str, Facts]:
    return {**world, facts.node: facts}


_EFFECTS = {
    "docker-group": _group,
    "swarm-resource": _runtime,
    "daemon.json": _daemon,
    "directory": _directory,
    "swarm": _swarm,
    "membership": _membership,
    "swarm-list": _swarm_list,
    "engine": _engine,
    "runs": _runs,
    "images": _images,
    "copies": _copies,
}
