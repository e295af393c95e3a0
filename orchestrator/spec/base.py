"""What all models of the declarative API share."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler

from orchestrator.spec.key_path import Key

API_VERSION = "sparkctl/v1"
ApiVersion = Literal["sparkctl/v1"]


class Model(BaseModel):
    """Frozen, and an unknown key is an error: a typo must never be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> Any:
        """With the docstring of each field as its description."""
        from orchestrator.spec.docstrings import field_docstrings

        schema = handler(core)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in field_docstrings(cls).items():
            if name in properties:
                properties[name].setdefault("description", text)
        return schema


class Misfit(ValueError):
    """What is wrong with one value below the one that a validator looks at."""

    def __init__(self, message: str, *below: Key) -> None:
        super().__init__(message)
        self.below = below
        """The keys that lead there."""
