"""The local runner keeps a task's outputs by its component's name, so no two tasks share one."""

from pathlib import Path

from pipelines.compile import compile_pipeline
from pipelines.expand import expand_components
from pipelines.profile import read_profile
from pipelines.spec import Spec, Tree, read_spec


def tasks(spec: Spec) -> list[tuple[str, Tree]]:
    return [item for _, graph in spec.graphs() for item in graph["dag"]["tasks"].items()]


def test_no_two_tasks_share_a_component_and_none_does_anything_else(tmp_path: Path) -> None:
    package = tmp_path / "loop.yaml"
    compile_pipeline(package, iterations=3, partitions=2, profile=read_profile("cpu"))
    compiled, expanded = read_spec(package), read_spec(package)
    shared = [task["componentRef"]["name"] for _, task in tasks(compiled)]
    assert len(set(shared)) < len(shared)  # the package on a cluster is small
    expand_components(expanded)
    names = [task["componentRef"]["name"] for _, task in tasks(expanded)]
    assert len(set(names)) == len(names) == len(shared)
    assert set(names) == set(expanded.components)
    for (name, before), (same, after) in zip(
        sorted(tasks(compiled), key=lambda item: item[0]),
        sorted(tasks(expanded), key=lambda item: item[0]),
        strict=True,
    ):
        assert name == same
        one, other = compiled.component_of(before), expanded.component_of(after)
        assert one.get("executorLabel") == other.get("executorLabel")
        assert one.get("inputDefinitions") == other.get("inputDefinitions")
