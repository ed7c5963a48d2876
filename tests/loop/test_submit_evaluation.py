"""A submitted evaluation, over HTTP, on a server that really runs what it was given."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from judgeloop.runtime.ledger import Ledger
from judgeloop.store import FolderStore
from tests.kfp_process import REPOSITORY, KfpServer, start_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MICRO = REPOSITORY / "pipelines/configs/micro.yaml"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KfpServer]:
    yield from start_server(tmp_path_factory.mktemp("kfp"))


def test_an_evaluation_is_submitted_runs_to_its_end_and_is_not_started_again(
    server: KfpServer, tmp_path: Path
) -> None:
    given = ["submit", "--pipeline", "evaluate", "--config", str(MICRO), "--loop-id", "one",
             "--set", f"store={tmp_path}/store", "--set", "loop.partitions=2",
             "--set", "evaluation.base_prompts=[default]",
             "--out", str(tmp_path / "p.yaml"), "--follow", "--poll", "0.5"]  # fmt: skip
    first = server.call(*given)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "evaluation-one" in first.stdout
    assert first.stdout.splitlines()[-1].endswith("SUCCEEDED; the evaluation is finished")
    store = FolderStore(tmp_path / "store")
    entries = {entry.name: entry for entry in Ledger(store, "evaluation-one").entries()}
    assert set(entries) == {
        "000-resolve", "000-judge_sets-p000", "000-judge_sets-p001", "000-record",
    }  # fmt: skip
    assert not [entry for entry in entries.values() if entry.error]
    summary = json.loads(store.read("loops/evaluation-one/report/summary.json"))
    assert set(summary["bases"]) == {"base, prompts default"}
    names = [each["body"]["display_name"] for each in server.exchanges()
             if (each["method"], each["path"]) == ("POST", "/apis/v2beta1/pipelines")]  # fmt: skip
    assert names == ["judge-evaluation"]
    again = server.call(*given)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "evaluation-one is finished: there is nothing to do" in again.stdout
    assert server.made("/runs") == 1
    shown = server.call("status", "evaluation-one")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "record" in shown.stdout
