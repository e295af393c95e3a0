"""The ssh_config settings of a host: from OpenSSH, or read here where it is not installed."""

from orchestrator.node.ssh_config.host import HostConfig, hops, host_config
from orchestrator.node.ssh_config.reader import Reader, find_reader
from orchestrator.node.ssh_config.tokens import Tokens
from orchestrator.node.ssh_config.words import Unreadable

__all__ = ["HostConfig", "Reader", "Tokens", "Unreadable", "find_reader", "hops", "host_config"]
