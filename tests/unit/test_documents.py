"""What the documents name exists; and what names nothing is noticed."""

from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.documents import complaints
from tests.documents.known import files

DOCUMENTS = sorted(path for path in files() if path.endswith(".md"))
PLACE = Path("docs/planted.md")
EXCEPT = {
    # A page about wrong input shows wrong names.
    "`loop.iteration`: the configuration has no such key",
    # Of benchmarks.
    "`1_run_model_as_judge_gpt4o.py`: there is no such file, and the code writes none",
    "`prompt.py`: there is no such file, and the code writes none",
}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_everything_that_a_document_names_exists(document: str) -> None:
    place = Path(document)
    found = set(complaints((REPOSITORY / place).read_text(), place))
    assert found - EXCEPT == set()


def test_the_documents_that_users_read_are_among_them() -> None:
    assert {"README.md", "CONTRIBUTING.md", "docs/reliability.md", "images/README.md"} <= set(
        DOCUMENTS
    )


def block(line: str) -> str:
    return f"```\n{line}\n```\n"


WRONG = {
    "`tests/contract/test_gone.py`": "test_gone.py`: there is no such file",
    "`judgeloop/registry/gone.py`": "there is no such file",
    "`judgeloop/registry/gone/`": "there is no such file",
    "`gone.py`": "there is no such file",
    "`stages/gone.py`": "there is no such file",
    "`components/<stage>/gone.py`": "there is no such file",
    "`k8s/profiles/*.toml`": "there is no such file",
    "`gone.jsonl`": "the code writes none",
    "`requirements/gone.lock`": "the code writes none",
    "[text](gone.md)": "link to gone.md: there is no such file",
    "[text](method.md#gone)": "no such heading",
    "[text](#gone)": "no such heading",
    "`test_layout.py::test_that_is_gone`": "test_that_is_gone: there is no such test",
    "in `test_that_is_gone_…` (3)": "test_that_is_gone_…: no test begins so",
    block("test_that_is_gone PASSED"): "there is no such test",
    "`data.gone`": "`data.gone`: the configuration has no such key",
    "`engine.vllm.gone: true`": "the configuration has no such key",
    "`make gone`": "make gone: there is no such target",
    "`make images gone`": "make gone: there is no such target",
    "`make test GONE=1`": "make GONE=…: there is no such variable",
    "`make run CONFIG=a.yaml SET=\"data.gone=1\"`": "data.gone=1: the configuration has no",
    "`make test ARGS=tests/unit/test_gone.py`": "pytest tests/unit/test_gone.py",
    "`make test-slow ARGS=\"-k 'random_moments or gone_away'\"`": "-k gone_away: fits no test",
    "`make soak ARGS=\"--gone 3\"`": "--gone: there is no such option",
    "`make check ARGS=x`": "make check ARGS=…: it takes none",
    block("$ pytest tests/unit/test_gone.py -q"): "there is no such file",
    block("python -m benchmarks.gone"): "python -m benchmarks.gone: there is no such module",
    block("python -m benchmarks.memory --gone"): "--gone: there is no such option",
    block("python -m images gone_too --gone"): "--gone: there is no such option",
    block("make demo  # right\nX=1 make gone | tail"): "make gone: there is no such target",
    block(".venv/bin/judgeloop gone runs/demo"): "judgeloop gone: there is no such command",
    block("judgeloop status \\\n    --gone"): "judgeloop status --gone: there is no such option",
    block("python -m pipelines gone"): "judgeloop gone: there is no such command",
    block("python -m pipelines run --set gone=1"): "gone=1: the configuration has no such key",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_a_name_of_nothing_is_noticed(text: str) -> None:
    found = list(complaints(text, PLACE))
    assert [sentence for sentence in found if WRONG[text] in sentence], found


RIGHT = (
    "`tests/contract/test_registry.py::test_registering_twice_gives_one_version_with_one_run`",
    "`registry.model_name=x`, `store.env`, `judge.json`, `components/<stage>/component.py`",
    "[a](method.md) [b](https://arxiv.org/abs/2512.05145) [c](#a-head)\n\n## A (head)\n",
    "It's what `make` does; don't `judgeloop`; `git status`; `python -m http.server`",
    block("judgeloop clean: loop second is unfinished\nmake demo / make run    a cluster"),
    block("make submit … FOLLOW=1\nkubectl make gone\nJOBS=2 make test && make gone"),
)


@pytest.mark.parametrize("text", RIGHT)
def test_what_exists_and_what_is_not_ours_is_passed_over(text: str) -> None:
    assert list(complaints(text, PLACE)) == []
