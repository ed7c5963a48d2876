"""The images for real: what is in them, that they run as they must, and the loop inside them.

One file, so that one process builds the images once.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.images import image
from images.locks import LOCKS, read_pins
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.reference import write_config
from judgeloop.schema.config import load_config
from judgeloop.store import Store, open_store
from tests.canary import Canaries, files_below, objects_of
from tests.conftest import REPOSITORY, require_executable
from tests.containers.engine import CONF, IMAGES, Podman, images, podman_service
from tests.containers.launcher import LABEL
from tests.loop.micro import LOOP_ID
from tests.make import make
from tests.server_process import DIRECT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

CONFINED = (
    "--rm", "--network=host", "--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp:rw,mode=1777",
)  # fmt: skip
ANYONE = "1000660000"
"""A user id of OpenShift's kind: no image has a name for it."""
LOOK = """
import json, os, sys
from importlib import metadata, util
print(json.dumps({
    "uid": os.getuid(),
    "names": sorted({d.metadata["Name"] for d in metadata.distributions()}),
    "modules": [name for name in ("pip", "components", "pipelines", "torch", "vllm")
                if util.find_spec(name)],
    "writable": [d for d, _, _ in os.walk("/", followlinks=False)
                 if os.access(d, os.W_OK) and not d.startswith(("/proc", "/dev", "/sys", "/tmp"))],
    "sbom": json.load(open("/opt/judgeloop/share/judgeloop/sbom.cdx.json")),
}))
"""

LEARN = """
import sys
from judgeloop.runtime import tasks
import json
config, at = sys.argv[1], "/tmp/"
tasks.resolve(config, "loop", at + "model", at + "current")
def run(stage, name, *place, **inputs):
    tasks.run(stage, config, "loop", at + name, *place, **inputs)
run("ingest", "questions")
run("synthesize", "pairs", 1, 0, questions=at + "questions", model=at + "model")
run("judge", "judged", 1, 0, pairs=at + "pairs", model=at + "model")
run("filter", "examples", 1, pairs=[at + "pairs"], judgements=[at + "judged"])
run("train", "trained", 1, examples=at + "examples", model=at + "model")
print(json.load(open(at + "trained"))["model"]["adapter_sha256"])
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def look(podman: Podman, name: str, *options: str) -> dict[str, Any]:
    """What a container of an image sees, with a read-only root."""
    found: dict[str, Any] = json.loads(
        podman.run("run", *CONFINED, *options, name, "python3", "-c", LOOK).stdout
    )
    return found


def assert_holds(found: dict[str, Any], lock: int, *more: str) -> None:
    wanted = {*read_pins(LOCKS[lock].path), "judgeloop", *more}
    assert set(map(normal, found["names"])) == wanted
    listed = [*found["sbom"]["components"], found["sbom"]["metadata"]["component"]]
    assert {normal(component["name"]) for component in listed} == wanted
    assert found["uid"] == 1000
    assert found["writable"] == []


def test_the_cpu_image_holds_its_lock_and_the_core_and_runs_read_only_as_nobody_special(
    podman: Podman, cpu_image: str
) -> None:
    found = look(podman, cpu_image)
    assert_holds(found, 0)
    assert found["modules"] == []
    as_anyone = look(podman, cpu_image, f"--user={ANYONE}:0")
    assert as_anyone == found | {"uid": int(ANYONE)}


def test_an_image_says_what_it_is(podman: Podman, cpu_image: str, base: str) -> None:
    about = podman.inspect(cpu_image)
    labels = {name.rpartition(".image.")[2]: value for name, value in about["Labels"].items()}
    assert labels["title"] == "judgeloop-cpu"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["base.name"] == base
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", labels["revision"])
    assert about["User"] == "1000:1000"
    history = json.dumps(about["History"])
    assert "find-links" not in history  # the settings of pip on this machine stay here


def test_a_push_records_the_digest_that_the_registry_has(
    podman: Podman, cpu_image: str, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "images.lock"
    where = ("--registry", f"{registry}/team", "--tag", "one", "--lock", str(lock))
    images("push", "--only", "cpu", *where)
    digest = digest_in(registry, "team/judgeloop-cpu", "one")
    monkeypatch.delenv("JUDGELOOP_IMAGE_CPU", raising=False)
    reference = f"{registry}/team/judgeloop-cpu@{digest}"
    assert image("cpu", lock) == reference
    podman.run("pull", "--tls-verify=false", reference)
    assert podman.inspect(reference)["Id"] == podman.inspect(cpu_image)["Id"]


def digest_in(registry: str, name: str, reference: str) -> str:
    """The digest that a registry gives for a tag or a digest."""
    with DIRECT.open(manifest(registry, name, reference, "HEAD")) as answer:
        return str(answer.headers["Docker-Content-Digest"])


def layers_in(registry: str, name: str, reference: str) -> int:
    """How many layers an image has in a registry."""
    with DIRECT.open(manifest(registry, name, reference, "GET")) as answer:
        return len(json.load(answer)["layers"])


def manifest(registry: str, name: str, reference: str, method: str) -> urllib.request.Request:
    """Asks for an image's manifest, in either of its forms."""
    kinds = ("vnd.oci.image.manifest.v1", "vnd.docker.distribution.manifest.v2")
    return urllib.request.Request(
        f"http://{registry}/v2/{name}/manifests/{reference}", method=method,
        headers={"Accept": ", ".join(f"application/{kind}+json" for kind in kinds)},
    )  # fmt: skip


