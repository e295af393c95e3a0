"""What a `cluster up` imports that has nothing to do: it is most of what it costs.

Counted in a process of its own, in which the machines are fakes and all else is as a user has it.
"""

import json
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from orchestrator.reconcile.plan import plan_up
from orchestrator.testing.facts import probe_output
from tests.support.clusters import ROOT, sparks, world_of
from tests.support.simulate import made

CODE = """
import json, sys
from pathlib import Path
from orchestrator.cli.main import main
from orchestrator.node import ssh
from orchestrator.testing.connection import FakeConnection

machines = {
    name: FakeConnection(lambda script, answer=answer: answer)
    for name, answer in json.loads(Path("answers.json").read_text()).items()
}
ssh.SshConnection = lambda login, unlocked: machines[login.node]
sys.argv = ["sparkctl", "cluster", "up"]
try:
    main()
finally:
    assert all(len(machine.scripts) == 1 for machine in machines.values())
    print(*sorted(sys.modules))
"""
NEVER = {
    "docker", "requests", "urllib3", "tenacity",  # the Docker SDK: changes alone need it
    "jinja2",  # scripts of changes are rendered
    "invoke", "asyncio", "unittest",  # paramiko would bring them
    "orchestrator.api.runs", "orchestrator.runs", "orchestrator.stack.deploy", "orchestrator.lab",
    "orchestrator.resources.actions.leftovers", "orchestrator.resources.actions.swarm_leave",
    "orchestrator.spec.docstrings",  # what fields are for: nobody asks
    "orchestrator.spec.stack", "training.contract.config", "training.gang.config",
}  # fmt: skip
OUTSIDE = {
    "_cffi_backend", "_sodium", "_yaml", "annotated_types", "bcrypt", "click", "cryptography",
    "nacl", "paramiko", "pydantic", "pydantic_core", "rich", "typing_extensions",
    "typing_inspection", "yaml",
}  # fmt: skip
"""Packages from elsewhere; one more has to be worth its time."""


def imported(folder: Path) -> set[str]:
    """Names of modules, after the command has found nothing to do."""
    spec = sparks(2)
    bare = world_of(spec)
    world = made(plan_up(spec, bare), spec, bare)
    answers = {name: probe_output(facts).decode() for name, facts in world.items()}
    (folder / "answers.json").write_text(json.dumps(answers))
    nodes = [node.name for node in spec.nodes]
    file = {"apiVersion": "sparkctl/v1", "kind": "Cluster", "name": spec.name, "nodes": nodes}
    (folder / "cluster.yaml").write_text(json.dumps(file))
    here = {"PYTHONPATH": str(ROOT), "HOME": str(folder), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(
        command, cwd=folder, env=here, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    said, modules = done.stdout.splitlines()
    assert said == "no changes"
    return set(modules.split())


def test_a_noop_imports_only_what_looks_and_plans(tmp_path: Path) -> None:
    modules = imported(tmp_path)
    assert modules & NEVER == set()
    packages = {name.partition(".")[0] for name in modules} & {*packages_distributions()}
    assert packages - OUTSIDE - {"_distutils_hack", "orchestrator", "training"} == set()


def test_plans_and_checks_need_no_models_of_stacks() -> None:
    """Those are as many as all others together."""
    code = (
        "import sys, orchestrator.api.planning as planning\n"
        "planning.every_check()\n"
        "print({'orchestrator.spec.stack', 'training.contract.config'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_a_training_is_watched_without_what_counts_tokens() -> None:
    code = (
        "import sys, orchestrator.cli.progress\n"
        "print(sorted({'numpy', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
