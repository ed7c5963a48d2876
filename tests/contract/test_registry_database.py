"""The registry's database without a server: made as a whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

CONNECT = "from judgeloop.registry.client import connect; connect()"
DIE_IN_A_MIGRATION = f"""
import os, signal
from sqlalchemy import event
from sqlalchemy.engine import Engine

@event.listens_for(Engine, "after_cursor_execute")
def die(connection, cursor, statement, *_):
    if statement.startswith("ALTER TABLE metrics ADD COLUMN step"):
        os.kill(os.getpid(), signal.SIGKILL)

{CONNECT}
"""


def connect(code: str, database: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=False, capture_output=True, text=True,
        env=os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{database}"},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_while_the_database_is_made_the_next_start_makes_it(tmp_path: Path) -> None:
    database = tmp_path / "mlflow" / "mlflow.db"
    assert connect(DIE_IN_A_MIGRATION, database).returncode == -signal.SIGKILL
    assert not database.exists()
    again = connect(CONNECT, database)
    assert again.returncode == 0, again.stderr
    assert [path.name for path in database.parent.iterdir()] == [database.name]
    before = database.stat().st_ino
    assert connect(CONNECT, database).returncode == 0
    assert database.stat().st_ino == before
