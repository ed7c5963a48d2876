"""Loads what a training loads, as a plugin of `make mutants`: each fork would spend seconds."""

from importlib import import_module

import tests.conftest  # noqa: F401 - sets the environment that torch reads

import_module("trl.trainer.sft_trainer")
