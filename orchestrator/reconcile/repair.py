"""What `--repair` fixes before anything else is planned: engines first, then memberships. Pure.

Only what this cluster has made is touched. What comes after cannot be known while an engine is
down, so a repair is a plan of its own, shown and applied before the next one is made.
"""

from dataclasses import replace

from orchestrator.reconcile.journal import records
from orchestrator.reconcile.membership import member_of, membership_problems
from orchestrator.reconcile.plan import Plan, Step, change_of, with_others
from orchestrator.resources.base import Stage, World
from orchestrator.resources.daemon_json import DaemonJson
from orchestrator.resources.docker_engine import DockerEngine
from orchestrator.resources.stale_membership import StaleMembership
from orchestrator.spec.cluster import ClusterSpec


def plan_repair(spec: ClusterSpec, world: World) -> Plan:
    """Engines that do not answer; when all answer, memberships that cannot stay."""
    steps = _engines(spec, world) or _memberships(spec, world)
    return with_others(Plan(spec.name, "repair", tuple(steps)), spec, world)


def _engines(spec: ClusterSpec, world: World) -> list[Step]:
    steps = []
    for name, facts in world.items():
        journal = [record for record in records(facts) if record.cluster == spec.name]
        if facts.docker is None and journal:
            member, kept = member_of(spec, facts), facts.swarm_on_disk
            ours = member is not None and kept is not None and member.is_on_disk(kept)
            files = [r.original for r in journal if isinstance(r.resource, DaemonJson)]
            engine = DockerEngine(
                name,
                swarm=f"{facts.docker_root}/swarm" if ours else None,
                put_back=bool(files),
                former=(files[0] or {}).get("file") if files else None,
            )
            steps.append(Step(engine, change_of(engine, world)))
    return steps


def _memberships(spec: ClusterSpec, world: World) -> list[Step]:
    manager = spec.manager.name
    steps = []
    for name, problem in membership_problems(spec, world).items():
        if problem.repairable:
            membership = StaleMembership(name, manager, problem.brief)
            change = change_of(membership, world)
            stage = Stage.MANAGER if name == manager else Stage.WORKERS
            steps.append(Step(membership, replace(change, stage=stage)))
    return sorted(steps, key=lambda step: -step.change.stage)
