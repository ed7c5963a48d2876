"""A client of the Kubeflow Pipelines server that retries while the server is unavailable.

It calls the API by `kfp_server_api`, KFP's own generated client, and not by `kfp.Client` on top of
it, because `kfp.Client` (2.17):

- sets no request timeout, so a silent server hangs; here it is an error after `ANSWER_S`;
- has no retries that outlast a restart of the server, and cannot tell whether a request whose
  response was lost has created a run, so a retry may start a loop twice; `_find_or_make` looks
  first;
- drops fields of responses that its schema does not name, among them the server's version;
- prints links or displays HTML, and takes a namespace from `~/.config/kfp/context.json`.

Its environment variables are followed (`pipelines.cluster.connection`).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from judgeloop.ops.doctor.release import reported_version
from judgeloop.schema.errors import ClusterError, ConfigError, JudgeLoopError
from pipelines.cluster.connection import Connection
from pipelines.cluster.run_answer import RunAnswer, read_run

ANSWER_S = 1.5
"""Timeout in seconds of the first request, which shows whether the server can be reached."""
PATIENCE_S = 120.0
"""How long requests are retried while the server is unavailable."""
REQUEST_S = 30.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 10.0
BEGIN = "use the server"
AWAY = frozenset({429, 500, 502, 503, 504})
ACTIVE = frozenset({"RUNTIME_STATE_UNSPECIFIED", "PENDING", "RUNNING", "PAUSED", "CANCELING"})
EQUALS, IS_SUBSTRING = 1, 9
"""Operations of the API's filters."""


