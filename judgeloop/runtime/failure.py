"""What the ledger says of an error, and the exit code that it stands for."""

from __future__ import annotations

from judgeloop.runtime.redaction import hidden
from judgeloop.schema.errors import JudgeLoopError, StoreError
from judgeloop.store.local_files import disk_failure


def told(error: Exception) -> tuple[str, int]:
    """Returns an error's message, without secrets, and its exit code.

    Args:
        error: One of ours, or what a library or the system raised: of a disk that is full,
            read-only or broken it is told what to do.
    """
    text, code = f"{type(error).__name__}: {error}", JudgeLoopError.exit_code
    if isinstance(error, JudgeLoopError):
        text, code = str(error), error.exit_code
    elif isinstance(error, OSError) and (said := disk_failure(error)):
        text, code = said, StoreError.exit_code
    return hidden(text), code
