"""A lab node seen from outside: through the outer engine, as root, without sparkctl's own SSH."""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from docker.models.containers import Container

from orchestrator.lab.execute import attempt, run


@dataclass(frozen=True)
class Machine:
    """One node."""

    name: str
    container: Container

    def run(self, *command: str) -> str:
        """Output of a command; an exit code other than 0 is an error."""
        return run(self.container, *command)

    def attempt(self, *command: str) -> tuple[int, str]:
        """Exit code and output."""
        return attempt(self.container, *command)

    def read(self, path: str) -> bytes:
        """The bytes of a file."""
        chunks, _ = self.container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            member = archive.extractfile(archive.getmembers()[0])
            assert member is not None
            return member.read()

    def fetch(self, path: str, to: Path) -> Path:
        """Copy a file or folder into `to` on this computer."""
        chunks, _ = self.container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            archive.extractall(to, filter="data")
        return to / PurePosixPath(path).name

    def put(
        self, path: str, content: bytes | None, *, mode: str = "644", owner: str = "root:root"
    ) -> None:
        """Write a file, or make sure that there is none."""
        if content is None:
            self.run("rm", "-f", path)
            return
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            info = tarfile.TarInfo(PurePosixPath(path).name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        assert self.container.put_archive(str(PurePosixPath(path).parent), buffer.getvalue())
        self.run("chmod", mode, path)
        self.run("chown", owner, path)


_LOOK = r"""
cd /
# etc/group.123: what usermod itself leaves when the power goes in the middle of it (shadow's lock).
# Whatever was made, changed or left behind where sparkctl may write: itself, and who owns it.
find etc home opt root srv tmp usr/local var/lib var/tmp run/sparkctl \
  \( -path var/lib/docker -o -path var/lib/containerd -o -path var/lib/systemd \
     -o -path var/lib/sparkctl-lab -o -name 'systemd-private-*' \) -prune \
  -o \( -path 'etc/*-' -o -regex 'etc/g\(roup\|shadow\)\.[0-9]+' \
     -o -path etc/mtab -o -path 'tmp/.*-unix' \) \
  -o -printf '%p %y %m %u:%g\n' 2>/dev/null | sort
# The outer engine writes hosts and resolv.conf of a node anew at each of its boots.
find etc home -type f ! -path 'etc/*-' ! -regex 'etc/g\(roup\|shadow\)\.[0-9]+' \
  ! -path etc/hosts ! -path etc/resolv.conf \
  -exec sha256sum {} + | sort -k 2
id nvidia
getent group docker
docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.NodeID}} {{.DefaultRuntime}}'
docker info --format '{{len .GenericResources}}'
docker network ls --format '{{.Name}} {{.Driver}}' | sort
docker ps -aq
docker images -q | sort
ls -A var/lib/docker/swarm
systemctl is-active docker ssh
systemctl list-units --all --failed --no-legend --plain
systemctl list-units --all --no-legend --plain 'sparkctl*'
systemctl list-unit-files --no-legend --plain 'sparkctl*'
:
"""


def snapshot(machine: Machine) -> str:
    """Everything that `cluster up` may touch: files, owners, groups, swarm, networks, units."""
    return machine.run("sh", "-c", _LOOK)