class Kubeflow:
    """A connection to one server, checked when it is created.

    Args:
        connection: Address and credentials.
        patience_s: How long requests are retried while the server is unavailable.

    Raises:
        ClusterError: The server does not answer or refuses the credentials; takes at most two
            seconds.
        ConfigError: The server has several users and no namespace is given.
    """

    def __init__(self, connection: Connection, patience_s: float = PATIENCE_S) -> None:
        import kfp_server_api as api

        self.connection = connection
        self._patience_s = patience_s
        client = connection.open()
        self._health = api.HealthzServiceApi(client)
        self._experiments = api.ExperimentServiceApi(client)
        self._pipelines = api.PipelineServiceApi(client)
        self._uploads = api.PipelineUploadServiceApi(client)
        self._runs = api.RunServiceApi(client)
        self.release: str | None = None
        """Version of Kubeflow Pipelines; None if the server does not report it."""
        self._greet()

    @property
    def namespace(self) -> str:
        """Namespace of the runs; on a server with one user it is Kubeflow's own."""
        return self.connection.namespace or "kubeflow"

    def pipeline(self, name: str) -> str:
        """Returns the id of a pipeline; creates it if needed."""
        import kfp_server_api as api

        def find() -> str | None:
            found = self._pipelines.pipeline_service_list_pipelines(
                namespace=self.connection.namespace or "", filter=_named(name),
                _request_timeout=REQUEST_S,
            ).pipelines  # fmt: skip
            return found[0].pipeline_id if found else None

        def make() -> str:
            body = api.V2beta1Pipeline(display_name=name, namespace=self.connection.namespace)
            made = self._pipelines.pipeline_service_create_pipeline(
                body, _request_timeout=REQUEST_S
            )
            return made.pipeline_id

        return self._find_or_make(f"the pipeline {name}", find, make)

    def version(self, pipeline_id: str, package: Path, name: str) -> str:
        """Returns the id of a pipeline version; uploads it if needed."""

        def find() -> str | None:
            found = self._pipelines.pipeline_service_list_pipeline_versions(
                pipeline_id, filter=_named(name), _request_timeout=REQUEST_S
            ).pipeline_versions
            return found[0].pipeline_version_id if found else None

        def make() -> str:
            return self._uploads.upload_pipeline_version(
                str(package), name=name, display_name=name, pipelineid=pipeline_id,
                _request_timeout=REQUEST_S,
            ).pipeline_version_id  # fmt: skip

        return self._find_or_make(f"the version {name}", find, make)

    def experiment(self, name: str) -> str:
        """Returns the id of an experiment; creates it if needed."""
        import kfp_server_api as api

        def find() -> str | None:
            found = self._experiments.experiment_service_list_experiments(
                namespace=self.connection.namespace or "", filter=_named(name),
                _request_timeout=REQUEST_S,
            ).experiments  # fmt: skip
            return found[0].experiment_id if found else None

        def make() -> str:
            body = api.V2beta1Experiment(display_name=name, namespace=self.connection.namespace)
            made = self._experiments.experiment_service_create_experiment(
                body, _request_timeout=REQUEST_S
            )
            return made.experiment_id

        return self._find_or_make(f"the experiment {name}", find, make)

    def start(self, run: Any) -> str:
        """Starts a run (`kfp_server_api.V2beta1Run`) and returns its id.

        If the response is lost, looks for an active run of this name before it starts another.
        """

        def find() -> str | None:
            return self._started(run)

        def make() -> str:
            return self._runs.run_service_create_run(run, _request_timeout=REQUEST_S).run_id

        return self._find_or_make(f"the run {run.display_name}", find, make)

    def _started(self, run: Any) -> str | None:
        same = self.runs(run.display_name.partition("#")[0], run.experiment_id)
        found = (each for each in same if each.display_name == run.display_name)
        return next((each.run_id for each in found if is_active(each)), None)

    def runs(self, name: str | None = None, experiment_id: str | None = None) -> list[RunAnswer]:
        """Returns the newest runs first, twenty at most.

        Args:
            name: A loop id: only its runs, which are named `<loop id>` or `<loop id>#...`.
            experiment_id: Only runs of this experiment.
        """
        asked: dict[str, Any] = {"page_size": 20, "sort_by": "created_at desc"}
        if self.connection.namespace:
            asked["namespace"] = self.connection.namespace
        if experiment_id:
            asked["experiment_id"] = experiment_id
        if name:
            asked["filter"] = _named(name, IS_SUBSTRING)
        answer = self._ask(
            "list the runs",
            lambda: self._runs.run_service_list_runs(**asked, _request_timeout=REQUEST_S).runs,
        )
        found = [read_run(run) for run in answer or []]
        return [run for run in found if not name or run.display_name.partition("#")[0] == name]

    def run(self, run_id: str) -> RunAnswer:
        """Returns a run."""
        answer = self._ask(
            f"read the run {run_id}",
            lambda: self._runs.run_service_get_run(run_id, _request_timeout=REQUEST_S),
        )
        return read_run(answer)

    def terminate(self, run_id: str) -> None:
        """Requests the termination of a run; its pods end some time later."""
        self._ask(
            f"end the run {run_id}",
            lambda: self._runs.run_service_terminate_run(run_id, _request_timeout=REQUEST_S),
        )

    def shown_address(self, run_id: str) -> str:
        """Returns the address of a run's page, after two spaces; empty if the UI is not known.

        The address of the API serves no pages.
        """
        ui = self.connection.ui
        return f"  {ui}/#/runs/details/{run_id}" if ui else ""

    def _greet(self) -> None:
        """Checks that the server answers and accepts us, in a thread: a DNS lookup may hang."""
        found: list[Any] = []

        def ask() -> None:
            try:
                health = self._read_health()
                namespace = self.connection.namespace
                if not health.get("multi_user") or namespace:
                    self._experiments.experiment_service_list_experiments(
                        page_size=1, namespace=namespace or "", _request_timeout=ANSWER_S
                    )
                found.append(health)
            except Exception as error:  # shown by the thread that waits
                found.append(error)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(ANSWER_S)
        if not found:
            raise ClusterError(
                f"{self.connection.host} has not answered for {ANSWER_S:.1f} s: is the address "
                "(KF_PIPELINES_ENDPOINT) right, and the port-forward or the VPN up?"
            )
        if isinstance(found[0], Exception):
            raise self._error(BEGIN, found[0]) from None
        if found[0].get("multi_user") and not self.connection.namespace:
            raise ConfigError(
                f"{self.connection.host} has several users: set KF_PIPELINES_NAMESPACE to yours"
            )
        self.release = reported_version(found[0])

    def _read_health(self) -> dict[str, Any]:
        """Returns the whole response: KFP's client drops fields that its schema does not name."""
        answer = self._health.healthz_service_get_healthz(
            _preload_content=False, _request_timeout=ANSWER_S
        )
        try:
            health = json.loads(answer.data)
        except ValueError:
            health = None
        if not isinstance(health, dict):
            raise ClusterError(
                f"{self.connection.host} answers with a page, not with the API: is this a login? "
                "Give a token (KF_PIPELINES_SA_TOKEN_PATH) or a session's cookie "
                "(KF_PIPELINES_COOKIE), and the address of Kubeflow Pipelines"
            )
        return health

    def _find_or_make(
        self, what: str, find: Callable[[], str | None], make: Callable[[], str]
    ) -> str:
        # Both in one attempt: an object that a lost response has created is found by the next one.
        return self._ask(f"make {what}", lambda: find() or make())

    def _ask(self, doing: str, call: Callable[[], Any]) -> Any:
        """Calls, with retries while the server is unavailable."""
        end, wait = time.monotonic() + self._patience_s, FIRST_WAIT_S
        while True:
            try:
                return call()
            except Exception as error:
                if not _away(error) or time.monotonic() + wait > end:
                    raise self._error(doing, error) from None
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)

    def _error(self, doing: str, error: Exception) -> Exception:
        import kfp_server_api as api
        import urllib3

        host = self.connection.host
        if isinstance(error, urllib3.exceptions.HTTPError | OSError):
            return ClusterError(
                f"cannot {doing}: {host} does not answer ({_reason(error)}). Is the address "
                "(KF_PIPELINES_ENDPOINT) right, and the port-forward or the VPN up?"
            )
        if isinstance(error, JudgeLoopError):
            return error
        if not isinstance(error, api.ApiException):  # an odd answer
            return ClusterError(
                f"cannot {doing}: {host} gives an answer that its API does not define "
                f"({type(error).__name__}: {str(error)[:200]}). Is this the address of Kubeflow "
                "Pipelines (KF_PIPELINES_ENDPOINT)?"
            )
        if error.status in (401, 403):
            return ClusterError(
                f"cannot {doing}: {host} refuses us ({error.status}). The token or cookie is "
                "missing, wrong or has expired; a new one: `kubectl create token default-editor "
                "-n NAMESPACE --audience=pipelines.kubeflow.org`, written to the file that "
                "KF_PIPELINES_SA_TOKEN_PATH names"
            )
        hint = ". Is this the address of Kubeflow Pipelines?" if doing == BEGIN else ""
        return ClusterError(
            f"cannot {doing}: {host} answers {error.status}: {message_of(error)}{hint}"
        )


def is_active(run: RunAnswer) -> bool:
    """Returns whether a run is active, that is, has not ended.

    A run that was just started has no state until its Workflow is first reported.
    """
    return run.state is None or run.state in ACTIVE


def _named(name: str, operation: int = EQUALS) -> str:
    predicate = {"operation": operation, "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [predicate]})


def _away(error: Exception) -> bool:
    import kfp_server_api as api
    import urllib3

    if isinstance(error, api.ApiException):
        # etcd refuses too large objects with 500, every time
        return error.status in AWAY and "too large" not in message_of(error)
    return isinstance(error, urllib3.exceptions.HTTPError | OSError)


def _reason(error: Exception) -> str:
    return str(error).rpartition(": ")[2].strip("()'\"")


def message_of(error: Any) -> str:
    """Returns the message of an error response, which is JSON if it comes from the API itself.

    Args:
        error: The `ApiException` of a generated client, Kubeflow's or Kubernetes'.
    """
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body
    try:
        found = json.loads(body)
        return str(found.get("message") or found.get("error_message") or found)[:500]
    except (TypeError, ValueError, AttributeError, RecursionError):
        return str(body or error.reason)[:200]
