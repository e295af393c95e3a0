"""`templates/**/*.j2`: one strict environment for all of them. Each is compiled once.

A template includes another by its path below `templates/`.
"""

import base64
import json
import shlex
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestrator import assets

if TYPE_CHECKING:
    import jinja2


def render_template(name: str, **values: Any) -> str:
    """The template of this name with these values; one that is not given is an error."""
    return environment().get_template(name).render(**values)


@cache
def environment() -> "jinja2.Environment":
    """With what every template may use."""
    import jinja2  # takes as long as a machine to answer, and reading the machines needs none

    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: assets.text(f"templates/{name}")),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # YAML and shell, never HTML; values go through a filter
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["quote"] = shlex.quote
    made.filters["tojson"] = _json
    made.filters["base64"] = _base64
    return made


def _json(value: Any) -> str:
    """A YAML value as JSON, with every dollar doubled: compose would take it for a variable.

    Jinja's own tojson escapes for HTML, which would change what a container sees.
    """
    return json.dumps(value, ensure_ascii=False).replace("$", "$$")


def _base64(content: bytes) -> str:
    """In lines that end, none where there is no content."""
    return base64.encodebytes(content).decode()
