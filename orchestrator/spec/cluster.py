"""`cluster.yaml`: which machines there are and what they should become."""

import re
from collections.abc import Mapping
from itertools import permutations
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from orchestrator.spec.addresses import FabricAddress, FabricNetwork
from orchestrator.spec.base import ApiVersion, Misfit, Model
from orchestrator.spec.patterns import GPU_KIND, NAME, ULIMIT, VARIABLE, as_name
from orchestrator.spec.ssh_target import ensure_bare_host, parse_target
from orchestrator.spec.units import SharedMemory
from orchestrator.spec.yaml_text import WrittenFloat, WrittenInt


def _as_written(value: object) -> object:
    """A number is the text that was written; of true and false nobody knows which word is meant."""
    return value.written if isinstance(value, WrittenInt | WrittenFloat) else value


Environment = dict[
    Annotated[str, Field(pattern=VARIABLE)], Annotated[str, BeforeValidator(_as_written)]
]
Name = Annotated[str, Field(pattern=NAME)]


class SshTarget(Model):
    """How one machine is reached over SSH. What is left out comes from ~/.ssh/config."""

    host: str
    """Host name, address, or a Host alias of ~/.ssh/config."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """TCP port; default: ssh_config, else 22."""
    user: str | None = None
    """Login; default: ssh_config, else the user who runs sparkctl."""
    key: str | None = None
    """Private key file; default: ssh_config, the agent, the usual files in ~/.ssh."""


class NodeFabric(Model):
    """What is known beforehand of one node's fast link; both are detected when left out."""

    interface: str | None = None
    """Interface name on this node."""
    address: FabricAddress | None = None
    """IPv4 address of this node on the fabric."""


class SudoSpec(Model):
    """Where root comes from when sudo wants a password. It goes to no machine that wants none."""

    password_file: str | None = None
    """File whose first line is the sudo password, mode 600; else SPARKCTL_SUDO_PASSWORD, else one
    prompt."""


class NodeSpec(Model):
    """One machine; a plain string is its name, or its host (`nvidia@spark-a.local`)."""

    name: Name
    """Unique in the cluster; lower case, digits and dashes."""
    ssh: SshTarget | None = None
    """SSH target; a plain string is `host`, `user@host`, `host:port` or `user@host:port`."""
    connection: Literal["ssh", "local"] = "ssh"
    """`local` is the machine that sparkctl runs on; no SSH then."""
    sudo: SudoSpec | None = None
    """Where this node's sudo password is another one; default: the cluster's `sudo`."""
    fabric: NodeFabric = NodeFabric()
    """Overrides of the detected fabric for this node."""
    state: Literal["present", "absent"] = "present"
    """`absent`: the next `cluster up` takes the machine out of the cluster and restores it."""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        if isinstance(value, int | float):
            raise ValueError("a node is a name or a mapping; put a name of digits in quotes")
        return _from_text(value) if isinstance(value, str) else value

    @field_validator("ssh", mode="before")
    @classmethod
    def _as_typed(cls, value: object) -> object:
        if isinstance(value, str):
            return parse_target(value)
        if isinstance(value, dict) and isinstance(value.get("host"), str):
            ensure_bare_host(value["host"])
        return value

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.connection == "local" and self.ssh is not None:
            raise ValueError("`connection: local` and `ssh` exclude each other")
        return self

    @property
    def target(self) -> SshTarget:
        """The SSH target; without one the node's name is the host or alias."""
        return self.ssh or SshTarget(host=self.name)


class SshSpec(Model):
    """SSH settings for all nodes."""

    config: str | None = None
    """Another file instead of ~/.ssh/config and /etc/ssh/ssh_config, as with `ssh -F`."""
    known_hosts: str | None = None
    """Known-hosts file; default: ssh_config's UserKnownHostsFile."""
    host_keys: Literal["strict", "accept-new"] | None = None
    """An unknown host key is refused (strict) or written down (accept-new). A changed one is always
    refused. Default: ssh_config's StrictHostKeyChecking (`no` means accept-new), else strict."""
    connect_timeout: Annotated[float, Field(gt=0, le=300)] = 10.0
    """Seconds for TCP, key exchange and login, each."""


class FabricSpec(Model):
    """The fast network between the nodes."""

    interface: str | None = None
    """Interface name on every node, e.g. enp1s0f1np1."""
    subnet: FabricNetwork | None = None
    """Or: the network the fabric addresses are in, e.g. 192.168.100.0/24."""
    port: Annotated[int, Field(ge=1024, le=65534)] = 29500
    """TCP port on rank 0 where the process group meets; the supervisors meet at the next one."""

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.interface is not None and self.subnet is not None:
            raise ValueError("give `interface` or `subnet`, not both")
        return self


class GpuSpec(Model):
    """How GPUs are announced to Swarm."""

    kind: Annotated[str, Field(pattern=GPU_KIND)] = "NVIDIA_GPU"
    """Generic-resource kind. It also makes the swarm-resource line, so that both always match."""

    @property
    def resource_variable(self) -> str:
        """Environment variable through which Swarm gives a task's container its GPU."""
        return f"DOCKER_RESOURCE_{self.kind.upper().replace('-', '_')}"


