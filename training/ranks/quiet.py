"""Keep the output of a rank readable: its events say what happens, libraries speak up on errors."""

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
    os.environ["KINETO_LOG_LEVEL"] = "99"  # torch's profiler says when it begins and when it stops
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", UserWarning)
