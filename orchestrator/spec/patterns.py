"""Regular expressions of the declarative API, and what they ask for in words."""

import re

NAME = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
STACK_NAME = r"^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$"
SECRET = r"^[A-Z][A-Z0-9_]*$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
GPU_KIND = r"^[A-Za-z][A-Za-z0-9_-]*$"
ULIMIT = r"^[a-z]+$"
ENGINE = r"^([a-z][a-z0-9-]{0,29}|.*/.*)$"
ENGINE_NAME = r"^[a-z][a-z0-9-]{0,29}$"
SHORT = r"^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$"
PATH = r"^[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*$"
TARGET = r"^(/[A-Za-z0-9_][\w.-]*)+$"
MOUNT_SOURCE = r"^~?(/[\w@+ .-]+)+/?$"
ACCELERATE = r"^(ddp|fsdp-full|fsdp-lora|.*\.ya?ml)$"

WORDS = {
    NAME: "a name is at most 40 lower-case letters, digits and dashes, no dash first or last",
    STACK_NAME: "a name is at most 30 lower-case letters, digits and dashes, no dash first or last",
    SECRET: "a secret's name is capitals, digits and _, a capital first",
    VARIABLE: "a variable's name is letters, digits and _, no digit first",
    GPU_KIND: "a kind is letters, digits, _ and -, a letter first, such as NVIDIA_GPU",
    ULIMIT: "a limit's name is lower-case letters, such as memlock",
    ENGINE: "it is torch, script, or the path of a folder with an engine.yaml, such as ./my-engine",
    ENGINE_NAME: "a name is at most 30 lower-case letters, digits and dashes, a letter first",
    SHORT: "a file's name is at most 10 lower-case letters, digits and dashes, a letter first",
    PATH: "a file is named by its path in the engine's folder",
    TARGET: "a target is an absolute path in the container",
    MOUNT_SOURCE: "it is a path on every node: absolute, or in the home there, such as ~/data",
    ACCELERATE: "it is ddp, fsdp-full or fsdp-lora, or a file such as ./accelerate.yaml",
}


def as_name(given: str) -> str:
    """The first part of a host name, with dashes for what a name must not have."""
    return re.sub(r"[^a-z0-9]+", "-", given.partition(".")[0].lower()).strip("-")
