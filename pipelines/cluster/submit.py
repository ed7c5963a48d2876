"""Submits a loop: compiled, checked, uploaded under its digest, started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from judgeloop.runtime.ledger import checked_loop_id
from judgeloop.schema.config import Config
from judgeloop.schema.errors import ConfigError
from pipelines.cluster.server import Kubeflow
from pipelines.compile import compile_pipeline
from pipelines.lint.secrets import secrets_in
from pipelines.plain import print_plain
from pipelines.profile import Profile

PIPELINE = "judge-loop"
"""One name for all versions: KFP keeps its cache by name."""


@dataclass(frozen=True)
class Submission:
    """What is submitted."""

    config: Config
    loop_id: str
    profile: Profile
    package: Path
    """Where the compiled pipeline is written."""
    experiment: str
    service_account: str | None = None
    pipeline_root: str | None = None
    """Where the server keeps artifacts, which are manifests; None is the server's own setting."""


def submit(server: Kubeflow, given: Submission, console: Console) -> str:
    """Starts a run of a loop; a loop id that was run before goes on where it was.

    Returns:
        The run's id.

    Raises:
        ConfigError: The configuration cannot run on a cluster, or this loop is running.
        ClusterError: The server is away for long, or refuses something.
        JudgeLoopError: The compiled pipeline breaks a rule.
    """
    import kfp_server_api as api

    config = given.config
    _check(config, given.loop_id)
    digest = compile_pipeline(
        given.package, config.loop.iterations, config.loop.partitions, given.profile
    )
    experiment = server.experiment(given.experiment)
    running = server.active(given.loop_id, experiment)
    if running:
        raise ConfigError(
            f"loop {given.loop_id} is running as {running[0]}: follow it "
            f"(make status RUN={running[0]}), or end it (make cancel RUN={running[0]})"
        )
    pipeline = server.pipeline(PIPELINE)
    version = server.version(pipeline, given.package, digest)
    arguments = {"config": config.to_json(), "loop_id": given.loop_id}
    run_id = server.start(
        api.V2beta1Run(
            experiment_id=experiment,
            display_name=given.loop_id,
            pipeline_version_reference=api.V2beta1PipelineVersionReference(
                pipeline_id=pipeline, pipeline_version_id=version
            ),
            runtime_config=api.V2beta1RuntimeConfig(
                parameters=arguments, pipeline_root=given.pipeline_root
            ),
            service_account=given.service_account,
        )
    )
    lines = (
        f"loop {given.loop_id}  version {digest[:12]}  store {config.store}",
        f"run {run_id}  {server.address(run_id)}",
    )
    for line in lines:
        print_plain(console, line)
    return run_id


def _check(config: Config, loop_id: str) -> None:
    """Refuses what no pod could use, before anything is uploaded."""
    checked_loop_id(loop_id)
    if "://" not in config.store and not Path(config.store).is_absolute():
        raise ConfigError(
            f"store: {config.store!r} is a folder of this machine; give s3://bucket/prefix"
        )
    found = secrets_in(config.to_json())
    if found:
        raise ConfigError(
            f"the configuration holds {', '.join(found)}, and all who see the run could read it: "
            "name a Secret under `secrets` in the profile"
        )
