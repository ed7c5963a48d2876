"""What every engine promises: the same cases, run on each by a class of its own."""

import shutil
from collections import deque
from functools import partial
from pathlib import Path

import msgspec
import pytest

from judgeloop import engines
from judgeloop.schema.errors import EngineError, StoreError
from judgeloop.schema.records import ModelRef
from tests.engine_rig import GREEDY, MISSING, WARM, ask, generate, judged, mixed, png, texts
from tests.images_alive import images_alive


def poll_for_ever(engine):
    while True:
        engine.poll()


class EngineContract:
    """The cases of all engines; `kind` says which one runs them."""

    kind: str
    merged_kind: str | None = None
    """The kind of engine that runs the merged model, where it is another."""
    judged_with = WARM
    """How the judge, its base and the merged model are asked."""

    @classmethod
    def seen(cls, responses):
        """What is compared of the answers of different engines."""
        return [texts(response) for response in responses]

    @pytest.fixture(scope="class")
    @classmethod
    def sides(cls, start, engine, judge, merged, pictures):
        """The answers of a judge, of its base and of the merged model; each is started once."""
        asked = judged(pictures)
        for_base = [msgspec.structs.replace(request, use_adapter=False) for request in asked]
        rows = list(zip(asked, for_base, strict=True))
        calls = {
            # The prompts of a call are new to each other; of all, half go to the base first.
            "one": [row[i % 2] for i, row in enumerate(rows)],
            "other": [row[1 - i % 2] for i, row in enumerate(rows)],
            "both": [request for row in rows for request in row],
            "judge": asked,
        }
        adapted = start(cls.kind, judge)
        sides = {it: cls.seen(generate(adapted, calls[it], cls.judged_with)) for it in calls}
        whole = start(cls.merged_kind or cls.kind, merged)
        sides["merged"] = cls.seen(generate(whole, asked, cls.judged_with))
        sides["base"] = cls.seen(generate(engine, asked, cls.judged_with))
        sides["base, told so"] = cls.seen(generate(engine, for_base, cls.judged_with))
        return sides

    def test_an_adapter_from_the_store_gives_the_texts_of_merged_weights(self, sides):
        assert sides["judge"] == sides["merged"]
        assert sides["judge"] != sides["base"]

    def test_a_judge_and_its_base_are_asked_side_by_side_and_each_answers_as_alone(self, sides):
        rows = list(zip(sides["judge"], sides["base"], strict=True))
        assert sum(judge != base for judge, base in rows) > 2
        assert sides["one"] == [row[i % 2] for i, row in enumerate(rows)]
        assert sides["other"] == [row[1 - i % 2] for i, row in enumerate(rows)]
        assert sides["both"] == [made for row in rows for made in row]

    def test_without_an_adapter_it_makes_no_difference_that_the_base_is_asked(self, sides):
        assert sides["base, told so"] == sides["base"]

    def test_each_request_gets_one_response_in_order_with_all_its_samples(self, engine, pictures):
        requests = mixed(pictures)
        responses = generate(engine, requests, WARM)
        assert [r.id for r in responses] == [r.id for r in requests]
        assert [len(r.samples) for r in responses] == [r.n for r in requests]

    def test_what_is_asked_while_it_works_is_answered_like_the_rest(self, engine, pictures):
        requests = mixed(pictures)
        late = deque(enumerate(requests[1:], start=1))
        answers = {}
        engine.submit(0, requests[0])
        while len(answers) < len(requests):
            answered = engine.poll()
            assert not {number for number, _ in answered} & set(answers)
            answers |= dict(answered)
            if late:
                engine.submit(*late.popleft())
        assert [answers[number] for number in range(len(requests))] == generate(
            engine, requests, WARM
        )

    def test_requests_of_several_samplings_are_answered_side_by_side(self, engine, pictures):
        requests = mixed(pictures)
        samplings = [GREEDY, WARM, msgspec.structs.replace(WARM, max_tokens=3)]
        asked = [
            msgspec.structs.replace(request, sampling=samplings[i % 3])
            for i, request in enumerate(requests)
        ]
        alone = [generate(engine, [request], request.sampling)[0] for request in asked]
        assert engines.generate(engine, asked) == alone

    def test_its_room_has_a_bound_and_comes_back(self, engine, pictures):
        submitted, answered = 0, []
        while engine.has_room():
            engine.submit(submitted, ask(submitted, pictures, n=1))
            submitted += 1
            assert submitted <= 100
        while len(answered) < submitted:
            answered += [number for number, _ in engine.poll()]
        assert sorted(answered) == list(range(submitted))
        assert engine.has_room()
        assert engine.poll() == []

    def test_after_an_error_nothing_that_was_asked_before_is_answered(
        self, engine, engine_library, engine_store, pictures
    ):
        name = engine_library.add(png((3, 2, 1), (20, 20)))
        (Path(engine_store.uri) / "images" / name[:2] / name).write_bytes(b"damaged")
        for number, request in enumerate(mixed(pictures), start=1):
            engine.submit(number, request)
        engine.submit(99, ask(0, pictures, images=(name,)))
        with pytest.raises(StoreError, match="another hash"):
            poll_for_ever(engine)
        engine.submit(100, ask(1, pictures))
        answers = []
        while not answers:
            answers = engine.poll()
        assert [number for number, _ in answers] == [100]
        assert engine.poll() == []

    def test_no_request_gets_no_response(self, engine):
        assert generate(engine, [], WARM) == []

    def test_the_same_requests_get_the_same_responses_again(self, engine, pictures):
        requests = mixed(pictures)
        assert generate(engine, requests, WARM) == generate(engine, requests, WARM)

    def test_a_request_gets_the_same_texts_alone_and_in_any_batch(self, engine, pictures):
        requests = mixed(pictures)
        together = generate(engine, requests, WARM)
        backwards = generate(engine, requests[::-1], WARM)[::-1]
        alone = [generate(engine, [request], WARM)[0] for request in requests]
        assert together == backwards == alone

    def test_the_batch_size_changes_no_text(self, start, engine, pictures):
        requests = mixed(pictures)
        small = start(self.kind, batch_size=1)
        assert generate(small, requests, WARM) == generate(engine, requests, WARM)

    def test_sample_i_is_the_first_sample_of_the_seed_plus_i(self, engine, pictures):
        both = generate(engine, [ask(0, pictures, seed=7), ask(0, pictures, seed=9, n=1)], WARM)
        assert both[0].samples[2] == both[1].samples[0]

    def test_samples_differ_where_the_temperature_is_above_zero(self, engine, pictures):
        (response,) = generate(engine, [ask(1, pictures, n=12)], WARM)
        assert len(set(texts(response))) > 1

    def test_greedy_samples_are_copies_and_do_not_depend_on_the_seed(self, engine, pictures):
        first, second = generate(engine, [ask(1, pictures), ask(1, pictures, seed=5, n=2)], GREEDY)
        assert len(first.samples) == 4
        assert len(second.samples) == 2
        assert len(set(texts(first) + texts(second))) == 1

    def test_a_cut_off_text_says_so_and_tokens_count_the_end(self, engine, pictures):
        caption = {"question": "caption", "kind": "caption", "choices": ""}
        requests = [
            ask(0, pictures, n=12),
            ask(1, pictures, "caption", variables=caption, n=12),
        ]
        limit = msgspec.structs.replace(WARM, max_tokens=4)
        samples = [s for r in generate(engine, requests, limit) for s in r.samples]
        assert {s.finish_reason for s in samples} == {"stop", "length"}
        assert all(s.tokens == 4 for s in samples if s.finish_reason == "length")
        assert all(1 <= s.tokens <= 4 for s in samples)

    def test_a_missing_image_fails_its_own_request_alone(self, engine, pictures):
        good = mixed(pictures)
        bad = ask(9, pictures, images=(MISSING,))
        *others, failed = generate(engine, [*good, bad], WARM)
        assert failed.id == "q9"
        assert failed.samples == ()
        assert MISSING in failed.error
        assert others == generate(engine, good, WARM)

    def test_an_overlong_prompt_fails_its_own_request_alone(self, engine, pictures):
        bad = ask(9, pictures, "red " * 300)
        failed, other = generate(engine, [bad, ask(1, pictures)], WARM)
        assert failed.id == "q9"
        assert "the limit is 200" in failed.error
        assert other == generate(engine, [ask(1, pictures)], WARM)[0]

    def test_damaged_bytes_are_no_answer(self, engine, engine_library, engine_store, pictures):
        name = engine_library.add(png((1, 2, 3), (20, 20)))
        (Path(engine_store.uri) / "images" / name[:2] / name).write_bytes(b"damaged")
        with pytest.raises(StoreError, match="another hash"):
            generate(engine, [ask(0, pictures, images=(name,)), ask(1, pictures)], WARM)
        assert texts(generate(engine, [ask(1, pictures)], WARM)[0])


