"""The compile check: the compiled loop passes it, and each planted violation is found."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kfp import compiler, dsl

from components.images import image
from judgeloop.schema.errors import JudgeLoopError
from pipelines.compile import compile_pipeline
from pipelines.lint import check, lint
from pipelines.lint.secrets import secrets_in
from pipelines.placement import Placement
from pipelines.profile import read_profile
from pipelines.spec import Spec, Tree, read_spec

Planted = Callable[[Spec], None]
PROFILE = read_profile("one-gpu")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    path = tmp_path_factory.mktemp("compiled") / "judge_loop.yaml"
    compile_pipeline(path, iterations=1, partitions=1, profile=PROFILE)
    return read_spec(path)


def test_the_compiled_pipeline_passes(compiled: Spec) -> None:
    assert check(compiled) == []


def task_named(spec: Spec, stage: str) -> Tree:
    graphs = [graph for _, graph in spec.graphs()]
    found = [g["dag"]["tasks"][stage] for g in graphs if stage in g.get("dag", {}).get("tasks", {})]
    return found[0]


def cached(spec: Spec) -> None:
    task_named(spec, "judge")["cachingOptions"] = {"enableCache": True}


def without_tmp(spec: Spec) -> None:
    for each in settings(spec, "filter")["emptyDirMounts"]:
        del each["sizeLimit"]


def without_row(spec: Spec) -> None:
    arguments = spec.executors["exec-filter"]["container"]["args"]
    arguments[arguments.index("--function_to_execute") + 1] = "polish"


def without_model_size(spec: Spec) -> None:
    mounts = settings(spec, "judge")["emptyDirMounts"]
    mounts[:] = [each for each in mounts if each["mountPath"] != "/dev/shm"]


def with_gpu(spec: Spec) -> None:
    resources = spec.executors["exec-filter"]["container"]["resources"]
    resources["accelerator"] = {"resourceCount": "1", "resourceType": "nvidia.com/gpu"}


def dangling_parameter(spec: Spec) -> None:
    parameters = task_named(spec, "synthesize")["inputs"]["parameters"]
    parameters["partition"] = {"componentInputParameter": "pipelinechannel--memory"}


def dangling_artifact(spec: Spec) -> None:
    artifacts = task_named(spec, "train")["inputs"]["artifacts"]
    artifacts["model"] = {"componentInputArtifact": "nowhere"}


def no_wait(spec: Spec) -> None:
    task_named(spec, "judge")["dependentTasks"] = []


def unmade_output(spec: Spec) -> None:
    source = task_named(spec, "judge")["inputs"]["artifacts"]["pairs"]["taskOutputArtifact"]
    source["outputArtifactKey"] = "peers"


def missing_input(spec: Spec) -> None:
    del task_named(spec, "train")["inputs"]["artifacts"]["examples"]


def no_executor(spec: Spec) -> None:
    spec.executors.pop("exec-train")


def unknown_field(spec: Spec) -> None:
    task_named(spec, "train")["cachingOption"] = {}


def unknown_container_field(spec: Spec) -> None:
    spec.executors["exec-train"]["container"]["picture"] = "x"


def unread_condition(spec: Spec) -> None:
    task_named(spec, "condition-3")["inputs"]["parameters"].pop("pipelinechannel--enough-Output")


def named_condition(spec: Spec) -> None:
    source = task_named(spec, "condition-3")["inputs"]["parameters"]
    gate = source["pipelinechannel--enough-Output"]["taskOutputParameter"]
    gate["outputParameterKey"] = "verdict"


def one_of_artifact(spec: Spec) -> None:
    outputs = spec.components["comp-loop"]["dag"].setdefault("outputs", {})
    outputs["artifacts"] = {"examples": {
        "artifactSelectors": [{"producerSubtask": "a"}, {"producerSubtask": "b"}]
    }}  # fmt: skip


def one_of_parameter(spec: Spec) -> None:
    outputs = spec.components["comp-loop"]["dag"].setdefault("outputs", {})
    outputs["parameters"] = {"best": {"valueFromOneof": {"parameterSelectors": []}}}


def read_in_loop(spec: Spec, loop: Tree, key: str) -> None:
    """Lets a task of a loop's body read what the loop was handed."""
    body = spec.component_of(loop)["dag"]["tasks"]["synthesize"]
    body["inputs"]["parameters"]["loop_id"] = {"componentInputParameter": key}


