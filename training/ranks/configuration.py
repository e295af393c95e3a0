"""The `training:` section of a recipe as a rank finds it: a file."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from training.contract.config import TrainingConfig
from training.contract.errors import ConfigurationError
from training.contract.names import WORDS
from training.contract.sentences import told


def read_config(path: Path) -> TrainingConfig:
    """Read a YAML or JSON file that holds one `TrainingConfig`.

    Raises `ConfigurationError` that names every wrong key. PyYAML reads `1e-4` as text (YAML 1.1);
    pydantic makes it the number that was meant.
    """
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TrainingConfig.model_validate(document)
    except ValidationError as invalid:
        problems = "; ".join(told(invalid, WORDS))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as unreadable:
        problems = " ".join(str(unreadable).split())
    raise ConfigurationError(
        "config_invalid", f"{path}: {problems}", "Fix the `training:` section of the recipe."
    )
