"""Secrets of a run: from this computer into Docker's secret store, and nowhere else."""

import os
from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import RunError
from orchestrator.spec.files import OpenToOthers, UnfitFile, read_private, read_text
from orchestrator.spec.stack import SecretSpec, StackSpec

_LOGIN = "HF_TOKEN"
"""The secret that `hf auth login` keeps on this computer."""


_NOT_SET = "not set"


def secret_values(stack: StackSpec, environ: Mapping[str, str]) -> dict[str, str]:
    """Values by name, of those that have one: the environment, then the file that the stack names,
    then, for HF_TOKEN, the login of the Hugging Face tools.

    Raises RunError when a required one has none, or when others may read its file.
    """
    found = {secret.name: _value(secret, environ) for secret in stack.secrets}
    missing = [s.name for s in stack.secrets if s.required and not found[s.name]]
    if missing:
        login = ", or log in: hf auth login" if missing[0] == _LOGIN else ""
        raise RunError(
            f"{stack.name} needs the secret {missing[0]}",
            resolution=f"Set it in the environment of this command: export {missing[0]}=…{login}. "
            "It goes into Docker's secret store for the run, and nowhere else.",
        )
    return {name: value for name, value in found.items() if value}


def secret_sources(stack: StackSpec, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Where each value would be taken from, in words; the values are not looked at."""
    return {secret.name: _source(secret, environ) for secret in stack.secrets}


def login_source(environ: Mapping[str, str] = os.environ) -> str | None:
    """Where a token of the Hugging Face Hub would be taken from, in words; None without one."""
    found = _source(SecretSpec(name=_LOGIN), environ)
    return None if found.startswith(_NOT_SET) else found


def login_token(environ: Mapping[str, str] = os.environ) -> str | None:
    """The token with which this computer asks the Hub, as its own tools do; None without one."""
    return _value(SecretSpec(name=_LOGIN), environ) or None


def _source(secret: SecretSpec, environ: Mapping[str, str]) -> str:
    if environ.get(secret.name):
        return f"from the variable {secret.name} of this command"
    if secret.file is not None:
        return f"from the file {_expanded(secret.file)} of this computer"
    if secret.name == _LOGIN and _from_login(environ):
        return f"from the login of the Hugging Face tools, {_login_file(environ)}"
    return f"{_NOT_SET}: neither the variable {secret.name} nor a file"


def _value(secret: SecretSpec, environ: Mapping[str, str]) -> str:
    if value := environ.get(secret.name):
        return value
    if secret.file is not None:
        return _from_file(secret, _expanded(secret.file))
    return _from_login(environ) if secret.name == _LOGIN else ""


def _from_file(secret: SecretSpec, file: Path) -> str:
    try:
        return read_private(file).strip()
    except OpenToOthers as unfit:
        raise RunError(
            f"others may read the file of the secret {secret.name}",
            details=f"{file}: {unfit}",
            resolution=f"chmod 600 {file}",
        ) from None
    except UnfitFile as unfit:
        raise RunError(
            f"the file of the secret {secret.name} cannot be read",
            details=f"{file}: {unfit}",
            resolution="Fix secrets.file in the stack, or set it in the environment instead.",
        ) from None


def _expanded(file: str) -> Path:
    return Path(os.path.expanduser(file))  # noqa: PTH111 - Path's raises where there is no home


def _login_file(environ: Mapping[str, str]) -> Path:
    """Where huggingface_hub keeps its token: HF_TOKEN_PATH, else HF_HOME/token."""
    home = environ.get("HF_HOME") or str(Path(environ.get("HOME", "~")) / ".cache" / "huggingface")
    return _expanded(environ.get("HF_TOKEN_PATH") or str(Path(home) / "token"))


def _from_login(environ: Mapping[str, str]) -> str:
    try:
        return read_text(_login_file(environ)).strip()
    except UnfitFile:
        return ""
