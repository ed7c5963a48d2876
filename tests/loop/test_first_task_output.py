"""The first task as its pod runs it: the last line of its output is what it failed of."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.resolve.component import resolve
from judgeloop.runtime.reference import Reference, write_config
from judgeloop.schema.config import load_config
from judgeloop.store import FolderStore
from tests.kfp_process import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
MICRO = REPOSITORY / "pipelines/configs/micro.yaml"
NOWHERE = "http://127.0.0.1:9"
POD = {
    "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "9",
    "KF_PIPELINES_ENDPOINT": NOWHERE, "AWS_ENDPOINT_URL": NOWHERE, "AWS_MAX_ATTEMPTS": "1",
    "AWS_ACCESS_KEY_ID": "AKIA4711", "AWS_SECRET_ACCESS_KEY": "secret-4711",
    "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
    "PATH": f"{REPOSITORY / '.venv/bin'}:{os.environ['PATH']}",
}  # fmt: skip
"""What is around a pod whose cluster, store and Kubeflow do not answer."""


def run_first_task(
    out: Path, config: str, needs: dict[str, Any], **variables: str | None
) -> tuple[int, list[str]]:
    """Runs the component's own command; returns its exit code and the lines of its output."""
    container = resolve.component_spec.implementation.container
    given = {
        "inputs": {"parameterValues": {"config": config, "loop_id": "one", "needs": needs}},
        "outputs": {
            "artifacts": {
                name: {"artifacts": [{"name": name, "uri": f"file://{out}/{name}",
                                      "type": {"schemaTitle": "system.Model"}, "metadata": {}}]}
                for name in ("model", "current")
            },
            "outputFile": str(out / "outputs.json"),
        },
    }  # fmt: skip
    words = [json.dumps(given) if word == "{{$}}" else word for word in container.args]
    around: dict[str, str | None] = {**os.environ, **POD, "TMPDIR": str(out), **variables}
    done = subprocess.run(
        [*container.command, *words], cwd=REPOSITORY, check=False, text=True,
        env={name: value for name, value in around.items() if value is not None},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.returncode, done.stdout.splitlines()


def here(folder: Path) -> str:
    """A configuration whose store is a folder."""
    config = load_config(MICRO, [f"store={folder}/store"])
    return str(write_config(FolderStore(folder / "store"), "one", config))


def test_a_store_that_does_not_answer_is_the_last_line(tmp_path: Path) -> None:
    code, lines = run_first_task(
        tmp_path, str(Reference("s3://bucket/judgeloop", "0" * 64)), {}, MLFLOW_TRACKING_URI=NOWHERE
    )
    assert code != 0
    assert "s3://bucket/judgeloop" in lines[-1]
    assert re.search(r"127\.0\.0\.1:9", lines[-1])
    assert any("preflight: quota" in line for line in lines)  # the list comes all the same


def test_a_secret_that_is_missing_is_the_last_line(tmp_path: Path) -> None:
    code, lines = run_first_task(tmp_path, here(tmp_path), {}, MLFLOW_TRACKING_URI=None)
    assert code != 0
    assert "MLFLOW_TRACKING_URI is not set" in lines[-1]
    assert "Secret `judgeloop-registry`" in lines[-1]


def test_a_registry_that_does_not_answer_is_the_last_line(tmp_path: Path) -> None:
    code, lines = run_first_task(
        tmp_path, here(tmp_path), {}, MLFLOW_TRACKING_URI=NOWHERE,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    )  # fmt: skip
    assert code != 0
    assert NOWHERE in lines[-1]


def test_a_configuration_that_is_gone_is_the_last_line(tmp_path: Path) -> None:
    code, lines = run_first_task(
        tmp_path, str(Reference(f"{tmp_path}/away", "0" * 64)), {},
        MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db",
    )  # fmt: skip
    assert code != 0
    assert f"{tmp_path}/away" in lines[-1]


def test_all_that_checks_found_wrong_is_in_the_last_line(tmp_path: Path) -> None:
    config = load_config(MICRO, [f"store={tmp_path}/store", "model.start=models:/none/1"])
    given = str(write_config(FolderStore(tmp_path / "store"), "one", config))
    code, lines = run_first_task(
        tmp_path, given, {}, MLFLOW_TRACKING_URI=NOWHERE, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0"
    )
    assert code != 0
    assert "registry: " in lines[-1]
    assert "model: " in lines[-1]
