"""Creates a new MLflow database in an SQLite file atomically."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from judgeloop.store.local_files import copy_through, temporary_beside
from judgeloop.store.scratch import scratch_folder


def make_database(uri: str) -> None:
    """Creates the file that an SQLite address names, with MLflow's tables, if there is none.

    MLflow would create it in place, and a process that is killed meanwhile leaves tables that no
    later start can migrate (3.17: "duplicate column name"). So it is created elsewhere and moved.

    Args:
        uri: A tracking address; addresses other than SQLite files are ignored.

    Raises:
        MlflowException, OSError: The file cannot be made.
    """
    from mlflow import MlflowClient
    from sqlalchemy.engine import make_url

    if not uri.startswith("sqlite:"):
        return
    url = make_url(uri)
    if url.database in (None, "", ":memory:") or (path := Path(url.database)).exists():
        return
    with scratch_folder("mlflow") as folder:
        made = Path(folder) / "mlflow.db"
        there = url.set(database=str(made)).render_as_string(hide_password=False)
        MlflowClient(there, there).search_experiments(max_results=1)
        with temporary_beside(path) as whole:
            copy_through(made, whole)
            with suppress(FileExistsError):  # another process was faster: its file stays
                os.link(whole, path)
