"""What `accelerate launch` does for one process on one node, without a process of its own.

The launcher would import torch a second time and stay beside the trainer for the whole run: seconds
of every start and restart, memory that the GPU shares, and one more process that exit status and
SIGTERM have to get through. Here the same configuration is read by accelerate's own code, and the
module is run in this process, with the variables that torchrun would have set. The arguments are
those of `accelerate launch`.
"""

import os
import runpy
import sys
from argparse import Namespace
from collections.abc import Mapping

import torch
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env

from training.contract.environment import rank_of
from training.contract.errors import ConfigurationError, ExitCode
from training.contract.redactor import Redactor, secrets_dir
from training.ranks.events import EventLog


def main(arguments: list[str]) -> int:
    """Become the rank; returns only an `ExitCode` of a rank that could not be started."""
    given = launch_command_parser().parse_args(arguments)
    redact = Redactor.of(secrets_dir(os.environ))
    log = EventLog(sys.stdout.fileno(), rank_of(os.environ), redact)
    try:
        log.keep_in(os.environ.get("SPARKCTL_RUN_DIR"))
        os.environ.update(rank_environment(given))
    except ConfigurationError as wrong:
        log.failed(wrong)
        return wrong.exit_code
    # torch is loaded, and has read this variable: set the number itself.
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    sys.argv[1:] = given.training_script_args
    runpy.run_module(given.training_script, run_name="__main__", alter_sys=True)
    return ExitCode.SUCCEEDED


def rank_environment(given: Namespace) -> Mapping[str, str]:
    """Every variable that the rank would be started with; `given` has accelerate's arguments.

    Raises `ConfigurationError` for settings that accelerate refuses, for more than one
    process per node, and for a port that is taken.
    """
    try:
        settings, _, _ = _validate_launch_command(given)
    except ValueError as wrong:
        raise _unfit(wrong) from wrong
    nodes, processes = settings.num_machines or 1, settings.num_processes
    if processes != nodes or not settings.module:
        raise ConfigurationError(
            "launch_unfit",
            f"{processes} processes on {nodes} nodes: a rank is a module in one process per node",
            "num_processes of the accelerate config must be its num_machines.",
        )
    try:
        environ: dict[str, str] = prepare_multi_gpu_env(settings)
    except ConnectionError as taken:
        raise _port_taken(settings.main_process_port) from taken
    except ValueError as wrong:
        raise _unfit(wrong) from wrong
    if getattr(settings, "standalone", False):  # alone, accelerate would take any other port
        raise _port_taken(settings.main_process_port)
    environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1")  # as torchrun does
    return environ | {
        "MASTER_ADDR": str(settings.main_process_ip or "127.0.0.1"),
        "MASTER_PORT": str(settings.main_process_port),
        "RANK": str(settings.machine_rank or 0),
        "WORLD_SIZE": str(processes),
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
    }


def _unfit(wrong: ValueError) -> ConfigurationError:
    return ConfigurationError("launch_unfit", f"accelerate's configuration: {wrong}")


def _port_taken(port: int) -> ConfigurationError:
    return ConfigurationError(
        "port_taken",
        f"another process of this node listens on port {port}, where the ranks are to connect",
        "`ss -tlnp` on the node names it; or set another fabric.port in cluster.yaml.",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
