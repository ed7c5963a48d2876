"""The preflight: each check passes where all is well, and says what to do where it is not."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.cluster.own_pod import IN_POD
from judgeloop.ops.doctor import machine
from judgeloop.ops.doctor.preflight import Finding, examine, require_sound
from judgeloop.registry.client import connect
from judgeloop.runtime import tasks
from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import PreflightError
from judgeloop.store import FolderStore, open_store
from tests.conftest import REPOSITORY

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")


def config(store: object, *changes: str) -> Config:
    return load_config(MICRO, [f"store={store}", *changes])


def found(given: Config) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(given)}


def test_a_sound_machine_passes_and_nothing_is_left_behind(registry: None, tmp_path: Path) -> None:
    findings = found(config(tmp_path / "store", "model.base=builtin:tiny-vlm",
                            "engine.kind=transformers", "training.kind=lora"))  # fmt: skip
    assert [(name, finding.state) for name, finding in findings.items()] == [
        ("secrets", "ok"), ("store", "ok"), ("clock", "ok"), ("model", "ok"), ("registry", "ok"),
        ("version", "unknown"), ("quota", "unknown"),
    ]  # fmt: skip
    for name in ("version", "quota"):
        assert findings[name].said == (
            "this is not a pod of a cluster. `make doctor-kubeflow PROFILE=...` looks from outside"
        )
    assert FolderStore(tmp_path / "store").list("") == []
    assert list(connect().search_registered_models()) == []


def test_each_failure_is_named_with_what_to_do_and_stops_no_other_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "file").write_text("")
    given = config(tmp_path / "file", f"model.base={tmp_path}", "engine.kind=transformers",
                   "training.kind=lora")  # fmt: skip
    with pytest.raises(PreflightError) as caught:
        require_sound(given)
    said = str(caught.value)
    for words in ("secrets: MLFLOW_TRACKING_URI is not set", "store: cannot write",
                  "model: model.base", "registry: MLFLOW_TRACKING_URI is not set"):  # fmt: skip
        assert words in said
    assert "clock" not in said


def test_missing_aws_credentials_are_named(
    registry: None, s3_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(config(s3_uri))["store"].state == "ok"
    assert open_store(s3_uri).list("") == []
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    finding = found(config(s3_uri))["secrets"]
    assert finding.state == "FAILED"
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in finding.said


@pytest.fixture
def yesterday() -> Iterator[str]:
    """A server whose clock is far behind."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return "Mon, 01 Jan 2024 00:00:00 GMT"

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_clock_that_is_wrong_is_found(
    registry: None, s3_uri: str, yesterday: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "agrees with 127.0.0.1" in found(config(s3_uri))["clock"].said
    monkeypatch.setenv("MLFLOW_TRACKING_URI", yesterday)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    finding = found(config(s3_uri))["clock"]
    assert finding.state == "FAILED"
    assert "set it by NTP" in finding.said


def test_the_command_line_has_one_line_a_check_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    given = ["doctor", "--config", str(MICRO), "--out", str(tmp_path / "run")]
    assert main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["files", "ok"], ["packages", "ok"], ["gpu", "ok"], ["disk", "ok"], ["store", "ok"],
        ["clock", "ok"], ["model", "ok"], ["registry", "ok"],
    ]  # fmt: skip
    assert list(tmp_path.iterdir()) == []  # what a run makes itself is neither missed nor made


def test_all_that_is_wrong_with_a_machine_is_in_one_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    driver = tmp_path / "driver"
    driver.write_text("")
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(machine, "NVIDIA_DRIVER", driver)
    monkeypatch.setattr(machine.metadata, "version", lambda _: "2.13.0+cpu")
    monkeypatch.setattr(machine, "find_spec", lambda name: None if name == "trl" else name)
    monkeypatch.setattr(machine, "ROOM_BYTES", 2**60)
    code = main([
        "doctor", "--config", "tiny", "--out", str(tmp_path / "file" / "run"),
        "--set", f"data.questions={tmp_path}/none.jsonl", "--set", f"model.base={tmp_path}",
    ])  # fmt: skip
    assert code == PreflightError.exit_code
    said = capsys.readouterr().err
    for words in (
        f"files     FAILED  data.questions: {tmp_path}/none.jsonl",
        "packages  FAILED  trl not installed",
        "gpu       FAILED  there is an NVIDIA driver, but torch 2.13.0+cpu is the build for CPUs",
        "disk      FAILED  ", "store     FAILED  ", "model     FAILED  ",
    ):  # fmt: skip
        assert words in said


def test_in_a_pod_the_first_task_fails_before_any_other_and_leaves_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    given = config(tmp_path / "store")
    tasks.resolve(given.to_json(), "laptop", str(tmp_path / "out"), str(tmp_path / "current"))
    monkeypatch.setenv(IN_POD, "10.0.0.1")
    with pytest.raises(PreflightError):
        tasks.resolve(given.to_json(), "pod", str(tmp_path / "out"), str(tmp_path / "current"))
    (failure,) = Ledger(FolderStore(tmp_path / "store"), "pod").failures()
    assert failure.name == "000-resolve"
    assert failure.exit_code == PreflightError.exit_code
    assert "MLFLOW_TRACKING_URI is not set" in (failure.error or "")
