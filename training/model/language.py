"""Which part of a model reads and writes text: all of it, or a part of a wrapper beside towers."""

from transformers import PreTrainedModel


def text_modules(model: PreTrainedModel) -> tuple[str, ...]:
    """Dotted names of the modules whose subtrees are the language model; `("",)` where all is.

    In a wrapper (image, sound and text) these are its decoder and its output layer, as transformers
    itself finds them. What lies outside is a tower or a projector: frozen, and without adapters.
    """
    if model.config.get_text_config() is model.config:
        return ("",)
    names = {id(module): name for name, module in model.named_modules()}
    parts = model.get_decoder(), model.get_output_embeddings()
    return tuple(names[id(part)] for part in parts if part is not None and id(part) in names)


def is_text(name: str, modules: tuple[str, ...]) -> bool:
    """Whether a module or a weight of this dotted name belongs to the language model."""
    return any(not part or name == part or name.startswith(f"{part}.") for part in modules)
