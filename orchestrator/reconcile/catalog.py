"""All resources of a cluster, in the order in which they are made."""

from orchestrator.facts.machine import Facts
from orchestrator.resources.base import Resource, World
from orchestrator.resources.daemon_json import DaemonJson
from orchestrator.resources.directory import ALL, Directory
from orchestrator.resources.docker_group import DockerGroup
from orchestrator.resources.fabric import fabric_ports
from orchestrator.resources.swarm import SwarmManager, SwarmWorker
from orchestrator.resources.swarm_list import SwarmList
from orchestrator.resources.swarm_resource import SwarmResource
from orchestrator.spec.cluster import ClusterSpec


def resources_for(spec: ClusterSpec, world: World) -> list[Resource]:
    """What the cluster file asks for, of the machines that were read; the manager is one."""
    ports = fabric_ports(spec, world)
    first = spec.manager.name
    resources: list[Resource] = []
    for name in ports:
        resources += host_resources(spec, world[name])
    resources.append(SwarmManager(first, ports[first].address, spec.name, first))
    for name in (name for name in ports if name != first):
        address = ports[name].address
        resources.append(
            SwarmWorker(name, address, spec.name, first, manager_address=ports[first].address)
        )
    members = tuple(node.name for node in spec.members)
    resources.append(SwarmList(first, spec.name, members))
    return resources


def host_resources(spec: ClusterSpec, facts: Facts) -> list[Resource]:
    """What one machine needs before it may be in a swarm."""
    name, paths = facts.node, spec.paths
    resources: list[Resource] = []
    if facts.uid != 0:  # root needs no group
        resources.append(DockerGroup(name, facts.user))
    resources += [
        SwarmResource(name, spec.gpu.resource_variable),
        DaemonJson(name, spec.gpu.kind, tuple(gpu.uuid for gpu in facts.gpus)),
        Directory(name, paths.runs, disposable=False),
        Directory(name, paths.data, disposable=False),
        Directory(name, paths.own_cache, disposable=True, made=ALL),
        Directory(name, paths.hub, disposable=False),
    ]
    return resources
