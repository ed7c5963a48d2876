"""Recognizes the keys that judgeloop writes, by the exact forms of stages and the ledger.

All other files in a store's folder belong to its user, wherever they are: `images/holiday/1.png`,
`train/thesis.txt`.
"""

from __future__ import annotations

import re

from judgeloop.runtime.lease import FOLDER as LEASES
from judgeloop.runtime.stage_table import STAGES
from judgeloop.schema.keys import KEY_DIGITS
from judgeloop.store.s3 import UPLOAD

GOLD, ADAPTERS, IMAGES, LOOPS = "gold", "adapters", "images", "loops"
_KEY = rf"[0-9a-f]{{{KEY_DIGITS}}}"
_STAGE = "|".join(sorted({GOLD, *(re.escape(spec.name) for spec in STAGES)}))
_ADAPTER_FILE = (
    r"(?:adapter_model\.safetensors|adapter_config\.json|scripted_adapter\.json|checksums\.json)"
)
_CHECKPOINT_FILE = (
    r"(?:adapter_model\.safetensors|adapter_config\.json|optimizer\.pt|scheduler\.pt"
    r"|rng_state(?:_\d+)?\.pth|trainer_state\.json|checksums\.json)"
)
_OWN = re.compile(
    "|".join(
        (
            rf"(?:{_STAGE})/{_KEY}/manifest\.json",
            rf"(?:{_STAGE})/{_KEY}/\d{{5,9}}\.jsonl",
            rf"(?:ingest|{GOLD})/{_KEY}/(?:p\d{{3,9}}|held_out|pairs|quarantine)-\d{{5,9}}-[0-9a-f]{{16}}\.jsonl",
            rf"(?:hold_out|synthesize)/{_KEY}/contact_sheet\.html",
            rf"train/{_KEY}/adapter-[0-9a-f]{{16}}/{_ADAPTER_FILE}",
            rf"train/{_KEY}/request\.json",
            rf"train/{_KEY}/checkpoints/\d{{6,9}}/{_CHECKPOINT_FILE}",
            rf"{ADAPTERS}/{_KEY}/{_ADAPTER_FILE}",
            rf"{IMAGES}/(?P<two>[0-9a-f]{{2}})/(?P=two)[0-9a-f]{{62}}",
            rf"{IMAGES}/(?:packs|indexes)/[0-9a-f]{{64}}\.parquet",
            rf"{LOOPS}/[^/]+/loop\.json",
            rf"{LOOPS}/[^/]+/(?:tasks|failures)/(?:\d{{3,9}}|end)-(?:{_STAGE}|enough|decide|report)"
            r"(?:-p\d{3,9})?\.json",
            rf"{LOOPS}/[^/]+/report/"
            r"(?:report\.html|report\.md|summary\.json|table\.txt|benchmarks\.(?:md|tex))",
        )
    )
)
_OWN_FOLDER = re.compile(
    "|".join(
        (
            "",  # the root, which has the marker
            rf"(?:{_STAGE}|{ADAPTERS}|{IMAGES}|{LOOPS}|{LEASES})",
            rf"(?:{_STAGE}|{ADAPTERS})/{_KEY}",
            rf"train/{_KEY}/(?:adapter-[0-9a-f]{{16}}|checkpoints(?:/\d{{6,9}})?)",
            rf"{IMAGES}/(?:[0-9a-f]{{2}}|packs|indexes)",
            rf"{LEASES}/[^/]+",
            rf"{LOOPS}/[^/]+(?:/(?:tasks|failures|reruns|report))?",
        )
    )
)


def is_own_leftover(name: str) -> bool:
    """Returns whether an unfinished file or upload is where judgeloop writes.

    Other programs use names like `.tmp-0123...` too, and a bucket lists the uploads of all writers.

    Args:
        name: As `Store.unfinished` returns it.
    """
    key, upload, _ = name.partition(UPLOAD)
    return is_own(key) if upload else _OWN_FOLDER.fullmatch(key.rpartition("/")[0]) is not None


def is_own(key: str) -> bool:
    """Returns whether judgeloop writes a key of exactly this form."""
    return _OWN.fullmatch(key) is not None
