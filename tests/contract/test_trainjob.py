"""A training in a TrainJob: created or attached to, followed and removed, to the same bytes."""

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.schema.errors import ClusterError, ConfigError
from judgeloop.trainjob.document import job_name
from judgeloop.trainjob.follow import Follower
from judgeloop.trainjob.place import VARIABLE
from k8s.custom_kinds import folder
from tests.conftest import REPOSITORY
from tests.kubernetes_api import refusal
from tests.trainer_api import (
    TrainerApi,
    condition,
    terminated,
)
from tests.trainjob_team import (
    CONFIG,
    DONE,
    RUNS,
    Team,
    well,
    worker,
)


def test_a_trainjob_leaves_the_same_objects_as_a_task_and_is_gone(
    team: Team,
    trainer_api: TrainerApi,
    tmp_path: Path,
) -> None:
    here = Team(tmp_path, "elsewhere")
    training = msgspec.structs.replace(CONFIG.training, where="pod")
    expected = here.train(msgspec.structs.replace(CONFIG, training=training))
    trainer_api.timelines = [well()]
    assert team.train() == expected
    assert team.objects() == here.objects()
    assert trainer_api.deleted == [trainer_api.created[0]["metadata"]["name"]]
    assert team.train() == expected  # finished work is found, and no job is made
    assert len(trainer_api.created) == 1


def test_the_job_is_what_the_operator_takes(
    team: Team,
    trainer_api: TrainerApi,
) -> None:
    trainer_api.timelines = [well()]
    team.train()
    (job,) = trainer_api.created
    assert job["metadata"]["ownerReferences"] == [
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "loop-x7", "uid": "w-1"}
    ]
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert "ttlSecondsAfterFinished" not in json.dumps(job)
    trainer = job["spec"]["trainer"]
    assert all("value" not in each or each["name"] == "HF_HOME" for each in trainer["env"])
    assert trainer["resourcesPerNode"]["limits"]["nvidia.com/gpu"] == 1
    assert "nvidia.com/gpu" not in trainer["resourcesPerNode"]["requests"]
    (patched,) = job["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"][
        "replicatedJobs"
    ]
    pod_spec = patched["template"]["spec"]["template"]["spec"]
    assert pod_spec["serviceAccountName"] == "pipeline-runner"
    assert pod_spec["tolerations"][0]["key"] == "nvidia.com/gpu"


