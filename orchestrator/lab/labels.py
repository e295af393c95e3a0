"""The labels by which the lab finds its own things again, and nothing else."""

LAB = "sparkctl.lab"
"""On everything: the lab's name, or `shared` for what all labs on an engine use."""

NODE = "sparkctl.lab.node"
"""On a node's container and volume: the node's name."""

RECIPE = "sparkctl.lab.recipe"
"""On a node's container: changes with all that the node was made from."""

OUT = "sparkctl.lab.out"
"""On a lab's networks: the absolute path of the cluster file that the lab wrote."""

SHARED = "shared"


Filters = dict[str, str | list[str] | bool]
"""What the Docker SDK's `list` calls take."""


ANY: Filters = {"label": [LAB]}
"""The engine's filter for everything of every lab."""


def of_lab(name: str) -> Filters:
    """The engine's filter for everything that belongs to one lab."""
    return {"label": [f"{LAB}={name}"]}


def any_node() -> Filters:
    """The engine's filter for the nodes of all labs."""
    return {"label": [NODE]}


def of_node(lab: str, node: str) -> dict[str, str]:
    """The labels of one node's things."""
    return {LAB: lab, NODE: node}
