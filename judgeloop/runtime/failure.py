"""The message that the ledger records for an error, and its exit code."""

from __future__ import annotations

from judgeloop.runtime.redaction import hidden
from judgeloop.schema.errors import JudgeLoopError, StoreError
from judgeloop.store.local_files import disk_failure


def describe_error(error: Exception) -> tuple[str, int]:
    """Returns an error's message, without secrets, and its exit code.

    Args:
        error: Any exception; for a full, read-only or broken disk the message says what to do.
    """
    text, code = f"{type(error).__name__}: {error}", JudgeLoopError.exit_code
    if isinstance(error, JudgeLoopError):
        text, code = str(error), error.exit_code
    elif isinstance(error, OSError) and (said := disk_failure(error)):
        text, code = said, StoreError.exit_code
    return hidden(text), code
