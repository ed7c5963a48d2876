"""On PYTHONPATH, this makes every Python process of a run write judgeloop's log to a file.

Straight into the file named by `SOAK_JOURNAL`, a line at a time: `run.log` goes through a pipe and
Kubeflow's runner, so a kill loses lines there, and an orphan has no log at all.
"""

import logging
import os

if path := os.environ.get("SOAK_JOURNAL"):
    handler = logging.FileHandler(path)  # opened to append, flushed after each line
    handler.setFormatter(logging.Formatter("%(process)d %(message)s"))
    logging.getLogger("judgeloop").addHandler(handler)
