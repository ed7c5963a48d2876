"""Who resolves a model, who names counts, and that nothing is decided by a manifest's details."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.unit.test_layout import below, imports, modules

RESOLVER = "judgeloop.models.fetch"
"""Turns a model reference into local paths: called by the runtime, once a model."""
STORE_BELOW_MODELS = {"judgeloop.store", "judgeloop.store.MissingObjectError"}
"""What engines and training import of the store, beside images: no store is opened there."""
DETAILS_OF_THEIR_OWN = "judgeloop/evaluation/benchmarks/"
"""Figures have a field of this name there, which no manifest has."""
COUNTS = ("dropped/", "rows/", "tokens/", "yield/")
"""How names of a manifest's counts begin."""
NAMES_OF_COUNTS = "judgeloop/schema/counts.py"
ENGINE, TRAINING = "judgeloop/engines/a.py", "judgeloop/training/a.py"
Rule = Callable[[Path], Iterator[str]]


def model_resolved_again(root: Path) -> Iterator[str]:
    for folder in ("judgeloop/engines", "judgeloop/training"):
        for path, tree in modules(root, folder):
            for name, line in imports(tree, path):
                store = below(name, "judgeloop.store") and name not in STORE_BELOW_MODELS
                if below(name, RESOLVER) or (store and not below(name, "judgeloop.store.images")):
                    yield f"{path}:{line}: it is given a LocalModel, and does not import {name}"


def details_that_decide(root: Path) -> Iterator[str]:
    """What reads `details`, but for a manifest that is made anew with further ones."""
    for folder in ("judgeloop", "components", "pipelines"):
        for path, tree in modules(root, folder):
            if path.startswith(DETAILS_OF_THEIR_OWN):
                continue
            nodes = list(ast.walk(tree))
            extended = {
                id(node.value.left)
                for node in nodes
                if isinstance(node, ast.keyword) and node.arg == "details"
                if isinstance(node.value, ast.BinOp)
            }
            for node in nodes:
                is_read = isinstance(node, ast.Attribute) and node.attr == "details"
                if is_read and id(node) not in extended:
                    yield f"{path}:{node.lineno}: details are for people; make it a typed field"


def counts_named_by_hand(root: Path) -> Iterator[str]:
    for path, tree in modules(root, "judgeloop"):
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and text.startswith(COUNTS) and path != NAMES_OF_COUNTS:
                yield f"{path}:{node.lineno}: {text!r}: judgeloop.schema.counts makes such names"


@pytest.mark.parametrize("rule", [model_resolved_again, details_that_decide, counts_named_by_hand])
def test_the_repository_keeps_the_boundary(rule: Rule) -> None:
    assert list(rule(REPOSITORY)) == []


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (model_resolved_again, ENGINE, f"def f():\n    from {RESOLVER} import fetch_adapter\n"),
        (model_resolved_again, ENGINE, "from judgeloop.store import open_store\n"),
        (model_resolved_again, TRAINING, "from ..models import fetch\n"),
        (counts_named_by_hand, "judgeloop/a.py", "counts[f'dropped/{reason}'] += 1\n"),
        (details_that_decide, "judgeloop/runtime/a.py", "a = made.details['x']\n"),
        (details_that_decide, "judgeloop/a.py", "a = f(details=b.get(made.details))\n"),
        (details_that_decide, "pipelines/a.py", "def f(made):\n    return 'x' in made.details\n"),
    ],
)
def test_what_crosses_a_boundary_is_found(
    rule: Rule, path: str, source: str, tmp_path: Path
) -> None:
    planted = tmp_path / path
    planted.parent.mkdir(parents=True)
    planted.write_text(source)
    assert [found.split(":")[0] for found in rule(tmp_path)][:1] == [path]


def test_a_manifest_may_be_made_with_further_details(tmp_path: Path) -> None:
    (tmp_path / "judgeloop").mkdir()
    source = "b = replace(made, details=made.details | {'cost': '1'})\n"
    (tmp_path / "judgeloop" / "a.py").write_text(source)
    assert list(details_that_decide(tmp_path)) == []
