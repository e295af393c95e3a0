"""A rank that has met the others and knows that they belong together: what every step needs."""

from dataclasses import dataclass

from training.contract.config import TrainingConfig
from training.contract.environment import RunEnvironment
from training.ranks.events import EventLog
from training.ranks.group import Group
from training.ranks.proof import Card, prove


@dataclass(frozen=True)
class Joined:
    """What to do, who this is, where to tell it, and the others."""

    config: TrainingConfig
    env: RunEnvironment
    log: EventLog
    group: Group
    cards: list[Card]
    """What every rank says about itself, by rank."""


def join(config: TrainingConfig, env: RunEnvironment, log: EventLog) -> Joined:
    """Meet the other ranks. Raises ConfigurationError unless they are one whole group."""
    log.phase("joining")
    group = Group.join(env, config.parallel)
    cards = group.gather(Card.of(config, env))
    prove(cards)
    return Joined(config, env, log, group, cards)
