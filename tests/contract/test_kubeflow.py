"""The client side of Kubeflow Pipelines over HTTP: who we are, what is asked, what goes wrong."""

import io
import subprocess
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.reference import parse_reference
from judgeloop.schema.errors import ClusterError, ConfigError
from judgeloop.store import FolderStore
from pipelines.cluster.connection import Connection
from pipelines.cluster.follow import follow
from pipelines.cluster.runs import cancel
from pipelines.cluster.server import Kubeflow, is_active
from tests.kfp_contract import load_contract
from tests.kfp_process import REPOSITORY, KfpServer

MICRO = str(REPOSITORY / "pipelines/configs/micro.yaml")


def submit(
    server: KfpServer, out: Path, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    return server.call(
        "submit", "--config", MICRO, "--set", f"store={out}/store", "--set", "loop.iterations=1",
        "--out", str(out / "p.yaml"), "--loop-id", "one", *options,
        **variables,
    )  # fmt: skip


def connection(url: str, **variables: str) -> Connection:
    return Connection.from_environment({"KF_PIPELINES_ENDPOINT": url, **variables})


@pytest.mark.parametrize("kind", ["closed", "silent", "unknown"])
def test_a_wrong_host_is_answered_within_two_seconds(kind: str, silent: str) -> None:
    address = {"closed": "http://127.0.0.1:9", "silent": silent, "unknown": "http://no.invalid"}
    began = time.monotonic()
    with pytest.raises(ClusterError, match="KF_PIPELINES_ENDPOINT"):
        Kubeflow(connection(address[kind]))
    assert time.monotonic() - began < 2


def test_a_wrong_token_is_answered_at_once_and_never_shown(kfp_server: KfpServer) -> None:
    kfp_server.control(token="right")
    began = time.monotonic()
    with pytest.raises(ClusterError, match=r"refuses us \(401\)") as caught:
        Kubeflow(connection(kfp_server.url, KF_PIPELINES_TOKEN="wrong-4711"))
    assert time.monotonic() - began < 2
    assert "wrong-4711" not in str(caught.value)
    done = kfp_server.call("status", KF_PIPELINES_TOKEN="wrong-4711")
    assert done.returncode == ClusterError.exit_code
    assert "create token default-editor" in done.stderr
    assert "wrong-4711" not in done.stdout + done.stderr


def test_a_token_its_file_and_a_cookie_open_the_door(kfp_server: KfpServer, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("of-a-file\n")
    kfp_server.control(token="of-a-file")
    Kubeflow(connection(kfp_server.url, KF_PIPELINES_SA_TOKEN_PATH=str(path)))
    kfp_server.control(token="plain")
    Kubeflow(connection(kfp_server.url, KF_PIPELINES_TOKEN="plain"))
    kfp_server.control(cookie="oauth2_proxy_kubeflow=x")
    Kubeflow(connection(kfp_server.url, KF_PIPELINES_COOKIE="oauth2_proxy_kubeflow=x"))


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "KF_PIPELINES_ENDPOINT is not set"),
        ({"KF_PIPELINES_ENDPOINT": "kubeflow:8888"}, "begin it with http:// or https://"),
        ({"KF_PIPELINES_ENDPOINT": "http://k", "KF_PIPELINES_SA_TOKEN_PATH": "/no/file"},
         r"KF_PIPELINES_SA_TOKEN_PATH=/no/file: cannot be read \(No such"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(variables: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Connection.from_environment(variables)


def test_in_a_pod_nothing_need_be_set() -> None:
    found = Connection.from_environment({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert found.host == "http://ml-pipeline.kubeflow.svc.cluster.local:8888"


def test_a_loop_is_uploaded_once_started_refused_while_it_runs_and_cancelled(
    kfp_server: KfpServer, tmp_path: Path
) -> None:
    first = submit(kfp_server, tmp_path)
    assert first.returncode == 0, first.stderr
    (run,) = [each for each in kfp_server.exchanges() if each["path"].endswith("/runs")
              and each["method"] == "POST"]  # fmt: skip
    run_id = run["answer"]["run_id"]
    assert f"run {run_id}\n" in first.stdout  # the API's own address shows no page
    (upload,) = [e for e in kfp_server.exchanges() if e["path"].endswith("upload_version")]
    assert upload["query"]["name"][:12] in first.stdout
    parameters = run["body"]["runtime_config"]["parameters"]
    assert parameters["loop_id"] == "one"
    assert parse_reference(parameters["config"]).read("one")[0].store == f"{tmp_path}/store"
    assert set(parameters) == {"config", "loop_id"}

    second = submit(kfp_server, tmp_path)
    assert second.returncode == ConfigError.exit_code
    assert f"loop one is running as {run_id}" in second.stderr
    elsewhere = submit(kfp_server, tmp_path, "--set", "registry.experiment=other")
    assert f"loop one is running as {run_id}" in elsewhere.stderr

    listed = kfp_server.call("status")
    assert run_id in listed.stdout
    ledger = Ledger(FolderStore(tmp_path / "store"), "one")
    assert not ledger.cancelled()
    ended = kfp_server.call("cancel", "one")
    assert ended.returncode == 0, ended.stderr
    assert f"run {run_id}  FAILED, by your cancel" in ended.stdout
    assert ledger.cancelled()
    shown = kfp_server.call("status", "one")
    assert shown.returncode == 1
    assert "the loop is cancelled" in shown.stdout

    again = submit(kfp_server, tmp_path, KF_PIPELINES_UI_ENDPOINT="http://kubeflow.example")
    assert again.returncode == 0, again.stderr
    assert not ledger.cancelled()
    assert "http://kubeflow.example/#/runs/details/" in again.stdout
    made = {path: kfp_server.made(path) for path in ("/pipelines", "/experiments", "/runs",
                                                      "/pipelines/upload_version")}  # fmt: skip
    assert made == {"/pipelines": 1, "/experiments": 2, "/runs": 2, "/pipelines/upload_version": 1}


def test_a_cancel_is_in_the_ledger_before_the_run_is_terminated(
    kfp_server: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit handler that is started all the same reads it there and starts nothing."""
    assert submit(kfp_server, tmp_path).returncode == 0
    server = Kubeflow(connection(kfp_server.url))
    ledger, terminate = Ledger(FolderStore(tmp_path / "store"), "one"), server.terminate
    seen: list[bool] = []

    def look(run_id: str) -> None:
        seen.append(ledger.cancelled())
        terminate(run_id)

    monkeypatch.setattr(server, "terminate", look)
    assert cancel(server, "one", Console(file=io.StringIO())) == 0
    assert seen == [True]


def test_a_server_that_is_away_for_a_moment_costs_a_moment(
    kfp_server: KfpServer, tmp_path: Path
) -> None:
    server = Kubeflow(connection(kfp_server.url))
    kfp_server.control(execute=False, away=3)
    assert server.experiment("e")
    assert [each["status"] for each in kfp_server.exchanges()].count(503) == 3


def test_a_server_that_stays_away_is_an_error_that_says_so(kfp_server: KfpServer) -> None:
    server = Kubeflow(connection(kfp_server.url), patience_s=1)
    kfp_server.control(execute=False, away=1000)
    with pytest.raises(ClusterError, match="answers 503: no healthy upstream"):
        server.experiment("e")


def test_a_run_that_etcd_finds_too_large_is_refused_at_once(
    kfp_server: KfpServer, tmp_path: Path
) -> None:
    """The recorded answer of a real server, which was repeated for 4.5 minutes."""
    kfp_server.control(execute=False, too_large=True)
    done = submit(kfp_server, tmp_path)
    assert done.returncode == ClusterError.exit_code
    assert "etcdserver: request is too large" in done.stderr
    starts = [e for e in kfp_server.exchanges()
              if (e["method"], e["path"]) == ("POST", "/apis/v2beta1/runs")]  # fmt: skip
    assert len(starts) == 1


def test_a_run_whose_answer_was_lost_is_not_started_twice(
    kfp_server: KfpServer, tmp_path: Path
) -> None:
    kfp_server.control(execute=False, lost=1)
    done = submit(kfp_server, tmp_path)
    assert done.returncode == 0, done.stderr
    starts = [e["status"] for e in kfp_server.exchanges()
              if (e["method"], e["path"]) == ("POST", "/apis/v2beta1/runs")]  # fmt: skip
    assert starts == [503]
    assert len(list((kfp_server.folder / "runs").iterdir())) == 1


def test_an_expired_token_ends_the_following_and_a_renewed_file_goes_on(
    kfp_server: KfpServer, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    assert submit(kfp_server, tmp_path).returncode == 0
    kfp_server.control(execute=False, token="first")
    server = Kubeflow(connection(kfp_server.url, KF_PIPELINES_SA_TOKEN_PATH=str(path)))
    (run,) = filter(is_active, server.runs("one"))
    threading.Timer(0.5, lambda: kfp_server.control(token="second")).start()
    with pytest.raises(ClusterError, match="has expired"):
        follow(server, run.run_id, Console(file=io.StringIO()), poll_s=0.1)
    path.write_text("second")
    assert server.run(run.run_id).state == "RUNNING"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("store=below", "'below' is a folder of this machine"),
        ("data.questions=https://me:hunter2@host/q.jsonl", "holds a password in an address"),
    ],
)
def test_a_configuration_that_no_pod_could_use_is_refused_before_anything_is_uploaded(
    change: str, said: str, kfp_server: KfpServer, tmp_path: Path
) -> None:
    done = submit(kfp_server, tmp_path, "--set", change)
    assert done.returncode == ConfigError.exit_code
    assert said in done.stderr
    assert "hunter2" not in done.stderr
    assert not [each for each in kfp_server.exchanges() if each["method"] == "POST"]


def test_a_page_that_is_no_kubeflow_is_recognised(kfp_server: KfpServer) -> None:
    with pytest.raises(ClusterError, match="answers 404"):
        Kubeflow(connection(kfp_server.url + "/elsewhere"))
    kfp_server.folder.joinpath("exchanges.jsonl").unlink()  # no exchange of the API


def test_the_contract_finds_planted_violations() -> None:
    contract = load_contract()
    good = {"method": "GET", "path": "/apis/v2beta1/runs/x", "query": {}, "body": None,
            "status": 200, "answer": {"run_id": "x", "state": "RUNNING"}}  # fmt: skip
    assert list(contract.violations(good)) == []
    for change in (
        {"path": "/apis/v2beta1/run/x"},
        {"query": {"verbose": "1"}},
        {"body": {}},
        {"answer": {"run_id": 7}},
        {"answer": {"state": "DONE"}},
        {"answer": {"colour": "red"}},
    ):
        assert list(contract.violations(good | change)), change
