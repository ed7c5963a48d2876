"""Adds the task that ends a run in which another one is never started."""

from collections.abc import Mapping
from typing import Any

from kfp import dsl

from components.watch.component import watch
from pipelines.placement import Placement


def add_watch(placement: Placement, common: Mapping[str, Any]) -> None:
    """Adds the watcher beside the tasks of the pipeline around it, where it is for a cluster.

    Args:
        placement: Says so, and gives the watcher its size.
        common: What every task gets.
    """
    if placement.on_cluster:
        task = watch(
            **common,
            run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            start_within_s=placement.profile.start_within_s,
        )
        placement.place(task)
