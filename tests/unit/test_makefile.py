"""The Makefile's targets call what they say; `make -n` shows it without running it."""

import pytest

from tests.conftest import REPOSITORY
from tests.make import make


def commands_of(*arguments: str) -> str:
    done = make("--dry-run", *arguments, folder=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("given", "engine"), [((), "transformers"), (("ENGINE=vllm",), "vllm")], ids=["unset", "vllm"]
)
def test_the_demo_runs_on_transformers_unless_told_otherwise(
    given: tuple[str, ...], engine: str
) -> None:
    assert f"--set engine.kind={engine} " in commands_of("demo", *given)


def test_images_are_built_and_pushed_by_the_program_that_is_installed_unless_told_which() -> None:
    assert "--engine" not in commands_of("images", "push", "REGISTRY=registry.example/team")
    named = commands_of("images", "push", "REGISTRY=registry.example/team", "ENGINE=buildah")
    assert named.count("-m images --engine buildah ") == 2