def outer_parameter_in_loop(spec: Spec) -> None:
    task = task_named(spec, "for-loop-2")
    task["inputs"]["parameters"]["pipelinechannel--count"] = {
        "taskOutputParameter": {"producerTask": "filter", "outputParameterKey": "Output"}
    }
    read_in_loop(spec, task, "pipelinechannel--count")


def outer_parameter_in_a_loop_in_a_gate(spec: Spec) -> None:
    made = {"taskOutputParameter": {"producerTask": "enough", "outputParameterKey": "Output"}}
    gate = task_named(spec, "condition-3")
    gate["inputs"]["parameters"]["pipelinechannel--enough-Output"] = made
    graph = spec.component_of(gate)["dag"]["tasks"]
    graph["for-loop-9"] = {
        **copy.deepcopy(task_named(spec, "for-loop-2")),
        "inputs": {"parameters": {
            "pipelinechannel--x": {"componentInputParameter": "pipelinechannel--enough-Output"},
        }},
    }  # fmt: skip
    read_in_loop(spec, graph["for-loop-9"], "pipelinechannel--x")


def test_what_a_gate_hands_to_a_loop_that_does_not_read_it_is_no_finding(compiled: Spec) -> None:
    spec = copy.deepcopy(compiled)
    made = {"taskOutputParameter": {"producerTask": "filter", "outputParameterKey": "Output"}}
    task = task_named(spec, "for-loop-2")
    task["inputs"]["parameters"]["pipelinechannel--count"] = made
    assert not [each for each in check(spec) if "the loop body uses" in each]


def container(spec: Spec, stage: str) -> Tree:
    found: Tree = spec.executors[f"exec-{stage}"]["container"]
    return found


def settings(spec: Spec, stage: str) -> Tree:
    found: Tree = spec.kubernetes[f"exec-{stage}"]
    return found


def without_memory_limit(spec: Spec) -> None:
    del container(spec, "train")["resources"]["resourceMemoryLimit"]


def without(*keys: str) -> Planted:
    def plant(spec: Spec) -> None:
        for key in keys:
            del settings(spec, "train")[key]

    return plant


def undeclared_setting(spec: Spec) -> None:
    taints = {"tolerationJson": {"componentInputParameter": "taints"}}
    settings(spec, "train")["tolerations"] = [taints]


def other_shm(spec: Spec) -> None:
    settings(spec, "train")["emptyDirMounts"][0]["mountPath"] = "/dev/shm2"


def moving_tag(spec: Spec) -> None:
    container(spec, "train")["image"] = "registry.example/judgeloop-gpu:latest"


def body(line: str) -> Planted:
    def plant(spec: Spec) -> None:
        command = container(spec, "train")["command"]
        command[-1] = command[-1].rstrip() + f"\n    {line}\n"

    return plant


def importer(spec: Spec) -> None:
    spec.executors["exec-train"] = {"importer": {
        "artifactUri": {"constant": "s3://b/k"}, "typeSchema": {"schemaTitle": "system.Model"},
    }}  # fmt: skip


def variable(spec: Spec) -> None:
    container(spec, "train")["env"] = [{"name": "HF_TOKEN", "value": "x"}]


def default(value: str) -> Planted:
    def plant(spec: Spec) -> None:
        parameters = spec.pipeline["root"]["inputDefinitions"]["parameters"]
        parameters["loop_id"]["defaultValue"] = value

    return plant


