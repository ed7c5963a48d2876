"""Fetches a benchmark's data from this machine, from S3, or from a data set of the hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from judgeloop.schema.errors import DataError
from judgeloop.store import open_store
from judgeloop.store.scratch import scratch_folder

S3 = "s3://"
HUB = "hub:"
_HUB = re.compile(r"hub:(?P<id>[\w.-]+/[\w.-]+)@(?P<revision>[\w./-]+)")
TIMEOUT_S = 10.0


@contextmanager
def data_folder(place: str) -> Iterator[Path]:
    """Yields a benchmark's data as a folder or file of this machine, for a block of work.

    Args:
        place: A path; `s3://bucket/prefix`; or `hub:OWNER/NAME@REVISION`, a data set of the hub at
            a commit, tag or branch. The revision is required, since labels differ between
            revisions.

    Raises:
        DataError: There is no data at the place, or its address cannot be parsed.
        StoreError: S3 cannot be used.
    """
    if place.startswith(HUB):
        yield _hub_folder(place)
    elif place.startswith(S3):
        with scratch_folder("benchmark") as name:
            yield _s3_folder(place, Path(name))
    else:
        yield Path(place)


def _s3_folder(place: str, folder: Path) -> Path:
    store = open_store(place)
    keys = store.list("")
    if not keys:
        raise DataError(f"{place}: holds nothing; give the prefix of the benchmark's files")
    for key in keys:
        target = folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        store.download(key, target)
    return folder


def _hub_folder(place: str) -> Path:
    match = _HUB.fullmatch(place)
    if match is None:
        raise DataError(
            f"{place!r}: write hub:OWNER/NAME@REVISION, with the revision that the figures are of"
        )
    try:
        from huggingface_hub import snapshot_download

        found = snapshot_download(
            match["id"], repo_type="dataset", revision=match["revision"], etag_timeout=TIMEOUT_S
        )
    except Exception as error:  # of the client, its HTTP library or the system
        reason = " ".join(str(error).split())[:300]
        raise DataError(
            f"{place}: neither the hub nor the local cache gives this data set ({reason}). Check "
            "the name and the revision, or give a folder with its files"
        ) from error
    return Path(found)
