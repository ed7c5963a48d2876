"""Adds the task that ends a run in which another task is never started."""

from collections.abc import Mapping
from typing import Any

from kfp import dsl

from components.watch.component import watch
from pipelines.placement import Placement


def add_watch(placement: Placement, common: Mapping[str, Any]) -> None:
    """Adds the watcher in parallel to the tasks of the enclosing pipeline, if it is for a cluster.

    Args:
        placement: Defines whether it is for a cluster, and the watcher's size.
        common: Arguments of every task.
    """
    if placement.on_cluster:
        task = watch(
            **common,
            run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            start_within_s=placement.profile.start_within_s,
        )
        placement.place(task)
