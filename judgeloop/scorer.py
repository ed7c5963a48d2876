"""An MLflow scorer that judges each output of an application against a reference answer.

import mlflow
from judgeloop import Judge
from judgeloop.scorer import judge_scorer

with Judge.load("models:/judgeloop-tiny@champion") as judge:
    mlflow.genai.evaluate(data=rows, scorers=[judge_scorer(judge)])
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from judgeloop.schema.errors import DataError

if TYPE_CHECKING:
    from mlflow.genai.scorers import Scorer

    from judgeloop.judge import Judge
    from judgeloop.method.judging.comparison import PairJudgement

_OUTCOMES: dict[str | None, str] = {"a": "better", "b": "worse", None: "undecided"}


def judge_scorer(
    judge: Judge, name: str = "judgeloop", reference: str = "expected_response"
) -> Scorer:
    """Returns a scorer for `mlflow.genai.evaluate`.

    A row has `inputs` with `question` and `images` (paths, `data:` URIs), `outputs` with the answer
    as a text, and `expectations` with the reference answer. The feedback is `better`, `worse` or
    `undecided`, over both orders, with the judge's reasoning as its rationale.

    Args:
        judge: A loaded judge; it is asked by one thread at a time.
        name: Name of the feedback.
        reference: The field of `expectations` that holds the other answer.

    Raises:
        ImportError: MLflow is not installed: install judgeloop[registry].
    """
    from mlflow.entities import AssessmentSource, Feedback
    from mlflow.genai.scorers import scorer

    lock = threading.Lock()  # MLflow calls from several threads, an engine allows one

    def compare(
        inputs: Mapping[str, Any], outputs: Any, expectations: Mapping[str, Any]
    ) -> Feedback:
        question, images = inputs.get("question"), inputs.get("images")
        other = expectations.get(reference)
        if not isinstance(question, str) or not isinstance(images, list):
            raise DataError("inputs: give `question`, a text, and `images`, a list")
        if not isinstance(outputs, str) or not isinstance(other, str):
            raise DataError(f"outputs and expectations[{reference!r}]: give an answer as a text")
        with lock:
            found = judge.judge(question, images, outputs, other)
        return Feedback(
            value=_OUTCOMES[found.winner],
            rationale=rationale(found),
            source=AssessmentSource(source_type="LLM_JUDGE", source_id=judge.version.name),
            metadata={"reason": found.reason or "", "confidence": str(found.confidence or "")},
        )

    return scorer(compare, name=name)


def rationale(found: PairJudgement) -> str:
    """Returns the judgements of both orders, as the judge wrote them."""
    shown = {"a": "the output first", "b": "the reference first"}
    return "\n\n".join(f"{shown[one.shown_first]}: {one.text.strip()}" for one in found.judgements)
