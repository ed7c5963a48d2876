"""The sections of the method: synthesis, judging, filtering and validation."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from judgeloop.schema.sampling import Sampling
from judgeloop.schema.section import Count, Positive, Section

Share = Annotated[float, Meta(gt=0, le=1)]


class SynthesisSection(Section, frozen=True, kw_only=True):
    """How preference pairs are made (paper, stage I). The base model makes them."""

    route_samples: Count = 0
    """Answers of the base that decide a question's kind where neither its row, nor its subset, nor
    its wording does; with 0 the wording decides all the same."""
    answer: Sampling
    """Sampling of the original answer to an open question."""
    alter: Sampling
    """Sampling of the altered copy."""
    errors: tuple[str, ...]
    """Kinds of error to plant; one is drawn for each question from those that apply to it."""
    alter_tries: Positive = 4
    """Altered copies that are sampled; of those that pass, the nearest in length is used."""
    min_length_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Copies shorter than this times the original, or longer by its inverse, are dropped."""
    min_omission_ratio: Share = 0.5
    """The same for copies with an omission, which may not be longer."""
    check_meaning: bool = False
    """Ask the base once more, and drop a copy that it says does not contradict the original."""
    vote: Sampling
    """Sampling of the answers to a closed question."""
    vote_samples: Positive = 16
    vote_threshold: Positive = 5
    """Votes that the most frequent answer needs (paper: 5 of 16)."""
    vote_margin: Positive = 1
    """Votes that it needs more than the second."""
    vote_rejected: Literal["sample", "frequent"] = "sample"
    """The rejected answer: any other sample, or one with the most frequent other answer."""

    def __post_init__(self) -> None:
        """Refuses a vote that can't be won."""
        if self.vote_threshold > self.vote_samples:
            raise ValueError("vote_threshold is larger than vote_samples: no vote could be won")
        if not self.errors:
            raise ValueError("errors is empty: name at least one kind of error to plant")


class JudgingSection(Section, frozen=True, kw_only=True):
    """How pairs are judged; always in both orders."""

    sampling: Sampling
    samples: Positive = 1
    """Judgements per order."""
    attacked_share: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Share of the pairs that are judged, and train, with an attack in the rejected answer."""


class FilteringSection(Section, frozen=True, kw_only=True):
    """Which judgements become examples."""

    keep: Literal["agreeing", "unfiltered", "shuffled"] = "agreeing"
    """`agreeing` is the method. The others are the study's controls: `unfiltered` keeps all samples
    that are decided in both orders, `shuffled` flips each pair's preference at random first."""
    both_orders: bool = True
    """Keep a sample's judgements only where both orders agree with the preference."""
    majority: bool = False
    """More than half of an order's samples must agree, where undecided ones do not agree; else each
    sample is kept or dropped by itself."""
    traces_per_pair: Positive | None = None
    """Judgements of a pair that may become examples, drawn by seed, A and B in turn."""
    last_verdict: Literal["ignored", "same", "not_opposite"] = "ignored"
    """What the last judge of the same pairs must have said of a pair, in both orders: the same, or
    at least not the opposite. It needs `data.fresh_pairs: false`, and does not apply to pairs
    judged for the first time."""
    permuted_options: bool = False
    """Judge a question with options again with the options reordered, and keep a judgement only if
    its verdict stays the same."""
    reason_words: Count = 0
    """Words that a trace needs beside its verdict; 1 drops traces that are a bare verdict."""
    reason_names_answer: bool = False
    """The reason must have a word by which the answers differ."""
    max_sentence_share: Share | None = None
    """Sentences in the traces of a larger share of the pairs, and of more than five, are
    boilerplate: no reason."""
    max_similarity: Share | None = None
    """A trace is left out if it shares at least this part of its words with an earlier one."""
    pairs_per_kind: Positive | None = None
    """Pairs of one kind of question of which examples are made; more are left out by seed."""
    pairs_per_error: Positive | None = None
    """The same for one kind of planted error."""
    pairs_per_image: Positive | None = None
    """The same for one image (a question's first)."""
    min_examples: Positive = 2
    """Fewer examples than this starve the loop: it stops and shows the funnel."""
    max_examples: Positive | None = None
    """Examples above this are dropped at random (by seed), whole pairs at a time. The rest is
    balanced: as many examples say A as say B (except in the control `unfiltered`)."""


class ValidationSection(Section, frozen=True, kw_only=True):
    """Held-out synthetic pairs: they feed the stop rule and the choice of the best version."""

    share: Annotated[float, Meta(gt=0, lt=1)]
    """Share of the images held out; their questions are never trained on."""
    sampling: Sampling
