"""Shipped recipes on two machines, with a twin of their base: two steps, and what is left of them.

`make recipes` trains every one, `make test` one that is drawn.
"""

from pathlib import Path, PurePosixPath

import pytest

from orchestrator.spec.shipped import stack_names
from tests.families.recipes import TWINS, data_settings, files_of
from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl

DATA = "/home/nvidia/sparkctl/data"
SEEN = "/sparkctl/data"
SMALL = ("data.rows=24", "data.held_out_rows=8", "data.max_length=512", "loop.max_steps=2")


def test_every_recipe_has_a_twin() -> None:
    bases = {name for name in stack_names() if not name.startswith(("tiny-", "playbook-"))}
    assert bases == set(TWINS)


@pytest.mark.sample(1)
@pytest.mark.parametrize("recipe", sorted(TWINS))
def test_a_recipe_trains_the_twin_of_its_base(
    recipe: str,
    machines: dict[str, Machine],
    module_up: Sparkctl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.families.twins import write

    monkeypatch.setenv("HF_TOKEN", "hf_ofNobody")  # gated ones ask for one; it is not used

    twin = write(TWINS[recipe], tmp_path / "twin")
    place = f"{DATA}/{TWINS[recipe]}"
    for machine in machines.values():
        machine.run("mkdir", "-p", place)
        for file in twin.iterdir():
            machine.put(f"{place}/{file.name}", file.read_bytes())
        for name, text in files_of(recipe).items():
            machine.put(f"{DATA}/{name}", text.encode())
    base = f"model.name={SEEN}/{PurePosixPath(place).name}"
    changed = (base, *data_settings(recipe, SEEN), *SMALL)
    settings = [option for one in changed for option in ("--set", f"training.{one}")]
    said = module_up("train", recipe, *settings).stdout
    assert "succeeded" in said, said
    (ended,) = module_up("runs", "show", "last", "--json").json()["runs"]
    assert (ended["stack"], ended["state"]) == (recipe, "succeeded")
    module_up("runs", "fetch", "last", "--to", str(tmp_path / "fetched"))
    saved = {path.name for path in (tmp_path / "fetched").rglob("*.safetensors")}
    assert saved, list((tmp_path / "fetched").rglob("*"))
