"""Is a large object sent to S3 and back in constant memory?

```
python -m benchmarks.large_object --megabytes 512 5120 --folder /a/disk
```

For each size a file of random bytes is uploaded and downloaded by `S3Store`, in a process of its
own, whose peak resident memory is printed. The server is not S3 but the minimal sink below, a
process with the part of S3's protocol that a multipart upload and ranged downloads need, which
checks every part's SHA-256 and writes to disk. (moto, with which the tests run, joins an upload's
parts in memory.) The folder needs three times the largest size.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from benchmarks.loopback import loopback_s3
from judgeloop.runtime.redaction import hide_secrets

MIB = 1024 * 1024


class Measured(NamedTuple):
    """Figures of one object's upload and download."""

    megabytes: int
    upload_s: float
    download_s: float
    start_mib: float
    """Peak resident memory before the upload: Python, boto3 and a client."""
    peak_mib: float
    """Peak resident memory at the end."""


def measure(megabytes: int, folder: Path) -> Measured:
    """Send a file there and back in processes of their own.

    Args:
        megabytes: Its size in MiB.
        folder: On a disk with room for three such files.

    Raises:
        RuntimeError: The copy is not the file, or a process failed.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        place = Path(scratch)
        _write_random(place / "source", megabytes)
        command = [sys.executable, "-m", "benchmarks.large_object"]
        sink = subprocess.Popen([*command, "--sink", scratch], stdout=subprocess.PIPE, text=True)
        try:
            assert sink.stdout is not None
            port = sink.stdout.readline().strip()
            done = subprocess.run(
                [*command, "--there-and-back", scratch],
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | loopback_s3(port),
                check=False,
            )
        finally:
            sink.terminate()
            sink.communicate()
        if done.returncode:
            raise RuntimeError(f"{megabytes} MiB did not go there and back")
        return Measured(megabytes, **json.loads(done.stdout))


def _write_random(path: Path, megabytes: int) -> None:
    block = os.urandom(MIB)
    with path.open("wb") as file:
        for number in range(megabytes):  # parts differ, without the time of a random generator
            file.write(number.to_bytes(8, "big"))
            file.write(block[8:])


def _there_and_back(folder: Path) -> None:
    """Print the figures as JSON; `S3Store` compares the checksums itself."""
    from judgeloop.store import open_store

    store = open_store("s3://bucket/prefix")
    start_mib = _peak_mib()
    begin = time.monotonic()
    store.upload(folder / "source", "object")
    middle = time.monotonic()
    (folder / "source").unlink()
    store.download("object", folder / "copy")
    taken = {"upload_s": middle - begin, "download_s": time.monotonic() - middle}
    print(json.dumps(taken | {"start_mib": start_mib, "peak_mib": _peak_mib()}))


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB


class _Sink(BaseHTTPRequestHandler):
    """One object, sent in equal parts; requests are not signed and nothing is kept in memory."""

    protocol_version = "HTTP/1.1"
    path_on_disk: Path
    metadata: dict[str, str]
    part_bytes: int

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploads" in parse_qs(urlsplit(self.path).query, keep_blank_values=True):
            given = self.headers.items()
            sha256 = {k: v for k, v in given if k.lower().startswith("x-amz-meta-")}
            self.metadata.update(sha256)
            self.path_on_disk.touch()
            name = "InitiateMultipartUploadResult"
            return self._answer(200, f"<{name}><UploadId>1</UploadId></{name}>".encode())
        name = "CompleteMultipartUploadResult"
        self._answer(200, f'<{name}><ETag>"1"</ETag></{name}>'.encode())

    def do_PUT(self) -> None:
        number = int(parse_qs(urlsplit(self.path).query)["partNumber"][0])
        data = self.rfile.read(int(self.headers["Content-Length"]))
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        if self.headers["x-amz-checksum-sha256"] != digest:
            return self._answer(400, b"<Error><Code>BadDigest</Code></Error>")
        with self.path_on_disk.open("r+b") as file:
            file.seek((number - 1) * self.part_bytes)
            file.write(data)
        self._answer(200, b"", {"ETag": '"1"', "x-amz-checksum-sha256": digest})

    def do_HEAD(self) -> None:
        self._answer(200, b"", {"Content-Length": str(self.path_on_disk.stat().st_size)})

    def do_GET(self) -> None:
        if "Range" not in self.headers:
            return self._answer_whole()
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"])
        assert match is not None
        total = self.path_on_disk.stat().st_size
        begin, end = int(match[1]), min(int(match[2] or total), total - 1)
        with self.path_on_disk.open("rb") as file:
            file.seek(begin)
            data = file.read(end - begin + 1)
        self._answer(206, data, {"Content-Range": f"bytes {begin}-{end}/{total}"})

    def _answer_whole(self) -> None:
        """Sends the object as a stream; a client that goes on with ranges closes the connection."""
        self.close_connection = True
        self._answer(200, b"", {"Content-Length": str(self.path_on_disk.stat().st_size)})
        with self.path_on_disk.open("rb") as file, suppress(OSError):
            shutil.copyfileobj(file, self.wfile)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        own = {"Content-Length": str(len(body)), "ETag": '"1"'} | self.metadata
        for name, value in (own | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


def _serve(folder: Path) -> None:
    from judgeloop.store.s3 import PART_BYTES

    class Sink(_Sink):
        path_on_disk = folder / "sink"
        metadata: dict[str, str] = {}  # noqa: RUF012  (one object a process)
        part_bytes = PART_BYTES

    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


def main() -> None:
    """Print a line for each size."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, nargs="+", default=[512, 5120], metavar="MIB")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--sink", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--there-and-back", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.sink:
        return _serve(chosen.sink)
    if chosen.there_and_back:
        return _there_and_back(chosen.there_and_back)
    print("size MiB  upload s  download s  memory at start MiB  peak MiB")
    for megabytes in chosen.megabytes:
        one = measure(megabytes, chosen.folder)
        print(
            f"{one.megabytes:8d}  {one.upload_s:8.1f}  {one.download_s:10.1f}  "
            f"{one.start_mib:19.1f}  {one.peak_mib:8.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
