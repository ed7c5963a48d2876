"""A real vLLM API server for tests."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.server_process import free_port, running_server

START_TIMEOUT_S = 600  # 40 s on an idle machine
CONTEXT = 512
ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "TORCHDYNAMO_DISABLE": "1",  # else the first use compiles, which needs g++
}


@contextmanager
def serve_vllm(base: Path, adapters: Mapping[str, Path], log: Path) -> Iterator[str]:
    """Serve a model as `base` and its adapters by their names; yield the API's address."""
    port = free_port()
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(base)]
    command += ["--served-model-name", "base", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--max-model-len", str(CONTEXT), "--max-num-seqs", "16"]
    command += ["--enforce-eager", "--kv-cache-memory-bytes", str(64 << 20)]
    command += ["--limit-mm-per-prompt", '{"image": 2}', "--generation-config", "vllm"]
    # Without a free slot, vLLM on a CPU gives the base's answers by the last adapter.
    command += ["--enable-lora", "--max-loras", str(len(adapters) + 1), "--max-lora-rank", "16"]
    command += ["--lora-modules"]
    command += [f"{name}={folder}" for name, folder in adapters.items()]
    url = f"http://127.0.0.1:{port}"
    with running_server(command, f"{url}/health", log, ENVIRONMENT, START_TIMEOUT_S):
        yield f"{url}/v1"
