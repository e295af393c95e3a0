"""Docker that was installed in another way after `up`: `plan` says so, `down` gives all back."""

from collections.abc import Callable

from orchestrator.names import DAEMON_JSON
from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl

UNITS = "/usr/lib/systemd/system"
KEPT = "/var/lib/sparkctl-lab"

# The same dockerd under the snap's unit, with a file and a data-root of its own, as the snap has.
SNAP = f"""
systemctl stop docker.socket docker
mv {UNITS}/docker.service {UNITS}/docker.socket {KEPT}/
printf '[Service]\\nType=notify\\nDelegate=yes\\nExecStart=/usr/sbin/dockerd %s %s\\n' \
  '--config-file {KEPT}/snap.json' '--data-root /var/lib/docker/of-the-snap' \
  >/run/systemd/system/snap.docker.dockerd.service
echo '{{}}' >{KEPT}/snap.json
systemctl daemon-reload
systemctl start snap.docker.dockerd
"""

BACK = f"""
systemctl stop snap.docker.dockerd
rm -rf /run/systemd/system/snap.docker.dockerd.service {KEPT}/snap.json /var/lib/docker/of-the-snap
mv {KEPT}/docker.service {KEPT}/docker.socket {UNITS}/
systemctl daemon-reload
systemctl start docker
docker swarm leave --force
docker network rm docker_gwbridge
"""


def test_docker_became_the_snap(
    machines: dict[str, Machine],
    sparkctl: Sparkctl,
    later: Callable[[Callable[[], object]], None],
) -> None:
    sparkctl("cluster", "plan")  # the first use of sudo leaves marks of its own
    before = {name: snapshot(machine) for name, machine in machines.items()}
    later(lambda: sparkctl("cluster", "down", "--yes"))
    sparkctl("cluster", "up", "--yes")
    machine = machines["spark-b"]
    later(lambda: machine.attempt("sh", "-c", BACK))
    machine.run("sh", "-ec", SNAP)

    refused = sparkctl("cluster", "plan", expect=6).stderr
    assert "Docker on spark-b is the snap docker" in refused
    sparkctl("cluster", "down", "--yes")
    assert machine.attempt("test", "-e", DAEMON_JSON)[0] != 0

    machine.run("sh", "-ec", BACK)
    for name, machine in machines.items():
        assert sorted(set(snapshot(machine).splitlines()) ^ set(before[name].splitlines())) == []
