"""What an adapter adds through weights (stacked experts, and layers beside them), as the base's
files have it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from peft import PeftConfig, PeftModel, get_peft_model
from peft.tuners.lora import ParamWrapper
from safetensors.torch import load_file

from training.contract.errors import ConfigurationError
from training.model.file_names import BaseFiles

_PREFIX = "base_model.model."
_NESTED = ".base_layer"


class ExpertUpdates:
    """The updates by the name of the base's weight; peft's own rules say which and how.

    The base is read as names and shapes alone. `modules` are the names that the adapter's file has
    for what is meant here.
    """

    def __init__(self, base: Path, adapter: Path) -> None:
        self._files = BaseFiles(base)
        adapted = get_peft_model(self._files.model, PeftConfig.from_pretrained(adapter))
        self._layers = dict(_wrapped(adapted, load_file(adapter / "adapter_model.safetensors")))
        self.modules = {
            name for name, layer in adapted.named_modules() if isinstance(layer, ParamWrapper)
        }
        self._groups = {
            name: group
            for name, group in self._files.groups.items()
            if self._layers.keys() & group.targets.keys()
        }
        reached = {target for group in self._groups.values() for target in group.targets}
        if lost := sorted(self._layers.keys() - reached):
            raise ConfigurationError("adapter_unfit", f"the base's files have no {lost[0]}")
        self.names = frozenset(self._groups)
        self._made: dict[str, torch.Tensor] = {}

    def take(self, name: str) -> torch.Tensor:
        """What is added to this weight of the files, float32; once. Made a layer at a time."""
        if name not in self._made:
            group = self._groups[name]
            updates = {
                target: _update(self._layers[target])
                if target in self._layers
                else torch.zeros(shape)
                for target, shape in group.targets.items()
            }
            self._made |= self._files.in_files(group, updates)
        return self._made.pop(name)


def _wrapped(
    adapted: PeftModel, weights: Mapping[str, torch.Tensor]
) -> Iterator[tuple[str, ParamWrapper]]:
    for name, layer in adapted.named_modules():
        if isinstance(layer, ParamWrapper):
            for part, own in (("lora_A", layer.lora_A), ("lora_B", layer.lora_B)):
                weight = weights.get(f"{name}.{part}.weight")
                if weight is None or weight.shape != own["default"].weight.shape:
                    raise ConfigurationError(
                        "adapter_unfit",
                        f"the adapter's file has no {name}.{part}.weight of the base's shape",
                        "Name the base that the adapter was trained on.",
                    )
                own["default"].weight = torch.nn.Parameter(weight)
            owner = name.removeprefix(_PREFIX).replace(_NESTED, "")
            yield f"{owner}.{layer.parameter_name}", layer


@torch.no_grad()  # type: ignore[untyped-decorator]
def _update(layer: ParamWrapper) -> torch.Tensor:
    if layer.get_param().dim() == 2:  # an ordinary layer that stands beside a stack
        a, b = (part["default"].weight.float() for part in (layer.lora_A, layer.lora_B))
        plain: torch.Tensor = (b @ a) * layer.scaling["default"]
        return plain
    left, right, scale = layer.get_delta_factors("default")
    update: torch.Tensor = torch.baddbmm(
        torch.zeros(layer.get_param().shape), left.float(), right.float(), alpha=float(scale)
    )
    return update
