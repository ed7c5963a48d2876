"""Checks of what a loop needs wherever it runs: secrets, store, clock, model, registry.

A check returns its finding or raises an error that says what to do. Each writes, reads and deletes
at most two objects, and looks up the base model without loading it.
"""

from __future__ import annotations

import email.utils
import filecmp
import os
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from judgeloop.schema.config import Config
from judgeloop.schema.errors import PreflightError
from judgeloop.store import Store, open_store
from judgeloop.store.s3 import PART_BYTES, s3_client
from judgeloop.store.scratch import scratch_folder

MAX_SKEW_S = 300.0
"""Signed requests and tokens are refused beyond this (S3: 15 minutes, Kerberos and OIDC: 5)."""
TIMEOUT_S = 5.0
S3 = "s3://"


def check_secrets(config: Config) -> str:
    """Checks that credentials are set; the other checks find out whether they are right.

    Raises:
        PreflightError: Credentials are missing; the message says where they belong.
    """
    missing = []
    if config.store.startswith(S3):
        import boto3

        if boto3.Session().get_credentials() is None:
            missing.append(
                "no AWS credentials for the store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                "(on a cluster the Secret `judgeloop-store`), or give the pod a role"
            )
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        missing.append(
            "MLFLOW_TRACKING_URI is not set: give the address of an MLflow server (on a cluster "
            "in the Secret `judgeloop-registry`)"
        )
    if missing:
        raise PreflightError("; ".join(missing))
    return "credentials for the store and the registry's address are set"


def check_store(config: Config) -> str:
    """Writes, reads, lists and deletes a small object, and a multipart one, as adapters are.

    Raises:
        StoreError: The store refuses one of these.
        PreflightError: It accepts them and behaves differently.
    """
    store = open_store(config.store)
    folder = f"doctor/{uuid.uuid4().hex}"
    small, large = f"{folder}/small", f"{folder}/large"
    store.write(small, small.encode())
    try:
        if store.read(small) != small.encode() or not _comes_back(store, large):
            raise PreflightError(
                f"{store.uri} returns other bytes than were written: it cannot be a loop's store"
            )
        if store.list(folder) != [large, small]:
            raise PreflightError(
                f"{store.uri} does not list a written object: it cannot be a loop's store"
            )
    finally:
        for key in (small, large):
            store.delete(key)
    if store.exists(small):
        raise PreflightError(
            f"{store.uri} still has a deleted object: allow s3:DeleteObject for these credentials"
        )
    return f"{store.uri} can be written, read, listed and deleted from, also in parts"


def _comes_back(store: Store, key: str) -> bool:
    """Uploads a file of two parts and returns whether it is downloaded unchanged."""
    with scratch_folder("doctor") as folder:
        sent, fetched = Path(folder, "sent"), Path(folder, "fetched")
        sent.write_bytes(key.encode().ljust(PART_BYTES + 1, b"."))
        store.upload(sent, key)
        store.download(key, fetched)
        return filecmp.cmp(sent, fetched, shallow=False)


def check_clock(config: Config) -> str:
    """Compares this machine's clock with those of the servers that it signs requests for.

    Raises:
        PreflightError: One differs by more than `MAX_SKEW_S`.
    """
    compared = []
    for address in _servers(config):
        before = time.time()
        theirs = _date(address)
        if theirs is None:
            continue
        skew = abs(theirs - before)
        host = urlsplit(address).hostname
        if skew > MAX_SKEW_S:
            raise PreflightError(
                f"this machine's clock and that of {host} differ by {skew:.0f} s, so signed "
                "requests and tokens are refused: set it by NTP"
            )
        compared.append(f"{host} ({skew:.0f} s)")
    return f"agrees with {', '.join(compared)}" if compared else "no server to compare with"


def _servers(config: Config) -> list[str]:
    found = []
    if config.store.startswith(S3):
        found.append(str(s3_client().meta.endpoint_url))
    tracking = os.environ.get("MLFLOW_TRACKING_URI", "")
    if tracking.startswith(("http://", "https://")):
        parts = urlsplit(tracking)
        found.append(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
    return found


def _date(address: str) -> float | None:
    """Returns the time in a server's response; None if there is none."""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(address, method="HEAD"), timeout=TIMEOUT_S
        ) as answer:
            said = answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        said = error.headers.get("Date")
        error.close()
    except OSError:
        return None  # the check that needs the server reports it better
    try:
        return email.utils.parsedate_to_datetime(said).timestamp() if said else None
    except ValueError:
        return None


def check_model(config: Config) -> str:
    """Finds the model to start from, without loading it.

    Raises:
        JudgeLoopError: It is not available; the message says why.
    """
    from judgeloop.models.references import describe_base
    from judgeloop.registry.addresses import resolve_model

    if config.model.start is not None:
        found = resolve_model(config.model.start)
        return f"{config.model.start} is version {found.version}"
    model = describe_base(config.model.base, config.model.revision)
    pinned = model.base_sha256[:12] or (model.revision or "")[:12]
    return f"{model.base} {pinned}".rstrip()


def check_registry(config: Config) -> str:
    """Creates and deletes a model with a name like the loop's, to check the write permission.

    Raises:
        RegistryError: The registry cannot be written to, or refuses the loop's names.
    """
    from judgeloop.registry.probe import probe_names

    probe_names(config.registry)
    return "the loop's names are taken; a model can be made and deleted"
