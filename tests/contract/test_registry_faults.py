"""MLflow that misbehaves: a real server behind a proxy, and a real database that is locked.

MLflow's own settings are set down, so that what stays broken is given up soon.
"""

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tenacity import stop_after_attempt, wait_none

from judgeloop.registry import client, once
from judgeloop.registry.addresses import fetch_version
from judgeloop.registry.client import connect
from judgeloop.registry.versions import aliases
from judgeloop.schema.errors import RegistryError
from judgeloop.store import folder_checksums
from tests.fault_proxy import FaultProxy
from tests.registry_loop import Loop

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
RETRIES = 3
SHIPPED = once.RETRYING


@pytest.fixture
def proxy(
    mlflow_server: str, fault_proxy: type[FaultProxy], monkeypatch: pytest.MonkeyPatch
) -> FaultProxy:
    """A proxy before the MLflow server, to which `MLFLOW_TRACKING_URI` leads."""
    made = fault_proxy(mlflow_server)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", made.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name, value in {
        "MAX_RETRIES": RETRIES,
        "BACKOFF_FACTOR": 0,
        "BACKOFF_JITTER": 0,
        "TIMEOUT": 5,
    }.items():
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", str(value))
    quick = SHIPPED.copy(wait=wait_none(), stop=stop_after_attempt(3))
    monkeypatch.setattr(once, "RETRYING", quick)
    monkeypatch.setattr(client, "SERVER_WAIT_S", 0.0)
    return made


@pytest.fixture
def loop(proxy: FaultProxy, tmp_path: Path) -> Loop:
    """A loop behind the proxy, ready to register."""
    loop = Loop(tmp_path / "store", f"judge-{uuid.uuid4().hex[:8]}")
    loop.scores("evaluate", 0, right=10)
    return loop


def made_by(loop: Loop, inputs: list[Any]) -> Any:
    return loop.enter(1, inputs)


def assert_registered_once(loop: Loop, tmp_path: Path) -> None:
    """One version, one run a task, one logged model, and the very adapter."""
    assert [v.version for v in connect().search_model_versions(f"name = '{loop.name}'")] == ["1"]
    runs = loop.runs()
    assert sorted(run.data.tags["judgeloop.iteration"] for run in runs) == ["1", "loop"]
    assert len(connect().search_logged_models([runs[0].info.experiment_id])) == 1
    assert aliases(loop.name) == {"candidate": "1"}
    fetch_version(f"models:/{loop.name}@candidate", tmp_path / "fetched")
    found = folder_checksums(tmp_path / "fetched" / "adapter")
    assert found == folder_checksums(tmp_path / "adapter-1")


CREATIONS = {
    "run": "runs/create$",
    "logged model": "logged-models$",
    "registered model": "registered-models/create$",
    "version": "model-versions/create$",
    "experiment": "experiments/create$",
}


@pytest.mark.parametrize("path", CREATIONS.values(), ids=CREATIONS)
def test_a_lost_answer_to_a_creation_makes_nothing_twice(
    loop: Loop, proxy: FaultProxy, tmp_path: Path, path: str
) -> None:
    inputs = loop.inputs(1, tmp_path, validation=20, gold=30)
    fault = proxy.break_with(method="POST", path=path, cut_answer_at=-1, times=1)
    first = made_by(loop, inputs)
    assert fault.met == 1
    assert made_by(loop, inputs) == first
    assert_registered_once(loop, tmp_path)


def test_registering_that_breaks_off_anywhere_goes_on_and_makes_one_version(
    loop: Loop, proxy: FaultProxy, tmp_path: Path
) -> None:
    inputs = loop.inputs(1, tmp_path, validation=20, gold=30)
    connect()
    broken = 0
    for healthy in range(2, 40, 4):  # requests before the server breaks
        proxy.heal()
        proxy.break_with(times=healthy)
        what = {"status": 500} if healthy % 8 == 2 else {"cut_answer_at": -1}
        proxy.break_with(**what)
        try:
            made_by(loop, inputs)
        except RegistryError:
            broken += 1
    proxy.heal()
    assert made_by(loop, inputs).result.version == "1"
    assert broken >= 4
    assert_registered_once(loop, tmp_path)


