"""Trains by a TrainJob: creates it or attaches to it, follows it to its end and removes it."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import msgspec

from judgeloop.cluster.kubernetes import Tree
from judgeloop.cluster.own_pod import OwnCluster
from judgeloop.runtime import spent
from judgeloop.runtime.holder_pod import NAME
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.train_request import TrainRequest
from judgeloop.schema.errors import ClusterError, ConfigError, TrainingError
from judgeloop.schema.records import Manifest, to_json
from judgeloop.store.shards import finished
from judgeloop.trainjob.document import KEY, LOOP, job_document, job_name
from judgeloop.trainjob.follow import Follower, error_of
from judgeloop.trainjob.job_state import ended_container, state_of
from judgeloop.trainjob.jobs import Jobs
from judgeloop.trainjob.place import JobPlace, job_place

logger = logging.getLogger(__name__)

REQUEST = "request.json"
STAGE = "train"


def request_key(key: str) -> str:
    """Returns the key of a training's request in the store."""
    return f"{STAGE}/{key}/{REQUEST}"


def train_by_job(request: TrainRequest, ledger: Ledger) -> Manifest:
    """Trains in the pod of a TrainJob.

    Args:
        request: The training to run.
        ledger: The loop's; its store gets the request and, from the pod, the result.

    Returns:
        The manifest that the pod stored.

    Raises:
        ConfigError: The pipeline was not compiled for it.
        ClusterError: The job cannot be created, did not start or was deleted.
        TrainingError: It failed.
    """
    place = _place()
    store = ledger.store
    store.write(request_key(request.key), to_json(request) + b"\n")
    jobs = Jobs(OwnCluster())
    name = job_name(request.loop_id, request.iteration, request.key)
    create_or_attach(jobs, _document(jobs, name, place, request, store.uri))
    with _cancelled_with_the_loop(jobs, name, ledger):
        try:
            # The task's lease carries the job's state to `judgeloop status`.
            progress = Progress(f"{request.iteration:03d}/{STAGE}", 1, "TrainJob")
            report = partial(progress.advance, 0)
            follower = Follower(jobs, name, place.start_within_s, report)
            try:
                follower.follow()
            finally:
                spent.add(gpu_seconds=follower.ready_s * place.gpus * request.config.training.nodes)
        except (ClusterError, TrainingError, ConfigError):
            jobs.delete(name)  # its error was read; the next attempt recreates it
            raise
    manifest = finished(store, STAGE, request.key)
    jobs.delete(name)
    if manifest is None:
        raise TrainingError(f"TrainJob {name} is complete, and the store has no result of it")
    store.delete(request_key(request.key))
    return manifest


def create_or_attach(jobs: Jobs, document: Tree) -> None:
    """Creates a job, or takes the one that an earlier attempt has left.

    A failed job is deleted after its error was read, and created again.

    Raises:
        ClusterError: It cannot be created.
    """
    name = document["metadata"]["name"]
    if jobs.create(document):
        logger.info("TrainJob %s created", name)
        return
    left = jobs.find(name)
    if left is not None and state_of(left) != "failed":
        logger.info("TrainJob %s exists: attached", name)
        return
    if left is not None and (ended := ended_container(jobs.pods(name))):
        logger.warning("an earlier attempt had failed: %s", error_of(name, ended))
    jobs.delete(name)
    if not jobs.create(document):
        raise ClusterError(f"TrainJob {name} was created by another process at the same time")
    logger.info("TrainJob %s recreated", name)


def _place() -> JobPlace:
    place = job_place()
    if place is None:
        raise ConfigError(
            "training.where is trainjob, and the pipeline was not compiled for it: submit it anew; "
            "on one machine use training.where=pod"
        )
    return place


def _document(
    jobs: Jobs, name: str, place: JobPlace, request: TrainRequest, store: str
) -> dict[str, Any]:
    owner, account = None, None
    if pod_name := os.environ.get(NAME):
        pod = jobs.own_pod(pod_name)
        account = pod["spec"].get("serviceAccountName")
        for each in pod["metadata"].get("ownerReferences", []):
            if each.get("kind") == "Workflow":
                owner = {k: each[k] for k in ("apiVersion", "kind", "name", "uid")}
    if account:
        place = msgspec.structs.replace(place, pod={**place.pod, "serviceAccountName": account})
    about = {LOOP: request.loop_id, KEY: request.key}
    nodes = request.config.training.nodes
    return job_document(name, place, nodes, [store, request_key(request.key)], about, owner)


@contextmanager
def _cancelled_with_the_loop(jobs: Jobs, name: str, ledger: Ledger) -> Iterator[None]:
    """Deletes the job if this process is terminated and the loop was cancelled.

    Without a cancel the job goes on: the next attempt of this task attaches to it.
    """

    def ended(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, ended)
    try:
        yield
    except SystemExit:
        if ledger.cancelled():
            logger.info("the loop was cancelled: TrainJob %s is deleted", name)
            jobs.delete(name)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
