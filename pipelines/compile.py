"""Compiles the loop into the file that runs locally and on a cluster, and checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from judgeloop.schema.errors import ConfigError, JudgeLoopError
from judgeloop.store.local_files import write_whole
from judgeloop.store.scratch import scratch_folder
from pipelines.digest import digest_of
from pipelines.estimate import ALLOWED, LIMIT, Estimate, estimate
from pipelines.lint import check
from pipelines.profile import Profile
from pipelines.smaller import make_smaller
from pipelines.spec import Spec, write_spec

FIRST_TRY = 8
"""Iterations in a run that are tried first if there is no bound: few loops have more."""


def compile_pipeline(
    out: Path,
    iterations: int,
    partitions: int,
    profile: Profile,
    *,
    local: bool = False,
    trainjob: bool = False,
) -> str:
    """Compiles the loop and checks the result.

    Args:
        out: The file to write; its folder is created.
        iterations: Maximum of one run; an unfinished loop continues in another run.
        partitions: How many tasks share the questions of an iteration.
        profile: The tasks' resources on a cluster.
        local: The file is for this machine only: images need no digest, the size has no bound, and
            a failed task is not tried again by itself, since KFP's local runner would wait for the
            back-off and then repeat what a person can fix.
        trainjob: Training tasks create TrainJobs, as `training.where` says.

    Returns:
        The canonical digest: the same for the same pipeline, however often it is compiled.

    Raises:
        ConfigError: A number below 1, a file name that does not end with `.yaml`, or a run that
            would be too large for Argo.
        JudgeLoopError: The compiled pipeline is broken; says where.
    """
    spec = _compile_loop(out, iterations, partitions, profile, local=local, trainjob=trainjob)
    size = estimate(spec)
    if not local and not size.fits:
        raise _too_large(iterations, partitions, size)
    return digest_of(spec)


def compile_evaluation(out: Path, partitions: int, profile: Profile, *, local: bool = False) -> str:
    """Compiles the evaluate-only pipeline and checks the result.

    Args:
        out: The file to write; its folder is created.
        partitions: How many tasks share the sets.
        profile: The tasks' resources on a cluster.
        local: As for `compile_pipeline`.

    Returns:
        The canonical digest.

    Raises:
        ConfigError, JudgeLoopError: As `compile_pipeline`.
    """
    from pipelines.evaluate import make_evaluation
    from pipelines.placement import Placement

    _require_counts(partitions=partitions)
    placement = Placement(profile, on_cluster=not local)
    spec = _compile(out, make_evaluation(partitions, placement), local=local)
    size = estimate(spec)
    if not local and not size.fits:
        raise ConfigError(
            f"an evaluation in {partitions} partitions is too large: {size}, and {ALLOWED:.0%} "
            "are allowed. Set loop.partitions lower"
        )
    return digest_of(spec)


def compile_fitting(
    out: Path,
    iterations: int,
    partitions: int,
    profile: Profile,
    per_run: int | None = None,
    *,
    trainjob: bool = False,
) -> tuple[str, int]:
    """Compiles the loop with as many iterations in a run as fit into Argo's object.

    Args:
        out: The file to write.
        iterations: `loop.iterations`.
        partitions: `loop.partitions`.
        profile: The tasks' resources on a cluster.
        per_run: `loop.iterations_per_run`, if it is set.
        trainjob: As for `compile_pipeline`.

    Returns:
        The canonical digest, and the iterations of a run.

    Raises:
        ConfigError: Not even one iteration, or not as many as `per_run`, fits.
        JudgeLoopError: The compiled pipeline is broken; says where.
    """
    bound = min(per_run or FIRST_TRY, iterations)
    while True:
        spec = _compile_loop(out, bound, partitions, profile, local=False, trainjob=trainjob)
        size = estimate(spec)
        if size.fits:
            return digest_of(spec), bound
        if bound == 1 or per_run is not None:
            raise _too_large(bound, partitions, size)
        bound = max(1, min(bound - 1, int(bound * ALLOWED * LIMIT / size.total)))


def _too_large(iterations: int, partitions: int, size: Estimate) -> ConfigError:
    return ConfigError(
        f"{iterations} iteration(s) of {partitions} partition(s) in one run are too large: {size}, "
        f"and {ALLOWED:.0%} are allowed. Set loop.iterations_per_run lower (the run's last task "
        "starts the next run), or loop.partitions"
    )


def _require_counts(**counts: int) -> None:
    if min(counts.values()) < 1:
        given = ", ".join(f"{name}={count}" for name, count in counts.items())
        raise ConfigError(f"{given}: must be 1 or more")


def _compile_loop(
    out: Path, iterations: int, partitions: int, profile: Profile, *, local: bool, trainjob: bool
) -> Spec:
    from pipelines.judge_loop import make_pipeline
    from pipelines.placement import Placement

    _require_counts(iterations=iterations, partitions=partitions)
    placement = Placement(profile, on_cluster=not local, trainjob=trainjob)
    return _compile(out, make_pipeline(iterations, partitions, placement), local=local)


def _compile(out: Path, pipeline: Any, *, local: bool) -> Spec:
    """Shrinks a pipeline, writes and checks it; returns the written specification."""
    from google.protobuf import json_format

    if out.suffix != ".yaml":
        raise ConfigError(f"{out}: name the compiled pipeline with the ending .yaml")
    # KFP's own writer takes most of a compilation's time, and its text would be read back here.
    documents = (pipeline.pipeline_spec, pipeline.platform_spec)
    spec = Spec(*(json_format.MessageToDict(each) for each in documents))
    make_smaller(spec)
    with scratch_folder("compile") as folder:  # `out` is replaced atomically
        draft = Path(folder) / "pipeline.yaml"
        write_spec(spec, draft)
        write_whole(out, draft.read_bytes())
    found = check(spec, local=local)
    if found:
        raise JudgeLoopError(
            f"{out}: the compiled pipeline breaks these rules (pipelines/lint/):\n  "
            + "\n  ".join(found)
        )
    return spec
