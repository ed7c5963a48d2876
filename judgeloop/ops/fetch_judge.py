"""Fetches a registered judge into a pod that serves it: base and adapter, checked by checksum.

```
python -m judgeloop.ops.fetch_judge models:/judge/3 /models --adapter-sha256 HASH
```

It creates `FOLDER/base`, a link to the model's folder, and `FOLDER/adapter`. If it is started
again, it fetches what is missing and verifies the rest.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from judgeloop.engines.fit import check_fit
from judgeloop.models.fetch import base_location
from judgeloop.models.hub import fetch_model
from judgeloop.models.references import check_base, local_folder
from judgeloop.registry.addresses import fetch_version
from judgeloop.registry.judge_file import ADAPTER_FOLDER
from judgeloop.runtime.json_log import About
from judgeloop.runtime.log_level import log_level
from judgeloop.runtime.redaction import hide_secrets, shown
from judgeloop.schema.errors import JudgeLoopError, RegistryError
from judgeloop.schema.records import ModelRef

logger = logging.getLogger("judgeloop")

BASE = "base"
VERSION = "version"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetches a judge; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m judgeloop.ops.fetch_judge")
    parser.add_argument("address", help="models:/name/version")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--adapter-sha256", required=True)
    given = parser.parse_args(arguments)
    form = "%(asctime)s %(levelname)s %(message)s"
    hide_secrets(form, log_level("INFO"), about=About(stage="deploy"))
    try:
        fetch_judge(given.address, given.folder, given.adapter_sha256)
    except JudgeLoopError as error:
        logger.error("%s", shown(str(error)))
        return error.exit_code
    return 0


def fetch_judge(address: str, folder: Path, adapter_sha256: str) -> None:
    """Fetches a judge.

    Args:
        address: `models:/name/version`.
        folder: Target folder; it is created.
        adapter_sha256: Hash of the requested adapter; another version may have been registered
            under the same number.

    Raises:
        ConfigError: The base here is another one, or vLLM does not run it.
        EngineError, StoreError: The base cannot be read, or holds other bytes.
        RegistryError: There is no such version, or it has another adapter.
    """
    version = folder / VERSION
    model = fetch_version(address, version).judge.located(version)
    if model.adapter_sha256 != adapter_sha256:
        raise RegistryError(
            f"{address} has the adapter {model.adapter_sha256[:12]!r}, and {adapter_sha256[:12]!r} "
            "was to be served: make the manifest anew with `judgeloop deploy`"
        )
    check_base(model)
    check_fit("vllm", model)
    _link(folder / ADAPTER_FOLDER, version / ADAPTER_FOLDER)
    _link(folder / BASE, _base(model))
    logger.info("fetched %s: adapter %s, base %s", address, adapter_sha256[:16], model.base)


def _base(model: ModelRef) -> Path:
    """Returns the folder of the model's base, after verifying its files."""
    place = base_location(model)
    if local_folder(place) is None:
        return fetch_model(place, model.revision)
    return Path(place)


def _link(link: Path, target: Path) -> None:
    """Points a link to a folder, whatever it pointed to before."""
    link.unlink(missing_ok=True)
    link.symlink_to(target.absolute(), target_is_directory=True)


if __name__ == "__main__":
    sys.exit(main())
