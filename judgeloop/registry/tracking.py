"""MLflow runs: a parent for a loop and a child for each iteration, found again by their tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from judgeloop.registry.client import connect, registry_errors
from judgeloop.registry.names import keys
from judgeloop.registry.once import find_or_create
from judgeloop.schema.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOOP_TAG = "judgeloop.loop_id"
ITERATION_TAG = "judgeloop.iteration"
IDENTITY_TAG = "judgeloop.loop"
"""Hash of the store and the settings of a loop: its id is unique within a store only."""
WHOLE_LOOP = "loop"
"""Value of the iteration tag of a loop's parent run."""
NOTE_TAG = "mlflow.note.content"
"""Holds what MLflow shows as the description of a run or an experiment."""
_KIND_TAG, _KIND = "mlflow.experimentKind", "custom_model_development"
"""A tag with which MLflow's pages show training runs and metrics, not traces of a generative
application. Version 3.17 selects this by the page's address instead (`judgeloop mlflow`).
"""
_ABOUT = (
    "Loops of judgeloop, which train a judge of vision-language models. A run is a loop; its child "
    "runs are the loop's iterations. `validation/` is of held-out synthetic pairs, which choose "
    "the version; `evaluation/` is of gold pairs, which decide a promotion and nothing else."
)
_PARENT_TAG = "mlflow.parentRunId"
_LONGEST_VALUE = 6000
"""Characters that MLflow stores of a parameter."""
_BATCH = 100
"""Parameters that MLflow accepts in one request."""


class Run(NamedTuple):
    """An MLflow run."""

    id: str
    experiment_id: str


def loop_run(experiment: str, loop_id: str, identity: str) -> Run:
    """Finds or creates the parent run of a loop.

    Args:
        experiment: The experiment; created if needed.
        loop_id: The loop.
        identity: Distinguishes the loop from those with the same id in other stores or with other
            settings.

    Raises:
        RegistryError: The server cannot be used.
    """
    client = connect()
    with registry_errors(f"cannot open the run of loop {loop_id}"):
        place = open_experiment(client, experiment)
        return _run(client, place, loop_id, WHOLE_LOOP, loop_id, {IDENTITY_TAG: identity})


def iteration_run(parent: Run, loop_id: str, iteration: int) -> Run:
    """Finds or creates the child run of one iteration.

    Raises:
        RegistryError: The server cannot be used.
    """
    client = connect()
    name = f"{loop_id}/{iteration}"
    with registry_errors(f"cannot open the run {name}"):
        tags = {_PARENT_TAG: parent.id}
        return _run(client, parent.experiment_id, loop_id, str(iteration), name, tags)


def log_run(
    run: Run,
    metrics: Mapping[str, float],
    params: Mapping[str, str],
    tags: Mapping[str, str],
    step: int = 0,
    model_id: str | None = None,
) -> None:
    """Logs metrics and parameters that a run does not have yet, and ends it; idempotent.

    Args:
        run: The run.
        metrics: Metrics by name; logged under the keys that `judgeloop.registry.names` derives.
        params: Parameters, named like metrics; an existing parameter is kept.
        tags: Tags by name.
        step: The iteration that the metrics belong to.
        model_id: The logged model that the metrics belong to as well.

    Raises:
        RegistryError: The server cannot be used.
    """
    client = connect()
    from mlflow.entities import Metric, Param, RunTag

    with registry_errors(f"cannot write to run {run.id}"):
        known = client.get_run(run.id)
        time = known.info.start_time  # the same whenever it is logged
        new_metrics = [
            Metric(key, value, time, step, model_id=model_id)
            for key, value in sorted(_named(metrics).items())
            if known.data.metrics.get(key) != value
        ]
        new_params = [
            Param(key, value[:_LONGEST_VALUE])
            for key, value in sorted(_named(params).items())
            if key not in known.data.params
        ]
        for start in range(0, max(1, len(new_metrics), len(new_params)), _BATCH):
            part = slice(start, start + _BATCH)
            client.log_batch(run.id, new_metrics[part], new_params[part])
        client.log_batch(run.id, tags=[RunTag(key, value) for key, value in sorted(tags.items())])
        client.set_terminated(run.id)


