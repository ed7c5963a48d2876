"""The options that several commands of the pipeline have."""

from __future__ import annotations

import click

from judgeloop.runtime.ledger import EVALUATION, is_evaluation
from judgeloop.schema.config import Config
from judgeloop.schema.errors import ConfigError
from pipelines.run import loop_id_for

LOOP, EVALUATE = "loop", "evaluate"
"""Names of the pipelines."""

profile_option = click.option(
    "--profile", default="cpu", show_default=True,
    help="The tasks' resources on a cluster: a name in k8s/profiles/, or a YAML file.",
)  # fmt: skip
pipeline_option = click.option(
    "--pipeline", type=click.Choice((LOOP, EVALUATE)), default=LOOP, show_default=True,
    help="The whole loop, or the evaluation of a judge alone.",
)  # fmt: skip


def chosen_id(config: Config, name: str, given: str | None, pipeline: str) -> str:
    """Returns the id of the loop, or of the evaluation, that a command is about.

    Args:
        config: The configuration, whose hash is part of the default.
        name: Name of its file without the suffix, also part of the default.
        given: The user's id; an evaluation's id need not have its prefix.
        pipeline: `LOOP` or `EVALUATE`.

    Raises:
        ConfigError: A loop has the id of an evaluation.
    """
    if pipeline == EVALUATE:
        if given is None:
            return loop_id_for(config, EVALUATION + name)
        return given if is_evaluation(given) else EVALUATION + given
    if given is not None and is_evaluation(given):
        raise ConfigError(
            f"--loop-id {given}: the ids of evaluations outside a loop begin with {EVALUATION}; "
            "give the loop another"
        )
    return given or loop_id_for(config, name)