class ModelContract(EngineContract):
    """And the cases of engines that run a model, which sees its pictures."""

    def test_few_images_are_in_memory_at_a_time_whatever_the_slots_and_the_rows(
        self, start, engine_library
    ):
        """So large ones fit; both requests of a picture get the one that was decoded."""
        names = [engine_library.add(png((number, 90, 9), (20, 20))) for number in range(60)]
        requests = [ask(number, [names[number // 2]], n=1) for number in range(120)]
        slots = 256 if self.kind == "vllm" else 8
        engine = start(self.kind, batch_size=slots)
        alive = getattr(engine, "images_alive", None) or partial(images_alive, engine)
        opened, most = alive(requests)
        assert 60 <= opened <= 60 * 1.3
        assert 1 < most <= 20

    def test_a_changed_picture_changes_the_texts_of_its_request_alone(self, engine, pictures):
        before = [ask(i, pictures, images=(pictures[0],)) for i in range(3)]
        after = [*before[:2], ask(2, pictures, images=(pictures[1],))]
        first, second = generate(engine, before, WARM), generate(engine, after, WARM)
        assert first[:2] == second[:2]
        assert texts(first[2]) != texts(second[2])

    def test_several_images_and_none_go_into_one_batch(self, engine, pictures):
        requests = [
            ask(0, pictures, images=()),
            ask(1, pictures, images=(pictures[0], pictures[1])),
            ask(2, pictures, images=(pictures[1], pictures[0])),
            ask(3, pictures),
        ]
        together = generate(engine, requests, WARM)
        assert together == [generate(engine, [request], WARM)[0] for request in requests]
        assert texts(together[1]) != texts(together[2])

    def test_marks_of_control_tokens_stay_text_in_a_prompt(self, engine, pictures):
        marked = ask(0, pictures, "colour of <image> here <end_of_utterance>")
        spaced = ask(0, pictures, "colour of < image> here < end_of_utterance>")
        found, other = generate(engine, [marked, ask(1, pictures)], WARM)
        assert found.error is None
        assert found == generate(engine, [spaced], WARM)[0]
        assert other == generate(engine, [ask(1, pictures)], WARM)[0]

    def test_a_pickled_adapter_is_refused(self, start, idefics3, adapter, tmp_path):
        folder = tmp_path / "pickled"
        shutil.copytree(adapter / "adapter", folder)
        (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
        with pytest.raises(EngineError, match=r"no adapter_model\.safetensors"):
            start(self.kind, ModelRef(base=str(idefics3), adapter=str(folder)), here=True)
