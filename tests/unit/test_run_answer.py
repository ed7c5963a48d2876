"""What Kubeflow says of a run is checked before anything is done with it."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from judgeloop.schema.errors import ClusterError
from pipelines.cluster.run_answer import read_run

GOOD: dict[str, Any] = {
    "run_id": "a",
    "display_name": "loop",
    "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    "state": None,
    "experiment_id": "e",
    "runtime_config": SimpleNamespace(parameters=None),
}


def test_a_run_without_state_and_parameters_is_one_that_has_just_begun() -> None:
    run = read_run(SimpleNamespace(**GOOD))
    assert (run.run_id, run.state, run.parameters) == ("a", None, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("created_at", None), ("created_at", 5), ("run_id", None), ("run_id", 7), ("run_id", []),
        ("display_name", None), ("display_name", {}), ("state", 3), ("experiment_id", [1]),
        ("runtime_config", SimpleNamespace(parameters=[1])),
    ],
)  # fmt: skip
def test_null_times_and_wrong_types_are_errors_that_name_the_field(name: str, value: Any) -> None:
    field = "parameters" if name == "runtime_config" else name
    with pytest.raises(ClusterError, match=rf"\$\.{field}"):
        read_run(SimpleNamespace(**GOOD | {name: value}))
    with pytest.raises(ClusterError):
        read_run(None)
