"""Runs the loop on this machine from a configuration, and shows how it ended."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from judgeloop.runtime.ending import read_ending
from judgeloop.runtime.ledger import Ledger, loop_identity
from judgeloop.runtime.reference import write_config
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import ConfigError, StoreError
from judgeloop.schema.home import expand_home
from judgeloop.store import Store, is_path, open_store
from pipelines.closing import copy_report, has_ended, say_ending
from pipelines.compile import compile_evaluation, compile_pipeline
from pipelines.display import Display
from pipelines.failure import find_failure
from pipelines.folder import locked_folder
from pipelines.local import KFP_LOG, PROCESSES, run_compiled
from pipelines.plain import print_plain
from pipelines.profile import read_profile

COMMAND = "command.txt"


def read_config(path: Path, changes: Sequence[str], out: Path) -> Config:
    """Reads a configuration; its store lies below `out` if its path is relative.

    Raises:
        ConfigError: The file or a change is wrong.
    """
    config = load_config(path, changes)
    folder = expand_home(config.store)
    if not is_path(config.store) or (folder.is_absolute() and str(folder) == config.store):
        return config
    store = folder if folder.is_absolute() else out.resolve() / (config.store or "store")
    return load_config(path, [*changes, f"store={json.dumps(str(store))}"])


def loop_id_for(config: Config, name: str) -> str:
    """Returns the default loop id: the same for the same configuration, wherever it runs.

    Args:
        config: The configuration; its location and report settings do not count.
        name: Prefix of the id; characters other than letters and digits become `-`.
    """
    content = hashlib.sha256(loop_identity(config)).hexdigest()
    return f"{''.join(c if c.isalnum() else '-' for c in name)}-{content[:8]}"


def run_loop(
    config: Config,
    loop_id: str,
    out: Path,
    console: Console,
    runner: str = PROCESSES,
    command: str = "",
) -> int:
    """Compiles the loop, or the evaluation, runs it and prints the outcome.

    If another run of the same loop is active, this one waits for it and then finds the work done.

    Args:
        config: The configuration, made by `read_config`.
        loop_id: Names the loop, or an evaluation outside a loop; a started one is resumed.
        out: The run's folder.
        console: Output for progress and results.
        runner: `PROCESSES`, or `CONTAINERS` to run each task in its image.
        command: Command that starts this run again, for `judgeloop status`.

    Returns:
        The exit code: 0, or the failing error's.

    Raises:
        ConfigError: The loop id is taken by another configuration, `out` is no folder, or another
            loop is active in it.
        JudgeLoopError: The pipeline cannot be compiled, or the store or `out` cannot be used.
        KeyboardInterrupt: The run was interrupted; no process of it is left running.
    """
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)  # it contains data and texts of users
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be the run's folder ({error.strerror})") from error
    store = open_store(config.store)
    ledger = Ledger(store, loop_id)
    from judgeloop.ops.check_data import refuse_starved  # reads images: a client has no Pillow

    for warning in refuse_starved(config):
        print_plain(console, f"warning: {warning}")
    ledger.claim(config)  # before anything is shown: the report there may be another loop's
    if has_ended(ledger, config, out):
        print_plain(console, f"loop {loop_id} is already finished; nothing is done again")
        with _folder_errors(out):
            say_ending(ledger, config, out, console)
        return 0
    with ledger.held(), _folder_errors(out), locked_folder(out, loop_id):
        (out / COMMAND).write_text(command + "\n", encoding="utf-8")
        return _run_alone(config, store, ledger, out, console, runner)


@contextmanager
def _folder_errors(out: Path) -> Iterator[None]:
    """Reports a full, read-only or broken disk as an error of the run's folder."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO):
            raise
        raise StoreError(
            f"--out {out}: cannot be written ({error.strerror}): make room there or choose another "
            "folder, then run again: what is in the store is found"
        ) from error


def _run_alone(
    config: Config, store: Store, ledger: Ledger, out: Path, console: Console, runner: str
) -> int:
    """Runs the loop, in as many runs of the pipeline as `loop.iterations_per_run` requires."""
    ledger.begin(config)
    ledger.allow()
    loop_id = ledger.loop_id
    package, digest = _compiled(config, out, evaluates=ledger.evaluates)
    what = "evaluation" if ledger.evaluates else "loop"
    print_plain(console, f"{what} {loop_id}  pipeline {digest[:12]}  store {store.uri}")
    succeeded, first = True, read_ending(ledger).first
    while succeeded:
        arguments = {"config": str(write_config(store, loop_id, config, first)), "loop_id": loop_id}
        with Display(out / "progress.jsonl", console, config.loop.iterations) as display:
            succeeded = run_compiled(package, arguments, out, display.update, runner)
        ending = read_ending(ledger)
        if ending.state != "continues":
            break
        first = ending.first
        print_plain(console, f"the loop continues with iteration {first} in another run")
    copy_report(ledger, out)
    say_ending(ledger, config, out, console)
    if succeeded:
        return 0
    failure = find_failure(ledger, out / KFP_LOG)
    print_plain(console, f"{failure.task} failed: {failure.error}")
    if failure.exit_code != ConfigError.exit_code:
        console.print("Fix the cause and rerun; it resumes after the last complete shard.")
    return failure.exit_code


def _compiled(config: Config, out: Path, *, evaluates: bool) -> tuple[Path, str]:
    """Compiles the pipeline; returns the package and its digest."""
    given, profile = config.loop, read_profile("cpu")
    if evaluates:
        package = out / "judge_evaluation.yaml"
        return package, compile_evaluation(package, given.partitions, profile, local=True)
    package = out / "judge_loop.yaml"
    bound = given.iterations_per_run or given.iterations
    return package, compile_pipeline(package, bound, given.partitions, profile, local=True)
