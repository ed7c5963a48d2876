"""The compiled pipeline as in pods: where the preflight fails, nothing comes after it."""

import time
from collections.abc import Iterator
from pathlib import Path

import kfp_server_api as api
import msgspec
import pytest

from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.reference import write_config
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import PreflightError
from judgeloop.store import FolderStore
from pipelines.compile import compile_pipeline
from pipelines.profile import Retry, read_profile
from tests.kfp_process import REPOSITORY, KfpServer, connect, start_server
from tests.pod import Pod

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PATIENT_S = 300


@pytest.fixture
def cluster(
    pod: Pod, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[KfpServer]:  # fmt: skip
    """A server whose runs find around them what a pod does.

    Where Kubernetes puts a service account is no setting of ours, nor is how long the watcher waits
    for another pod, so each process of a run is told them when it starts.
    """
    imports = "import pathlib\n"
    imports += "from judgeloop.cluster import own_pod\nfrom judgeloop.ops.pods import watch\n"
    code = f"{imports}own_pod.ACCOUNT = {pod.account!r}\nwatch.QUIET_S = 5.0\n"
    (tmp_path / "sitecustomize.py").write_text(code.replace("PosixPath", "pathlib.Path"))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{REPOSITORY}")
    yield from start_server(tmp_path_factory.mktemp("kfp"))


def test_a_run_that_asks_for_more_than_the_quota_ends_with_its_first_task(
    cluster: KfpServer, pod: Pod, tmp_path: Path
) -> None:
    package = tmp_path / "p.yaml"
    cpu = read_profile("cpu")
    large = msgspec.structs.replace(cpu.training, memory="512Gi")
    profile = msgspec.structs.replace(cpu, retry=Retry(count=0), training=large)
    micro = REPOSITORY / "pipelines/configs/micro.yaml"
    config = load_config(micro, [f"store={tmp_path}/store"])
    compile_pipeline(package, 1, 1, profile)
    server = connect(cluster.url)
    pipeline = server.pipeline("judge-loop")
    run_id = server.start(
        api.V2beta1Run(
            experiment_id=server.experiment("preflight"), display_name="large",
            pipeline_version_reference=api.V2beta1PipelineVersionReference(
                pipeline_id=pipeline, pipeline_version_id=server.version(pipeline, package, "1")
            ),
            runtime_config=api.V2beta1RuntimeConfig(parameters={
                "config": str(write_config(FolderStore(tmp_path / "store"), "large", config)),
                "loop_id": "large",
            }),
        )
    )  # fmt: skip
    end = time.monotonic() + PATIENT_S
    while (run := server.run(run_id)).state in (None, "PENDING", "RUNNING"):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert run.state == "FAILED"
    (failure,) = Ledger(FolderStore(tmp_path / "store"), "large").entries()
    assert (failure.name, failure.exit_code) == ("000-resolve", PreflightError.exit_code)
    assert "`training` asks for 512Gi limits.memory" in (failure.error or "")
    # The watcher asks beside the first task, and may be first.
    assert "/api/v1/namespaces/team/resourcequotas" in pod.api.asked
