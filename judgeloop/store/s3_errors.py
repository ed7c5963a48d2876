"""Turns errors of S3 into a sentence that names the object and what to do.

Of the request only the bucket, the key and the endpoint are repeated, and a password in an
endpoint's address is redacted: the message ends up in logs.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from judgeloop.schema.errors import StoreError
from judgeloop.store.base import MissingObjectError
from judgeloop.store.s3_answers import CHECK_ADDRESS, UnusableAnswerError

_ABSENT = ("NoSuchKey", "NotFound", "404")
_OF_OBJECTS = ("GetObject", "HeadObject", "DeleteObject")
"""Operations whose 404 means that there is no such object; for others it means a wrong address."""
_CREDENTIALS = (
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
)
_FULL = "the store is full: free some space"
_LOST = "data is lost or corrupted in transit: check the network, then run again"
_BUSY = "it is overloaded or broken: run again when it has recovered; finished work is kept"
REPLACE = "if they still do not have it when you run again, delete the object; it is computed again"
_ENCRYPTED = (
    "; where the bucket's policy demands encryption, set JUDGELOOP_S3_ENCRYPTION=aws:kms (or "
    "AES256) and, for a key of your own, JUDGELOOP_S3_KMS_KEY"
)
_REDIRECTED = "the endpoint redirects to another place: correct AWS_ENDPOINT_URL or the region"
_REMEDIES = {
    "NoSuchBucket": "the bucket does not exist: make it, or correct the store's address",
    "InvalidBucketName": "the bucket's name is not valid: correct the store's address",
    "AccessDenied": "grant s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket there "
    f"(without s3:ListBucket, S3 says 'forbidden' for an object that is absent){_ENCRYPTED}",
    "SecondLevelDomainForbidden": "the server wants the bucket in the host's name: put `s3 =` and "
    "below it `  addressing_style = virtual` into the file that AWS_CONFIG_FILE names",
    **dict.fromkeys(("301", "302", "303", "307", "308", "TemporaryRedirect"), _REDIRECTED),
    "RequestTimeTooSkewed": "the clock of this machine is wrong: set it",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set AWS_DEFAULT_REGION",
    "404": "nothing there speaks S3: correct AWS_ENDPOINT_URL",
    "PermanentRedirect": "the bucket is in another region: set AWS_DEFAULT_REGION",
    **dict.fromkeys(("InsufficientStorage", "507", "QuotaExceeded", "XMinioStorageFull"), _FULL),
    **dict.fromkeys(("BadDigest", "IncompleteBody", "InvalidPart", "NoSuchUpload"), _LOST),
    **dict.fromkeys(("XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"), _LOST),
    **dict.fromkeys(("InternalError", "ServiceUnavailable", "SlowDown"), _BUSY),
    **dict.fromkeys(("500", "502", "503", "504"), _BUSY),
    **dict.fromkeys(
        _CREDENTIALS,
        "the credentials are wrong or expired: renew AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
        "AWS_SESSION_TOKEN, or the role of the pod",
    ),
}
_REFUSALS = (400, 411, 501)
"""Statuses with which servers refuse a header that they do not know, with codes of their own."""
_REMEDIES |= {"403": _REMEDIES["AccessDenied"], "Forbidden": _REMEDIES["AccessDenied"]}


class WrongBytesError(StoreError):
    """The received bytes are not those that were stored."""


@contextmanager
def s3_errors_named(action: str, uri: str) -> Iterator[None]:
    """Turn errors of boto3 and botocore into a `StoreError`.

    Args:
        action: What is being done, such as `read`.
        uri: `s3://bucket/key`.

    Raises:
        MissingObjectError: There is no such object.
        StoreError: Anything else that S3, the network or the client reported.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError
    from s3transfer.exceptions import RetriesExceededError

    try:
        yield
    except ClientError as error:
        raise _answered(action, uri, error_code(error), error) from error
    except RetriesExceededError as error:
        cause = _unanswered(error.last_exception)
        raise StoreError(
            f"cannot {action} {uri}: the transfer failed repeatedly: {cause}"
        ) from error
    except (BotoCoreError, Boto3Error) as error:
        raise StoreError(f"cannot {action} {uri}: {_unanswered(error)}") from error
    except UnusableAnswerError as error:
        raise UnusableAnswerError(f"cannot {action} {uri}: {error}") from error
    except (ResponseParserError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise UnusableAnswerError(
            f"cannot {action} {uri}: the answer cannot be read ({without_password(str(error))}): "
            "it is not S3's; check AWS_ENDPOINT_URL and any proxy between here and the store"
        ) from error


def error_code(error: Exception) -> str:
    """Return the S3 error code, such as `NoSuchKey`.

    Args:
        error: A botocore `ClientError`.
    """
    answer: dict[str, dict[str, str]] = getattr(error, "response", {})
    # A server without S3 may answer with a page: then there is a status, and no code.
    return answer.get("Error", {}).get("Code") or str(status(error) or "unknown")


def error_message(error: Exception) -> str:
    """Return the S3 error message.

    Args:
        error: A botocore `ClientError`.
    """
    answer: dict[str, dict[str, str]] = getattr(error, "response", {})
    return str(answer.get("Error", {}).get("Message", ""))


def is_refusal(error: Exception) -> bool:
    """Return whether the server may have refused a header rather than the request itself.

    There is no common code for that: Backblaze says `InvalidArgument`, Cloudflare `NotImplemented`,
    Ceph `MissingContentLength`. So it is every 400, 411 and 501 whose meaning is not known.

    Args:
        error: A botocore `ClientError`.
    """
    return status(error) in _REFUSALS and error_code(error) not in _REMEDIES


def is_absent(error: Exception) -> bool:
    """Return whether S3 answered that there is no such object.

    Args:
        error: A botocore `ClientError`.
    """
    return error_code(error) in _ABSENT and getattr(error, "operation_name", "") in _OF_OBJECTS


def status(error: Exception) -> int:
    """Return the HTTP status of an error, 0 where it has none.

    Args:
        error: A botocore `ClientError`.
    """
    return int(_metadata(error).get("HTTPStatusCode", 0))


def tries(error: Exception) -> int:
    """Return how often the request with this error was sent.

    Args:
        error: A botocore `ClientError`.
    """
    return 1 + int(_metadata(error).get("RetryAttempts", 0))


def without_password(text: str) -> str:
    """Redact user and password in every URL in `text`.

    Args:
        text: A message of a library.
    """
    return re.sub(r"://[^/@\s]+@", "://***@", text)


def _metadata(error: Exception) -> dict[str, Any]:
    answer: dict[str, dict[str, Any]] = getattr(error, "response", {})
    return answer.get("ResponseMetadata", {})


def _answered(action: str, uri: str, code: str, error: Exception) -> StoreError:
    if is_absent(error):
        return MissingObjectError(f"the store holds no object {uri}")
    remedy = _REMEDIES.get(code)
    if remedy is None and code.isdecimal():
        remedy = CHECK_ADDRESS
    if remedy is None:
        remedy = f"{without_password(str(error))}; try again, then ask who runs the store"
    times = f" {tries(error)} times" if tries(error) > 1 else ""
    return StoreError(f"cannot {action} {uri}: S3 answered {code}{times}: {remedy}")


def _unanswered(error: Exception) -> str:
    from botocore import exceptions as b

    said = without_password(str(error))
    if isinstance(error, b.FlexibleChecksumError):
        return f"the bytes do not have their checksum ({said}); {REPLACE}"
    if isinstance(error, b.ConnectionError | b.HTTPClientError | b.IncompleteReadError | OSError):
        return f"{said}; check the network, AWS_ENDPOINT_URL and whether the endpoint is up"
    if isinstance(
        error,
        b.NoCredentialsError
        | b.PartialCredentialsError
        | b.CredentialRetrievalError
        | b.NoAuthTokenError
        | b.TokenRetrievalError
        | b.SSOError
        | b.LoginError,
    ):
        return (
            f"{said}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the pod a role, or "
            "log in again"
        )
    return f"{said}; check the AWS settings of this process"
