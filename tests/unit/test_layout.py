"""Who may import what, and how long things may be, read from the syntax trees.

The rules are the table "Where code lives" of the design: the core runs without Kubernetes and loads
heavy libraries inside functions only; components and pipelines are thin; gold answers stay out of
reach of the loop's stages.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

ORCHESTRATORS = {"kfp", "kfp_server_api", "kubernetes"}
HEAVY = {
    "accelerate", "boto3", "botocore", "datasets", "matplotlib", "mlflow", "openai", "peft",
    "pandas", "pyarrow", "scipy", "torch", "transformers", "trl", "vllm",
}  # fmt: skip
# Ground truth, by the function that hands it out, and the only modules that may ask for it. Those
# of the tiny world pretrain the base model and write the data set; no stage of the loop is here.
GOLD = {
    "judgeloop.runtime.stages.gold.load_gold": {"judgeloop/runtime/stages/evaluate.py"},
    "judgeloop.data.rows.read_gold": {
        "judgeloop/runtime/stages/gold.py",
        "judgeloop/ops/check_data.py",
    },
    "judgeloop.tiny.dataset.write_gold": {"judgeloop/runtime/stages/gold.py"},
    "judgeloop.tiny.questions.gold_answer": {
        "judgeloop/tiny/curriculum.py",
        "judgeloop/tiny/dataset.py",
        "judgeloop/tiny/skills.py",
    },
}
GOLD_MODULE = (
    "judgeloop.runtime.stages.gold"  # holds nothing else, so it is out of reach as a whole
)
BENCHMARKS = "judgeloop.evaluation.benchmarks"  # their loaders give labels
SEEN = "judgeloop.evaluation.benchmarks.seen"  # prompts and images alone, for the guard
BENCHMARK_READERS = {
    "judgeloop/cli/compare.py", "judgeloop/cli/score.py", "judgeloop/runtime/stages/benchmark.py",
}  # fmt: skip
MAY_IMPORT_IN_PIPELINES = {
    "click", "components", "docker", "google", "kfp", "kfp_server_api", "kubernetes", "msgspec",
    "pipelines", "rich", "urllib3", "yaml",
}  # fmt: skip
CORE_IN_PIPELINES = (
    "judgeloop.cli",  # how a command is declared
    "judgeloop.cluster",  # one way to see Kubernetes' API
    "judgeloop.schema.config",
    "judgeloop.ops.check_data",  # what a run refuses at once
    "judgeloop.ops.doctor",  # one preflight, from inside a cluster and from outside
    "judgeloop.schema.errors",
    "judgeloop.schema.home",
    "judgeloop.ops.next_run",  # how a run is named
    "judgeloop.ops.outcome",  # what a run says at its end
    "judgeloop.ops.pods",  # why a pod waits: told from inside a run and from outside
    "judgeloop.ops.served_judge",  # what a server of a judge is told
    "judgeloop.ops.status",  # `make status` tells a loop from its ledger
    "judgeloop.ops.workers",  # and from the leases of the tasks at work
    "judgeloop.runtime.ending",
    "judgeloop.runtime.lease",  # two submits of one loop at once
    "judgeloop.runtime.lost_failures",  # what the ledger could not take
    "judgeloop.runtime.ledger",  # the local runner claims the loop id and reads what failed
    "judgeloop.runtime.log_level",
    "judgeloop.runtime.reference",  # the configuration goes into the store, a pipeline names it
    "judgeloop.runtime.progress",
    "judgeloop.runtime.redaction",  # what is printed holds no secret and no control character
    "judgeloop.runtime.secret_list",  # the check of compiled files has no list of its own
    "judgeloop.runtime.stage_table",  # what placement and the check of compiled files go by
    "judgeloop.trainjob.place",  # what a profile gives the pods of TrainJobs
    "judgeloop.store",  # the local runner copies the finished report out of the store
)
LAYERS = {
    "schema": "",
    "cluster": "schema",
    "tiny": "schema",
    "store": "schema",
    "method": "schema tiny",
    "prompt_sets": "schema store method",
    "registry": "schema store method prompt_sets",
    "data": "schema store method",
    "models": "schema store method prompt_sets registry",
    "engines": "schema store models",
    "evaluation": "schema store method data",
    "runtime": "schema cluster store method prompt_sets models engines",
    "training": "schema store models engines runtime",
    "trainjob": "schema cluster store runtime",
    "report": "schema store method evaluation runtime",
    "runtime.stages": "schema cluster tiny store method prompt_sets registry data models engines "
    "evaluation runtime training trainjob report",
    "ops": "schema cluster tiny store method registry data models engines runtime report "
    "runtime.stages trainjob",
    "runtime.tasks": "schema store runtime runtime.stages ops",
}
"""The packages of the core from the bottom to the top, each with those that it may import.

