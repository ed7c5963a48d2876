"""Measures what a tiny model can do: seeing, choosing, planting mistakes, and how it judges.

Run as `python -m judgeloop.ops.tiny_base skills FOLDER`; prints JSON. All is greedy except the
altered captions (temperature 0.7, as in the loop), on evaluation scenes.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from judgeloop.tiny import formats
from judgeloop.tiny.curriculum import choose_turn
from judgeloop.tiny.mistakes import differences, plant_mistake, wrong_answer
from judgeloop.tiny.questions import CAPTION, TOPICS, caption, gold_answer, make_question
from judgeloop.tiny.render import draw
from judgeloop.tiny.scenes import Scene, Split, sample_from

if TYPE_CHECKING:
    from PIL import Image

Answer = Callable[[Sequence[tuple["Image.Image", str]], float], list[str]]
"""Answers (picture, prompt) items at a temperature."""


def measure(answer: Answer, count: int, seed: int = 0) -> dict[str, float]:
    """Returns each skill's share of right answers, over `count` evaluation scenes per skill."""
    rng = random.Random(f"skills/{seed}")
    scenes = [sample_from(Split.EVALUATION, rng) for _ in range(count)]
    return {
        **_seeing(answer, scenes, rng),
        **_choosing(answer, scenes, rng),
        **_altering(answer, scenes, rng),
        **_judging(answer, scenes, rng),
    }


def _seeing(answer: Answer, scenes: list[Scene], rng: random.Random) -> dict[str, float]:
    found = {}
    for topic in ("caption", *TOPICS):
        questions = [make_question(scene, topic, rng) for scene in scenes]
        texts = answer([(draw(s), a.text) for s, a in zip(scenes, questions, strict=True)], 0)
        right = [gold_answer(s, a) == t for s, a, t in zip(scenes, questions, texts, strict=True)]
        found[f"see/{topic}"] = sum(right) / len(right)
    return found


def _choosing(answer: Answer, scenes: list[Scene], rng: random.Random) -> dict[str, float]:
    found = {}
    for name, topics in (("caption", ("caption",)), ("closed", TOPICS)):
        turns = []
        for number, scene in enumerate(scenes):
            question = make_question(scene, topics[number % len(topics)], rng)
            turns.append(choose_turn(scene, question, gold_answer(scene, question), rng))
        texts = answer([(draw(s), t.prompt) for s, t in zip(scenes, turns, strict=True)], 0)
        found[f"choose/{name}"] = sum(
            text == turn.answer for text, turn in zip(texts, turns, strict=True)
        ) / len(turns)
    return found


def _altering(answer: Answer, scenes: list[Scene], rng: random.Random) -> dict[str, float]:
    found: dict[str, float] = {}
    every = []
    for error in formats.ERRORS:
        items = [(draw(s), formats.alter(error, s.layout)) for s in scenes]
        texts = answer(items, 0.7)
        valid = [error in differences(s.layout, t) for s, t in zip(scenes, texts, strict=True)]
        same = [s.layout == t for s, t in zip(scenes, texts, strict=True)]
        found[f"alter/{error}"] = sum(valid) / len(valid)
        every += same
    found["alter/unchanged"] = sum(every) / len(every)
    return found


def _judging(answer: Answer, scenes: list[Scene], rng: random.Random) -> dict[str, float]:
    tally: dict[str, list[bool]] = defaultdict(list)
    for name, topics in (("caption", ("caption",)), ("closed", TOPICS)):
        prompts = []
        for number, scene in enumerate(scenes):
            question = make_question(scene, topics[number % len(topics)], rng)
            right = gold_answer(scene, question)
            if question == CAPTION:
                wrong = caption(plant_mistake(scene.objects, rng.choice(formats.ERRORS), rng))
            else:
                wrong = wrong_answer(scene, question, right, rng)
            for pair in ((right, wrong), (wrong, right)):
                prompts.append((draw(scene), formats.judge(question.text, *pair), right))
        texts = answer([(image, prompt) for image, prompt, _ in prompts], 0)
        letters = [text.split()[-1] if text else "" for text in texts]
        both = [(a, b) == ("A", "B") for a, b in zip(letters[::2], letters[1::2], strict=True)]
        tally[f"judge/{name}/both_orders"] = both
        tally["judge/first_position"] += [letter == "A" for letter in letters]
        tally["judge/format"] += [
            text.startswith("I see ") and letter in formats.LETTERS[:2]
            for text, letter in zip(texts, letters, strict=True)
        ]
        tally[f"judge/{name}/own_answer"] = [
            text.removeprefix("I see ").rsplit(" ", 1)[0] == right
            for text, (_, _, right) in zip(texts, prompts, strict=True)
        ]
    return {name: sum(values) / len(values) for name, values in tally.items()}


def load(folder: str, batch_size: int = 100) -> Answer:
    """Loads a checkpoint and returns the function that answers with it."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    processor.tokenizer.padding_side = "left"
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype="float32").eval()

    def answer(items: Sequence[tuple[Image.Image, str]], temperature: float) -> list[str]:
        texts: list[str] = []
        for start in range(0, len(items), batch_size):
            conversations = [
                [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image", "image": image},
                            {"type": "text", "text": text},
                        ],
                    }
                ]
                for image, text in items[start : start + batch_size]
            ]
            inputs = processor.apply_chat_template(
                conversations,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"padding": True},
            )
            torch.manual_seed(start)
            sampling = (
                {"do_sample": True, "temperature": temperature, "top_k": 0}
                if temperature
                else {"do_sample": False}
            )
            with torch.inference_mode():
                output = model.generate(**inputs, max_new_tokens=24, **sampling)
            new = output[:, inputs["input_ids"].shape[1] :]
            texts += [t.strip() for t in processor.batch_decode(new, skip_special_tokens=True)]
        return texts

    return answer
