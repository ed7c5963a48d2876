"""Loads what a training loads, as a plugin of `make mutants`: each of its forks would spend seconds."""

import tests.conftest  # noqa: F401 - sets the environment, before torch is loaded
from trl import SFTTrainer  # noqa: F401