Above them stand the interfaces: `batch`, `cli`, `judge`, `scorer` and `serve`.
"""
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc"}
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60  # without the docstring; 40 is the aim
MAX_COMPONENT_BODY_LINES = 15

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(root: Path, folder: str) -> Iterator[tuple[str, ast.Module]]:
    """Every module below a folder: its path from the root and its syntax tree."""
    for path in sorted((root / folder).rglob("*.py")):
        yield path.relative_to(root).as_posix(), ast.parse(path.read_text())


def imported(node: ast.AST, path: str) -> list[str]:
    """The absolute names that one statement imports; `from a import b` may mean a or a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    package = Path(path).parent.parts
    above = package[: len(package) - node.level + 1] if node.level else ()
    base = ".".join([*above, *([node.module] if node.module else [])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports(tree: ast.AST, path: str, *, eager: bool = False) -> Iterator[tuple[str, int]]:
    """(name, line) of everything imported; `eager`: only what importing the module runs."""
    for child in ast.iter_child_nodes(tree):
        for name in imported(child, path):
            yield name, child.lineno  # type: ignore[attr-defined]
        if not (eager and (isinstance(child, Function | ast.Lambda) or is_type_checking(child))):
            yield from imports(child, path, eager=eager)


def attributes(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(.name, line) of every attribute that is looked up."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield f".{node.attr}", node.lineno


def top(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def below(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def body_lines(function: Function) -> int:
    """Lines of a function's body, the docstring not counted."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def orchestrator_in_core(root: Path) -> Iterator[str]:
    for path, tree in modules(root, "judgeloop"):
        for name, line in imports(tree, path):
            if top(name) in ORCHESTRATORS:
                yield f"{path}:{line}: the core never imports {name}"


def heavy_at_import(root: Path) -> Iterator[str]:
    for path, tree in modules(root, "judgeloop"):
        for name, line in imports(tree, path, eager=True):
            if top(name) in HEAVY:
                yield f"{path}:{line}: import {name} inside the function that needs it"


def layer(name: str) -> str | None:
    """The layer of a module of the core, None where it is above all layers."""
    parts = name.split(".")[1:]
    return next((key for n in (2, 1) if (key := ".".join(parts[:n])) in LAYERS), None)


def upward_import(root: Path) -> Iterator[str]:
    for path, tree in modules(root, "judgeloop"):
        mine = layer(path.removesuffix(".py").replace("/", "."))
        if mine is None:
            continue
        allowed = {mine, *LAYERS[mine].split()}
        for name, line in imports(tree, path):
            ours = name.startswith("judgeloop.") and name != "judgeloop.__version__"
            if ours and layer(name) not in allowed:
                yield f"{path}:{line}: {mine} may not import {name}"


def thick_component(root: Path) -> Iterator[str]:
    standard = sys.stdlib_module_names
    for path, tree in modules(root, "components"):
        for name, line in imports(tree, path, eager=True):
            if top(name) not in {"kfp", "components"} | standard:
                yield f"{path}:{line}: {name} does not belong at a component's module level"
        for name, line in imports(tree, path):
            if top(name) not in {"kfp", "components", "judgeloop"} | standard:
                yield f"{path}:{line}: a component calls the core, it does not import {name}"
        if path.endswith("/component.py"):
            for node in tree.body:
                if isinstance(node, Function) and body_lines(node) > MAX_COMPONENT_BODY_LINES:
                    yield f"{path}:{node.lineno}: {node.name} has {body_lines(node)} lines"


def pipeline_reaching_into_core(root: Path) -> Iterator[str]:
    for path, tree in modules(root, "pipelines"):
        for name, line in imports(tree, path):
            core = name == "judgeloop" or any(below(name, allowed) for allowed in CORE_IN_PIPELINES)
            if not core and top(name) not in MAY_IMPORT_IN_PIPELINES | sys.stdlib_module_names:
                yield f"{path}:{line}: pipelines may not import {name}"


def gold_in_reach(root: Path) -> Iterator[str]:
    for folder in ("judgeloop", "components", "pipelines"):
        for path, tree in modules(root, folder):
            for name, line in [*imports(tree, path), *attributes(tree)]:
                for source, allowed in GOLD.items():
                    asked = name in (source, "." + source.rpartition(".")[2])
                    asked |= source.startswith(GOLD_MODULE) and below(name, GOLD_MODULE)
                    if asked and path not in allowed:
                        yield f"{path}:{line}: only {sorted(allowed)} may ask for {source}"


def benchmark_labels_in_reach(root: Path) -> Iterator[str]:
    for path, tree in modules(root, "judgeloop"):
        if path in BENCHMARK_READERS or path.startswith("judgeloop/evaluation/benchmarks/"):
            continue
        for name, line in imports(tree, path):
            if below(name, BENCHMARKS) and not below(name, SEEN):
                yield f"{path}:{line}: only {sorted(BENCHMARK_READERS)} may import {name}"


def nameless_module(root: Path) -> Iterator[str]:
    for folder in ("judgeloop", "components", "pipelines", "images", "benchmarks", "tests"):
        for path, _ in modules(root, folder):
            if NAMELESS & set(Path(path).with_suffix("").parts):
                yield f"{path}: name the thing"


def too_long(root: Path) -> Iterator[str]:
    for folder in ("judgeloop", "components", "pipelines", "images", "benchmarks", "tests"):
        for path, tree in modules(root, folder):
            lines = len((root / path).read_text().splitlines())
            if lines > MAX_MODULE_LINES:
                yield f"{path}: {lines} lines, at most {MAX_MODULE_LINES}"
            for node in ast.walk(tree):
                if isinstance(node, Function) and body_lines(node) > MAX_FUNCTION_LINES:
                    yield f"{path}:{node.lineno}: {node.name} has {body_lines(node)} lines"


Rule = Callable[[Path], Iterator[str]]
RULES: list[Rule] = [
    orchestrator_in_core, heavy_at_import, upward_import, thick_component,
    pipeline_reaching_into_core, gold_in_reach, benchmark_labels_in_reach, nameless_module,
    too_long,
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps_the_rule(rule: Rule) -> None:
    assert list(rule(REPOSITORY)) == []


def test_each_layer_imports_layers_below_it_only() -> None:
    order = list(LAYERS)
    for name, below_it in LAYERS.items():
        assert set(below_it.split()) <= set(order[: order.index(name)]), name


@pytest.mark.parametrize("source", GOLD)
def test_the_rule_about_gold_names_what_exists(source: str) -> None:
    module, _, function = source.rpartition(".")
    tree = ast.parse((REPOSITORY / (module.replace(".", "/") + ".py")).read_text())
    assert function in [node.name for node in tree.body if isinstance(node, Function)]
    assert [path for path in GOLD[source] if not (REPOSITORY / path).is_file()] == []


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (orchestrator_in_core, "judgeloop/a.py", "def f():\n    from kfp import dsl\n"),
        (orchestrator_in_core, "judgeloop/a.py", "import kubernetes.client\n"),
        (heavy_at_import, "judgeloop/a.py", "import torch\n"),
        (heavy_at_import, "judgeloop/a.py", "try:\n    from trl import A\nexcept E: ...\n"),
        (heavy_at_import, "judgeloop/s/a.py", "class A:\n    import mlflow.tracking\n"),
        (upward_import, "judgeloop/schema/a.py", "from judgeloop.store import Store\n"),
        (upward_import, "judgeloop/method/a/b.py", "from ...engines import base\n"),
        (
            upward_import,
            "judgeloop/method/a.py",
            "def f():\n    import judgeloop.evaluation.gate\n",
        ),
        (upward_import, "judgeloop/runtime/a.py", "from judgeloop.runtime.stages import judge\n"),
        (upward_import, "judgeloop/engines/a.py", "from judgeloop.cli.options import local_path\n"),
        (thick_component, "components/a/component.py", "import judgeloop\n"),
        (thick_component, "components/a/component.py", "def f():\n    import torch\n"),
        (thick_component, "components/a/component.py", "def f():\n    'd'\n" + "    g()\n" * 16),
        (
            pipeline_reaching_into_core,
            "pipelines/a.py",
            "from judgeloop.runtime.stages import judge\n",
        ),
        (pipeline_reaching_into_core, "pipelines/a.py", "from judgeloop import stages\n"),
        (pipeline_reaching_into_core, "pipelines/a.py", "def f():\n    import mlflow\n"),
        (
            gold_in_reach,
            "judgeloop/runtime/stages/a.py",
            "from judgeloop.runtime.stages import gold\n",
        ),
        (gold_in_reach, "judgeloop/runtime/stages/a.py", "from .gold import load\n"),
        (
            gold_in_reach,
            "judgeloop/evaluation/__init__.py",
            "from ..runtime.stages.gold import load\n",
        ),
        (gold_in_reach, "components/a/component.py", f"def f():\n    import {GOLD_MODULE}\n"),
        (
            gold_in_reach,
            "judgeloop/runtime/stages/a.py",
            "from judgeloop.data.rows import read_gold\n",
        ),
        (gold_in_reach, "judgeloop/a.py", "from .tiny import dataset\ndataset.write_gold()\n"),
        (
            benchmark_labels_in_reach,
            "judgeloop/runtime/stages/judge.py",
            f"def f():\n    from {BENCHMARKS} import BENCHMARKS\n",
        ),
        (nameless_module, "judgeloop/runtime/stages/utils.py", ""),
        (nameless_module, "judgeloop/common/a.py", ""),
        (too_long, "judgeloop/a.py", "a = 1\n" * 401),
        (too_long, "judgeloop/a.py", "def f():\n" + "    g()\n" * 61),
    ],
)
def test_a_planted_violation_is_caught(rule: Rule, path: str, source: str, tmp_path: Path) -> None:
    planted = tmp_path / path
    planted.parent.mkdir(parents=True)
    planted.write_text(source)
    assert [found.split(":")[0] for found in rule(tmp_path)][:1] == [path]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("judgeloop/a.py", "def f():\n    import torch\n"),
        ("judgeloop/a.py", "if TYPE_CHECKING:\n    import torch\n"),
        (
            "judgeloop/runtime/stages/evaluate.py",
            "from judgeloop.runtime.stages.gold import load\n",
        ),
        ("judgeloop/runtime/stages/a.py", "from judgeloop.evaluation import golden, score\n"),
        ("judgeloop/a.py", "def f():\n    '''d\n" + "d\n" * 61 + "    '''\n    g()\n"),
        ("components/a/component.py", "import kfp\ndef f():\n    from judgeloop import x\n"),
        ("pipelines/a.py", "from judgeloop.schema.config import load\nimport components\n"),
    ],
)
def test_what_the_design_allows_passes(path: str, source: str, tmp_path: Path) -> None:
    allowed = tmp_path / path
    allowed.parent.mkdir(parents=True)
    allowed.write_text(source)
    assert [found for rule in RULES for found in rule(tmp_path)] == []
