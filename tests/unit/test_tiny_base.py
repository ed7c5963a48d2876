"""The tiny base: what is shipped, and that pretraining sees what inference sees."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from judgeloop.tiny import architecture, batching, curriculum, skills
from judgeloop.tiny.render import draw
from judgeloop.tiny.scenes import Split, sample_from

BASE = Path(architecture.__file__).parent / "base"


def test_the_shipped_tokenizer_is_the_one_that_the_code_makes(tmp_path):
    made = architecture.make_tokenizer()
    made.save_pretrained(tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == (BASE / "tokenizer.json").read_bytes()


def test_every_word_of_a_turn_is_one_token():
    tokenizer = architecture.make_tokenizer()
    rng = random.Random(0)
    for _ in range(300):
        turn = curriculum.picture_turn(sample_from(Split.PRETRAINING, rng), rng)
        text = f"{turn.prompt} {turn.answer}"
        words = text.replace(",", " ,").replace(":", " :").split()
        assert len(tokenizer(text).input_ids) == len(words)
        assert tokenizer.decode(tokenizer(text).input_ids) == text


@pytest.mark.slow
def test_packed_turns_get_the_same_scores_as_conversations_of_their_own(monkeypatch):
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(BASE, dtype="float32").eval()
    model.set_attn_implementation("eager")
    processor = AutoProcessor.from_pretrained(BASE)
    turns, scenes = [], []
    original = curriculum.picture_turn

    def recorded(scene, rng):
        turns.append(original(scene, rng))
        scenes.append(scene)
        return turns[-1]

    monkeypatch.setattr(batching, "picture_turn", recorded)
    packer = batching.Packer(processor.tokenizer, random.Random(0), sequences=1, length=112)
    batch = packer.picture_batch()
    with torch.inference_mode():
        packed = model(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            attention_mask=batch.attention_mask,
            pixel_values=batch.pixel_values,
        ).logits[0][batch.labels[0] != batching.IGNORED]
        alone = []
        for scene, turn in zip(scenes[:-1], turns[:-1], strict=True):
            parts = [{"type": "image", "image": draw(scene)}, {"type": "text", "text": turn.prompt}]
            messages = [
                {"role": "user", "content": parts},
                {"role": "assistant", "content": [{"type": "text", "text": turn.answer}]},
            ]
            inputs = processor.apply_chat_template(
                messages, tokenize=True, return_dict=True, return_tensors="pt"
            )
            tokens = len(processor.tokenizer(turn.answer).input_ids) + 1
            alone.append(model(**inputs).logits[0][-tokens - 1 : -1])
    assert len(turns) > 3
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-3, rtol=1e-3)


@pytest.mark.slow
def test_the_shipped_base_sees_well_and_judges_by_position_alone():
    found = skills.measure(skills.load(str(BASE)), count=40)
    assert found["see/caption"] >= 0.9
    assert found["choose/caption"] >= 0.9
    assert found["judge/format"] >= 0.98
    assert found["judge/first_position"] >= 0.85
    assert found["judge/caption/both_orders"] <= 0.2
    assert found["judge/closed/both_orders"] <= 0.2
