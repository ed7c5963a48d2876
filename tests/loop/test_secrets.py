"""Secrets of the environment appear nowhere, whether a run succeeds or fails."""

import os
from pathlib import Path

import pytest
from kfp import compiler, dsl

from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import RegistryError, StoreError
from judgeloop.store import FolderStore
from pipelines.local import run_compiled
from tests.canary import Canaries, files_below, objects_of
from tests.loop.micro import REPOSITORY, run_micro

TIMEOUT_S = 400
"""Everything is logged, and that much takes its time."""


@dsl.component(base_image="judgeloop-cpu:dev", install_kfp_package=False)
def leaky(config: str, ending: str):
    """Fails with the whole environment in its error, in its cause and in what it logs."""
    import logging
    import os

    from judgeloop.runtime import tasks
    from judgeloop.schema.errors import EngineError

    def work():
        logging.getLogger("library").info("my environment: %s", dict(os.environ))
        try:
            raise KeyError(str(dict(os.environ)))
        except KeyError as error:
            logging.getLogger("library").exception("no luck")
            if ending == "foreign":
                raise
            raise EngineError(f"no model with {dict(os.environ)}") from error

    tasks.Task.open("judge", config, "loop", 1).run(work)


@pytest.fixture
def canaries(monkeypatch: pytest.MonkeyPatch) -> Canaries:
    return Canaries(monkeypatch)


def test_the_search_finds_a_secret_that_is_there(canaries: Canaries, tmp_path: Path) -> None:
    canaries.track("http://host")
    (tmp_path / "environment").write_text("\n".join(os.environ.values()))
    header = canaries._forms(canaries.values["MLFLOW_TRACKING_PASSWORD"])
    (tmp_path / "header").write_bytes(b"Authorization: Basic " + list(header)[3])
    found = canaries.found_in(files_below(tmp_path))
    for name in canaries.values:
        assert any(place.startswith(f"{name} in") for place in found)
    assert any(place.endswith("/header") for place in found)


@pytest.mark.parametrize("ending", ["own", "foreign"])
def test_an_error_that_holds_the_environment_is_struck_out_wherever_it_goes(
    ending: str, canaries: Canaries, tmp_path: Path
) -> None:
    canaries.track("http://host")
    package = tmp_path / "leaky.yaml"
    compiler.Compiler().compile(leaky, str(package))
    config = load_config(
        REPOSITORY / "pipelines/configs/micro.yaml", [f"store={tmp_path}/run/store"]
    )
    (tmp_path / "run").mkdir()
    arguments = {"config": config.to_json(), "ending": ending}
    assert not run_compiled(package, arguments, tmp_path / "run", lambda: None)
    (failed,) = Ledger(FolderStore(tmp_path / "run" / "store"), "loop").failures()
    log = (tmp_path / "run" / "run.log").read_text()
    for text in (failed.error or "", log):
        assert "'HF_TOKEN': '***'" in text
    for words in ("Traceback", "my environment", "no luck"):
        assert words in log
    assert canaries.found_in(files_below(tmp_path)) == []


@pytest.mark.slow
@pytest.mark.long  # the loop in containers shows the same, with the same stores
@pytest.mark.timeout(500)
def test_a_run_on_s3_and_an_mlflow_server_that_logs_everything_leaks_nothing(
    canaries: Canaries, s3_uri: str, mlflow_server: str,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):  # `s3_uri` has set its own
        monkeypatch.setenv(name, canaries.values[name])
    monkeypatch.setenv("JUDGELOOP_LOG", "DEBUG")
    run = run_micro(
        tmp_path / "run", "loop.iterations=1", store=s3_uri, timeout_s=TIMEOUT_S,
        registry=canaries.track(mlflow_server),
    )  # fmt: skip
    assert run.exit_code == 0, run.printed
    assert not (tmp_path / "run" / "mlflow" / "mlflow.db").exists()
    servers = list(tmp_path_factory.getbasetemp().glob("mlflow_server*"))
    places = files_below(tmp_path) | objects_of(run.store) | {"printed": run.printed.encode()}
    for folder in servers:
        places |= files_below(folder)
    names = " ".join(places)
    for name in ("judge_loop.yaml", "arguments.json", "run.log", "report.html", "/mlflow.db",
                 "loops/loop/loop.json", "progress.jsonl", "judge.json"):  # fmt: skip
        assert name in names
    assert b"botocore" in places[str(tmp_path / "run" / "run.log")]
    assert canaries.found_in(places) == []


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.parametrize("refuses", ["store", "registry"])
def test_a_run_that_is_refused_leaks_nothing(
    refuses: str, canaries: Canaries, s3_uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, canaries.values[name])
    monkeypatch.setenv("JUDGELOOP_LOG", "DEBUG")
    if refuses == "registry":
        address = canaries.track("http://127.0.0.1:9")  # nobody answers there
        run = run_micro(tmp_path / "run", timeout_s=TIMEOUT_S, registry=address)
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{canaries.credentials}@127.0.0.1:9")
        gold = "evaluation.gold=s3://bucket/gold.jsonl"
        run = run_micro(tmp_path / "run", gold, timeout_s=TIMEOUT_S)
    expected = RegistryError if refuses == "registry" else StoreError
    assert run.exit_code == expected.exit_code, run.printed
    failed = [entry for entry in run.entries.values() if entry.error]
    assert failed
    assert "Traceback" in (tmp_path / "run" / "run.log").read_text()
    places = files_below(tmp_path) | {"printed": run.printed.encode()}
    assert "report.html" in " ".join(places)
    assert canaries.found_in(places) == []