def test_a_version_that_a_slow_server_made_after_all_is_removed(
    loop: Loop, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = loop.inputs(1, tmp_path, validation=20, gold=30)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    proxy.break_with(method="POST", path="model-versions/create$", delay_s=4, times=1)
    first = made_by(loop, inputs)
    versions: list[Any] = []
    end = time.monotonic() + 60
    while len(versions) < 2 and time.monotonic() < end:
        time.sleep(0.2)
        versions = connect().search_model_versions(f"name = '{loop.name}'")
    assert len(versions) == 2, "the server has done what it was asked first"
    assert made_by(loop, inputs) == first
    assert_registered_once(loop, tmp_path)


@pytest.mark.parametrize(
    "what",
    [{"status": 500}, {"status": 503}, {"cut_request_at": 0}, {"delay_s": 3.0}],
    ids=["500", "503", "cut", "silent"],
)
def test_an_outage_is_an_error_within_bounds_and_the_next_start_goes_on(
    loop: Loop,
    proxy: FaultProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: dict[str, Any],
) -> None:
    inputs = loop.inputs(1, tmp_path, validation=20, gold=30)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    connect()
    fault = proxy.break_with(**what)
    with pytest.raises(
        RegistryError, match=rf"at {proxy.url}: .*Rerun when the server answers again"
    ):
        made_by(loop, inputs)
    assert fault.met == RETRIES + 1
    proxy.heal()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    assert made_by(loop, inputs).result.version == "1"


def test_a_server_that_is_gone_when_it_is_needed_is_waited_for(
    loop: Loop, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = loop.inputs(1, tmp_path, validation=20, gold=30)
    proxy.stop()
    with pytest.raises(RegistryError, match="does not answer as it should"):
        made_by(loop, inputs)
    monkeypatch.setattr(client, "SERVER_WAIT_S", 60.0)
    back = threading.Timer(3.0, proxy.start)
    back.start()
    assert made_by(loop, inputs).result.version == "1"
    back.join()


def test_a_download_that_is_cut_is_an_error_or_the_very_adapter(
    loop: Loop, proxy: FaultProxy, tmp_path: Path
) -> None:
    made = loop.register(1, tmp_path, validation=20, gold=30)
    weights = r"artifacts/.*adapter_model\.safetensors"
    fault = proxy.break_with(method="GET", path=weights, cut_answer_at=100)
    with pytest.raises(RegistryError, match="cannot read models:/"):
        fetch_version(made.result.uri, tmp_path / "fetched")
    assert fault.met
    assert not (tmp_path / "fetched").exists()
    proxy.heal()
    fetch_version(made.result.uri, tmp_path / "fetched")
    found = folder_checksums(tmp_path / "fetched" / "adapter")
    assert found == folder_checksums(tmp_path / "adapter-1")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_minute_of_500_with_the_settings_that_users_have_is_waited_for(
    loop: Loop, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MAX_RETRIES", "BACKOFF_FACTOR", "BACKOFF_JITTER", "TIMEOUT"):
        monkeypatch.delenv(f"MLFLOW_HTTP_REQUEST_{name}")
    monkeypatch.setenv(client.RETRIES, client._DEFAULTS[client.RETRIES])
    monkeypatch.setattr(once, "RETRYING", SHIPPED)
    inputs = loop.inputs(1, tmp_path, validation=20, gold=30)
    proxy.break_with(times=6)  # it has begun
    fault = proxy.break_with(status=500)

    def heal_after_a_minute() -> None:
        while not fault.met:
            time.sleep(0.1)
        time.sleep(60)
        proxy.heal()

    healer = threading.Thread(target=heal_after_a_minute, daemon=True)
    healer.start()
    begin = time.monotonic()
    assert made_by(loop, inputs).result.version == "1"
    assert time.monotonic() - begin > 60
    assert_registered_once(loop, tmp_path)


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """A connection that holds the lock of the SQLite database that is MLflow's here."""
    path = tmp_path / "mlflow" / "mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    monkeypatch.setattr(client, "SERVER_WAIT_S", 0.0)
    connect()
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    yield holder
    holder.close()


def test_a_locked_database_is_waited_for(locked: sqlite3.Connection, tmp_path: Path) -> None:
    loop = Loop(tmp_path / "store", "judge")
    inputs = loop.inputs(1, tmp_path, validation=20, gold=30)
    freed = threading.Timer(3.0, locked.rollback)
    freed.start()
    assert made_by(loop, inputs).result.version == "1"
    freed.join()


@pytest.mark.slow
def test_a_database_that_stays_locked_is_an_error_and_the_next_start_goes_on(
    locked: sqlite3.Connection, tmp_path: Path
) -> None:
    loop = Loop(tmp_path / "store", "judge")
    inputs = loop.inputs(1, tmp_path, validation=20, gold=30)
    begin = time.monotonic()
    with pytest.raises(RegistryError, match=r"locked.*Another process is writing to that database"):
        made_by(loop, inputs)
    assert time.monotonic() - begin < 60
    locked.rollback()
    assert made_by(loop, inputs).result.version == "1"
