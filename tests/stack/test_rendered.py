"""What is deployed, as golden files and as rules that hold for all of them.

Golden files are in tests/golden/; `python -m pytest --update-golden` writes them anew.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.engines.find import engine_of
from orchestrator.reconcile.plan import plan_up
from orchestrator.runs.launch import prepare
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.load import load_stack
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.ranks import placeholder_ranks, ranks_for
from orchestrator.stack.render import Rendered, render
from tests.support.clusters import cluster, sparks, world_of
from tests.support.generated import Generated
from tests.support.recipes import OURS, SCRIPTS
from tests.support.simulate import made

DROPPED = {
    "devices", "ipc", "shm_size", "privileged", "network_mode", "restart", "pid", "security_opt",
    "userns_mode", "cgroup_parent", "build", "container_name", "depends_on", "links", "tmpfs",
    "external_links", "sysctls",
}  # fmt: skip
"""Keys of a service that `docker stack deploy` passes over without a word, or refuses."""

RDMA = {"rdma": {"enp1s0f1np1": "rocep1s0f1", "enP2p1s0f1np1": "roceP2p1s0f1"}}
NO_RDMA: dict[str, Any] = {"rdma": {}}
SHAPES = {
    "tiny-on-two": ("tiny-llama-lora", 2, NO_RDMA, ()),
    "70b-on-two-with-rdma": ("llama3-70b-lora", 2, RDMA, ("HF_TOKEN",)),
    "tiny-on-one": ("tiny-llama-lora", 1, NO_RDMA, ()),
    "70b-on-two-unseen": ("llama3-70b-lora", 2, None, ("HF_TOKEN",)),
}


def rendered(
    stack: StackSpec,
    spec: ClusterSpec,
    machines: dict[str, Any] | None = RDMA,
    secrets: tuple[str, ...] = (),
) -> Rendered:
    """Rendered for machines that were taken in by `cluster up`, or that nobody has seen (None)."""
    if machines is None:
        ranks = placeholder_ranks(spec, stack)
    else:
        bare = world_of(spec, {node.name: machines for node in spec.nodes})
        ranks = ranks_for(spec, stack, made(plan_up(spec, bare), spec, bare))
    return render(
        spec,
        stack,
        ranks,
        engine_of(stack),
        run=f"{stack.name}-0a1b2c",
        image="sparkctl/train:0123456789ab",
        secrets=secrets,
    )


def parsed(text: str) -> Any:
    """YAML in C: pure Python takes half a second for 64 ranks."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@pytest.fixture(params=SHAPES, name="shape")
def _shape(request: pytest.FixtureRequest) -> tuple[str, Rendered]:
    stack, nodes, machines, secrets = SHAPES[request.param]
    return request.param, rendered(load_stack(stack), sparks(nodes), machines, secrets)


def test_the_compose_file_is_the_golden_one(
    shape: tuple[str, Rendered], generated: Generated
) -> None:
    """But for the hash of the training section, which has a schema and tests of its own."""
    name, made_of = shape
    text = re.sub(r"(0a1b2c-training)-[0-9a-f]{8}", r"\1-<hash>", made_of.compose)
    generated(f"tests/golden/compose-{name}.yml", text)


def test_the_accelerate_configs_are_the_golden_ones(
    shape: tuple[str, Rendered], generated: Generated
) -> None:
    name, made_of = shape
    for rank, config in enumerate(made_of.configs[1:]):
        generated(f"tests/golden/accelerate-{name}-rank{rank}.yml", config.content)


def test_accelerate_configs_differ_in_the_rank_alone(shape: tuple[str, Rendered]) -> None:
    documents = [parsed(config.content) for config in shape[1].configs[1:]]
    assert [document.pop("machine_rank") for document in documents] == [*range(len(documents))]
    assert all(document == documents[0] for document in documents)
    assert documents[0]["distributed_type"] == "MULTI_GPU"  # for one rank too: it needs a group
    assert documents[0]["num_machines"] == documents[0]["num_processes"] == len(documents)