@pytest.mark.skipif(not folder().is_dir(), reason=f"no schemas in {folder()}")
def test_the_stand_in_refuses_a_job_that_the_operator_s_schema_does_not_take(
    team: Team, trainer_api: TrainerApi
) -> None:
    trainer_api.timelines = [well()]
    team.train()
    (job,) = trainer_api.created
    again = {"fieldValidation": ["Strict"]}
    for change in ({"podTemplateOverrides": []}, {"trainer": {"numNodes": "two"}}):
        code, answer = trainer_api.create({**job, "spec": {**job["spec"], **change}}, again)
        assert (code, answer["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize("loop_id", ["a", "Loop_1." * 20, "0-judge", "тест"])
def test_a_name_begins_with_a_letter_and_is_no_longer_than_jobsets_take(loop_id: str) -> None:
    names = {job_name(loop_id, number, key * 24) for number in (1, 999) for key in "ab"}
    assert len(names) == 4
    for name in names:
        assert name[0].isalpha()
        assert len(name) <= 40
        assert name.replace("-", "").isalnum()
        assert name == name.lower()


def test_an_attempt_attaches_to_the_job_of_the_one_before(
    team: Team,
    trainer_api: TrainerApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Cut(BaseException):
        """As a kill of the first attempt once it has created the job."""

    def cut(follower: Follower) -> None:
        raise Cut

    trainer_api.timelines = [[*RUNS, lambda job: again.wait(30), worker, DONE]]
    again = threading.Event()
    with monkeypatch.context() as first:
        first.setattr(Follower, "follow", cut)
        with pytest.raises(Cut):
            team.train()
    threading.Timer(0.5, again.set).start()
    assert team.train().model is not None
    assert len(trainer_api.created) == 1


def test_a_failed_job_that_was_left_is_read_deleted_and_made_anew(
    team: Team, caplog: pytest.LogCaptureFixture,
    trainer_api: TrainerApi,
) -> None:  # fmt: skip
    trainer_api.timelines = [well()]
    name = job_name("loop-1", 1, team_key(team))
    left = {"metadata": {"name": name, "uid": "old"}, "spec": {},
            **condition("Failed", "True", "FailedJobs")}  # fmt: skip
    trainer_api.put("ADDED", "trainjobs", left)
    said = json.loads(json.dumps(terminated(1, "CUDA error")).replace("NAME", name))
    trainer_api.put("ADDED", "pods", said)
    assert team.train().model is not None
    assert "an earlier attempt had failed: TrainJob " + name + ": CUDA error" in caplog.text
    assert trainer_api.deleted == [name, name]


def team_key(team: Team) -> str:
    """The content key of the team's training."""
    pod = msgspec.structs.replace(CONFIG.training, where="pod")
    elsewhere = Team(team.folder, "key")
    return elsewhere.train(msgspec.structs.replace(CONFIG, training=pod)).key


def test_a_webhook_that_restarts_is_asked_again_and_a_refusal_is_told(
    team: Team,
    trainer_api: TrainerApi,
) -> None:
    away = refusal(500, "InternalError", "failed calling webhook")
    trainer_api.refusals = [away, refusal(504, "Timeout", "timeout")]
    trainer_api.timelines = [well()]
    assert team.train().model is not None
    other = msgspec.structs.replace(CONFIG, loop=msgspec.structs.replace(CONFIG.loop, seed=9))
    trainer_api.refusals = [refusal(403, "Forbidden", "may not create trainjobs")]
    with pytest.raises(ClusterError, match="k8s/components/trainer grants it"):
        team.train(other)
    trainer_api.refusals = [refusal(404, "NotFound", "no such kind")]
    with pytest.raises(ClusterError, match="is Kubeflow Trainer installed"):
        team.train(other)


def test_a_job_that_somebody_deletes_is_told(
    team: Team,
    trainer_api: TrainerApi,
) -> None:
    def delete(job: dict[str, Any]) -> None:
        trainer_api.delete("trainjobs", job["metadata"]["name"])

    trainer_api.timelines = [[*RUNS, delete]]
    with pytest.raises(ClusterError, match="was deleted from outside"):
        team.train()


@pytest.mark.parametrize("cancelled", [True, False])
def test_a_cancel_deletes_the_job_and_an_eviction_of_the_task_does_not(
    cancelled: bool, team: Team,
    trainer_api: TrainerApi,
) -> None:  # fmt: skip
    trainer_api.timelines = [[*RUNS]]
    if cancelled:
        team.ledger.cancel()
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(SystemExit):
        team.train()
    assert bool(trainer_api.deleted) is cancelled


def test_without_a_pipeline_that_was_compiled_for_it_it_is_refused(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(ConfigError, match=r"submit it anew; on one machine use training.where=pod"):
        team.train()


def test_the_client_needs_no_right_that_the_trainer_component_does_not_grant(
    team: Team,
    trainer_api: TrainerApi,
) -> None:
    import yaml

    trainer_api.timelines = [well()]
    team.train()
    (role,) = [
        each
        for path in (REPOSITORY / "k8s/components/trainer").glob("*.yaml")
        for each in yaml.safe_load_all(path.read_text())
        if each and each["kind"] == "Role"
    ]
    granted = {
        (verb, resource)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    } | {("get", "pods")}  # of the base: a task may read its own pod
    used = {each[:2] for each in trainer_api.queries}
    assert used <= granted
    assert {("create", "trainjobs"), ("watch", "trainjobs"), ("delete", "trainjobs")} <= used
