"""Log levels of libraries: a rank's events report progress, libraries report only errors."""

import logging
import os
import warnings

import datasets
import transformers


def silence_libraries() -> None:
    """No progress bars, no hints, no deprecation talk; errors stay."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    for name in ("accelerate", "bitsandbytes"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ["KINETO_LOG_LEVEL"] = "99"  # torch's profiler logs when it starts and stops
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", UserWarning)