class ContainerSpec(Model):
    """Defaults for every training container."""

    base_image: str = "nvcr.io/nvidia/pytorch:26.07-py3"
    """Image with Python and torch (2.13 or newer, where a base is sharded) that the training image
    is built upon. Not pulled by us."""
    shm: SharedMemory = 16 * 2**30
    """Size of /dev/shm, e.g. 16GiB. It comes out of the unified memory."""
    ulimits: dict[Annotated[str, Field(pattern=ULIMIT)], int] = {
        "memlock": -1,
        "stack": 67108864,
    }
    """Limits of the container; -1 is unlimited. Empty where the machine cannot give them."""
    cap_add: list[str] = ["IPC_LOCK"]
    """Capabilities; RDMA registers memory."""
    env: Environment = {}
    """More environment variables, for every rank; they win over what sparkctl sets."""


class PathsSpec(Model):
    """Folders on the nodes. `~` is the home of the login user there."""

    state: str = "/var/lib/sparkctl"
    """Journal; owned by root."""
    runs: str = "~/sparkctl/runs"
    """One folder per training run: adapter, metrics."""
    data: str = "~/sparkctl/data"
    """Your own data and models, on every node; ranks read it as /sparkctl/data and never write."""
    cache: str = "~/sparkctl/cache"
    """What may be built once and used by later runs, in a subfolder `sparkctl`, which is ours."""
    huggingface: str = "~/.cache/huggingface"
    """The user's own Hugging Face cache; ranks see its `hub` only, models land there and stay."""

    @property
    def own_cache(self) -> str:
        """The part of the cache that containers see and `cluster down` takes away."""
        return f"{self.cache}/sparkctl"

    @property
    def hub(self) -> str:
        """The part of the Hugging Face cache that containers see: no token, no code."""
        return f"{self.huggingface}/hub"

    @field_validator("*")
    @classmethod
    def _one_way_to_write_it(cls, value: str) -> str:
        path = PurePosixPath(value)
        if not (path.is_absolute() or path.parts[:1] == ("~",)) or ".." in path.parts:
            raise ValueError(f"{value!r} must begin with / or ~/ and contain no ..")
        if len(path.parts) < 2:
            raise ValueError(f"{value!r} is too short to be a folder of our own")
        return str(path)

    @field_validator("state")
    @classmethod
    def _owned_by_root(cls, value: str) -> str:
        if value.startswith("~"):
            raise ValueError(f"{value!r} must begin with /: the journal belongs to root")
        return value

    @model_validator(mode="after")
    def _apart(self) -> Self:
        """Each folder has its own way back, so none may be inside of another."""
        folders = {key: PurePosixPath(value) for key, value in dict(self).items()}
        for (key, a), (_, b) in permutations(folders.items(), 2):
            if a.is_relative_to(b):
                raise Misfit(f"{a} is inside of {b}: give each its own folder", key)
        return self


class ClusterSpec(Model):
    """The whole file."""

    apiVersion: ApiVersion  # noqa: N815 - the name is the API's
    kind: Literal["Cluster"]
    name: Name
    """Shown in every prompt; part of the swarm's labels."""
    nodes: Annotated[list[NodeSpec], Field(min_length=1, max_length=64)]
    """The machines, in rank order: the first (present) is the manager and holds rank 0. A plain
    string is a node of that name; with a dot or a user (`nvidia@spark-a.local`) it is its SSH
    target, and the name is the first part of the host."""
    fabric: FabricSpec = FabricSpec()
    gpu: GpuSpec = GpuSpec()
    ssh: SshSpec = SshSpec()
    sudo: SudoSpec = SudoSpec()
    container: ContainerSpec = ContainerSpec()
    paths: PathsSpec = PathsSpec()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        local = [number for number, n in enumerate(self.nodes) if n.connection == "local"]
        _ensure_unique("name", {n: node.name for n, node in enumerate(self.nodes)}, "name")
        addresses = {n: str(a) for n, node in enumerate(self.nodes) if (a := node.fabric.address)}
        _ensure_unique("fabric address", addresses, "fabric", "address")
        targets = {n: _where(node.target) for n, node in enumerate(self.nodes) if n not in local}
        _ensure_unique("SSH target", targets, "ssh")
        if len(local) > 1:
            where = ("nodes", local[1], "connection")
            raise Misfit("only one node can be `connection: local`", *where)
        if not self.members:
            absent = "all nodes are absent; `sparkctl cluster down` restores all of them"
            raise Misfit(absent, "nodes")
        return self

    @property
    def members(self) -> list[NodeSpec]:
        """The nodes that are to be in the cluster."""
        return [node for node in self.nodes if node.state == "present"]

    def only_members(self) -> Self:
        """The same cluster without the nodes that are to leave it."""
        return self.model_copy(update={"nodes": self.members})

    @property
    def manager(self) -> NodeSpec:
        """The node that manages the swarm and holds rank 0."""
        return self.members[0]

    @property
    def workers(self) -> list[NodeSpec]:
        """All nodes but the manager."""
        return self.members[1:]


def _where(target: SshTarget) -> str:
    """Capitals in a host name make no other machine."""
    host = target.host.lower()
    return host if target.port is None else f"{host}:{target.port}"


def _from_text(text: str) -> dict[str, object]:
    """A node's name, or what leads to it."""
    if not re.search(r"[.@:]", text):
        return {"name": text}
    host = str(parse_target(text)["host"])
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        raise ValueError(
            f"an address is no name; write for example {{name: spark-a, ssh: {text!r}}}"
        )
    return {"name": as_name(host), "ssh": text}


def _ensure_unique(what: str, values: Mapping[int, str], *key: str) -> None:
    """`values` by the number of the node; the second one of a value is where the fault is."""
    first: dict[str, int] = {}
    for number, value in values.items():
        if first.setdefault(value, number) != number:
            raise Misfit(f"two nodes have the same {what}: {value}", "nodes", number, *key)
