"""`make logs`: what failed in a run, and the logs of its pods, read over HTTP from Kubernetes."""

import io
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import kfp_server_api
import pytest
from rich.console import Console

from judgeloop.schema.errors import ClusterError
from pipelines.cluster.pods import show_pod_logs
from pipelines.cluster.runs import show_logs
from pipelines.cluster.server import is_active
from tests.kfp_process import KfpServer, connect
from tests.kubernetes_api import KubernetesApi, Pod, write_kubeconfig

STAYS_SILENT_S = 10


@pytest.fixture
def failed_run(kfp_server: KfpServer, tmp_path: Path) -> str:
    """The id of a run that has failed: what was uploaded is no pipeline."""
    package = tmp_path / "package.yaml"
    package.write_text("no: pipeline")
    kfp_server.control(execute=True)
    server = connect(kfp_server.url)
    pipeline = server.pipeline("p")
    reference = kfp_server_api.V2beta1PipelineVersionReference(
        pipeline_id=pipeline, pipeline_version_id=server.version(pipeline, package, "v")
    )
    run_id = server.start(
        kfp_server_api.V2beta1Run(
            experiment_id=server.experiment("e"), display_name="first",
            pipeline_version_reference=reference,
            runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters={}),
        )
    )  # fmt: skip
    end = time.monotonic() + 120
    while is_active(server.run(run_id)):
        assert time.monotonic() < end
        time.sleep(0.2)
    return run_id


@pytest.fixture
def pods(kubernetes_api: KubernetesApi, failed_run: str) -> KubernetesApi:
    """Kubernetes with the pods of that run, out of order, and one of another run."""
    error = "stage=judge begins\nerror: the model has no [chat template], \u2713\n"
    name = "loop-system-container-impl"
    kubernetes_api.pods += [
        Pod(f"{name}-2", failed_run, "Failed", "2026-01-01T00:00:03Z", error),
        Pod(f"{name}-1", failed_run, "Succeeded", "2026-01-01T00:00:02Z", "pairs: 80\n"),
        Pod("loop-system-dag-driver-1", failed_run, "Succeeded", "2026-01-01T00:00:01Z", "KFP\n"),
        Pod(f"{name}-3", failed_run, "Pending", "2026-01-01T00:00:04Z", None),
        Pod("another", "of-another-run", "Failed", "2026-01-01T00:00:00Z", "not mine\n"),
    ]
    return kubernetes_api


def test_logs_show_what_failed_and_the_pods_from_the_first_to_the_last(
    kfp_server: KfpServer, pods: KubernetesApi, failed_run: str
) -> None:
    done = kfp_server.call("logs", "first", KF_PIPELINES_NAMESPACE="team")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "[loop-system-container-impl-1] pairs: 80",
        "[loop-system-container-impl-2] stage=judge begins",
        "[loop-system-container-impl-2] error: the model has no [chat template], \u2713",
        '[loop-system-container-impl-3] Pending, no log: container "main" in pod '
        '"loop-system-container-impl-3" is waiting to start: ContainerCreating',
    ]


def test_what_kubeflow_logs_around_a_task_is_shown_only_where_it_is_asked_for(
    kubernetes_api: KubernetesApi,
) -> None:
    ours = "2026-11-28 14:00:00 INFO loop=one iteration=2 stage=judge started"
    theirs = ("I1128 14:00:00.0 1 launcher_v2.go:151] PipelineSpec", 'time="2026" level=info')
    path = ("x(0).root(0).exit-handler-1(0).loop(0).for-loop-6(0).iteration-iterations(1:1)(0)."
            "iteration-item(0).judge-2(0).executor(0)")  # fmt: skip
    log = "\n".join([theirs[0], ours, theirs[1]]) + "\n"
    kubernetes_api.pods = [
        Pod("x-driver-1", "run", "Succeeded", "2026-01-01T00:00:00Z", "I1128 14:00:00 driver\n"),
        Pod("x-1", "run", "Running", "2026-01-01T00:00:01Z", log, path),
    ]
    shown = []
    for asked in (False, True):
        console = Console(file=io.StringIO(), width=500)
        show_pod_logs("run", "team", console, kfp_lines=asked)
        shown.append(console.file.getvalue().splitlines())
    assert shown[0] == [f"[judge 2/p1] {ours}"]
    whole = [f"[judge 2/p1] {line}" for line in (theirs[0], ours, theirs[1])]
    assert shown[1] == ["[x-driver-1] I1128 14:00:00 driver", *whole]


def test_logs_of_a_run_whose_pods_are_gone_say_so_and_where_to_look(
    kfp_server: KfpServer, kubernetes_api: KubernetesApi, failed_run: str
) -> None:
    console = Console(file=io.StringIO())
    assert show_logs(connect(kfp_server.url), failed_run, console) == 0
    said = console.file.getvalue()
    assert f"No pods of run {failed_run} are in namespace team" in said
    assert "an hour after its end" in said


def test_logs_that_we_may_not_read_name_the_command_by_which_others_may(
    kfp_server: KfpServer, pods: KubernetesApi, failed_run: str
) -> None:
    """The command is run by the real kubectl, where there is one, on the same stand-in."""
    with pytest.raises(ClusterError, match="403: pods is forbidden") as caught:
        show_logs(connect(kfp_server.url, "closed"), failed_run, Console(file=io.StringIO()))
    command = shlex.split(str(caught.value).split("`")[1])
    assert command[:4] == ["kubectl", "logs", "-n", "closed"]
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed, and optional: Debian's kubernetes-client has it")
    pods.pods = [pod for pod in pods.pods if pod.log is not None]
    command[3] = "team"
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "[pod/loop-system-container-impl-1/main] pairs: 80" in done.stdout.splitlines()
    assert "not mine" not in done.stdout


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("context", "Expected object with name elsewhere"),
        ("nobody", "http://127.0.0.1:9 does not answer"),
        ("silent", "does not answer"),
        ("file", "No configuration found"),
        ("yaml", "check KUBECONFIG"),
    ],
)
def test_a_wrong_kubeconfig_is_answered_within_seconds_by_a_plain_message(
    wrong: str, said: str, silent: str, kfp_server: KfpServer, failed_run: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path = tmp_path / "kubeconfig"
    address = {"nobody": "http://127.0.0.1:9", "silent": silent}.get(wrong, "http://127.0.0.1:9")
    write_kubeconfig(path, address, "elsewhere" if wrong == "context" else "here")
    if wrong == "yaml":
        path.write_text("clusters: [")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none" if wrong == "file" else path))
    server, began = connect(kfp_server.url), time.monotonic()
    with pytest.raises(ClusterError, match=said) as caught:
        show_logs(server, failed_run, Console(file=io.StringIO()))
    assert time.monotonic() - began < STAYS_SILENT_S
    assert "\n" not in str(caught.value)
