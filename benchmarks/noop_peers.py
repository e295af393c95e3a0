"""What Ansible and pyinfra are given: honest equivalents of what our plan looks at, all in order.

daemon.json by its content, the line in the toolkit's config, the group, the service, the folders,
the swarm and the labels of its nodes. Each is set up as its own documentation advises: Ansible with
pipelining, warm control connections and without gathering facts that nobody uses; pyinfra as it is.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml
from docker import from_env

from orchestrator.lab.execute import run

DAEMON_JSON = "/etc/docker/daemon.json"
RUNTIME_CONFIG = "/etc/nvidia-container-runtime/config.toml"
LINE = 'swarm-resource = "DOCKER_RESOURCE_NVIDIA_GPU"'
HOME = "/home/nvidia"
FOLDERS = (
    "/var/lib/sparkctl",
    f"{HOME}/sparkctl/runs",
    f"{HOME}/sparkctl/data",
    f"{HOME}/sparkctl/cache/sparkctl",
    f"{HOME}/.cache/huggingface/hub",
)
SWARM = "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}"
LABELS = "{{json .Spec.Labels}}"

Command = tuple[list[str], dict[str, str]]
"""A command line, and what is special in its environment."""


@dataclass(frozen=True)
class Lab:
    """How its nodes are reached, from the cluster file that the lab wrote."""

    folder: Path

    @property
    def spec(self) -> dict[str, object]:
        found: dict[str, object] = yaml.safe_load((self.folder / "cluster.yaml").read_text())
        return found

    @property
    def nodes(self) -> dict[str, dict[str, str]]:
        """By name: host, port, user, key."""
        return {node["name"]: node["ssh"] for node in self.spec["nodes"]}  # type: ignore[attr-defined]

    @property
    def known_hosts(self) -> str:
        return str(self.folder / self.spec["ssh"]["known_hosts"])  # type: ignore[index]

    @property
    def password(self) -> str:
        file = self.folder / self.spec["sudo"]["password_file"]  # type: ignore[index]
        return str(file.read_text().strip())

    def keep_daemon_jsons(self) -> None:
        """Beside the cluster file: what each node's should be is what it is."""
        client = from_env()
        for name in self.nodes:
            node = client.containers.get(f"sparkctl-lab-{self.spec['name']}-{name}")
            (self.folder / f"{name}.json").write_text(run(node, "cat", DAEMON_JSON))


_ANSIBLE_CFG = """\
[defaults]
inventory = hosts.yaml
[ssh_connection]
pipelining = True
ssh_args = -o ControlMaster=auto -o ControlPersist=600s -o UserKnownHostsFile={known_hosts}
control_path_dir = {folder}/cp
"""


def _tasks() -> list[dict[str, object]]:
    asked = {"changed_when": False}
    wrong = "in_swarm.stdout.split()[0] != 'active'"
    labels = ["docker", "node", "inspect", "--format", _raw(LABELS), "self"]
    return [
        {"ansible.builtin.copy": {"src": "{{ inventory_hostname }}.json", "dest": DAEMON_JSON}},
        {"ansible.builtin.lineinfile": {"path": RUNTIME_CONFIG, "line": LINE}},
        {"ansible.builtin.user": {"name": "nvidia", "groups": "docker", "append": True}},
        {"ansible.builtin.systemd_service": {"name": "docker", "state": "started"}},
        {
            "ansible.builtin.file": {"path": "{{ item }}", "state": "directory"},
            "loop": list(FOLDERS),
        },
        {
            "ansible.builtin.command": {"argv": ["docker", "info", "--format", _raw(SWARM)]},
            "register": "in_swarm",
            "failed_when": wrong,
            **asked,
        },
        {
            "ansible.builtin.command": {"argv": labels},
            "when": "'true' in in_swarm.stdout",
            **asked,
        },
    ]


def _raw(words: str) -> str:
    """Docker's braces are Jinja's too."""
    return f"{{% raw %}}{words}{{% endraw %}}"


def ansible(folder: Path, bin_: Path) -> Command:
    """Its files, and the command that finds nothing to change."""
    lab = Lab(folder)
    lab.keep_daemon_jsons()
    hosts = {
        name: {
            "ansible_host": ssh["host"],
            "ansible_port": ssh["port"],
            "ansible_user": ssh["user"],
            "ansible_ssh_private_key_file": str(folder / ssh["key"]),
        }
        for name, ssh in lab.nodes.items()
    }
    common = {
        "ansible_become_password": lab.password,
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    inventory = {"all": {"hosts": hosts, "vars": common}}
    play = {"hosts": "all", "gather_facts": False, "become": True, "tasks": _tasks()}
    configuration = _ANSIBLE_CFG.format(known_hosts=lab.known_hosts, folder=folder)
    (folder / "ansible.cfg").write_text(configuration)
    (folder / "hosts.yaml").write_text(yaml.safe_dump(inventory))
    (folder / "playbook.yaml").write_text(yaml.safe_dump([play], sort_keys=False))
    here = {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
    return [str(bin_ / "ansible-playbook"), "playbook.yaml"], here


_DEPLOY = f"""\
from pyinfra import host
from pyinfra.facts.server import Command
from pyinfra.operations import files, server, systemd

files.put(src=f"{{host.name}}.json", dest={DAEMON_JSON!r}, mode="644")
files.line(path={RUNTIME_CONFIG!r}, line={LINE!r})
server.user(user="nvidia", groups=["docker"], append=True, ensure_home=False)
systemd.service(service="docker", running=True)
for folder in {FOLDERS!r}:
    files.directory(path=folder)
swarm = host.get_fact(Command, command="docker info --format '{SWARM}'", _sudo=True)
assert swarm.startswith("active"), swarm
if "true" in swarm:
    host.get_fact(Command, command="docker node inspect --format '{LABELS}' self", _sudo=True)
"""


def pyinfra(folder: Path, bin_: Path) -> Command:
    """Likewise."""
    lab = Lab(folder)
    hosts = [
        (
            name,
            {
                "ssh_hostname": ssh["host"],
                "ssh_port": ssh["port"],
                "ssh_user": ssh["user"],
                "ssh_key": str(folder / ssh["key"]),
                "ssh_known_hosts_file": lab.known_hosts,
                "_sudo": True,
                "_sudo_password": lab.password,
            },
        )
        for name, ssh in lab.nodes.items()
    ]
    (folder / "inventory.py").write_text(f"sparks = {hosts!r}\n")
    (folder / "deploy.py").write_text(_DEPLOY)
    return [str(bin_ / "pyinfra"), "-y", "inventory.py", "deploy.py"], {}
