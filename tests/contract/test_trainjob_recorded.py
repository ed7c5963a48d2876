"""What a TrainJob was recorded to do, and what a training makes of it."""

from itertools import takewhile

import pytest

from judgeloop.schema.errors import ClusterError, DataError, TrainingError
from tests.trainer_api import (
    RECORDED,
    Step,
    TrainerApi,
    condition,
    pod,
    recorded,
    status,
    terminated,
)
from tests.trainjob_team import (
    DONE,
    FASTER,
    RUNS,
    Team,
    start_within,
    worker,
)


@pytest.mark.parametrize(
    ("timeline", "kind", "said"),
    [
        ("fails", TrainingError, "ERROR: loss is NaN"),
        ("out-of-memory", TrainingError, "out of memory"),
        ("evicted", ClusterError, "taken from its node (EvictionByEvictionAPI"),
    ],
)
def test_a_recorded_failure_is_told_from_the_pod_and_the_job_removed(
    timeline: str, kind: type[Exception], said: str, team: Team,
    trainer_api: TrainerApi,
) -> None:  # fmt: skip
    trainer_api.timelines = [recorded(timeline, FASTER)]
    with pytest.raises(kind) as raised:
        team.train()
    assert said in str(raised.value)
    assert len(trainer_api.deleted) == 1


def test_the_exit_code_of_the_pod_is_the_kind_of_the_error(
    team: Team,
    trainer_api: TrainerApi,
) -> None:
    failed = Step("TrainJob", "MODIFIED", condition("Failed", "True", "FailedJobs", failed=1))
    said = "examples: row 3 has no completion"
    trainer_api.timelines = [[*RUNS, failed, Step("Pod", "MODIFIED", terminated(3, said))]]
    with pytest.raises(DataError, match="row 3 has no completion"):
        team.train()


def test_a_deadline_takes_pod_and_text_along_and_is_named(
    team: Team,
    trainer_api: TrainerApi,
) -> None:
    late = condition("Failed", "True", "DeadlineExceeded", "TrainJob is past its deadline")
    trainer_api.timelines = [
        [*RUNS, Step("Pod", "DELETED", pod()), Step("TrainJob", "MODIFIED", late)]
    ]
    with pytest.raises(TrainingError, match="longer than timeout_s"):
        team.train()


@pytest.mark.parametrize(
    ("timeline", "said"),
    [
        ("unschedulable", "Unschedulable: 0/1 nodes are available"),
        ("missing-secret", 'CreateContainerConfigError: secret "'),
    ],
)
def test_a_pod_that_never_starts_ends_the_training_with_its_reason(
    timeline: str, said: str, team: Team, monkeypatch: pytest.MonkeyPatch,
    trainer_api: TrainerApi,
) -> None:  # fmt: skip
    start_within(1, monkeypatch)
    ends = ("DeadlineExceeded", "deletionTimestamp")
    steps = recorded(timeline, FASTER)
    waits = takewhile(lambda step: not any(end in str(step) for end in ends), steps)
    trainer_api.timelines = [list(waits)]
    with pytest.raises(ClusterError) as raised:
        team.train()
    assert "did not start within 1 s" in str(raised.value)
    assert said in str(raised.value)
    assert trainer_api.deleted


def test_a_pod_that_is_never_created_is_explained_by_an_event(
    team: Team, monkeypatch: pytest.MonkeyPatch,
    trainer_api: TrainerApi,
) -> None:  # fmt: skip
    start_within(1, monkeypatch)
    event = {
        "metadata": {"name": "e1"}, "type": "Warning", "reason": "FailedCreate",
        "message": "violates PodSecurity", "involvedObject": {"kind": "Job", "name": "NAME-node-0"},
    }  # fmt: skip
    trainer_api.timelines = [
        [Step("TrainJob", "MODIFIED", status()), Step("Event", "ADDED", event)]
    ]
    with pytest.raises(ClusterError, match="FailedCreate: violates PodSecurity"):
        team.train()