# --- with each engine -----------------------------------------------------------------------------
TINY = """
ARG BASE
FROM ${BASE} AS build
RUN --mount=type=secret,id=pip,target=/etc/pip.conf echo built > /built
FROM scratch
COPY --from=build /built /dependencies
COPY --from=build /built /code
ARG REVISION
LABEL org.opencontainers.image.revision="${REVISION}"
"""


@pytest.fixture
def tiny_tree(tmp_path: Path) -> Path:
    """The Makefile and the modules of `make images`, with two images of one small file."""
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns("__pycache__", "images.lock", "Containerfile")
    shutil.copytree(REPOSITORY / "images", tree / "images", ignore=ignored)
    redaction = ("runtime/__init__.py", "runtime/json_log.py", "runtime/redaction.py",
                 "runtime/secret_list.py", "schema/__init__.py", "schema/errors.py",
                 "schema/printable.py")  # fmt: skip
    core = (f"judgeloop/{name}" for name in ("__init__.py", *redaction))
    for name in ("Makefile", ".dockerignore", *core):
        (tree / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(REPOSITORY / name, tree / name)
    for role in IMAGES:
        (tree / "images" / role / "Containerfile").write_text(TINY)
    return tree


@pytest.fixture(params=["podman", "buildah", "docker"])
def engine(
    request: pytest.FixtureRequest, podman: Podman, registry: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[dict[str, str]]:  # fmt: skip
    """What leads an engine to images of its own, besides those of this machine."""
    asked = "{{.Store.GraphDriverName}} {{.Store.GraphRoot}}"
    driver, shared = podman.run("info", "--format", asked).stdout.split()
    (tmp_path / "storage.conf").write_text(
        f'[storage]\ndriver = "{driver}"\ngraphroot = "{tmp_path}/graph"\n'
        f'runroot = "{tmp_path}/run"\n[storage.options]\nadditionalimagestores = ["{shared}"]\n'
        # Else each process mounts that folder, and one that ends unmounts it for another.
        f'[storage.options.{driver}]\nskip_mount_home = "true"\n'
    )
    where = {"ENGINE": request.param, "CONTAINERS_STORAGE_CONF": f"{tmp_path}/storage.conf"}
    where["CONTAINERS_CONF"] = CONF["CONTAINERS_CONF"]
    if request.param != "docker":
        require_executable((request.param,), request.param)
        yield where
        return
    # Not by `require_executable`, so not in CI either: it brings 150 MB of daemon along.
    if shutil.which("docker") is None:
        pytest.skip("docker's client is not installed, and optional: Debian's docker.io has it")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    # Without BuildKit, which podman's service does not speak, there are no settings of pip either.
    where |= {"DOCKER_BUILDKIT": "0", "PIP_CONFIG_FILE": os.devnull, "DOCKER_CONFIG": str(tmp_path)}
    trusted = tmp_path / "registries.conf"
    trusted.write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
    with podman_service(tmp_path, **where, CONTAINERS_REGISTRIES_CONF=str(trusted)) as address:
        yield where | {"DOCKER_HOST": address}


def test_make_images_push_records_the_digests_of_both_images_with_each_engine(
    engine: dict[str, str], base: str, registry: str, tiny_tree: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """`docker` is docker's client on podman's service: no daemon of docker's is needed."""
    done = make(
        "images", "push", f"REGISTRY={registry}/team", "TAG=one", f"BUILD_ARGS=BASE={base}",
        f"ENGINE={engine.pop('ENGINE')}", folder=tiny_tree, timeout_s=300,
        BASE_PYTHON=sys.executable, **engine,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for role in ("cpu", "gpu"):
        monkeypatch.delenv(f"JUDGELOOP_IMAGE_{role.upper()}")
        digest = digest_in(registry, f"team/judgeloop-{role}", "one")
        reference = f"{registry}/team/judgeloop-{role}@{digest}"
        assert image(role, tiny_tree / "images/images.lock") == reference
        assert digest_in(registry, f"team/judgeloop-{role}", digest) == digest
        assert layers_in(registry, f"team/judgeloop-{role}", digest) == 2  # the code has its own
        assert f"{role}  {reference}" in done.stdout


# --- as on a cluster ------------------------------------------------------------------------------
class Cluster:
    """Submits the compiled loop to the stand-in for Kubeflow."""

    def __init__(self, podman: Podman, folder: Path, root_uri: str) -> None:
        self.folder = folder
        self.store_uri = f"{root_uri}/store"
        self._podman = podman
        # The scripted engine needs no model, so one image does for both roles.
        self._compiling = podman.environment | {"JUDGELOOP_IMAGE_GPU": IMAGES["cpu"]}
        self._environment = {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}
        config = load_config(
            REPOSITORY / "pipelines/configs/micro.yaml",
            [f"store={self.store_uri}", "loop.patience=2", "registry.model_name=judgeloop-cluster"],
        )
        reference = write_config(open_store(self.store_uri), LOOP_ID, config)
        arguments = {"config": str(reference), "loop_id": LOOP_ID}
        (folder / "arguments.json").write_text(json.dumps(arguments))
        self._root_uri = f"{root_uri}/pipeline-root"
        done = subprocess.run(
            [sys.executable, "-m", "pipelines", "compile", "--iterations", "2", "--partitions", "1",
             "--local", "--out", str(folder / "loop.yaml")],
            cwd=REPOSITORY, check=False, capture_output=True, text=True,
            env=os.environ | self._compiling,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def submit(self, name: str) -> subprocess.Popen[bytes]:
        """Starts a run; its log is `<name>.log`."""
        work = self.folder / name
        work.mkdir()
        files = [self.folder / "loop.yaml", self.folder / "arguments.json", work]
        command = [sys.executable, "-m", "tests.containers.launcher", *map(str, files)]
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [*command, self._root_uri], cwd=work, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
                env=os.environ | self._podman.environment | self._environment,
            )  # fmt: skip

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def kill(self, run: subprocess.Popen[bytes]) -> None:
        """Ends a run and its pods at once."""
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        listed = self._podman.run("ps", "--quiet", "--filter", f"label={LABEL}").stdout.split()
        if listed:
            self._podman.run("rm", "--force", "--time=0", *listed)

    @property
    def store(self) -> Store:
        return open_store(self.store_uri)


def tasks_that(said: str, log: str) -> set[tuple[int, str]]:
    """Iteration and stage of the tasks that said something in a log."""
    found = re.findall(rf"iteration=(\d+) stage=(\w+) .*{said}", log)
    return {(int(iteration), stage) for iteration, stage in found}


def test_as_on_a_cluster_a_killed_loop_starts_no_engine_again_for_what_is_done(
    podman: Podman, cpu_image: str, s3_uri: str, mlflow_server: str,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    canaries = Canaries(monkeypatch)  # `s3_uri` has set its own
    canaries.track(mlflow_server)
    monkeypatch.setenv("JUDGELOOP_LOG", "DEBUG")
    cluster = Cluster(podman, tmp_path, s3_uri)
    first = cluster.submit("first")
    ledger = Ledger(cluster.store, LOOP_ID)
    end = time.monotonic() + 500
    while not any(entry.name == "002-synthesize-p000" for entry in ledger.entries()):
        assert first.poll() is None, cluster.log("first")[-3000:]
        assert time.monotonic() < end, cluster.log("first")[-3000:]
        time.sleep(0.5)
    cluster.kill(first)
    begun = tasks_that("engine started", cluster.log("first"))
    assert {iteration for iteration, _ in begun} == {0, 1, 2}

    second = cluster.submit("second")
    assert second.wait(500) == 0, cluster.log("second")[-3000:]
    again = tasks_that("engine started", cluster.log("second"))
    assert 1 not in {iteration for iteration, _ in again}
    assert not again & tasks_that("done key=", cluster.log("first"))
    assert (1, "judge") in tasks_that("done key=", cluster.log("second"))
    summary = json.loads(cluster.store.read(f"loops/{LOOP_ID}/report/summary.json"))
    assert [row["iteration"] for row in summary["iterations"]] == [0, 1, 2]
    places = files_below(tmp_path) | objects_of(open_store(s3_uri))
    for folder in tmp_path_factory.getbasetemp().glob("mlflow_server*"):
        places |= files_below(folder)
    for name in ("first.log", "second.log", "/mlflow.db", "/pipeline-root/", "/report.html"):
        assert any(name in place for place in places), name
    assert b"botocore" in places[str(tmp_path / "second.log")]
    assert canaries.found_in(places) == []


# --- with the model -------------------------------------------------------------------------------
def test_the_gpu_image_with_cpu_wheels_holds_its_lock_and_the_core(
    podman: Podman, gpu_image: str
) -> None:
    found = look(podman, gpu_image)
    assert_holds(found, 2, "torch")
    assert found["modules"] == ["torch", "vllm"]


def test_the_gpu_image_infers_and_trains_read_only_as_a_user_without_a_name(
    podman: Podman, gpu_image: str
) -> None:
    config = load_config(
        REPOSITORY / "pipelines/configs/micro-tiny.yaml", ["store=/tmp/store", "data.count=80"]
    )
    done = podman.run(
        "run",
        *CONFINED,
        f"--user={ANYONE}:0",
        "--env=OMP_NUM_THREADS=1",
        gpu_image,
        "python3",
        "-c",
        LEARN,
        config.to_json(),
    )
    assert re.fullmatch(r"[0-9a-f]{24}", done.stdout.split()[-1])


def test_the_loop_runs_in_its_images_through_the_local_container_runner(
    podman: Podman, cpu_image: str, gpu_image: str, tmp_path: Path
) -> None:
    config = REPOSITORY / "pipelines" / "configs" / "micro-tiny.yaml"
    run = subprocess.run(
        [sys.executable, "-m", "pipelines", "run", "--config", str(config), "--out", str(tmp_path),
         "--loop-id", LOOP_ID, "--runner", "containers"],
        cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=900,
        env=os.environ | podman.environment,
    )  # fmt: skip
    log = (tmp_path / "kfp.log").read_text()
    assert run.returncode == 0, run.stdout + run.stderr + log[-3000:]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [row["iteration"] for row in summary["iterations"]] == [0, 1, 2]
    store = open_store(str(tmp_path / "store"))
    adapters = {
        entry.manifest.model.adapter_sha256
        for entry in Ledger(store, LOOP_ID).entries()
        if entry.stage == "train" and entry.manifest and entry.manifest.model
    }
    assert len(adapters) == 2
    assert podman.run("ps", "--all", "--quiet", "--filter", "label=judgeloop.run").stdout == ""


def test_a_task_that_fails_in_its_container_fails_the_run(
    podman: Podman, cpu_image: str, tmp_path: Path
) -> None:
    config = REPOSITORY / "pipelines" / "configs" / "micro.yaml"
    run = subprocess.run(
        [sys.executable, "-m", "pipelines", "run", "--config", str(config), "--out", str(tmp_path),
         "--loop-id", LOOP_ID, "--runner", "containers", "--set", "data.questions=/none.jsonl"],
        cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=300,
        env=os.environ | podman.environment,
    )  # fmt: skip
    assert run.returncode not in (0, 1), run.stdout + run.stderr
    assert "000-ingest failed: " in run.stdout
    assert "/none.jsonl" in run.stdout
