"""Runs and nodes in the form of the recorded answers of Kubeflow's v2beta1 API.

Times are whole seconds; a time that has not come is the year 1 for a node and 1970 for a run, never
absent. A node is one of Argo's, of which our tasks are five each; the launcher adds an entry with
neither name nor state. What is in no recorded answer is not here either.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

NOT_ENDED = "1970-01-01T00:00:00Z"
NODE_NOT_ENDED = "0001-01-01T00:00:00Z"
ACCOUNT = "pipeline-runner"
"""Of a run that names none, in a standalone Kubeflow."""
PLUGINS = {"mlflow": {
    "entries": {"experiment_name": {"value": "KFP-Default"}}, "state": "PLUGIN_FAILED",
    "state_message": "failed to build MLflow request context: no such file or directory",
}}  # fmt: skip
"""What a server says whose plugin for MLflow was not set up."""
Tree = dict[str, Any]


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_run(body: Tree, run_id: str) -> Tree:
    """A run as it is when it was just asked for."""
    created = now()
    return {
        "service_account": ACCOUNT, **body, "run_id": run_id, "storage_state": "AVAILABLE",
        "created_at": created, "scheduled_at": created, "finished_at": NOT_ENDED,
        "plugins_output": PLUGINS,
    }  # fmt: skip


def node(
    run_id: str, of: str, name: str, state: str, started: str, ended: str | None = None
) -> Tree:
    """One of Argo's nodes; it has children unless it waits.

    Args:
        run_id: The run.
        of: The task, or nothing for the run itself.
        name: The node's, which is not unique.
        state: As the API tells it.
        started: When it began.
        ended: When it ended; None: it has not.
    """
    history = [{"update_time": started, "state": "PENDING" if state == "PENDING" else "RUNNING"}]
    if ended:
        history.append({"update_time": ended, "state": state})
    found = {
        **_entry(run_id, f"{of}/{name}", started), "display_name": name,
        "end_time": ended or NODE_NOT_ENDED, "state": state, "state_history": history,
    }  # fmt: skip
    if state != "PENDING":
        number = uuid.UUID(found["task_id"]).int % 10**10
        found["child_tasks"] = [{"pod_name": f"judge-loop-x-{number}"}]
    return found


def nameless(run_id: str, of: str, at: str) -> Tree:
    """The entry that the launcher adds for a task: its execution, without name and state."""
    return {**_entry(run_id, f"execution of {of}", at), "end_time": at, "execution_id": "1"}


def _entry(run_id: str, key: str, at: str) -> Tree:
    task_id = str(uuid.uuid5(uuid.UUID(run_id), key))
    return {"run_id": run_id, "task_id": task_id, "create_time": at, "start_time": at}
