"""Submits a loop or an evaluation: compiled, checked, uploaded under its digest, started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from judgeloop.ops.next_run import run_name
from judgeloop.runtime.ending import read_ending
from judgeloop.runtime.lease import held
from judgeloop.runtime.ledger import Ledger, checked_loop_id, is_evaluation, kind_of
from judgeloop.runtime.reference import Reference, parse_reference, write_config
from judgeloop.schema.config import Config
from judgeloop.schema.errors import ConfigError
from judgeloop.store import open_store
from pipelines.cluster.run_answer import RunAnswer
from pipelines.cluster.server import Kubeflow, is_active
from pipelines.compile import compile_evaluation, compile_fitting
from pipelines.lint.secrets import secrets_in
from pipelines.plain import print_plain
from pipelines.profile import Profile

PIPELINE, EVALUATION_PIPELINE = "judge-loop", "judge-evaluation"
"""Names of the pipelines, one for all versions of each."""


@dataclass(frozen=True)
class Submission:
    """The parameters of a submission."""

    config: Config
    loop_id: str
    profile: Profile
    package: Path
    """File for the compiled pipeline."""
    experiment: str
    service_account: str | None = None
    pipeline_root: str | None = None
    """Root for artifacts, which are manifests; None is the server's own setting."""


def submit(server: Kubeflow, given: Submission, console: Console) -> str | None:
    """Starts a run of a loop; a loop that was run before resumes.

    Returns:
        The run's id; None if the loop is already finished.

    Raises:
        ConfigError: The configuration cannot run on a cluster, this loop is running, or the loop id
            belongs to another configuration.
        ClusterError: The server is unavailable for long, or refuses a request.
        StoreError: The store cannot be used from here.
        JudgeLoopError: The compiled pipeline breaks a rule.
    """
    config = given.config
    _check(config, given.loop_id)
    ledger = Ledger(open_store(config.store), given.loop_id)
    ledger.claim(config)
    what = f"{kind_of(given.loop_id)} {given.loop_id}"
    ending = read_ending(ledger)
    if ending.state == "finished":
        said = f"{what} is finished: there is nothing to do; its report is in the store"
        print_plain(console, said)
        return None
    digest, bound = _compiled(given)
    experiment = server.experiment(given.experiment)
    # two concurrent submissions would not see each other's run
    with held(ledger.store, f"submit-{given.loop_id}"):
        if running := _running(server, given, experiment):
            raise ConfigError(
                f"{what} is running as {running}: follow it "
                f"(make status RUN={running}), or end it (make cancel RUN={running})"
            )
        ledger.allow()
        reference = write_config(ledger.store, given.loop_id, config, ending.first)
        run_id = _start(server, given, digest, experiment, reference)
    share = f"{bound} of {config.loop.iterations} iterations a run" if bound else "an evaluation"
    lines = (
        f"{what}  version {digest[:12]}  {share}  store {config.store}",
        f"run {run_id}{server.shown_address(run_id)}",
    )
    for line in lines:
        print_plain(console, line)
    return run_id


def _running(server: Kubeflow, given: Submission, experiment: str) -> str | None:
    """Returns an active run of the loop, in its experiment or in another with its store."""
    for run in (*server.runs(given.loop_id, experiment), *server.runs(given.loop_id)):
        ours = run.experiment_id == experiment or _store_of(run) == given.config.store
        if ours and is_active(run):
            return run.run_id
    return None


def _store_of(run: RunAnswer) -> str | None:
    """Returns the store of a run's loop; None if it is not a run of judgeloop."""
    try:
        return parse_reference(str(run.parameters.get("config"))).store
    except ConfigError:
        return None


def _compiled(given: Submission) -> tuple[str, int]:
    """Compiles the pipeline; returns its digest and the iterations of a run, if it has any."""
    loop = given.config.loop
    if is_evaluation(given.loop_id):
        return compile_evaluation(given.package, loop.partitions, given.profile), 0
    return compile_fitting(
        given.package, loop.iterations, loop.partitions, given.profile, loop.iterations_per_run,
        trainjob=given.config.training.where == "trainjob",
    )  # fmt: skip


def _start(
    server: Kubeflow, given: Submission, digest: str, experiment: str, reference: Reference
) -> str:
    import kfp_server_api as api

    evaluates = is_evaluation(given.loop_id)
    pipeline = server.pipeline(EVALUATION_PIPELINE if evaluates else PIPELINE)
    version = server.version(pipeline, given.package, digest)
    parameters = {"config": str(reference), "loop_id": given.loop_id}
    return server.start(
        api.V2beta1Run(
            experiment_id=experiment,
            display_name=run_name(given.loop_id, reference.first),
            pipeline_version_reference=api.V2beta1PipelineVersionReference(
                pipeline_id=pipeline, pipeline_version_id=version
            ),
            runtime_config=api.V2beta1RuntimeConfig(
                parameters=parameters, pipeline_root=given.pipeline_root
            ),
            service_account=given.service_account,
        )
    )


def _check(config: Config, loop_id: str) -> None:
    """Refuses settings that no pod could use, before anything is uploaded."""
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
