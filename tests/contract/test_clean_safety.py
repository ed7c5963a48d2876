"""`judgeloop clean --yes` removes nothing that judgeloop did not write, and all that it left."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.ops.own_keys import is_own
from judgeloop.runtime.ledger import MARKER, Ledger
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import StoreError
from judgeloop.store import FolderStore, S3Store, Store, open_store
from judgeloop.store.scratch import scratch_folder
from tests.conftest import REPOSITORY
from tests.mlflow_server import use_database
from tests.task_loop import task_loop

KEY = "0123456789abcdef01234567"
FOREIGN = [
    *(f"images/holiday/{number}.png" for number in range(3)),
    f"images/ab/{'c' * 64}",  # not below its first two digits
    f"images/ab/ab{'0' * 62}.png",
    f"images/packs/{'0' * 64}.parquet.old",
    "images/packs/mine.parquet",
    "train/thesis.txt",
    f"train/{KEY}/notes.txt",
    f"train/{KEY}/adapter/adapter_model.safetensors",
    f"train/{KEY}/adapter-0123456789abcdef/plot.png",
    "gold/labels.csv",
    f"gold/{KEY}/labels.csv",
    f"judge/{KEY}/00000.jsonl.bak",
    f"judge/{KEY}/0.jsonl",
    f"judge/{KEY.upper()}/00000.jsonl",
    f"judge/{KEY}0/00000.jsonl",
    f"judge/{KEY}/deeper/00000.jsonl",
    "judge/manifest.json",
    "filter/2024/manifest.json",
    "adapters/best/adapter_model.safetensors",
    f"adapters/{KEY}/README.md",
    f"mine/{KEY}/manifest.json",
    "loops/half/notes.md",
    "loops/my notes/loop.json",
    "loops/readme.md",
    "loops/half/report/slides.pdf",
    "thesis.tex",
]
OWN = [
    f"judge/{KEY}/00000.jsonl",
    f"judge/{KEY}/manifest.json",
    f"ingest/{KEY}/p000-00000-0123456789abcdef.jsonl",
    f"gold/{KEY}/pairs-00000-0123456789abcdef.jsonl",
    f"train/{KEY}/adapter-0123456789abcdef/adapter_model.safetensors",
    f"adapters/{KEY}/checksums.json",
    f"images/ab/ab{'0' * 62}",
    f"images/packs/{'0' * 64}.parquet",
]


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with a loop that was begun, a registry, and a folder of temporary files."""
    use_database(tmp_path / "mlflow", monkeypatch)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    if request.param == "folder":
        made = open_store(str(tmp_path / "store"))
    else:
        made = open_store(request.getfixturevalue("s3_uri"))
    Ledger(made, "half").claim(load_config(REPOSITORY / "pipelines/configs/micro.yaml"))
    return made


