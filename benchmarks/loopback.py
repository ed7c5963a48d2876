"""S3 servers for the benchmarks, on the loopback."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def loopback_s3(port: int | str) -> dict[str, str]:
    """Returns the AWS variables for a server without accounts."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }


@contextmanager
def moto_server(log: Path) -> Iterator[None]:
    """Runs the S3 server of the tests, which keeps everything in memory.

    The AWS variables of this process and its children point to it.

    Args:
        log: File that gets a line for each request.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    os.environ |= loopback_s3(port)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as sink:
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=sink)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/").close()
                break
            except urllib.error.URLError:
                if server.poll() is not None:
                    raise
        yield
    finally:
        server.terminate()
        server.wait()
