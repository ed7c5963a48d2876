"""Kill anything, and two runs of one loop at once: what it costs, and that nothing is lost.

Six kills cost two or three loops, for one loop is killed several times before it gets through.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from judgeloop.runtime.ledger import Ledger
from judgeloop.store import FolderStore
from tests.loop.campaign import run_campaign
from tests.loop.journal import Attempt, count, environment, new_attempt
from tests.loop.micro import LOOP_ID, REPOSITORY, TIMEOUT_S, command, kill, run_micro, tree_of
from tests.loop.soak import Mode, soak_many
from tests.loop.troubles import make_clock

KILLS = 6


@pytest.mark.slow
@pytest.mark.long  # the campaign below kills at random moments too
@pytest.mark.timeout(1200)
def test_a_loop_killed_at_random_moments_ends_like_an_unbroken_one(tmp_path: Path) -> None:
    loops, wrong = soak_many(tmp_path, KILLS, random.Random(3), sys.stdout.write)
    assert wrong == 0  # differences() names them; pytest shows what was written
    kills = [mode for loop in loops for mode in loop.kills]
    assert len(kills) == KILLS
    assert set(kills) == set(Mode)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_loops_on_a_faulty_server_that_are_killed_end_like_an_unbroken_one(tmp_path: Path) -> None:
    loops, wrong, seen = run_campaign(tmp_path, 4, random.Random(3), sys.stdout.write)
    assert wrong == 0
    assert sum(len(loop.kills) for loop in loops) == 4
    assert seen.total() > 0


def test_the_clock_of_a_campaign_jumps_for_its_own_processes_and_never_their_timers(
    tmp_path: Path,
) -> None:
    clock = make_clock(tmp_path)
    if clock is None:
        pytest.skip("needs a C compiler (cc or gcc)")
    clock.set(-86400)
    code = (
        "import time as t, datetime as d\n"
        "print(t.time(), d.datetime.now().timestamp(), t.monotonic())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | clock.environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    wall, calendar, monotonic = (float(word) for word in done.stdout.split())
    assert wall == pytest.approx(time.time() - 86400, abs=60)
    assert calendar == pytest.approx(wall, abs=1)
    assert monotonic == pytest.approx(time.monotonic(), abs=60)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_of_two_runs_of_one_loop_at_once_one_works_and_the_other_waits(tmp_path: Path) -> None:
    attempts = [new_attempt(tmp_path, number) for number in range(2)]
    outs = [tmp_path / name for name in ("one", "two")]
    runs = [
        subprocess.Popen(
            command(out, f"store={tmp_path}/store"), cwd=REPOSITORY, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env=os.environ | environment(attempt)
            | {"COLUMNS": "200", "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"},
        )
        for out, attempt in zip(outs, attempts, strict=True)
    ]  # fmt: skip
    try:
        said = [run.communicate(timeout=4 * TIMEOUT_S)[0] for run in runs]
    finally:
        kill(process for run in runs if run.poll() is None for process in tree_of(run.pid))
    assert [run.returncode for run in runs] == [0, 0], said
    journals = [attempt.journal.read_text() for attempt in attempts]
    waiting = [
        f"is held by process {run.pid} on" in journal
        for run, journal in zip(runs, journals[::-1], strict=True)
    ]
    assert sorted(waiting) == [False, True], journals  # one of them named the other
    assert sum("engine started" in journal for journal in journals) == 1
    counts = count(attempts)
    assert counts.shards
    assert counts.repeated == 0
    summaries = [(out / "summary.json").read_bytes() for out in outs]
    assert summaries[0] == summaries[1]
    assert not FolderStore(tmp_path / "store").list("leases")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_whose_id_is_taken_is_refused_though_the_other_is_still_at_work(
    tmp_path: Path,
) -> None:
    first = subprocess.Popen(
        command(tmp_path), cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert first.stdout is not None
    first.stdout.readline()  # it has begun
    ledger = Ledger(FolderStore(tmp_path / "store"), LOOP_ID)
    end = time.monotonic() + TIMEOUT_S
    while not ledger.manifests("ingest") and time.monotonic() < end:
        time.sleep(0.1)
    try:
        refused = run_micro(tmp_path, "loop.seed=7")  # it decides what `ingest` has made
        assert first.poll() is None
    finally:
        kill(tree_of(first.pid))
        first.communicate()
    assert refused.exit_code == 2
    assert "another configuration" in refused.printed


def attempt(out: Path, name: str, lines: list[str], done: tuple[str, ...] = ()) -> Attempt:
    journal = out / name
    journal.write_text("".join(line + "\n" for line in lines))
    return Attempt(out, journal, frozenset(done), frozenset(), 0)


def test_the_count_sees_shards_made_again_and_engines_of_stages_that_were_done(
    tmp_path: Path,
) -> None:
    first = attempt(
        tmp_path,
        "1",
        [
            "7 shard started name=judge/k/00000.jsonl rows=5",
            "7 engine started class=ScriptedEngine",
            "7 shard started name=judge/k/00001.jsonl rows=5",
            "7 shard stored name=judge/k/00000.jsonl",
            "8 shard started name=judge/l/00000.jsonl rows=5",
        ],
    )
    second = attempt(
        tmp_path,
        "2",
        [
            "17 shard started name=judge/k/00000.jsonl rows=5",
            "17 engine started class=ScriptedEngine",
            "17 shard stored name=judge/k/00000.jsonl",
            "17 shard started name=judge/k/00001.jsonl rows=5",
            "17 shard started name=judge/k/00002.jsonl rows=5",  # no attempt before has begun it
            "17 shard stored name=judge/k/00001.jsonl",
            "18 shard started name=judge/l/00000.jsonl rows=5",
            "19 engine started class=ScriptedEngine",
        ],
        done=("judge/k",),
    )
    counts = count([first, second._replace(stored=frozenset({"judge/k/00000.jsonl"}))])
    assert (counts.shards, counts.repeated, counts.most_repeated) == (4, 3, 2)
    assert (counts.engines, counts.engines_of_done_stages) == (3, 2)  # 19 has begun no shard
    assert counts.stored_again == 1
