"""Log levels of libraries: a rank's events report progress, libraries report only errors."""

import logging
import os
import warnings

import transformers


def silence_libraries() -> None:
    """No progress bars, no hints, no deprecation talk; errors stay."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"  # it may never be imported
    for name in ("accelerate", "bitsandbytes"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ["KINETO_LOG_LEVEL"] = "99"  # torch's profiler logs when it starts and stops
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", UserWarning)
