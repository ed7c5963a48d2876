"""Where base models come from, and that each is pinned: a folder, S3, or the hub."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from judgeloop.models.fetch import base_location
from judgeloop.models.references import describe_base
from judgeloop.schema.errors import ConfigError, EngineError
from judgeloop.store import folder_checksums, open_store, upload_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What counts of a model folder here: names and bytes."""
    made = tmp_path / "model"
    (made / "nested").mkdir(parents=True)
    (made / "config.json").write_text("{}")
    (made / "nested" / "model.safetensors").write_bytes(b"weights")
    (made / "README.md").write_text("read me")
    return made


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "judgeloop" / "bases"


def upload(folder: Path, uri: str) -> str:
    upload_folder(open_store(uri), folder, "base")
    return f"{uri}/base"


def test_a_base_in_s3_is_fetched_once_with_the_hash_of_its_folder(
    folder: Path, cache: Path, s3_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    base = upload(folder, s3_uri)
    model = describe_base(f"{base}/", None)
    assert model.base_sha256 == describe_base(str(folder), None).base_sha256
    places = {base_location(model) for _ in range(2)}
    (place,) = map(Path, places)
    assert place.parent == cache
    assert folder_checksums(place) == folder_checksums(folder)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_base_lies_straight_in_a_bucket_too(folder: Path, cache: Path, s3_uri: str) -> None:
    bucket = s3_uri.rpartition("/loops")[0]
    base = upload(folder, bucket)
    assert folder_checksums(Path(base_location(describe_base(base, None)))) == folder_checksums(
        folder
    )
    with pytest.raises(ConfigError, match="names no folder in a bucket"):
        describe_base(bucket, None)


def test_a_base_in_s3_that_changed_since_is_refused(folder: Path, cache: Path, s3_uri: str) -> None:
    model = describe_base(upload(folder, s3_uri), None)
    (folder / "nested" / "model.safetensors").write_bytes(b"others")
    changed = describe_base(upload(folder, s3_uri), None)
    assert changed.base_sha256 != model.base_sha256
    with pytest.raises(EngineError, match="holds other files than when it was resolved"):
        base_location(model)
    assert (Path(base_location(changed)) / "nested" / "model.safetensors").read_bytes() == b"others"


def test_a_base_in_s3_without_checksums_says_how_to_store_it(s3_uri: str) -> None:
    open_store(s3_uri).write("base/config.json", b"{}")
    with pytest.raises(ConfigError, match=r"no checksums\.json.*upload_folder writes"):
        describe_base(f"{s3_uri}/base", None)


def test_an_s3_folder_that_is_no_model_is_refused(folder: Path, s3_uri: str) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"no config\.json"):
        describe_base(upload(folder, s3_uri), None)


def test_without_a_home_a_base_is_kept_with_the_temporary_files(
    folder: Path, s3_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "scratch").mkdir()  # the folder of temporary files is always there
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    place = base_location(describe_base(upload(folder, s3_uri), None))
    assert place.startswith(str(tmp_path / "scratch"))


def remember(hub: Path, revision: str, text: str) -> None:
    """Writes what the hub's client notes of a branch when it fetches it."""
    path = hub / "models--owner--name" / "refs" / revision
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty local cache of the hub; the hub itself is not asked in tests."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def test_a_hub_id_is_pinned_to_the_commit_that_the_cache_has(hub: Path) -> None:
    remember(hub, "main", COMMIT)
    remember(hub, "refs/pr/1", OTHER)
    assert describe_base("owner/name", None).revision == COMMIT
    assert describe_base("owner/name", "refs/pr/1").revision == OTHER


def test_a_commit_is_taken_as_it_is(hub: Path) -> None:
    assert describe_base("owner/name", OTHER).revision == OTHER


@pytest.mark.parametrize(
    ("name", "revision"), [("owner/name", None), ("owner/name", "v1"), ("no/such/id", None)]
)
def test_a_hub_id_that_cannot_be_pinned_says_what_to_set(
    hub: Path, name: str, revision: str | None
) -> None:
    remember(hub, "main", "not a commit")
    with pytest.raises(ConfigError, match=rf"{name}.*{revision or 'main'}.*model\.revision"):
        describe_base(name, revision)


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does when it is asked about a model's revision."""

    def do_GET(self) -> None:
        known = self.path == "/api/models/owner/name/revision/v1"
        body = json.dumps({"id": "owner/name", "sha": COMMIT} if known else {}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Is silent."""


@pytest.fixture
def hub_url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_hub_s_answer_comes_before_the_cache_s_and_a_refusal_after(
    hub_url: str, tmp_path: Path
) -> None:
    remember(tmp_path, "v1", OTHER)
    remember(tmp_path, "main", OTHER)
    code = (
        "from judgeloop.models.references import describe_base\n"
        "print(*(describe_base('owner/name', name).revision for name in ('v1', 'main')))"
    )
    settings = {"HF_ENDPOINT": hub_url, "HF_HUB_OFFLINE": "0", "HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | settings | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
    )
    assert done.stdout.split() == [COMMIT, OTHER], done.stderr
