"""The process of a TrainJob's pod, which runs the training of a request in the store.

```
python -m judgeloop.ops.train_worker s3://bucket/prefix train/<key>/request.json
```

It writes the adapter and the manifest into the store, where the task that created the job finds
them, and its error to the container's termination log.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from judgeloop.runtime.json_log import About
from judgeloop.runtime.log_level import log_level
from judgeloop.runtime.redaction import hidden, hide_secrets, shown
from judgeloop.runtime.stages.train import STAGE, train_in_job
from judgeloop.runtime.train_request import TrainRequest
from judgeloop.schema.errors import JudgeLoopError
from judgeloop.schema.records import from_json
from judgeloop.store import open_store

logger = logging.getLogger("judgeloop")

TERMINATION_LOG = Path("/dev/termination-log")
"""Its content becomes the container's termination message."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the worker; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m judgeloop.ops.train_worker")
    parser.add_argument("store")
    parser.add_argument("request")
    given = parser.parse_args(arguments)
    _log(About(stage=STAGE))
    try:
        _train(given.store, given.request)
    except JudgeLoopError as error:
        _tell(shown(hidden(str(error))))
        return error.exit_code
    return 0


def _train(address: str, key: str) -> None:
    store = open_store(address)
    request = from_json(store.read(key), TrainRequest, key)
    _log(About(stage=STAGE, loop=request.loop_id, iteration=request.iteration))
    train_in_job(request, store)


def _log(about: About) -> None:
    form = "%(asctime)s %(levelname)s stage=train %(message)s"
    hide_secrets(form, log_level("INFO"), about=about)


def _tell(said: str) -> None:
    logger.error("failed: %s", said)
    if TERMINATION_LOG.exists():
        TERMINATION_LOG.write_text(said[-4000:], encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