def in_settings(spec: Spec) -> None:
    settings(spec, "train")["podMetadata"] = {"annotations": {"note": "of-this-shell-1234"}}


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        (cached, "judge: must not be cached"),
        (without_tmp, "filter: has no sized emptyDir on /tmp"),
        (without("securityContext"), "train: may run as root"),
        (without_row, "polish has no row in judgeloop/runtime/stage_table.py"),
        (without_model_size, "judge runs a model and has no size of one"),
        (with_gpu, "filter asks for what a model needs"),
        (dangling_parameter, "which the graph does not declare"),
        (dangling_artifact, "reads nowhere, which the graph does not declare"),
        (no_wait, "uses synthesize without waiting for it"),
        (unmade_output, "reads peers, which synthesize does not make"),
        (missing_input, "the required input examples is not given"),
        (no_executor, "comp-train: has no executor"),
        (unknown_field, "cachingOption"),
        (unknown_container_field, "picture"),
        (unread_condition, "which is not an input of the task"),
        (named_condition, "reads the named output verdict"),
        (one_of_artifact, "output examples is a OneOf"),
        (one_of_parameter, "output best is a OneOf"),
        (outer_parameter_in_loop, "the loop body uses pipelinechannel--count"),
        (outer_parameter_in_a_loop_in_a_gate, "the loop body uses pipelinechannel--x"),
        (without("tolerations"), "uses a GPU without a toleration"),
        (without_memory_limit, "uses a GPU without a memory limit"),
        (without("activeDeadlineSeconds"), "uses a GPU without a timeout"),
        (without("emptyDirMounts"), "uses a GPU without /dev/shm"),
        (undeclared_setting, "read taints, which the graph does not declare"),
        (other_shm, "uses a GPU without /dev/shm"),
        (moving_tag, "judgeloop-gpu:latest is not named by its digest"),
        (body("trained.uri = 's3://b/k'"), "train: `trained.uri = ...` may put data"),
        (body("open(trained.path, 'wb').write(b'')"), "`open(trained.path, 'wb')` may put data"),
        (body("import shutil; shutil.copy('w', trained.path)"), "may put data into an artifact"),
        (importer, "imports an artifact"),
        (variable, "the variable HF_TOKEN has a value"),
        (default("mysql://me:hunter2@db/x"), "a password in an address"),
        (default("AKIA" + "Q" * 16), "an AWS access key"),
        (default("hf_" + "a" * 34), "a Hugging Face token"),
        (default("-----BEGIN RSA PRIVATE KEY-----"), "a private key"),
        (default(".".join(["eyJhbGciOiJIUzI1NiJ9"] * 3)), "a signed token"),
        (in_settings, "the value of $JUDGELOOP_TEST_TOKEN"),
    ],
)
def test_a_planted_violation_is_found(
    plant: Planted, sentence: str, compiled: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGELOOP_TEST_TOKEN", "of-this-shell-1234")
    spec = copy.deepcopy(compiled)
    plant(spec)
    found = check(spec)
    assert [each for each in found if sentence in each], found
    assert not [each for each in found if "hunter2" in each or "of-this-shell" in each]


def test_a_compilation_that_breaks_a_rule_fails_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planted(*_: Any) -> Any:
        @dsl.component(base_image="moving:tag", install_kfp_package=False)
        def ingest(out: dsl.Output[dsl.Artifact]):
            pass

        @dsl.pipeline(name="planted")
        def pipeline():
            Placement(PROFILE, on_cluster=False).place(ingest())

        return pipeline

    monkeypatch.setattr("pipelines.judge_loop.make_pipeline", planted)
    with pytest.raises(JudgeLoopError, match="moving:tag is not named by its digest"):
        compile_pipeline(tmp_path / "p.yaml", 1, 1, PROFILE)
    compile_pipeline(tmp_path / "p.yaml", 1, 1, PROFILE, local=True)


def test_the_compiler_s_own_bug_is_found(tmp_path: Path) -> None:
    @dsl.component(base_image="x", install_kfp_package=False)
    def work(i: int):
        pass

    @dsl.pipeline(name="p")
    def pipeline(memory: str):
        with dsl.ParallelFor([1, 2]) as item:
            work(i=item).set_memory_limit(memory)

    path = tmp_path / "p.yaml"
    compiler.Compiler().compile(pipeline, str(path))
    assert [each for each in lint(path, local=True) if "which the graph does not declare" in each]


def test_plain_words_are_no_secrets() -> None:
    assert secrets_in("max_tokens: 8, http://mlflow:5000, models:/judge@champion") == []


def test_images_come_from_the_environment_else_the_lock_else_a_tag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "images.lock"
    monkeypatch.delenv("JUDGELOOP_IMAGE_CPU")
    assert image("cpu", lock) == "judgeloop-cpu:dev"
    lock.write_text('cpu = "reg/cpu@sha256:1"\n')
    assert image("cpu", lock) == "reg/cpu@sha256:1"
    monkeypatch.setenv("JUDGELOOP_IMAGE_CPU", "reg/cpu@sha256:2")
    assert image("cpu", lock) == "reg/cpu@sha256:2"
