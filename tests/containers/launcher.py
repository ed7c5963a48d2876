"""Stands in for what Kubeflow does around one task: its launcher, and the pod it runs in.

KFP's local orchestrator says which task is next, as the backend does. Each task gets a container
that was never there before: a read-only root, the image's own user, `/tmp` in memory, the variables
that it is given and nothing of this machine's files. What it reads was fetched from S3 by the
artifacts' URIs, what it made is put there under a URI that no execution had before. As a program:

    python -m tests.containers.launcher PACKAGE ARGUMENTS WORK_FOLDER ROOT_URI
"""

import json
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.containers import passed_variables, run_container

MAX_BYTES = 1_000_000
"""Artifacts are manifests: the data is in the store already."""
OUTPUTS = "/kfp/outputs"
LABEL = "judgeloop.test"
EXECUTOR_INPUT = "--executor_input"


class Launcher:
    """Runs tasks as pods."""

    def __init__(self, work: Path, root_uri: str) -> None:
        import boto3

        self._work = work
        self._root_uri = root_uri
        self._s3 = boto3.client("s3")

    def run_task(
        self, client: Any, image: str, command: Sequence[str], volumes: Any, **given: Any
    ) -> int:
        """Has the signature of KFP's function that runs a task's container."""
        words = list(command)
        place = words.index(EXECUTOR_INPUT) + 1
        doc = json.loads(words[place])
        local_output = Path(doc["outputs"]["outputFile"])
        self._move_outputs(doc, local_output.parent)
        words[place] = json.dumps(doc)
        pod = Path(tempfile.mkdtemp(prefix="pod-"))
        try:
            mounts = self._make_mounts(pod)
            for artifact in artifacts(doc["inputs"]):
                self._fetch(artifact["uri"], pod / "s3")
            code = run_container(
                client, image, words, volumes=mounts, environment=passed_variables(os.environ),
                labels={LABEL: str(self._work)},
            )  # fmt: skip
            if code == 0:
                self._collect(doc, pod, local_output)
            return code
        finally:
            shutil.rmtree(pod)

    def _move_outputs(self, doc: Mapping[str, Any], task_root: Path) -> None:
        """Gives every output artifact a new URI, and the executor's file a place in the pod."""
        execution = f"{task_root.relative_to(self._work)}/{uuid.uuid4()}"
        doc["outputs"]["outputFile"] = f"{OUTPUTS}/executor_output.json"
        for parameter, place in doc["outputs"].get("parameters", {}).items():
            place["outputFile"] = f"{OUTPUTS}/{parameter}"
        for name, listed in doc["outputs"].get("artifacts", {}).items():
            (artifact,) = listed["artifacts"]
            artifact["uri"] = f"{self._root_uri}/{execution}/{name}"

    def _make_mounts(self, pod: Path) -> dict[str, Any]:
        """Makes the volumes that Kubeflow mounts, empty and open to every user id."""
        mounts = {}
        for name, target in (("s3", "/s3"), ("kfp", "/kfp")):
            folder = pod / name
            folder.mkdir()
            folder.chmod(0o777)
            mounts[str(folder)] = {"bind": target, "mode": "rw"}
        pod.chmod(0o755)
        return mounts

    def _fetch(self, uri: str, below: Path) -> None:
        bucket, key = split(uri)
        path = below / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        self._s3.download_file(bucket, key, str(path))
        for folder in path.relative_to(below).parents:  # the launcher runs as the image's user
            (below / folder).chmod(0o777)

    def _collect(self, doc: Mapping[str, Any], pod: Path, local_output: Path) -> None:
        """Uploads the artifacts; the orchestrator gets what the backend gets: no file of theirs."""
        made = pod / "kfp" / "outputs" / "executor_output.json"
        said = json.loads(made.read_text()) if made.is_file() else {}
        for artifact in artifacts(said):
            if not artifact["uri"].startswith(self._root_uri):
                raise ValueError(f"the launcher cannot upload to {artifact['uri']}")
        for artifact in artifacts(doc["outputs"]):
            bucket, key = split(artifact["uri"])
            path = pod / "s3" / bucket / key
            if not path.exists():
                continue
            if not path.is_file() or path.stat().st_size > MAX_BYTES:
                raise ValueError(f"{artifact['uri']}: an artifact is a manifest, not data")
            self._s3.upload_file(str(path), bucket, key)
        local_output.parent.mkdir(parents=True, exist_ok=True)
        local_output.write_text(json.dumps(said))


def artifacts(half: Mapping[str, Any]) -> Iterator[Any]:
    """Every artifact in the inputs or outputs of an executor's document."""
    for listed in half.get("artifacts", {}).values():
        yield from listed["artifacts"]


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an `s3://` URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def main(package: str, request: str, work: str, root_uri: str) -> None:
    """Runs a compiled pipeline; raises where it fails."""
    from kfp import components, local
    from kfp.local import docker_task_handler

    docker_task_handler.run_docker_container = Launcher(Path(work), root_uri).run_task
    local.init(local.DockerRunner(), pipeline_root=work, enable_caching=False)
    pipeline = components.load_component_from_file(package)
    pipeline(**json.loads(Path(request).read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(*sys.argv[1:])
