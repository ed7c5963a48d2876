"""Connects to MLflow, and converts its errors."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenacity import Retrying, before_sleep_log, retry_if_exception_type, stop_before_delay
from tenacity.wait import wait_exponential

from judgeloop.registry.database import make_database
from judgeloop.schema.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient

TRACKING_URI = "MLFLOW_TRACKING_URI"
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
SERVER_WAIT_S = 120.0
"""How long a stage waits for a server that does not answer."""
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Otherwise it prints the address of every run, which contains the server's password.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # With MLflow's backoff the client waits 124 s or more in all, so a server may be down for two
    # minutes. Its default of 7 would block a task for 4 minutes.
    RETRIES: "6",
}
_FIRST_CALL = {
    # Only the first call has a short limit: a server may need long to pass an adapter on to S3.
    RETRIES: "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
}
_TRANSIENT = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
"""Error codes for which a retry may help; MLflow uses the first for every network failure."""
_MAX_MESSAGE = 500
"""Characters of MLflow's message in an error: a proxy may answer with a whole page."""
_LOCKED = "database is locked"
_log = logging.getLogger(__name__)


class UnreachableError(RegistryError):
    """The server does not answer now, but may later."""


def connect() -> MlflowClient:
    """Returns a client of the server that `MLFLOW_TRACKING_URI` names; a process connects once.

    Raises:
        RegistryError: The variable is not set, MLflow is not installed, or the server does not
            answer within seconds.
    """
    uri = os.environ.get(TRACKING_URI, "")
    if not uri:
        raise RegistryError(
            f"{TRACKING_URI} is not set: give the address of an MLflow server, such as "
            "http://mlflow:5000, or sqlite:////absolute/path/mlflow.db to go without one"
        )
    return _connected(uri)


def wait_for_server() -> None:
    """Waits up to two minutes until the server answers, rather than lose hours of work.

    Raises:
        RegistryError: As for `connect`, after those two minutes or at once if waiting does not
            help.
    """
    Retrying(
        retry=retry_if_exception_type(UnreachableError),
        stop=stop_before_delay(SERVER_WAIT_S),
        wait=wait_exponential(max=15),
        before_sleep=before_sleep_log(_log, logging.WARNING),
        reraise=True,
    )(connect)


@contextmanager
def registry_errors(doing: str) -> Iterator[None]:
    """Turns MLflow's errors in the block into `RegistryError`; call `connect` before it.

    Args:
        doing: Beginning of the message, such as `cannot register judge`.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:  # requests' errors are OSErrors
        # The cause is left out of the traceback: its text may contain the address and password.
        raise RegistryError(
            f"{doing} at {without_credentials(os.environ.get(TRACKING_URI, ''))}: "
            f"{as_shown(error)}{_advice(error)}"
        ) from None


def is_missing(error: Exception) -> bool:
    """Returns whether MLflow raised this because something does not exist."""
    return getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"


def is_transient(error: BaseException) -> bool:
    """Returns whether a retry may help against an error of MLflow or its database."""
    if _LOCKED in str(error) or isinstance(error, OSError):
        return True
    return getattr(error, "error_code", "") in _TRANSIENT


def as_shown(error: BaseException) -> str:
    """Returns MLflow's message on one line, without the password in the server's address."""
    return _hidden(str(error), os.environ.get(TRACKING_URI, ""))[:_MAX_MESSAGE]


def _advice(error: Exception) -> str:
    if _LOCKED in str(error):
        return ". Another process is writing to that database: let it end, then run again"
    if is_transient(error):
        return ". Rerun when the server answers again; finished work is reused"
    return ""


def without_credentials(uri: str) -> str:
    """Returns an address that is safe to show: without user name, password and query."""
    scheme, separator, rest = uri.partition("://")
    place, slash, path = rest.partition("/")
    path = path.partition("?")[0]
    if not scheme.startswith("sqlite"):  # a file's name may hold a `#`
        path = path.partition("#")[0]
    return f"{scheme}{separator}{place.rpartition('@')[2].partition('?')[0]}{slash}{path}"


@functools.cache
def _connected(uri: str) -> MlflowClient:
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise RegistryError(
            f"MLflow is not installed here ({error}): install judgeloop[registry]"
        ) from error
    with environment(_FIRST_CALL):
        try:
            make_database(uri)
            client = MlflowClient(uri, uri)
            client.search_experiments(max_results=1)
        except Exception as error:  # of MLflow, SQLAlchemy or the driver
            text = _hidden(str(error), uri)[:_MAX_MESSAGE]
            hint = " (--allowed-hosts must name this host)" if "403" in text else ""
            kind = UnreachableError if is_transient(error) else RegistryError
            raise kind(
                f"the MLflow server {without_credentials(uri)} does not answer as it should: "
                f"{text}. Start it or allow this client{hint}, or correct {TRACKING_URI}."
            ) from None
    _log.info("connected mlflow=%s", without_credentials(uri))
    return client


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Sets environment variables in a block; MLflow reads its own at every request."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _hidden(text: str, uri: str) -> str:
    """Removes the address's user name and password, and line ends, from a message."""
    credentials, at, _ = uri.partition("://")[2].partition("/")[0].rpartition("@")
    for secret in (credentials + at, credentials.partition(":")[2]):
        text = text.replace(secret, "") if secret else text
    return " ".join(text.split())