def log_curves(run: Run, curves: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    """Logs figures over steps; idempotent: existing steps of a curve are kept.

    Args:
        run: The run.
        curves: (step, value) by the metric's name.

    Raises:
        RegistryError: The server cannot be used.
    """
    client = connect()
    from mlflow.entities import Metric

    named = _named(curves)
    with registry_errors(f"cannot write to run {run.id}"):
        time = client.get_run(run.id).info.start_time
        new: list[Metric] = []
        for key, points in sorted(named.items()):
            known = {metric.step for metric in client.get_metric_history(run.id, key)}
            new += [Metric(key, value, time, step) for step, value in points if step not in known]
        for start in range(0, len(new), _BATCH):
            client.log_batch(run.id, new[start : start + _BATCH])


def log_files(run: Run, folder: Path) -> None:
    """Stores a folder's files as artifacts of a run; those of the same name are replaced.

    Raises:
        RegistryError: The server cannot be used.
    """
    client = connect()
    with registry_errors(f"cannot store artifacts of run {run.id}"):
        client.log_artifacts(run.id, str(folder))


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Returns a configuration tree as MLflow parameters: `training.rank` -> `8`."""
    params: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            params |= flat(value, f"{prefix}{key}.")
        else:
            params[f"{prefix}{key}"] = str(value)
    return params


def open_experiment(client: MlflowClient, name: str) -> str:
    """Returns an experiment's id, and creates the experiment if there is none.

    Raises:
        RegistryError: It was deleted.
        MlflowException: The server cannot be used.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            place = _artifact_location(client.tracking_uri)
            tags = {_KIND_TAG: _KIND, NOTE_TAG: _ABOUT}
            return str(client.create_experiment(name, place, tags))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another task was faster
                raise
            found = client.get_experiment_by_name(name)
    refuse_deleted(found)
    if _KIND_TAG not in found.tags:  # a tag of another writer is kept
        client.set_experiment_tag(found.experiment_id, _KIND_TAG, _KIND)
    return str(found.experiment_id)


def find_experiment(name: str) -> str | None:
    """Returns an experiment's id; None if there is none.

    Raises:
        RegistryError: The server cannot be used.
    """
    client = connect()
    with registry_errors(f"cannot look for the experiment {name}"):
        found = client.get_experiment_by_name(name)
    return None if found is None else str(found.experiment_id)


def refuse_deleted(experiment: Any) -> None:
    """Checks that an experiment can take runs.

    Raises:
        RegistryError: It was deleted, and MLflow keeps its name.
    """
    if experiment.lifecycle_stage == "deleted":
        raise RegistryError(
            f"the experiment {experiment.name!r} (registry.experiment) was deleted in MLflow, "
            "which keeps its name: restore it there, or choose another name"
        )


def _artifact_location(uri: str) -> str | None:
    """Returns where artifacts go without a server: beside the database, not in `./mlruns`."""
    if not uri.startswith("sqlite:///"):
        return None
    folder = Path(uri.removeprefix("sqlite:///").partition("?")[0]).absolute().parent
    return (folder / "mlflow-artifacts").as_uri()


def _run(
    client: MlflowClient,
    experiment_id: str,
    loop_id: str,
    iteration: str,
    name: str,
    tags: dict[str, str],
) -> Run:
    tags = tags | {LOOP_TAG: loop_id, ITERATION_TAG: iteration}
    wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())

    def find() -> Any:
        oldest = ["start_time ASC"]
        return next(iter(client.search_runs([experiment_id], wanted, 1, 1, oldest)), None)

    run = find_or_create(find, lambda: client.create_run(experiment_id, tags=tags, run_name=name))
    return Run(run.info.run_id, experiment_id)


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    derived = keys(values)
    return {derived[name]: value for name, value in values.items()}