def test_every_config_is_named_after_its_content(shape: tuple[str, Rendered]) -> None:
    """Docker configs are immutable: another content needs another name."""
    compose = parsed(shape[1].compose)
    declared = {entry["name"] for entry in compose["configs"].values()}
    for config in shape[1].configs:
        assert config.name.endswith(hashlib.sha256(config.content.encode()).hexdigest()[:8])
        assert config.name in declared
    assert len(declared) == len(shape[1].configs)


def test_nothing_is_said_that_stack_deploy_does_not_hear(shape: tuple[str, Rendered]) -> None:
    for service in parsed(shape[1].compose)["services"].values():
        assert set(service) & DROPPED == set()


def test_every_rank_is_pinned_and_has_one_gpu(shape: tuple[str, Rendered]) -> None:
    services = parsed(shape[1].compose)["services"]
    constraints = [s["deploy"]["placement"]["constraints"] for s in services.values()]
    assert len({tuple(one) for one in constraints}) == len(services)
    for service in services.values():
        assert service["deploy"]["mode"] == "replicated-job"
        policy = {"condition": "on-failure", "delay": "5s", "max_attempts": 20}
        assert service["deploy"]["restart_policy"] == policy
        (gpu,) = service["deploy"]["resources"]["reservations"]["generic_resources"]
        assert gpu == {"discrete_resource_spec": {"kind": "NVIDIA_GPU", "value": 1}}
        assert service["labels"] == service["deploy"]["labels"]


def test_the_training_config_is_the_stacks_section() -> None:
    stack = load_stack("tiny-llama-lora", ("training.optim.lr=2e-4",))
    content = json.loads(rendered(stack, sparks(2)).configs[0].content)
    assert content == stack.training.model_dump(mode="json")
    assert content["optim"]["lr"] == 2e-4


def test_the_trainer_gets_no_secret_that_it_has_no_use_for() -> None:
    """The Hub's token is read from its file, the address of a hook by the supervisor."""
    names = ("CHAT_URL", "HF_TOKEN", "WANDB_API_KEY")
    listed = ", ".join(f"{{name: {name}}}" for name in names)
    stack = load_stack("tiny-llama-lora", (
        f"secrets=[{listed}]", "gang.hooks=[{url_secret: CHAT_URL}]",
    ))  # fmt: skip
    compose = parsed(rendered(stack, sparks(1), None, names).compose)
    environment = compose["services"]["rank0"]["environment"]
    assert environment["SPARKCTL_SECRET_ENV"] == "WANDB_API_KEY"


def test_a_secrets_value_is_nowhere_in_what_is_rendered() -> None:
    spec = sparks(2)
    bare = world_of(spec)
    world = made(plan_up(spec, bare), spec, bare)
    value = "hf_this-is-the-secret"
    prepared = prepare(spec, load_stack("llama3-70b-lora"), world, {"HF_TOKEN": value})
    assert prepared.secrets == {"HF_TOKEN": value}
    assert value not in repr(prepared.rendered)
    compose = parsed(prepared.rendered.compose)
    run = prepared.rendered.run
    assert compose["secrets"] == {
        name: {"external": True, "name": f"{run}-{name}"} for name in ("HF_TOKEN", "SPARKCTL_NONCE")
    }
    assert compose["services"]["rank0"]["secrets"][0]["target"] == "HF_TOKEN"


def test_a_change_of_one_setting_changes_only_the_training_config() -> None:
    def names(*settings: str) -> list[str]:
        return [
            c.name for c in rendered(load_stack("tiny-llama-lora", settings), sparks(2)).configs
        ]

    before, after = names(), names("training.loop.max_steps=51")
    assert before[0] != after[0]
    assert before[1:] == after[1:]


