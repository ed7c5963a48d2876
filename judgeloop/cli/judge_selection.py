"""Selects the judge of a command, by its name or its run, and the engine."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from judgeloop.cli import options
from judgeloop.schema.errors import ConfigError

if TYPE_CHECKING:
    from judgeloop.ops.target import Target
    from judgeloop.schema.engine_section import EngineSection


run = click.option(
    "--run", metavar="DIR",
    help="Ask the registry of this run, such as runs/demo.  [default: MLFLOW_TRACKING_URI]",
)  # fmt: skip


def selected_judge(name: str | None, run: str | None) -> str:
    """Returns the judge's name; with a run, that run's registry is used.

    Args:
        name: As `judgeloop.Judge.load` takes it; None is the champion of the run.
        run: A run's folder.

    Raises:
        ConfigError: There is no such run.
    """
    if run is None:
        if name is None:
            raise click.UsageError("name the judge, or give --run DIR for the champion of a run")
        return name
    place = use_run(run)
    return name or f"models:/{place.model_name()}@champion"


def use_run(run: str) -> Target:
    """Makes this process use the registry of a run; returns the run.

    Raises:
        ConfigError: There is no such run.
    """
    from judgeloop.ops.target import open_target
    from judgeloop.registry.client import TRACKING_URI

    place = open_target(run)
    if place.registry:
        os.environ[TRACKING_URI] = place.registry
    return place


def selected_engine(
    kind: str | None, endpoint: str | None, served_model: str | None, key_variable: str | None
) -> EngineSection | str | None:
    """Returns the engine in the form that `judgeloop.Judge.load` takes.

    Args:
        kind: Value of `--engine`.
        endpoint: Base of a server's OpenAI API.
        served_model: The judge's name on that server.
        key_variable: Environment variable that holds the server's key.

    Raises:
        ConfigError: The address is not valid.
    """
    if endpoint is None and kind != "openai":
        return kind
    if endpoint is None or served_model is None or kind not in (None, "openai"):
        raise click.UsageError(
            "a server is asked with --endpoint URL and --served-model NAME, and --engine openai"
        )
    from judgeloop.schema.engine_section import EngineSection

    server = {"url": endpoint, "model": served_model, "key_variable": key_variable}
    try:
        return msgspec.convert({"kind": "openai", "endpoint": server}, EngineSection)
    except msgspec.ValidationError as error:
        raise ConfigError(f"--endpoint {endpoint}: {error}") from error


class SelectedJudge(NamedTuple):
    """The judge that a command asks, as arguments of `judgeloop.Judge.load`."""

    name: str
    engine: EngineSection | str | None
    prompts: str | None
    max_pixels: int | None


def judge_options(flag: str) -> Callable[[Any], Any]:
    """Declares the options for the judge, under `flag`, and its engine.

    The command gets all of it as `asked`, a `SelectedJudge`.
    """
    declared = options.together(
        click.option(
            flag, "judge_name", metavar="JUDGE",
            help="models:/judge@champion, an adapter or model folder, builtin:tiny-vlm, or a hub "
            "id.  [default: the champion of --run]",
        ),
        run,
        click.option(
            "--engine", type=click.Choice(("transformers", "vllm", "openai")),
            help="The engine.  [default: transformers]",
        ),
        click.option(
            "--endpoint", metavar="URL",
            help="Ask a server with the OpenAI API, such as http://host:8000/v1.",
        ),
        click.option("--served-model", metavar="NAME", help="The judge's name on that server."),
        click.option(
            "--key-variable", metavar="NAME", help="Environment variable with the server's key."
        ),
        click.option("--prompts", help="Prompt set.  [default: that of the judge's training]"),
        click.option(
            "--max-pixels", type=options.POSITIVE,
            help="A larger image is scaled down.  [default: the limit of the judge's training]",
        ),
    )  # fmt: skip

    def declare(function: Any) -> Any:
        @wraps(function)
        def call(
            *arguments: Any,
            judge_name: str | None,
            run: str | None,
            engine: str | None,
            endpoint: str | None,
            served_model: str | None,
            key_variable: str | None,
            prompts: str | None,
            max_pixels: int | None,
            **others: Any,
        ) -> Any:
            name = selected_judge(judge_name, run)
            runner = selected_engine(engine, endpoint, served_model, key_variable)
            asked = SelectedJudge(name, runner, prompts, max_pixels)
            return function(*arguments, asked=asked, **others)

        return declared(call)

    return declare
