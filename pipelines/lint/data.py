"""No artifact carries data: artifacts are manifests, and only the core writes them.

KFP's launcher copies artifacts whole, after the task, to a new place each time, and refuses a URI
outside the run's root. So a component hands the paths of its artifacts to the core and does nothing
else with them, and no artifact is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pipelines.lint.tasks import function_of
from pipelines.spec import Spec

CORE = "tasks"
"""The module of the core that components call: `tasks.run("judge", ...)`."""
ALSO_CALLED = frozenset({"items", "log_metric"})
"""Methods that a component may call too: metrics are small, and shown by the user interface."""


def data_in_artifacts(spec: Spec) -> Iterator[str]:
    """Yields the components that import or handle an artifact themselves."""
    seen = set()
    for name, component in spec.components.items():
        executor = spec.executors.get(component.get("executorLabel"), {})
        if "importer" in executor:
            yield f"{name}: imports an artifact; data stays in the store, name it in a manifest"
        container = executor.get("container", {})
        stage = function_of(container)
        if stage is None or stage in seen:
            continue
        seen.add(stage)
        for line in _by_itself(container["command"][-1]):
            yield (
                f"{stage}: `{line}` may put data into an artifact; let {CORE} write the "
                "data to the store and a manifest to the artifact"
            )


def _by_itself(source: str) -> Iterator[str]:
    """Yields the calls outside the core, and assignments to an artifact."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    for node in (
        node for function in functions for line in function.body for node in ast.walk(line)
    ):
        if isinstance(node, ast.Call) and not _is_allowed(node.func):
            yield ast.unparse(node)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield f"{ast.unparse(node)} = ..."


def _is_allowed(called: ast.expr) -> bool:
    if not isinstance(called, ast.Attribute):
        return False
    of_core = isinstance(called.value, ast.Name) and called.value.id == CORE
    return of_core or called.attr in ALSO_CALLED
