"""`templates/*.j2`: one strict environment for all of them. Each is compiled once."""

import json
import shlex
from functools import cache
from typing import Any

import jinja2

from orchestrator import assets


def render_template(name: str, **values: Any) -> str:
    """The template of this name with these values; one that is not given is an error."""
    return _compiled(name).render(**values)


@cache
def _compiled(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # YAML and shell, never HTML; values go through a filter
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quote"] = shlex.quote
    environment.filters["tojson"] = _json
    return environment.from_string(assets.text(f"templates/{name}"))


def _json(value: Any) -> str:
    """A YAML value as JSON, with every dollar doubled: compose would take it for a variable.

    Jinja's own tojson escapes for HTML, which would change what a container sees.
    """
    return json.dumps(value, ensure_ascii=False).replace("$", "$$")
