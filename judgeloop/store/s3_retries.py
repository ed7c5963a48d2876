"""Retries for what botocore does not retry: truncated or corrupted bodies.

botocore's standard mode retries a request that was refused, cut off, throttled or answered by 500,
502, 503 or 504. It does not check a body that the caller reads, and treats a server's report of a
wrong checksum as final. Those are retried here, a few times only.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from judgeloop.store.s3_errors import WrongBytesError, error_code

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")
PAUSES_S = (0.5, 2.0)
"""Seconds before the second and the third try."""
DECISION_TRIES = 5
DECISION_PAUSE_S = 0.1
"""Seconds before the second try to create an object; they double."""
_LOST_ON_THE_WAY = frozenset(
    {
        "BadDigest",
        "IncompleteBody",
        "InvalidPart",  # a part of an upload is missing: everything is sent again
        "NoSuchUpload",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)
_log = logging.getLogger(__name__)


def until_whole(action: Callable[[], T]) -> T:
    """Call `action`, and retry if bytes were lost or corrupted in transit.

    Args:
        action: Reads or writes a whole object; it must be idempotent.

    Returns:
        What `action` returned.

    Raises:
        Exception: The last error of `action`, or the first one that a retry would not fix.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_chain, wait_fixed

    return Retrying(
        retry=retry_if_exception(_is_lost),
        stop=stop_after_attempt(1 + len(PAUSES_S)),
        wait=wait_chain(*(wait_fixed(pause) for pause in PAUSES_S)),
        before_sleep=_say,
        reraise=True,
    )(action)


def until_decided(action: Callable[[], bool | None]) -> bool | None:
    """Do a conditional put, and retry while concurrent writes of the object keep S3 from deciding.

    Args:
        action: A conditional put; None means that it is worth another try.

    Returns:
        What `action` returned; None if the last try was undecided too.
    """
    from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_exponential

    return Retrying(
        retry=retry_if_result(lambda decided: decided is None),
        stop=stop_after_attempt(DECISION_TRIES),
        wait=wait_exponential(multiplier=DECISION_PAUSE_S),
        retry_error_callback=lambda _: None,
    )(action)


def _say(attempt: "RetryCallState") -> None:
    outcome, action = attempt.outcome, attempt.next_action
    if outcome is not None and action is not None:
        _log.warning(
            "again in %s s, bytes were lost on the way to or from S3: %s",
            action.sleep,
            outcome.exception(),
        )


def _is_lost(error: BaseException) -> bool:
    from botocore import exceptions as b

    if isinstance(error, b.ClientError):
        return error_code(error) in _LOST_ON_THE_WAY
    # All of these are raised while a body is read; before it, botocore raises its own.
    return isinstance(
        error,
        WrongBytesError
        | b.FlexibleChecksumError
        | b.IncompleteReadError
        | b.ResponseStreamingError,
    )