def clean(capsys: pytest.CaptureFixture[str], store: Store, *options: str) -> str:
    capsys.readouterr()
    assert main(["clean", store.uri, "--forget", "half", *options]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_files_of_others_stay_wherever_they_lie_and_names_are_shown_first(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in (*FOREIGN, *OWN):
        store.write(key, b"{}")
    shown = clean(capsys, store)
    for key in OWN:
        assert f"  {key}\n" in shown
    for key in FOREIGN:
        assert f"  {key}\n" not in shown
    removed = json.loads(clean(capsys, store, "--yes", "--json"))["removed"]
    assert sorted(removed) == sorted([*OWN, "loops/half/loop.json"])
    assert store.list("") == sorted([*FOREIGN, MARKER])


def test_all_that_a_loop_writes_is_known_as_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_database(tmp_path / "mlflow", monkeypatch)
    made = task_loop(tmp_path, "one", "loop.seed=0").run().store.list("")
    assert {key for key in made if not is_own(key)} == {MARKER}
    stages = {"ingest", "synthesize", "judge", "filter", "train", "validate", "evaluate"}
    assert {key.split("/")[0] for key in made} >= {*stages, "images", "loops"}


@pytest.mark.parametrize(
    "marker", [None, b"", b"\0", b"[]", b'{"theme": "dark"}', b'{"written_by": ["judgeloop"]}']
)
def test_a_folder_without_the_marker_is_refused_whole(
    store: Store, capsys: pytest.CaptureFixture[str], marker: bytes | None
) -> None:
    for key in OWN:
        store.write(key, b"{}")
    store.delete(MARKER)
    if marker is not None:
        store.write(MARKER, marker)  # another program's settings may have this name
    for options in ((), ("--yes",)):
        assert main(["clean", store.uri, "--forget", "half", *options]) == 2
        assert f"has no {MARKER}" in capsys.readouterr().err
    assert set(OWN) <= set(store.list(""))


def test_what_killed_writers_left_in_a_folder_goes_and_what_is_being_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_database(tmp_path / "mlflow", monkeypatch)
    store = FolderStore(tmp_path / "store")
    Ledger(store, "half").claim(load_config(REPOSITORY / "pipelines/configs/micro.yaml"))
    old, new = (tmp_path / "store/judge" / f".tmp-{digit * 32}" for digit in "01")
    folder, mine = (tmp_path / "store" / name for name in (f".tmp-{'2' * 32}", ".tmp-mine"))
    others = [tmp_path / "store" / at / old.name for at in ("Downloads", "images/holiday")]
    for path in (folder, old.parent, *(path.parent for path in others)):
        path.mkdir(parents=True)
    for path in (old, new, folder / "file", mine, *others):
        path.write_bytes(b"half")
    for path in (old, folder, mine, *others):
        os.utime(path, (0, 0))
    (tmp_path / "store" / "of\nothers").write_bytes(b"not ours, and no key")
    shown = clean(capsys, store)
    assert f"judge/.tmp-{'0' * 32}" in shown
    clean(capsys, store, "--yes")
    assert not old.exists()
    assert not folder.exists()
    assert new.exists()
    assert (tmp_path / "store" / "of\nothers").exists()
    assert mine.exists()
    assert all(path.exists() for path in others)


def test_pipes_and_devices_in_a_store_are_neither_read_nor_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_database(tmp_path / "mlflow", monkeypatch)
    store = FolderStore(tmp_path / "store")
    Ledger(store, "half").claim(load_config(REPOSITORY / "pipelines/configs/micro.yaml"))
    pipe, zeros = (tmp_path / "store" / key for key in OWN[:2])
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    zeros.symlink_to("/dev/zero")
    assert KEY not in clean(capsys, store, "--yes")
    for key in OWN[:2]:
        with pytest.raises(StoreError, match="it is no file"):
            store.read(key)


def test_uploads_that_were_never_ended_are_aborted(
    s3_uri: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use_database(tmp_path / "mlflow", monkeypatch)
    store = open_store(s3_uri)
    assert isinstance(store, S3Store)
    Ledger(store, "half").claim(load_config(REPOSITORY / "pipelines/configs/micro.yaml"))
    large = f"train/{KEY}/adapter-{'0' * 16}/adapter_model.safetensors"
    for key in (large, "images/holiday/large", "../other/large"):
        place = {"Bucket": store._bucket, "Key": f"{store._below}{key}"}
        if key.startswith(".."):
            place["Key"] = "elsewhere/large"
        store._client.create_multipart_upload(**place)
    assert f"{large}?uploadId=" in clean(capsys, store, "--yes")
    left = store._client.list_multipart_uploads(Bucket=store._bucket)["Uploads"]
    kept = ["elsewhere/large", f"{store._below}images/holiday/large"]
    assert sorted(upload["Key"] for upload in left) == sorted(kept)


def test_the_temporary_folders_of_processes_that_are_gone_go(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = (
        "import os; from judgeloop.store.scratch import scratch_folder\n"
        "made = scratch_folder('train'); open(made.name + '/weights', 'w').close()\n"
        "print(made.name, flush=True); os._exit(9)"
    )
    left = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        cwd=REPOSITORY, env=os.environ | {"TMPDIR": str(tmp_path / "temporary")},
    ).stdout.strip()  # fmt: skip
    foreign = tmp_path / "temporary" / "judgeloop-notes"
    foreign.mkdir()
    link = Path(left[:-8] + "abcdefgh")
    link.symlink_to(foreign)
    head, table, tail = left.rsplit("-", 2)
    elsewhere = Path(f"{head}-{int(table) + 1}-{tail}")  # of a container with the same folder
    elsewhere.mkdir()
    with scratch_folder("train") as mine:
        assert Path(left).is_dir()
        assert left in clean(capsys, store, "--yes")
        assert not Path(left).exists()
        assert Path(mine).is_dir()
    assert foreign.is_dir()
    assert link.is_symlink()
    assert elsewhere.is_dir()
