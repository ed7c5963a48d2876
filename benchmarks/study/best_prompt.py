"""Asks the untrained tiny base which of a gold pair's answers is right, in many ways.

A trained judge is to be compared with its base under the base's best prompt, not only `judge:`. A
way is a wording and a reading of the answer. None is trained or uses labels: thresholds are medians
over all prompts.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from PIL import Image

from judgeloop.engines.checkpoint import Checkpoint, load_checkpoint
from judgeloop.evaluation.statistics import wilson
from judgeloop.method.judging.verdict import parse_tiny_verdict
from judgeloop.models.fetch import fetch_model
from judgeloop.models.references import BUILTIN, describe_base
from judgeloop.schema.engine_section import EngineSection
from judgeloop.store import FolderStore
from judgeloop.store.local_files import write_whole
from judgeloop.tiny import formats
from judgeloop.tiny.dataset import write_gold
from judgeloop.tiny.unplanted import write_unplanted

BATCH = 250
MAX_TOKENS = 40
Orders = tuple[bool, bool]
"""Whether the chosen answer was named when it was shown first, and when it was shown second."""


class GoldPair(NamedTuple):
    """A pair and its picture."""

    category: str
    image: Image.Image
    question: str
    chosen: str
    rejected: str

    def shown(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """The answers in both orders."""
        return (self.chosen, self.rejected), (self.rejected, self.chosen)


Wording = Callable[[str, Sequence[str]], str]
WORDINGS: dict[str, Wording] = {
    "judge: …": lambda question, answers: formats.judge(question, *answers),
    "choose: …": formats.choose,
    "no task word": lambda question, answers: f"{question} {formats.options(answers)}",
    "answer: … (a word of no task)": lambda question, answers: (
        f"answer: {question} {formats.options(answers)}"
    ),
    "choose: … without the question": lambda _, answers: f"choose: {formats.options(answers)}",
}
"""Prompts with both answers, after which the model says `I see <answer> <letter>`."""


class Asked:
    """The base, asked in batches; greedy."""

    def __init__(self) -> None:
        settings = EngineSection(kind="transformers", batch_size=BATCH, dtype="float32")
        with tempfile.TemporaryDirectory() as folder:
            store = FolderStore(Path(folder))
            model = fetch_model(describe_base(BUILTIN, None), store)
            self._made: Checkpoint = load_checkpoint(settings, model)
        self._tokenizer: Any = self._made.processor.tokenizer  # type: ignore[attr-defined]
        letters = [self._tokenizer(f" {letter}")["input_ids"] for letter in "AB"]
        assert all(len(tokens) == 1 for tokens in letters)
        self._letters = [tokens[0] for tokens in letters]

    def texts(self, prompts: Sequence[tuple[Image.Image, str]]) -> list[str]:
        """The base's text for each image and prompt."""
        import torch

        said: list[str] = []
        for tensors in self._batches([(image, self._turn(text)) for image, text in prompts]):
            with torch.inference_mode():
                made: Any = self._made.network.generate(  # type: ignore[operator]
                    **tensors, max_new_tokens=MAX_TOKENS, do_sample=False
                )
            new = made[:, tensors["input_ids"].shape[1] :]
            said += self._tokenizer.batch_decode(new, skip_special_tokens=True)
        return said

    def letter_leanings(
        self, prompts: Sequence[tuple[Image.Image, str]], seen: Sequence[str]
    ) -> list[float]:
        """Logit of A less that of B, after `I see <what it says it sees>`."""
        import torch

        whole = [
            (image, f"{self._turn(text)}I see {what}")
            for (image, text), what in zip(prompts, seen, strict=True)
        ]
        found: list[float] = []
        for tensors in self._batches(whole):
            with torch.inference_mode():
                last = self._made.network(**tensors).logits[:, -1]
            found += (last[:, self._letters[0]] - last[:, self._letters[1]]).tolist()
        return found

    def likelihoods(
        self, prompts: Sequence[tuple[Image.Image, str]], answers: Sequence[str]
    ) -> list[float]:
        """Log likelihood of each answer, with its end, after its prompt."""
        import torch

        end = self._tokenizer.eos_token
        texts = [f"{answer}{end}" for answer in answers]
        whole = [
            (image, self._turn(prompt) + text)
            for (image, prompt), text in zip(prompts, texts, strict=True)
        ]
        lengths = iter([len(self._tokenizer(text)["input_ids"]) for text in texts])
        found: list[float] = []
        for tensors in self._batches(whole):
            ids = tensors["input_ids"]
            with torch.inference_mode():
                scores = self._made.network(**tensors).logits.log_softmax(-1)
            given = scores[:, :-1].gather(-1, ids[:, 1:, None]).squeeze(-1)
            found += [float(row[-next(lengths) :].sum()) for row in given]
        return found

    def _turn(self, text: str) -> str:
        content = [{"type": "image"}, {"type": "text", "text": text}]
        turn: str = self._made.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        return turn

    def _batches(self, whole: Sequence[tuple[Image.Image, str]]) -> Iterator[Any]:
        for at in range(0, len(whole), BATCH):
            part = whole[at : at + BATCH]
            yield self._made.processor(
                text=[text for _, text in part], images=[[image] for image, _ in part],
                padding=True, padding_side="left", return_tensors="pt",
            )  # fmt: skip


