"""The preflight as in a pod: the release over HTTP, the quota over TLS by the pod's account."""

import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from judgeloop.ops.doctor.needs import parse_needs
from judgeloop.ops.doctor.preflight import Finding, examine_in_pod
from judgeloop.runtime import tasks
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.progress import FILE_VARIABLE
from judgeloop.runtime.reference import Reference
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import ConfigError, PreflightError
from judgeloop.store import FolderStore
from tests.conftest import REPOSITORY
from tests.kfp_process import KfpServer
from tests.kubernetes_api import KubernetesApi, serving
from tests.pod import TOKEN, Pod, write_authority

HEALTH = {"multi_user": False, "pipeline_store": "database"}
WITHIN_S = 8.0
"""Three seconds, and some for a busy machine."""


def outs(folder: Path) -> tuple[str, str]:
    return str(folder / "out"), str(folder / "current")


def needs(gpus: int = 1) -> dict[str, Any]:
    size = {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": gpus}
    tolerated = {"key": "nvidia.com/gpu", "operator": "Exists"}
    return {"tasks": {"inference": size, "training": size}, "tolerations": [tolerated]}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    micro = REPOSITORY / "pipelines/configs/micro.yaml"
    return load_config(micro, [f"store={tmp_path}/store"])


def test_where_everything_fits_all_is_ok(
    pod: Pod, kfp_server: KfpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kfp_server.url)
    assert list(examine_in_pod(parse_needs(needs()))) == [
        Finding("version", "ok", "Kubeflow Pipelines 2.17.0"),
        Finding("quota", "ok", "every task fits into each of the 1 quota(s) of team"),
        Finding("settings", "ok", "this pod has every key that is not optional"),
        Finding("writable", "ok", "the profile names no model_cache"),
        Finding("defaults", "ok", "a LimitRange gives what the quota asks of every container"),
        Finding("claim", "ok", "the profile names no model_cache"),
        Finding("nodes", "ok", "each kind of task fits on one of 2 node(s) when it is empty"),
        Finding("admission", "ok", "a pod of each kind is admitted (inference, training)"),
    ]


@pytest.mark.parametrize(
    ("told", "state", "said"),
    [
        ({"tag_name": "2.16.1"}, "FAILED", "is Kubeflow Pipelines 2.16.1, and the loop needs 2.17"),
        ({"apiServerTagName": "2.18.0"}, "ok", "Kubeflow Pipelines 2.18.0"),
        ({"tag_name": "unknown"}, "unknown", "does not tell its version"),
        ({"tag_name": "master"}, "unknown", "'master' is not a version"),
    ],
)
def test_a_release_is_too_old_new_enough_or_not_told(
    told: dict[str, str], state: str, said: str, pod: Pod, kfp_server: KfpServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kfp_server.url)
    kfp_server.control(execute=False, health=HEALTH | told)
    version, *_ = examine_in_pod(None)
    assert version.state == state
    assert said in version.said


@pytest.mark.parametrize("address", ["silent", "http://127.0.0.1:9", "ml-pipeline:8888", "http://"])
def test_a_server_that_does_not_answer_is_unknown_within_seconds(
    address: str, silent: str, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", silent if address == "silent" else address)
    began = time.monotonic()
    version, *_ = examine_in_pod(None)
    assert time.monotonic() - began < WITHIN_S
    assert version.state == "unknown"
    assert "does not tell its version" in version.said
    assert "make doctor-kubeflow" in version.said


def test_who_sends_us_elsewhere_is_not_followed(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = KubernetesApi()

    class Login(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{there}/login")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with serving(elsewhere) as there, HTTPServer(("127.0.0.1", 0), Login) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("KF_PIPELINES_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        version, *_ = examine_in_pod(None)
        server.shutdown()
    assert version.state == "unknown"
    assert "(302: Found)" in version.said
    assert elsewhere.asked == []


def test_a_silent_cluster_is_unknown_within_seconds(
    silent: str, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", silent.rpartition(":")[2])
    began = time.monotonic()
    _, quota, *_ = examine_in_pod(parse_needs(needs()))
    assert time.monotonic() - began < WITHIN_S
    assert quota.state == "unknown"
    assert "timed out" in quota.said


def test_a_quota_that_the_account_may_not_read_is_unknown_and_names_the_manifest(pod: Pod) -> None:
    (pod.account / "namespace").write_text("closed")
    _, quota, *_ = examine_in_pod(parse_needs(needs()))
    assert quota.state == "unknown"
    assert "403: resourcequotas is forbidden" in quota.said
    assert "`kubectl apply -k k8s/overlays/standalone`" in quota.said


def test_a_cluster_of_another_authority_gets_no_token(pod: Pod) -> None:
    write_authority(pod.account)  # the server keeps the certificate of the one before
    _, quota, *_ = examine_in_pod(parse_needs(needs()))
    assert quota.state == "unknown"
    assert "certificate verify failed" in quota.said
    assert pod.api.asked == []


@pytest.mark.parametrize("token", ["another", "two\nlines", "\u2713"])
def test_a_wrong_token_is_unknown_and_never_shown(token: str, pod: Pod) -> None:
    (pod.account / "token").write_text(token, encoding="utf-8")
    _, quota, *_ = examine_in_pod(parse_needs(needs()))
    assert quota.state == "unknown"
    assert token not in quota.said
    assert repr(token)[1:-1] not in quota.said


@pytest.mark.parametrize("file", ["token", "namespace", "ca.crt"])
def test_a_pod_without_an_account_is_unknown(file: str, pod: Pod) -> None:
    (pod.account / file).unlink()
    _, quota, *_ = examine_in_pod(parse_needs(needs()))
    assert quota.state == "unknown"


def test_without_a_run_the_quotas_are_shown_and_compared_with_nothing(pod: Pod) -> None:
    _, quota, *_ = examine_in_pod(None)
    assert quota.state == "unknown"
    assert "team holds 256Gi limits.memory, 10 pods, 4 requests.nvidia.com/gpu;" in quota.said


def test_too_small_a_quota_fails_the_first_task_and_leaves_the_reason(
    pod: Pod, config: Config, tmp_path: Path
) -> None:
    with pytest.raises(PreflightError) as caught:
        tasks.resolve(
            config.to_json(),
            "large",
            str(tmp_path / "out"),
            str(tmp_path / "current"),
            needs(gpus=8),
        )
    (failure,) = Ledger(FolderStore(tmp_path / "store"), "large").failures()
    assert (failure.name, failure.exit_code) == ("000-resolve", PreflightError.exit_code)
    for said in (str(caught.value), failure.error or ""):
        assert "`training` asks for 8 requests.nvidia.com/gpu, and the quota team holds 4" in said
        assert "Have the quota raised, or ask for less" in said
        assert TOKEN not in said
    assert not (tmp_path / "out").exists()


def test_the_list_is_shown_where_the_store_and_so_the_configuration_is_away(
    pod: Pod, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = str(Reference(f"{tmp_path}/away", "0" * 64))
    with caplog.at_level(logging.INFO), pytest.raises(ConfigError):
        tasks.resolve(given, "one", *outs(tmp_path), needs())
    said = [each.getMessage().split()[:3] for each in caplog.records]
    assert ["preflight:", "quota", "ok"] in said
    assert ["preflight:", "nodes", "ok"] in said


def test_what_is_unknown_is_a_warning_and_the_first_task_goes_on(
    pod: Pod, config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(tasks, "hide_secrets", lambda *_: None)  # it would take caplog's handler
    (pod.account / "namespace").write_text("closed")
    tasks.resolve(config.to_json(), "goes-on", *outs(tmp_path), needs())
    assert (tmp_path / "out").exists()
    said = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert [line.split()[:3] for line in said] == [
        ["preflight:", name, "unknown"]
        for name in ("version", "quota", "defaults", "admission")
    ]  # fmt: skip


def test_a_local_run_in_a_notebooks_pod_asks_the_cluster_for_nothing(
    pod: Pod, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "progress.jsonl"))
    tasks.resolve(config.to_json(), "local", *outs(tmp_path), needs(gpus=8))
    assert pod.api.asked == []