def test_the_clusters_env_wins_over_the_stacks_and_over_ours() -> None:
    stack = load_stack("tiny-llama-lora", ("env.NCCL_DEBUG=WARN", "env.MINE=stack"))
    spec = cluster({"container": {"env": {"NCCL_DEBUG": "INFO", "NCCL_SOCKET_IFNAME": "eth0"}}})
    environment = parsed(rendered(stack, spec).compose)["services"]["rank1"]["environment"]
    assert environment["NCCL_DEBUG"] == "INFO"
    assert environment["MINE"] == "stack"
    assert environment["NCCL_SOCKET_IFNAME"] == "eth0"
    assert environment["GLOO_SOCKET_IFNAME"] == "enp1s0f1np1"


def test_one_rank_needs_no_network_settings() -> None:
    compose = parsed(rendered(load_stack("tiny-llama-lora"), sparks(1)).compose)
    environment = compose["services"]["rank0"]["environment"]
    assert [name for name in environment if name.startswith(("NCCL_", "GLOO_", "UCX_"))] == []


def test_what_a_container_may_use_comes_from_the_cluster_file() -> None:
    spec = cluster(
        {"container": {"ulimits": {}, "cap_add": [], "shm": "1GiB"}, "gpu": {"kind": "my-gpu"}}
    )
    stack = load_stack("llama3-70b-lora")
    service = parsed(rendered(stack, spec).compose)["services"]["rank0"]
    assert "ulimits" not in service
    assert "cap_add" not in service
    assert service["volumes"][-1] == {
        "type": "tmpfs", "target": "/dev/shm", "tmpfs": {"size": 2**30}
    }  # fmt: skip
    (gpu,) = service["deploy"]["resources"]["reservations"]["generic_resources"]
    assert gpu["discrete_resource_spec"]["kind"] == "my-gpu"


printable = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=12)


@given(printable)
@example("$HOME ${X:-y} $$ $")
@example('"quoted": [it\'s] # \\n \U00010000')
def test_a_container_sees_the_value_that_was_written(value: str) -> None:
    """Through YAML, and through compose's interpolation, in which a dollar is written `$$`."""
    spec = cluster({"nodes": ["a"], "container": {"env": {"X": value}}})
    compose = parsed(rendered(load_stack("tiny-llama-lora"), spec, None).compose)
    written = compose["services"]["rank0"]["environment"]["X"]
    assert re.search(r"(?<!\$)(\$\$)*\$(?!\$)", written) is None, "interpolated by Docker"
    assert written.replace("$$", "$") == value


@pytest.mark.parametrize("name", OURS)
def test_names_fit_into_docker(name: str) -> None:
    """Configs and secrets: 64 characters; a service name is a DNS label of 63."""
    _names_fit(load_stack(name))


@pytest.mark.parametrize("name", SCRIPTS)
def test_names_of_a_script_fit_into_docker(name: str, tmp_path: Path) -> None:
    stack = load_stack(name, (f"script.folder={tmp_path}",))
    assert stack.script is not None
    (tmp_path / stack.script.file).touch()
    _names_fit(stack)


def test_names_fit_into_docker_for_the_longest_name_that_a_stack_may_have() -> None:
    longest = max(
        (n for n in range(1, 64) if _is_valid_name("a" * n)),
    )
    _names_fit(load_stack("tiny-llama-lora", (f"name={'a' * longest}",)), nodes=64)


def _is_valid_name(name: str) -> bool:
    try:
        load_stack("tiny-llama-lora", (f"name={name}",))
    except Exception as error:
        assert type(error).__name__ == "SpecError"
        return False
    return True


def _names_fit(stack: StackSpec, nodes: int = 11) -> None:
    """Of so many nodes; a rank of two digits is among them."""
    many = cluster({"nodes": [f"n{i}" for i in range(nodes)]})
    made_of = rendered(stack, many, secrets=tuple(secret.name for secret in stack.secrets))
    assert max((len(config.name) for config in made_of.configs), default=0) <= 64
    assert max((len(store) for _, store in made_of.secrets), default=0) <= 64
    services = parsed(made_of.compose)["services"]
    assert max(len(f"{made_of.run}_{service}") for service in services) <= 63
