"""Changes the training pairs in ways that no configuration offers: wrong labels, correct answers.

Every function takes a manifest of pairs and returns one of other pairs, in the same store, which
`judge` and `filter` take in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from benchmarks.study.arms import Arm
from judgeloop.method.synthesis.answers import normalize
from judgeloop.schema.keys import content_key, fraction
from judgeloop.schema.records import Manifest, Pair, Voted
from judgeloop.store import Store
from judgeloop.store.shards import Work, finish, finished, read_records, read_shards, write_shards
from judgeloop.tiny.dataset import draw_questions
from judgeloop.tiny.questions import gold_answer

STAGE = "study"
Change = Callable[[Pair], Pair | None]


def relabelled(store: Store, pairs: Manifest, arm: Arm, questions: int, seed: int) -> Manifest:
    """Returns the pairs that an arm is trained on.

    Args:
        store: Where they lie.
        pairs: What synthesis made.
        arm: The arm, which defines the change.
        questions: Number of the world's questions, whose answers are drawn again from `seed`.
        seed: The loop's.
    """
    if arm.noise:
        return _changed(store, pairs, ("noise", arm.noise, seed), noisy(arm.noise, seed))
    if not arm.pairs:
        return pairs
    majority = _changed(store, pairs, ("majority",), closed)
    if arm.pairs == "majority":
        return majority
    answers = correct_answers(questions, seed)
    what = ("correct majority", questions, seed)
    correct = _changed(store, majority, what, by_answer(answers))
    if arm.pairs == "correct":
        return correct
    kept = drawn(store, majority, correct.rows, seed)
    cut = ("cut", correct.rows, seed)
    return _changed(store, majority, cut, lambda pair: pair if pair.id in kept else None)


def noisy(share: float, seed: int) -> Change:
    """Exchanges the answers of a share of the pairs, by a hash of the pair's id."""

    def change(pair: Pair) -> Pair:
        return swapped(pair) if fraction("noise", seed, pair.id) < share else pair

    return change


def closed(pair: Pair) -> Pair | None:
    """Keeps the pairs that were made by a vote."""
    return pair if isinstance(pair.origin, Voted) else None


def by_answer(answers: dict[str, str]) -> Change:
    """Leaves out the pairs whose chosen answer, the majority's, is not the correct one."""

    def change(pair: Pair) -> Pair | None:
        right = normalize(answers[pair.question.id], pair.question)
        return pair if normalize(pair.chosen, pair.question) == right else None

    return change


def swapped(pair: Pair) -> Pair:
    """Exchanges the chosen and the rejected answer; the pair has another id then."""
    name = content_key(STAGE, pair.id, pair.rejected, pair.chosen)
    return msgspec.structs.replace(pair, id=name, chosen=pair.rejected, rejected=pair.chosen)


def drawn(store: Store, pairs: Manifest, count: int, seed: int) -> set[str]:
    """Samples `count` pairs, by a hash of their ids."""
    names = [pair.id for pair in read_records(store, pairs, Pair)]
    return set(sorted(names, key=lambda name: fraction("cut", seed, name))[:count])


def correct_answers(questions: int, seed: int) -> dict[str, str]:
    """Returns the right answer to each of the world's questions, by the question's id."""
    return {
        name: gold_answer(scene, asked) for name, scene, asked in draw_questions(questions, seed)
    }


def _changed(store: Store, pairs: Manifest, what: tuple[object, ...], change: Change) -> Manifest:
    header = Manifest(
        stage=STAGE,
        stage_version=1,
        key=content_key(STAGE, pairs.key, what),
        inputs=(pairs.key,),
        partition=pairs.partition,
        seed=pairs.seed,
    )
    done = finished(store, STAGE, header.key)
    if done is not None:
        return done

    def work(batch: Sequence[Pair]) -> Work:
        return Work([made for pair in batch if (made := change(pair)) is not None])

    return finish(store, write_shards(store, header, read_shards(store, pairs, Pair), work))
