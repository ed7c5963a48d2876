"""Which judge a command asks: by its name, or by the run that made it."""

from __future__ import annotations

import os

import click


def asked_judge(name: str | None, run: str | None) -> str:
    """Returns the judge's name; with a run, the registry of that run is the one that is asked.

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
    from judgeloop.ops.place import find_place
    from judgeloop.registry.client import TRACKING_URI

    place = find_place(run)
    if place.registry:
        os.environ[TRACKING_URI] = place.registry
    return name or f"models:/{place.model_name()}@champion"
