"""One rank of one fine-tuning: `python -m training.train CONFIG`, started by an entry point.

Check of the group -> base -> method -> training with evaluations -> adapter or model, equal on all
ranks.
Where the run folder has a checkpoint that all ranks have, the same command line resumes from it.
Every step of the way is an event on stdout (`training.ranks.events`); the exit status is an
`ExitCode`.
"""

import os
import sys
import traceback
from contextlib import nullcontext
from pathlib import Path

from training.contract.config import Qlora, TrainingConfig
from training.contract.environment import RunEnvironment, rank_of
from training.contract.errors import ConfigurationError, ExitCode, explain
from training.contract.redactor import Redactor, secrets_dir
from training.ranks.configuration import read_config
from training.ranks.events import EventLog, take_stdout
from training.ranks.hide_package import hide_package, stand_in
from training.ranks.stack_dump import dump_on_signal


def main(arguments: list[str], stream: int) -> int:
    """Run one rank and return its exit status. `stream` is the descriptor for events."""
    log = EventLog(stream, rank_of(os.environ), Redactor.of(secrets_dir(os.environ)))
    try:
        log.keep_in(os.environ.get("SPARKCTL_RUN_DIR"))
        if len(arguments) != 1:
            raise ConfigurationError("usage", "python -m training.train CONFIG")
        env = RunEnvironment.read(os.environ)
        dump_on_signal(env.run_dir, env.rank)
        run(read_config(Path(arguments[0])), env, log)
        return ExitCode.SUCCEEDED
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as failure:  # torch's CheckpointException is no Exception
        error = explain(failure)
        if error.exit_code is ExitCode.CRASHED and error is not failure:
            traceback.print_exc()
        log.failed(error)
        return error.exit_code


def run(config: TrainingConfig, env: RunEnvironment, log: EventLog) -> None:
    """Train; raises what `training.contract.errors.explain` understands."""
    if not isinstance(config.method, Qlora) and config.optim.name != "adamw_8bit":
        hide_package("bitsandbytes")  # peft imports it, and it torch's compiler: seconds of a start
    for tracker in {"wandb", "mlflow", "trackio"} - {*config.tracking.to}:
        hide_package(tracker)  # accelerate imports all that it finds
    # Of it trl's kernel needs a context that does nothing without DeepSpeed; it brings pandas.
    stand_in("trl.trainer.utils", maybe_gather_lm_head_ctx=lambda *_: nullcontext())

    # Seconds of imports, so they wait until environment and configuration are known to be good.
    from training.data.prepared import prepare
    from training.loop.fit import agree_on_checkpoint, fit
    from training.model.base import load_base
    from training.output.publish import publish
    from training.ranks import log_levels
    from training.ranks.joined import join

    log_levels.silence_libraries()
    rank = join(config, env, log)
    prepared = prepare(rank)
    resume = agree_on_checkpoint(rank, prepared)
    log.phase("loading")
    base = load_base(rank, prepared.folder)
    trained = fit(rank, prepared, base, resume)
    publish(rank, prepared, base, trained)


if __name__ == "__main__":
    status = main(sys.argv[1:], take_stdout())
    sys.stdout.flush()
    sys.stderr.flush()
    # A rank that failed must exit at once, so that the others notice; threads of a broken process
    # group could keep the interpreter here.
    os._exit(status)