def ways(asked: Asked, pairs: Sequence[GoldPair]) -> dict[str, list[Orders]]:
    """Judges the pairs in every way; returns the result of both orders, by way and pair."""
    found: dict[str, list[Orders]] = {}
    for wording, make in WORDINGS.items():
        prompts = [
            (pair.image, make(pair.question, shown)) for pair in pairs for shown in pair.shown()
        ]
        said = asked.texts(prompts)
        letters = [str(parse_tiny_verdict(text).choice) for text in said]
        found[f"{wording}, its letter"] = _by_pair(
            [letter == "AB"[at % 2] for at, letter in enumerate(letters)]
        )
        seen = [text.removeprefix("I see ").rpartition(" ")[0] for text in said]
        found[f"{wording}, what it says it sees"] = [
            (matches(seen[2 * at], pair), matches(seen[2 * at + 1], pair))
            for at, pair in enumerate(pairs)
        ]
        leanings = asked.letter_leanings(prompts, seen)
        middle = median(leanings)
        found[f"{wording}, letters' logits, threshold at their median"] = _by_pair(
            [(leaning > middle) == (at % 2 == 0) for at, leaning in enumerate(leanings)]
        )
        found[f"{wording}, letters' logits, one order against the other"] = [
            (leanings[at] > leanings[at + 1],) * 2 for at in range(0, len(leanings), 2)
        ]
    own = asked.texts([(pair.image, pair.question) for pair in pairs])
    found["the question alone: its own answer is one of the two"] = [
        (matches(answer, pair),) * 2 for answer, pair in zip(own, pairs, strict=True)
    ]
    found["the question alone: its own answer shares more words, place by place, with one"] = [
        (nearer(answer, pair),) * 2 for answer, pair in zip(own, pairs, strict=True)
    ]
    questions = [(pair.image, pair.question) for pair in pairs for _ in range(2)]
    answers = [answer for pair in pairs for answer in (pair.chosen, pair.rejected)]
    likely = asked.likelihoods(questions, answers)
    found["the question alone: the likelier of both answers"] = [
        (likely[at] > likely[at + 1],) * 2 for at in range(0, len(likely), 2)
    ]
    return found


def matches(answer: str, pair: GoldPair) -> bool:
    """Whether an answer is the chosen one; one that is neither counts as wrong."""
    return answer.strip() == pair.chosen


def nearer(answer: str, pair: GoldPair) -> bool:
    """Whether an answer shares more words with the chosen one than with the rejected one."""
    words = answer.replace(",", "").split()
    shared = [
        _shared(words, text.replace(",", "").split()) for text in (pair.chosen, pair.rejected)
    ]
    return shared[0] > shared[1]


def _shared(words: list[str], other: list[str]) -> float:
    """Share of common words, place by place, of the longer text."""
    same = sum(a == b for a, b in zip(words, other, strict=False))
    return same / max(len(words), len(other), 1)


def _by_pair(right: Sequence[bool]) -> list[Orders]:
    return list(zip(right[::2], right[1::2], strict=True))


def best_prompts(folder: Path, gold: int = 1000, unplanted: int = 500) -> dict[str, Any]:
    """Returns each way's share right in both orders, with its interval; cached in the folder.

    Args:
        folder: Folder of the study; `best_prompt.json` in it is read, or written if missing.
        gold: Gold pairs.
        unplanted: Gold pairs with mistakes that synthesis does not plant.
    """
    kept = folder / "best_prompt.json"
    if kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text())
        return found
    asked = Asked()
    with tempfile.TemporaryDirectory() as name:
        sets = [
            read_pairs(write_gold(Path(name) / "gold", gold, 20_512)),
            read_pairs(write_unplanted(Path(name) / "unplanted", unplanted, 20_512)),
        ]
        judged = [ways(asked, pairs) for pairs in sets]
    made = {way: _figures(way, sets, judged) for way in judged[0]}
    write_whole(kept, json.dumps(made, indent=1, ensure_ascii=False).encode())
    return made


def read_pairs(file: Path) -> list[GoldPair]:
    """Reads a file of gold pairs of the tiny world with their pictures."""
    rows = map(json.loads, file.read_text().splitlines())
    return [
        GoldPair(
            category=row["category"],
            image=Image.open(file.parent / row["images"][0]).convert("RGB"),
            question=row["question"],
            chosen=row["chosen"],
            rejected=row["rejected"],
        )
        for row in rows
    ]


def _figures(
    way: str, sets: list[list[GoldPair]], judged: list[dict[str, list[Orders]]]
) -> dict[str, Any]:
    both = [all(orders) for orders in judged[0][way]]
    low, high = wilson(sum(both), len(both))
    return {
        "n": len(both),
        "both_orders": sum(both) / len(both),
        "low": low,
        "high": high,
        "accuracy": sum(map(sum, judged[0][way])) / (2 * len(both)),
        "captions": _share(way, sets[0], judged[0], "caption"),
        "unplanted": {
            name: _share(way, sets[1], judged[1], name)
            for name in sorted({pair.category for pair in sets[1]})
        },
    }


def _share(
    way: str, pairs: list[GoldPair], judged: dict[str, list[Orders]], category: str
) -> float:
    right = [
        all(orders)
        for pair, orders in zip(pairs, judged[way], strict=True)
        if pair.category == category
    ]
    return sum(right) / len(right)
