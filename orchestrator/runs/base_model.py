"""What is known of a recipe's base before a node has any of it: its shape, or why it is not."""

import os
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from orchestrator.node.parallel import begin
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.secret import login_token
from training.contract.config import ModelConfig
from training.contract.names import source_of
from training.plan.fields import NotUnderstood
from training.plan.known import KNOWN
from training.plan.shape import Shape
from training.plan.understand import understand


@dataclass(frozen=True)
class BaseModel:
    """Its shape; None where it is not known, and `why` in words."""

    shape: Shape | None
    why: str = ""


def known_here(stack: StackSpec) -> BaseModel:
    """Without asking anybody."""
    if stack.training is None:
        return BaseModel(None, "what a script takes only it knows")
    model = stack.training.model.name
    if model in KNOWN:
        return BaseModel(KNOWN[model])
    if source_of(model) == "path":
        return BaseModel(None, f"{model} lies on the nodes: the ranks decide when they read it")
    return BaseModel(None, f"nobody has asked the Hub about {model}")


def looked_up(stack: StackSpec, environ: Mapping[str, str] = os.environ) -> BaseModel:
    """The same; of a model of the Hub that is not known here its config.json is read there.

    That is one small file. It is not fatal when it cannot be read, nor when it is not understood.
    """
    known = known_here(stack)
    if known.shape is not None or stack.training is None:
        return known
    if source_of(stack.training.model.name) != "hub":
        return known
    return _of_the_hub(stack.training.model, environ)


def looking_up(stack: StackSpec) -> Future[BaseModel]:
    """The same, meanwhile: machines are read at that time."""
    return begin(partial(looked_up, stack))


def _of_the_hub(model: ModelConfig, environ: Mapping[str, str]) -> BaseModel:
    from orchestrator.artifacts.hub import Unread, read_config  # what needs no look loads no HTTP

    try:
        config = read_config(model.name, model.revision, login_token(environ), environ)
        return BaseModel(understand(config))
    except Unread as reason:
        return BaseModel(None, str(reason))
    except NotUnderstood as reason:
        return BaseModel(
            None,
            f"the estimate does not understand {model.name}: {reason}. Say yourself whether it is "
            "to be shared out: training.parallel.strategy, sharded or ddp",
        )