def test_an_evicted_pod_that_the_runtime_ignores_is_waited_for(
    team: Team,
    trainer_api: TrainerApi,
) -> None:
    taken = [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]
    trainer_api.timelines = [
        [
            *RUNS,
            Step("Pod", "MODIFIED", pod(phase="Failed", conditions=taken)),
            Step("Pod", "DELETED", pod(phase="Failed", conditions=taken)),
            Step("TrainJob", "MODIFIED", status()),
            Step("Pod", "ADDED", pod(1, phase="Running")),
            Step("TrainJob", "MODIFIED", status(active=1, ready=1)),
            worker,
            DONE,
        ]
    ]
    assert team.train().model is not None


def test_what_a_job_failed_of_is_told_and_not_an_earlier_eviction(
    team: Team, trainer_api: TrainerApi
) -> None:
    taken = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
             "lastTransitionTime": "2026-11-28T14:36:38Z"}  # fmt: skip
    evicted, failed = terminated(143), terminated(3, "row 3 has no completion", number=1)
    evicted["status"]["conditions"] = [taken]
    evicted["metadata"]["deletionTimestamp"] = "2026-11-28T14:36:50Z"
    for each, at in ((evicted, "14:36:34"), (failed, "14:36:57")):
        (container,) = each["status"]["containerStatuses"]
        container["state"]["terminated"]["startedAt"] = f"2026-11-28T{at}Z"
    trainer_api.timelines = [
        [
            *RUNS,
            Step("Pod", "MODIFIED", evicted, after_s=0.5),  # the watch is there and sees it
            Step("Pod", "DELETED", evicted, after_s=0.2),
            Step("Pod", "ADDED", pod(1, phase="Running")),
            # As on a cluster, where a pod takes seconds to fail: the watch of pods has seen it run.
            Step("TrainJob", "MODIFIED", condition("Failed", "True", "FailedJobs", failed=1), 1.0),
            Step("Pod", "MODIFIED", failed, after_s=0.5),
        ]
    ]
    with pytest.raises(DataError, match="row 3 has no completion"):
        team.train()


@pytest.mark.parametrize("name", ["preempted", "urgent"])
def test_a_recorded_queue_and_a_preemption_are_no_failure(
    name: str, team: Team, caplog: pytest.LogCaptureFixture,
    trainer_api: TrainerApi,
) -> None:  # fmt: skip
    caplog.set_level("INFO")
    steps = recorded(name, 0.06)  # the recording of `preempted` ends before the job's end
    trainer_api.timelines = [[worker, *steps, DONE]]
    assert team.train().model is not None
    assert "queued: needs 100m more cpu" in caplog.text
    assert "(couldn't assign flavors" in caplog.text


def test_a_queue_that_does_not_exist_ends_the_training(
    team: Team, monkeypatch: pytest.MonkeyPatch,
    trainer_api: TrainerApi,
) -> None:  # fmt: skip
    start_within(1, monkeypatch)
    workload = {
        "metadata": {"name": "w", "ownerReferences": [{"kind": "TrainJob", "uid": "?"}]},
        "status": {"conditions": [{"type": "QuotaReserved", "status": "False",
                                   "reason": "Inadmissible",
                                   "message": "LocalQueue gpus doesn't exist"}]},
    }  # fmt: skip
    waits = condition("Suspended", "True", "Suspended")
    trainer_api.timelines = [
        [Step("Workload", "ADDED", workload), Step("TrainJob", "MODIFIED", waits)]
    ]
    with pytest.raises(ClusterError, match="LocalQueue gpus doesn't exist"):
        team.train()


@pytest.mark.parametrize(("ends_after", "forgotten"), [(1, 0), (None, 1_000_000)])
def test_a_lost_watch_and_a_forgotten_version_cost_nothing(
    ends_after: int | None, forgotten: int, team: Team, trainer_api: TrainerApi
) -> None:
    trainer_api.watches_end_after, trainer_api.forgotten = ends_after, forgotten
    slower = [step._replace(after_s=0.3) for step in RUNS]
    trainer_api.timelines = [[*slower, worker, DONE]]
    assert team.train().model is not None
    for verb in ("list", "watch"):
        assert [each[:2] for each in trainer_api.queries].count((verb, "trainjobs")) > 1


def test_the_recordings_are_those_that_the_stand_in_is_shaped_after() -> None:
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded answers of a cluster in {RECORDED}")
    first = next(s for s in recorded("succeeds", 0) if isinstance(s, Step) and s.kind == "TrainJob")
    assert set(first.object["status"]["jobsStatus"][0]) == set(status()["status"]["jobsStatus"][0])
