"""Starts the next run of a loop on Kubeflow Pipelines, from the last task of the run before it.

A run holds as many iterations as fit into Argo's object, so a loop may take several. A run that
ended because of a lost pod, a lack of memory or a server error is also started again, a few times.
"""

from __future__ import annotations

import json
import logging
import time
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from judgeloop.ops.kubeflow_api import KubeflowApi
from judgeloop.runtime.ending import Ending, read_ending
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.reference import Reference
from judgeloop.schema.config import Config

logger = logging.getLogger("judgeloop")

WAIT_S = 30.0
"""Seconds before the first rerun; doubled for each further one."""


def run_name(loop_id: str, first: int, rerun: int = 0) -> str:
    """Returns the name of a loop's run.

    Args:
        loop_id: The loop.
        first: The iteration that the run begins with.
        rerun: Number of the rerun from that iteration; 0 is the first run.
    """
    if rerun:
        return f"{loop_id}#{first}.{rerun}"
    return loop_id if first == 1 else f"{loop_id}#{first}"


def start_next(given: Reference, config: Config, ledger: Ledger, run_id: str) -> str | None:
    """Starts the run that is due after this one, if any, and returns its id.

    The run is looked up by name first, so that this task, run twice, starts one run.

    Args:
        given: The parameters of this run.
        config: The configuration.
        ledger: The loop's ledger, which shows how this run ended.
        run_id: This run.

    Raises:
        ClusterError: Kubeflow's API does not answer or refuses us.
        StoreError, DataError: The ledger cannot be read.
    """
    ending = read_ending(ledger)
    rerun = 0
    if ending.state == "interrupted":
        counted = ledger.count_rerun(ending.decided, config.loop.reruns)
        if counted is None:
            logger.warning("no further run: loop.reruns = %d are used up", config.loop.reruns)
            return None
        rerun = counted
    elif ending.state != "continues":
        logger.info("no further run: the loop is %s. %s", ending.state, ending.reason)
        return None
    api = KubeflowApi()
    this = api.get(f"runs/{run_id}", _Run)
    if this.state == "CANCELING":
        logger.info("no further run: this one is being cancelled")
        return None
    if rerun:
        wait_s = WAIT_S * 2 ** (rerun - 1)
        logger.warning("%s; starting run %d again in %.0f s", ending.reason, rerun, wait_s)
        time.sleep(wait_s)
    return _start(api, this, given, ledger, ending, rerun)


def _start(
    api: KubeflowApi, this: _Run, given: Reference, ledger: Ledger, ending: Ending, rerun: int
) -> str:
    name = run_name(ledger.loop_id, ending.first, rerun)
    predicate = {"operation": 1, "key": "display_name", "stringValue": name}
    filtered = json.dumps({"predicates": [predicate]})
    query = urlencode({"experiment_id": this.experiment_id, "filter": filtered,
                       "sort_by": "created_at desc"})  # fmt: skip
    found = api.get(f"runs?{query}", _Found).runs or []
    # An older run of this name belongs to a loop that was forgotten since, and has ended.
    for each in found:
        if each.created_at >= this.created_at:
            logger.info("the next run, %s, exists already", name)
            return each.run_id
    settings = this.runtime_config
    parameters = settings.parameters | {"config": str(given._replace(first=ending.first))}
    body = {
        "display_name": name,
        "experiment_id": this.experiment_id,
        "runtime_config": msgspec.structs.replace(settings, parameters=parameters),
        "pipeline_version_reference": this.pipeline_version_reference,
        "service_account": this.service_account,
    }
    made = api.post("runs", {key: value for key, value in body.items() if value}, _Started)
    logger.info("started the next run, %s: %s", name, made.run_id)
    return made.run_id


class _Started(msgspec.Struct):
    run_id: str


class _Listed(msgspec.Struct):
    run_id: str
    created_at: datetime


class _Found(msgspec.Struct):
    runs: list[_Listed] | None = None


class _Settings(msgspec.Struct, omit_defaults=True):
    parameters: dict[str, Any]
    pipeline_root: str | None = None


class _Run(msgspec.Struct):
    """The fields of this run that are passed on to the next."""

    experiment_id: str
    created_at: datetime
    runtime_config: _Settings
    state: str | None = None
    pipeline_version_reference: dict[str, str] | None = None
    service_account: str | None = None
