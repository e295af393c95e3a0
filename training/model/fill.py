"""A checkpoint's weights go into an empty model, a few rows at a time wherever that is exact."""

import ctypes
from collections.abc import Callable, Mapping

import torch
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset
from transformers import PreTrainedModel
from transformers.distributed.sharding_utils import _dtensor_from_local_like
from transformers.modeling_utils import LoadStateDictConfig
from transformers.utils.loading_report import LoadStateDictInfo

from training.contract.errors import ConfigurationError
from training.model.conversion import Group, Plan, is_packed
from training.model.row_by_row import Apart, rows_apart
from training.model.shards import local
from training.model.weight_reader import Rows, WeightReader

_STAGED = 8 * 2**20
"""Bytes of the files that are in memory at a time, where rows can be converted apart."""

Hold = Callable[[torch.nn.Module, torch.Tensor], torch.nn.Parameter]
"""Makes of a value what a layer holds of it."""


@torch.no_grad()  # type: ignore[untyped-decorator]
def fill(
    model: PreTrainedModel,
    wanted: Plan,
    reader: WeightReader,
    device: torch.device,
    held_otherwise: Mapping[str, Hold] | None = None,
) -> None:
    """Read what this rank holds of an empty (meta) model, whole or sharded, and put it there.

    `held_otherwise` names the weights that are not kept as numbers (4 bits), and who makes them.
    """
    state = model.state_dict(keep_vars=True)
    for group in wanted.groups:
        _Filling(model, reader, device, state, group, held_otherwise or {}).run()
        if group.converter is not None:
            # The C library keeps what a conversion has freed between the weights that it made:
            # 0.45 of a rank's share of a model with experts (measured, 2.7 GB).
            ctypes.CDLL(None).malloc_trim(0)
    _finish(model, wanted, device)


class _Filling:
    """One group of weights on its way into the model."""

    def __init__(
        self,
        model: PreTrainedModel,
        reader: WeightReader,
        device: torch.device,
        state: Mapping[str, torch.Tensor],
        group: Group,
        held_otherwise: Mapping[str, Hold],
    ) -> None:
        self.model, self.reader, self.device = model, reader, device
        self.state, self.group, self.held_otherwise = state, group, held_otherwise
        self.first = state[next(iter(group.targets))]

    def run(self) -> None:
        """Fill what this rank holds of the group's targets."""
        otherwise = is_packed(self.group.converter) or self.held_otherwise.keys() & set(
            self.group.targets
        )
        apart = None if otherwise else rows_apart(self.group, self.first.dim())
        if apart is None:
            self._whole()
        else:
            self._in_pieces(apart)

    def _in_pieces(self, apart: Apart) -> None:
        held = {name: self._empty(self.state[name]) for name in self.group.targets}
        own = _own_rows(self.first)
        total = sum(self._size(name) for name in self.group.names)
        staged = _STAGED if self.group.converter is None else _STAGED // 4  # it makes copies
        step = max(1, staged * self.first.shape[0] // max(1, total))
        for start in range(own.start, own.stop, step):
            rows = slice(start, min(start + step, own.stop))
            for name, value in self._converted(apart, rows).items():
                local(held[name])[start - own.start : rows.stop - own.start].copy_(value)
        for name, tensor in held.items():
            self._put(name, tensor)

    def _whole(self) -> None:
        for name, value in self._converted(Apart.NOT, None).items():
            if is_packed(self.group.converter) and not isinstance(value, torch.nn.Parameter):
                raise ConfigurationError("checkpoint_unfit", f"{name} lacks its scales")
            if isinstance(value, torch.nn.Parameter) and is_packed(self.group.converter):
                self._put(name, value.to(self.device))
            elif name in self.held_otherwise:
                layer = self.model.get_submodule(name.rpartition(".")[0])
                number = value.to(self.state[name].dtype)
                self._put(name, self.held_otherwise[name](layer, number))
            else:
                tensor = self._empty(self.state[name])
                own = local(tensor)
                own.copy_(value[_own_rows(self.state[name])] if value.dim() else value)
                self._put(name, tensor)

    def _converted(self, apart: Apart, rows: Rows) -> dict[str, torch.Tensor]:
        """What these rows of the targets are, as whole weights of the files or rows of them."""
        some = {
            pattern: names[rows] if apart is Apart.PARTS and rows else names
            for pattern, names in self.group.sources.items()
        }
        within = rows if apart is Apart.ROWS else None
        values = iter(self.reader.read((n, within) for names in some.values() for n in names))
        numbers = {
            pattern: [self._number(next(values)) for _ in names] for pattern, names in some.items()
        }
        return self.group.convert(self.model, numbers)

    def _number(self, value: torch.Tensor) -> torch.Tensor:
        """As transformers has it: cast before the conversion, but for what unpacks by itself."""
        operations = getattr(self.group.converter, "operations", ())
        if is_packed(self.group.converter):
            return value.clone()  # it stays as it is: not in the reader's buffer
        if any(hasattr(operation, "hf_quantizer") for operation in operations):
            return value
        return value.to(self.first.dtype)

    def _size(self, name: str) -> int:
        tensor = self.reader.tensors[name]
        return tensor.end - tensor.start

    def _empty(self, like: torch.Tensor) -> torch.Tensor:
        own = local(like)
        empty = torch.empty(own.shape, dtype=own.dtype, device=self.device)
        return _dtensor_from_local_like(empty, like) if isinstance(like, DTensor) else empty

    def _put(self, name: str, value: torch.Tensor) -> None:
        layer_name, _, own = name.rpartition(".")
        layer, there = self.model.get_submodule(layer_name), self.state[name]
        if isinstance(there, torch.nn.Parameter) and not isinstance(value, torch.nn.Parameter):
            learns = there.requires_grad and value.is_floating_point()
            value = torch.nn.Parameter(value, requires_grad=learns)
        value._is_hf_initialized = True  # else transformers draws it again
        setattr(layer, own, value)


def _own_rows(tensor: torch.Tensor) -> slice:
    """This rank's rows of a weight; all of them where it is not sharded."""
    if not isinstance(tensor, DTensor):
        return slice(0, tensor.shape[0] if tensor.dim() else 1)
    shape, offset = compute_local_shape_and_global_offset(
        tensor.shape, tensor.device_mesh, tensor.placements
    )
    if tuple(shape[1:]) != tuple(tensor.shape[1:]):
        raise ConfigurationError("not_sharded", "a weight is not sharded by its rows")
    return slice(offset[0], offset[0] + shape[0])


def _finish(model: PreTrainedModel, wanted: Plan, device: torch.device) -> None:
    """Tie what is tied, and make what no file holds: the rotary embedding's buffers."""
    info = LoadStateDictInfo(
        missing_keys=set(wanted.missing), unexpected_keys=set(), mismatched_keys=set(),
        conversion_errors={}, error_msgs=[], skipped_pp_keys=set(),
    )  # fmt: skip
    config = LoadStateDictConfig(device_map={"": device}, device_mesh=model._device_mesh)
    type(model)._finalize_model_loading(model, config, info)
