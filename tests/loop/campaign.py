"""Kills loops on S3 while much else goes wrong, and counts what it cost: `make soak`.

Each loop lies on a real S3 server behind a proxy, and is started again until it gets through. By
the seed are mixed: what is killed and when (one run or two at once of the same loop), requests that
fail or come with other bytes, restarts of the server, jumps of the wall clock, a store that is full
and a disk that is full. The last two end an attempt with an error of ours; all others but the kills
must not be noticed. Then the loop must be what an unbroken loop is.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from judgeloop.schema.errors import StoreError
from judgeloop.store import open_store
from tests.fault_proxy import FaultProxy
from tests.loop.journal import Attempt, Counts, count, environment, new_attempt
from tests.loop.micro import REPOSITORY, Run, command, kill, tree_of
from tests.loop.soak import (
    CHANGES,
    IN_FLIGHT,
    LONGEST_LAG_S,
    LONGEST_RUN_S,
    MOST_SHARDS,
    Mode,
    Soaked,
    differences,
    kill_run,
    registry,
    wait_for_orphans,
)
from tests.loop.troubles import (
    FULL_STORE,
    Clock,
    Trouble,
    draw,
    has_small_disks,
    make_clock,
    on_a_small_disk,
)
from tests.s3_server import S3Server
from tests.server_process import DIRECT, free_port, running_server

BUCKET = "soak"
TWO_RUNS, FULL = 0.3, 0.2
"""How often an attempt has two runs, and how often a disk or the store gets full."""
SMALLEST_DISK_KB, LARGEST_DISK_KB = 100, 2000
Child = subprocess.Popen[bytes]


class Machine(NamedTuple):
    """What loops run on."""

    root: Path
    proxy: FaultProxy
    clock: Clock | None
    small_disks: bool
    seen: Counter[str]
    """What happened, over all loops."""


class Campaign:
    """One loop on its way through kills and troubles.

    Args:
        machine: Where it runs.
        name: Of its folder, and of its place in the bucket.
        rng: Draws what happens.
    """

    def __init__(self, machine: Machine, name: str, rng: random.Random) -> None:
        self._machine = machine
        self._rng = rng
        self.folder = machine.root / name
        self.folder.mkdir()
        (self.folder / "mlflow").mkdir()
        self._uri = f"s3://{BUCKET}/{name}"
        self._attempts: list[Attempt] = []
        self._kills: list[Mode] = []
        self._most_in_an_attempt = 0

    def run(self, kills: int) -> Soaked:
        """Starts the loop until it gets through, or fails without a reason.

        Args:
            kills: At most so many.
        """
        ended: Run | None = None
        while ended is None:
            ended = self._attempt(kills - len(self._kills))
        wait_for_orphans(self.folder)
        return Soaked(ended, self._kills, count(self._attempts))

    @property
    def in_flight(self) -> int:
        """How many shards of a partition an attempt may make again: some for each of its kills."""
        return IN_FLIGHT * (1 + self._most_in_an_attempt)

    def _attempt(self, kills: int) -> Run | None:
        """Starts the loop once; returns how it ended, None where it must be started again."""
        rng, machine = self._rng, self._machine
        attempt = new_attempt(self.folder, len(self._attempts), open_store(self._uri))
        self._attempts.append(attempt)
        troubles = draw(rng, machine.proxy, machine.clock, MOST_SHARDS, machine.seen) * (kills > 0)
        full = rng.random() < FULL and kills > 0
        disk = full and machine.small_disks and rng.random() < 0.5
        if full and not disk:
            troubles.append(Trouble(rng.randint(0, MOST_SHARDS), self._fill_store))
        runs = 2 if kills > 1 and not full and rng.random() < TWO_RUNS else 1
        machine.seen["two runs at once"] += runs == 2
        children = [self._start(attempt, number, disk) for number in range(runs)]
        if kills and not full:
            for child in children:
                moment, lag_s = rng.randint(0, MOST_SHARDS), rng.uniform(0, LONGEST_LAG_S)
                mode = rng.choice(list(Mode))
                troubles.append(
                    Trouble(moment, lambda c=child, m=mode, s=lag_s: self._kill(c, m, s))
                )
        before = len(self._kills)
        self._watch(attempt, children, troubles)
        self._most_in_an_attempt = max(self._most_in_an_attempt, len(self._kills) - before)
        met = any(fault.status == 507 and fault.met for fault in machine.proxy.faults)
        machine.proxy.heal()
        return self._ended(children, excused=disk or met, disk=disk)

    def _start(self, attempt: Attempt, number: int, disk: bool) -> Child:
        out = self.folder / (f"disk-{attempt.journal.stem}" if disk else f"out-{number}")
        out.mkdir(exist_ok=True)
        words = command(out, *CHANGES, f"store={self._uri}")
        if disk:
            kilobytes = self._rng.randint(SMALLEST_DISK_KB, LARGEST_DISK_KB)
            words = on_a_small_disk(words, out, kilobytes)
        clock = self._machine.clock
        variables = {
            "AWS_ENDPOINT_URL": self._machine.proxy.url,
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/mlflow/mlflow.db",
            **environment(attempt),
            **(clock.environment if clock else {}),
        }
        with self._printed(number).open("wb") as printed:
            return subprocess.Popen(
                words, cwd=REPOSITORY, stdout=printed, stderr=subprocess.STDOUT,
                start_new_session=True, env=os.environ | variables,
            )  # fmt: skip

    def _printed(self, number: int) -> Path:
        return self.folder / f"printed-{number}.txt"

    def _fill_store(self) -> None:
        self._machine.proxy.break_with(**FULL_STORE)

    def _kill(self, child: Child, mode: Mode, lag_s: float) -> None:
        time.sleep(lag_s)
        if child.poll() is None:
            kill_run(child, mode)
            self._kills.append(mode)

    def _watch(self, attempt: Attempt, children: list[Child], troubles: list[Trouble]) -> None:
        """Lets troubles happen in their order until all runs have ended."""
        waiting = sorted(troubles, key=lambda trouble: trouble.shards)
        begun, deadline = 0, time.monotonic() + LONGEST_RUN_S
        while any(child.poll() is None for child in children):
            if (now := attempt.begun()) > begun:  # slow is not still
                begun, deadline = now, time.monotonic() + LONGEST_RUN_S
            while waiting and waiting[0].shards <= begun:
                waiting.pop(0).happen()
            if time.monotonic() > deadline:
                kill(process for child in children for process in tree_of(child.pid))
                raise TimeoutError(f"the loop in {self.folder} stands still: see its run.log")
            time.sleep(0.05)

    def _ended(self, children: list[Child], excused: bool, disk: bool) -> Run | None:
        """Returns the run that got through, if one did.

        Args:
            children: The runs of an attempt.
            excused: Whether an error of ours is expected.
            disk: Whether what they left is gone with their disk.
        """
        for number, child in enumerate(children):
            printed = self._printed(number).read_text(errors="replace")
            if child.returncode == 0 and not disk:
                shutil.copy(self.folder / f"out-{number}" / "summary.json", self.folder)
                return Run(self.folder, 0, printed, open_store(self._uri))
            if child.returncode > 0:
                ours = child.returncode == StoreError.exit_code and "Traceback" not in printed
                if not (excused and ours):
                    return Run(self.folder, child.returncode, printed, open_store(self._uri))
                self._machine.seen["full disks" if disk else "full stores"] += 1
        return None


@contextmanager
def machine(root: Path) -> Iterator[Machine]:
    """Starts what loops run on: the S3 server, with this process asking it without the proxy."""
    port = free_port()
    server = S3Server(f"http://127.0.0.1:{port}")
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (
        running_server(words, f"{server.url}/moto-api/", root / "moto.log", server.environment),
        patch.dict(os.environ, server.environment),
    ):
        with DIRECT.open(urllib.request.Request(f"{server.url}/{BUCKET}", method="PUT")):
            pass
        proxy = FaultProxy(server.url)
        try:
            yield Machine(root, proxy, make_clock(root), has_small_disks(root / "disk"), Counter())
        finally:
            proxy.stop()


def run_campaign(
    root: Path, kills: int, rng: random.Random, say: Callable[[str], object]
) -> tuple[list[Soaked], int, Counter[str]]:
    """Runs loops, one after the other, until there were so many kills.

    Returns:
        The loops, how many of them differ from an unbroken one, and what else happened.
    """
    with machine(root) as here:
        unbroken = Campaign(here, "unbroken", rng).run(0).run
        expected = registry(unbroken.out)
        loops: list[Soaked] = []
        wrong = 0
        while (left := kills - sum(len(loop.kills) for loop in loops)) > 0:
            began = time.monotonic()
            campaign = Campaign(here, f"loop-{len(loops):02d}", rng)
            loop = campaign.run(left)
            loops.append(loop)
            found = differences(loop, unbroken, expected, campaign.in_flight)
            wrong += bool(found)
            say(
                f"loop {len(loops):2d}  {len(loop.kills):2d} kills  {loop.counts.repeated:2d} "
                f"shards repeated  {time.monotonic() - began:5.0f} s  "
                f"{'; '.join(found) or 'like unbroken'}\n"
            )
    return loops, wrong, here.seen


def summary(loops: list[Soaked], wrong: int, seen: Counter[str]) -> str:
    """Returns the counts of a campaign, a line each."""
    modes = Counter(mode for loop in loops for mode in loop.kills)
    sums = [sum(values) for values in zip(*(loop.counts for loop in loops), strict=True)]
    total = Counts(*sums)._replace(most_repeated=max(loop.counts.most_repeated for loop in loops))
    return (
        f"{modes.total()} kills ({', '.join(f'{n} of {mode}' for mode, n in modes.items())}) "
        f"over {len(loops)} loops\n"
        f"besides: {', '.join(f'{n} {what}' for what, n in sorted(seen.items()))}\n"
        f"{total.repeated} of {total.shards} shards begun twice, at most {total.most_repeated} "
        f"of a partition in an attempt; {total.stored_again} of them were stored already\n"
        f"{total.engines} engines started, {total.engines_of_done_stages} of them for a stage "
        "that was done\n"
        f"{len(loops) - wrong} of {len(loops)} loops ended like the unbroken one\n"
    )


def main() -> int:
    """Kills so many times over several loops and prints the counts."""
    parser = argparse.ArgumentParser(description="Kills loops on S3 while much else goes wrong.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)

    def say(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="judgeloop-soak-") as name:
        loops, wrong, seen = run_campaign(Path(name), options.kills, rng, say)
    say(summary(loops, wrong, seen))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
