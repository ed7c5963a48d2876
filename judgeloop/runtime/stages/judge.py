"""Judge: the current judge judges every pair in both orders, with reasoning (paper, stage II)."""

from __future__ import annotations

from collections import Counter

import msgspec

from judgeloop.method.judging.known_pairs import judge_known_pair
from judgeloop.prompt_sets import load_prompts
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.stage_settings import JudgeSettings
from judgeloop.runtime.stages.inference import infer, inference_manifest
from judgeloop.schema.records import Choice, Dropped, Judgement, Manifest, ModelRef, Pair
from judgeloop.schema.results import Verdicts
from judgeloop.store import Store
from judgeloop.store.shards import Seen, read_shards

STAGE = "judge"


def judge(
    config: JudgeSettings,
    store: Store,
    iteration: int,
    partition: int,
    pairs: Manifest,
    model: ModelRef,
) -> Manifest:
    """Judges one partition's pairs.

    Returns:
        The manifest: shards of Judgement, one for each shard of pairs; counts `inputs` (pairs),
        `rows` (judgements) and `tokens/completion`; the result is `Verdicts`.
    """
    settings, seed = config.judging, config.loop.seed
    permutes = config.filtering.permuted_options
    inputs, samplings = {"model": model, "pairs": pairs}, {"sampling": settings.sampling}
    header = inference_manifest(STAGE, config, model, inputs, samplings, partition)
    prompts, verdicts = load_prompts(config.prompts), _Verdicts()
    return infer(
        config,
        store,
        header,
        batches=read_shards(store, pairs, Pair),
        steps=lambda pair: judge_known_pair(prompts, pair, settings, permutes, seed),
        progress=lambda: Progress(f"{iteration:03d}/{STAGE}/p{partition:03d}", pairs.rows, "pairs"),
        complete=verdicts.complete,
        seen=Seen(Judgement, verdicts.add),
    )


class _Verdicts:
    """Counts judgements."""

    def __init__(self) -> None:
        self._choices: Counter[Choice] = Counter()
        self._reasons: Counter[str] = Counter()
        self._agreeing = self._tokens = 0

    def add(self, judgements: list[Judgement], _: list[Dropped]) -> None:
        """Counts a shard's judgements."""
        for judgement in judgements:
            self._choices[judgement.verdict.choice] += 1
            if judgement.verdict.choice is Choice.UNDECIDED:
                self._reasons[judgement.verdict.reason or ""] += 1
            self._agreeing += judgement.agrees is True
            self._tokens += judgement.tokens
            self._tokens += judgement.permuted.tokens if judgement.permuted else 0

    def complete(self, written: Manifest) -> Manifest:
        """Returns the manifest with the counts."""
        verdicts = Verdicts(
            a=self._choices[Choice.A],
            b=self._choices[Choice.B],
            undecided=dict(sorted(self._reasons.items())),
            agreeing=self._agreeing,
        )
        # An endpoint counts tokens itself.
        tokens = {"completion": self._tokens} | written.tokens
        counts = msgspec.structs.replace(written.counted, tokens=tokens).named()
        return msgspec.structs.replace(written, counts=counts, result=verdicts)
