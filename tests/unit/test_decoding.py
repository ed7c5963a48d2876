"""Threads that decode the same class for the first time, at once."""

import subprocess
import sys

from tests.conftest import REPOSITORY

PROCESSES = 6
CONFIG = str(REPOSITORY / "pipelines/configs/tiny.yaml")
READ_AT_ONCE = """
import sys, threading
from pathlib import Path
from judgeloop.schema.config import load_config
start = threading.Barrier(4)
sys.setswitchinterval(1e-6)  # so that they come between each other
def read():
    start.wait()
    load_config(Path(sys.argv[1]), [])
threads = [threading.Thread(target=read) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_that_read_a_configuration_at_once_all_get_it() -> None:
    for _ in range(PROCESSES):  # without the lock more than half of them died
        command = [sys.executable, "-c", READ_AT_ONCE, CONFIG]
        run = subprocess.run(command, capture_output=True, text=True)
        assert (run.returncode, run.stderr) == (0, "")
