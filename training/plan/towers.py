"""What sees, beside a language model: it is loaded, and never learns. Weights of each kind."""

from collections.abc import Callable, Mapping

from training.plan.fields import Fields, NotUnderstood

_SIGLIP = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_channels": 3,
    "image_size": 224, "patch_size": 16,
}  # fmt: skip
_PIXTRAL = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_channels": 3,
    "patch_size": 16, "num_attention_heads": 16,
}  # fmt: skip
_QWEN = {
    "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "in_channels": 3,
    "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 3584,
    "num_position_embeddings": 2304,
}  # fmt: skip
_GEMMA4 = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 16,
    "num_attention_heads": 12, "num_key_value_heads": 12, "head_dim": 64, "patch_size": 16,
    "position_embedding_size": 10240,
}  # fmt: skip


def tower(kind: str, fields: Fields, hidden: int) -> int:
    """Weights of the tower of a wrapper, of model_type `kind`, and of what leads to the text.

    `hidden`: size of the text model. Raises NotUnderstood for what is not in the table.
    """
    if fields.get("audio_config") is not None:
        raise NotUnderstood("it also hears, and nothing is known of how large that part is")
    if kind not in TOWERS:
        raise NotUnderstood(f"nothing is known of how large the tower of a {kind} is")
    defaults, count = TOWERS[kind]
    vision = fields.part("vision_config", defaults)
    if vision is None:
        raise NotUnderstood("its config.json has no vision_config")
    return count(vision, fields, hidden)


def _siglip(vision: Fields, fields: Fields, hidden: int) -> int:
    """Gemma 3: SigLIP with its pooling head, and a projection."""
    _of_kind(vision, "siglip_vision_model", "siglip")
    wide, inner = vision.number("hidden_size"), vision.number("intermediate_size")
    patch, side = vision.number("patch_size"), vision.number("image_size")
    norm, attention = 2 * wide, 4 * (wide * wide + wide)
    mlp = 2 * wide * inner + inner + wide
    embeddings = vision.number("num_channels") * patch * patch * wide + wide
    embeddings += (side // patch) ** 2 * wide
    head = wide + attention + norm + mlp if vision.get("vision_use_head") is not False else 0
    layers = vision.number("num_hidden_layers") * (2 * norm + attention + mlp)
    return embeddings + layers + norm + head + wide * hidden + wide


def _pixtral(vision: Fields, fields: Fields, hidden: int) -> int:
    """Mistral 3: Pixtral, and a projection of merged patches."""
    _of_kind(vision, "pixtral")
    wide, inner = vision.number("hidden_size"), vision.number("intermediate_size")
    layer = 4 * wide * wide + 3 * wide * inner + 2 * wide
    patches = vision.number("num_channels") * vision.number("patch_size") ** 2 * wide
    merged = fields.number("spatial_merge_size") ** 2 * wide * wide
    bias = 2 * hidden if fields.flag("multimodal_projector_bias") else 0
    if isinstance(fields.get("vision_feature_layer"), list):
        raise NotUnderstood("its projector takes several layers of the tower")
    projector = wide + merged + wide * hidden + hidden * hidden + bias
    return patches + wide + vision.number("num_hidden_layers") * layer + projector


def _qwen(vision: Fields, fields: Fields, hidden: int) -> int:
    """Qwen3.5: blocks and a merger."""
    wide, inner = vision.number("hidden_size"), vision.number("intermediate_size")
    cell = vision.number("patch_size") ** 2 * vision.number("temporal_patch_size")
    patches = vision.number("in_channels") * cell * wide + wide
    block = 4 * wide + 3 * wide * wide + 3 * wide + wide * wide + wide
    block += 2 * wide * inner + inner + wide
    merged, out = wide * vision.number("spatial_merge_size") ** 2, vision.number("out_hidden_size")
    merger = merged * merged + merged + merged * out + out
    positions = vision.number("num_position_embeddings") * wide
    return patches + positions + vision.number("depth") * block + merger + 2 * wide


def _deep_qwen(vision: Fields, fields: Fields, hidden: int) -> int:
    """Qwen3-VL: the same, and a merger more for each layer whose view goes deep into the text."""
    if not vision.names("deepstack_visual_indexes"):
        raise NotUnderstood("its vision_config has no deepstack_visual_indexes")
    merged = vision.number("hidden_size") * vision.number("spatial_merge_size") ** 2
    out = vision.number("out_hidden_size")
    merger = 3 * merged + merged * merged + merged * out + out
    return _qwen(vision, fields, hidden) + len(vision.numbers("deepstack_visual_indexes")) * merger


def _gemma4(vision: Fields, fields: Fields, hidden: int) -> int:
    """Gemma 4: a tower built like its text model, and a projection."""
    wide, inner = vision.number("hidden_size"), vision.number("intermediate_size")
    head, heads = vision.number("head_dim"), vision.number("num_attention_heads")
    asked, told = heads * head, vision.number("num_key_value_heads") * head
    if vision.flag("attention_bias"):
        raise NotUnderstood("its tower has biases")
    layer = 2 * wide * (asked + told) + 2 * head + 3 * wide * inner + 4 * wide
    patches = 3 * vision.number("patch_size") ** 2 * wide
    positions = 2 * vision.number("position_embedding_size") * wide
    return patches + positions + vision.number("num_hidden_layers") * layer + wide * hidden


def _of_kind(vision: Fields, *kinds: str) -> None:
    if (kind := vision.get("model_type")) not in (None, *kinds):
        raise NotUnderstood(f"nothing is known of how large a tower of the kind {kind} is")


_Count = Callable[[Fields, Fields, int], int]
TOWERS: Mapping[str, tuple[Mapping[str, int], _Count]] = {
    "gemma3": (_SIGLIP, _siglip),
    "mistral3": (_PIXTRAL, _pixtral),
    "qwen3_vl": (_QWEN, _deep_qwen),
    "qwen3_vl_moe": (_QWEN, _deep_qwen),
    "qwen3_5": (_QWEN, _qwen),
    "qwen3_5_moe": (_QWEN, _qwen),
    "gemma4": (_GEMMA4, _gemma4),
}
"""By the wrapper's model_type: what its class takes where a field is missing, and the count."""
