"""Doing again what botocore does not repeat: bodies that break off or change on the way.

botocore's standard mode repeats a request that was refused, cut off, throttled or answered by 500,
502, 503 or 504. It does not look at a body that the caller reads, and takes a server's "these are
not the bytes that you hashed" for a final answer. Those are repeated here, a few times only.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from judgeloop.store.s3_errors import WrongBytesError, error_code

T = TypeVar("T")
PAUSES_S = (0.5, 2.0)
"""Seconds before the second and the third try."""
_LOST_ON_THE_WAY = frozenset(
    {
        "BadDigest",
        "IncompleteBody",
        "InvalidPart",  # a part of an upload is gone: everything is sent once more
        "NoSuchUpload",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)
_log = logging.getLogger(__name__)


def until_whole(action: Callable[[], T]) -> T:
    """Do something, and again where its bytes were lost or changed on the way.

    Args:
        action: Reads or writes a whole object; doing it twice must not matter.

    Returns:
        What `action` returned.

    Raises:
        Exception: What `action` raised the last time, or what a repetition would not mend.
    """
    for pause in PAUSES_S:
        try:
            return action()
        except Exception as error:
            if not _is_lost(error):
                raise
            _log.warning(
                "again in %s s, bytes were lost on the way to or from S3: %s", pause, error
            )
            time.sleep(pause)
    return action()


def _is_lost(error: Exception) -> bool:
    from botocore import exceptions as b

    if isinstance(error, b.ClientError):
        return error_code(error) in _LOST_ON_THE_WAY
    # All of these come from reading a body; before it, botocore has its own.
    return isinstance(
        error,
        WrongBytesError
        | b.FlexibleChecksumError
        | b.IncompleteReadError
        | b.ResponseStreamingError,
    )
