"""Compiles the loop into the file that runs locally and on a cluster, and checks it."""

from __future__ import annotations

from pathlib import Path

from judgeloop.schema.errors import ConfigError, JudgeLoopError
from pipelines.digest import digest_of
from pipelines.lint import check
from pipelines.profile import Profile
from pipelines.smaller import make_smaller
from pipelines.spec import read_spec, write_spec


def compile_pipeline(
    out: Path, iterations: int, partitions: int, profile: Profile, *, local: bool = False
) -> str:
    """Compiles the loop and checks the result.

    Args:
        out: The file to write; its folder is made.
        iterations: The bound of the loop. Each iteration adds about 85 KB to the file, and Argo
            takes about 1 MB.
        partitions: Default of the parameter `partitions`.
        profile: What the tasks ask of a cluster.
        local: The file is for this machine only: images need no digest, and a failed task is not
            tried again by itself, since KFP's local runner would wait for the back-off and then
            repeat what a person can mend.

    Returns:
        The canonical digest: the same for the same pipeline, however often it is compiled.

    Raises:
        ConfigError: A number below 1, or a file name that does not end with `.yaml`.
        JudgeLoopError: The compiled pipeline is broken; says where.
    """
    from kfp import compiler

    from pipelines.judge_loop import make_pipeline
    from pipelines.placement import Placement

    if iterations < 1 or partitions < 1:
        given = f"iterations={iterations}, partitions={partitions}"
        raise ConfigError(f"{given}: both must be 1 or more")
    if out.suffix != ".yaml":
        raise ConfigError(f"{out}: name the compiled pipeline with the ending .yaml")
    placement = Placement(profile, retried=not local)
    pipeline = make_pipeline(iterations, partitions, placement)
    out.parent.mkdir(parents=True, exist_ok=True)
    compiler.Compiler().compile(pipeline, str(out))
    spec = read_spec(out)
    make_smaller(spec)
    write_spec(spec, out)
    found = check(spec, local=local)
    if found:
        raise JudgeLoopError(
            f"{out}: the compiled pipeline breaks these rules (pipelines/lint/):\n  "
            + "\n  ".join(found)
        )
    return digest_of(spec)
