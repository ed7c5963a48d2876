"""A lease whose pod is gone is taken within seconds, by Kubernetes' word and by no clock."""

import time
from typing import Any

import msgspec
import pytest

from judgeloop.runtime.holder_pod import NAME, UID, is_pod_gone, this_pod
from judgeloop.runtime.lease import FOLDER, PACE, Pace, held, this_process
from judgeloop.schema.records import to_json
from judgeloop.store import FolderStore
from tests.pod import Pod

PATIENT = Pace(heartbeat_s=0.05, expiry_s=1000, poll_s=0.02, pod_s=0.05)
"""Never takes a lease from a holder for its silence."""
PODS = "/api/v1/namespaces/team/pods"


@pytest.fixture
def here(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> Pod:
    """This process in a pod of Kubeflow's."""
    monkeypatch.setenv(NAME, "mine")
    monkeypatch.setenv(UID, "uid-mine")
    return pod


def other(name: str = "other", uid: str = "uid-other") -> str:
    """Another pod of this namespace, as its lease names it."""
    cluster, namespace, *_ = this_pod().split(" ")
    return f"{cluster} {namespace} {name} {uid}"


def document(phase: str, uid: str = "uid-other") -> dict[str, Any]:
    return {"metadata": {"name": "other", "uid": uid}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("found", "gone"),
    [
        (None, True),
        (document("Failed"), True),
        (document("Succeeded"), True),
        (document("Running", uid="of a new one"), True),
        (document("Running"), False),
        (document("Pending"), False),
    ],
)
def test_a_pod_is_gone_where_kubernetes_says_so(
    found: dict[str, Any] | None, gone: bool, here: Pod
) -> None:
    if found:
        here.api.objects[f"{PODS}/other"] = found
    assert is_pod_gone(other()) is gone


def test_of_another_namespace_or_cluster_or_without_the_right_nothing_is_known(
    here: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, namespace, *rest = other().split(" ")
    assert is_pod_gone(" ".join([cluster, namespace, *rest]))
    assert not is_pod_gone(" ".join(["another", namespace, *rest]))
    assert not is_pod_gone(" ".join([cluster, "another", *rest]))
    assert not is_pod_gone("")
    (here.account / "namespace").write_text("closed")
    assert not is_pod_gone(other())  # 403
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "9")
    (here.account / "namespace").write_text("team")
    assert not is_pod_gone(other())  # no answer
    monkeypatch.delenv(NAME)
    assert this_pod() == ""


def test_the_lease_of_a_pod_that_is_gone_is_taken_at_once_and_of_one_that_works_it_is_not(
    here: Pod, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = FolderStore(tmp_path)
    here.api.objects[f"{PODS}/other"] = document("Running")
    asleep = msgspec.structs.replace(this_process(), machine="far", host="far", pod=other())
    store.write(f"{FOLDER}/work/00001.json", to_json(asleep))
    looks: list[float] = []

    class Watched(FolderStore):
        def read(self, key: str) -> bytes:
            looks.append(time.monotonic())
            if len(looks) == 20:  # it has been waited for
                here.api.objects[f"{PODS}/other"] = document("Failed")
            return super().read(key)

    with held(Watched(tmp_path), "work", PATIENT):
        assert len(looks) >= 20
    assert "the pod of process" in caplog.text


def test_a_takeover_takes_fifteen_seconds_at_most() -> None:
    answer_s = 3.0
    assert PACE.pod_s + answer_s + PACE.poll_s <= 15


def test_a_holder_says_in_which_pod_it_is(here: Pod) -> None:
    assert this_process().pod.endswith(" team mine uid-mine")
