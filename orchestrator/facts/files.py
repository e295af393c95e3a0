"""The two files of Docker that sparkctl writes: what is in them, and what is in the way of that."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from orchestrator import assets
from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.shell import shell
from orchestrator.facts.values import as_pairs, lines, pairs, text
from orchestrator.names import DAEMON_JSON, RUNTIME_CONFIG
from orchestrator.node.files import File
from orchestrator.spec.cluster import PathsSpec


@dataclass(frozen=True, kw_only=True)
class Files:
    """daemon.json, and the configuration of nvidia-container-runtime; None where there is none."""

    daemon_folder: str
    """Of daemon.json: absent, alone (nothing else is in it), or shared."""
    daemon_json: File | None
    runtime_config: File | None
    links: Mapping[str, str]
    """Those of the two files that are links, and where they lead to."""
    fixed: Mapping[str, str]
    """Those of the two files that nobody can replace, and why."""
    staged: tuple[str, ...]
    """Copies beside these two files that a change which died has left."""


def _shell(paths: PathsSpec) -> str:
    daemon = PurePosixPath(DAEMON_JSON)
    return assets.text("templates/node/mounted.sh") + shell(
        "files.sh",
        state=paths.state,
        daemon_json=DAEMON_JSON,
        daemon_folder=str(daemon.parent),
        daemon_name=daemon.name,
        runtime_config=RUNTIME_CONFIG,
    )


def _parse(raw: Raw) -> Files:
    return Files(
        daemon_folder=text(raw["daemon_folder"]),
        daemon_json=_file(raw, "daemon_json"),
        runtime_config=_file(raw, "runtime_config"),
        links=pairs(raw["links"]),
        fixed=pairs(raw["fixed"]),
        staged=tuple(lines(raw["staged"])),
    )


def _file(raw: Raw, name: str) -> File | None:
    if f"{name}.stat" not in raw:
        return None
    mode, uid, gid = raw[f"{name}.stat"].decode().split()
    return File(raw[f"{name}.bytes"], mode, int(uid), int(gid))


STOCK_CONFIG = b"""\
#accept-nvidia-visible-devices-as-volume-mounts = false
disable-require = false
#swarm-resource = "DOCKER_RESOURCE_GPU"

[nvidia-container-cli]
environment = []
"""


def _stock(number: int) -> Files:
    return Files(
        daemon_folder="shared",
        daemon_json=None,
        runtime_config=File(STOCK_CONFIG, "644", 0, 0),
        links={},
        fixed={},
        staged=(),
    )


def _printed(files: Files) -> Printed:
    return {
        "daemon_folder": files.daemon_folder,
        "links": as_pairs(files.links),
        "fixed": as_pairs(files.fixed),
        "staged": "\n".join(files.staged),
        **_printed_file("daemon_json", files.daemon_json),
        **_printed_file("runtime_config", files.runtime_config),
    }


def _printed_file(name: str, file: File | None) -> Printed:
    if file is None:
        return {}
    return {f"{name}.stat": f"{file.mode} {file.uid} {file.gid}", f"{name}.bytes": file.content}


FILES = Group(_shell, _parse, _stock, _printed)
