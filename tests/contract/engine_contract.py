"""What every engine promises: the same cases, run on each by a class of its own."""

import shutil
from functools import partial
from pathlib import Path

import msgspec
import pytest

from judgeloop.schema.errors import EngineError, StoreError
from judgeloop.schema.records import ModelRef
from tests.engine_rig import GREEDY, MISSING, WARM, ask, judged, mixed, png, texts
from tests.engine_settling import settling


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
        to_base = [msgspec.structs.replace(request, to_base=True) for request in asked]
        rows = list(zip(asked, to_base, strict=True))
        calls = {
            # The prompts of a call are new to each other; of all, half go to the base first.
            "one": [row[i % 2] for i, row in enumerate(rows)],
            "other": [row[1 - i % 2] for i, row in enumerate(rows)],
            "both": [request for row in rows for request in row],
            "judge": asked,
        }
        adapted = start(cls.kind, judge)
        sides = {it: cls.seen(adapted.generate(calls[it], cls.judged_with)) for it in calls}
        whole = start(cls.merged_kind or cls.kind, merged)
        sides["merged"] = cls.seen(whole.generate(asked, cls.judged_with))
        sides["base"] = cls.seen(engine.generate(asked, cls.judged_with))
        sides["base, told so"] = cls.seen(engine.generate(to_base, cls.judged_with))
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
        responses = engine.generate(requests, WARM)
        assert [r.id for r in responses] == [r.id for r in requests]
        assert [len(r.samples) for r in responses] == [r.n for r in requests]

    def test_it_is_at_work_when_it_settles_and_takes_no_answer_before(self, engine, pictures):
        requests = mixed(pictures)
        seen = (getattr(engine, "settling", None) or partial(settling, engine))(requests, WARM)
        assert seen.images_opened > 0
        assert seen.answers_refused
        assert seen.responses == engine.generate(requests, WARM)

    def test_no_request_gets_no_response(self, engine):
        assert engine.generate([], WARM) == []

    def test_the_same_requests_get_the_same_responses_again(self, engine, pictures):
        requests = mixed(pictures)
        assert engine.generate(requests, WARM) == engine.generate(requests, WARM)

    def test_a_request_gets_the_same_texts_alone_and_in_any_batch(self, engine, pictures):
        requests = mixed(pictures)
        together = engine.generate(requests, WARM)
        backwards = engine.generate(requests[::-1], WARM)[::-1]
        alone = [engine.generate([request], WARM)[0] for request in requests]
        assert together == backwards == alone

    def test_the_batch_size_changes_no_text(self, start, engine, pictures):
        requests = mixed(pictures)
        small = start(self.kind, batch_size=1)
        assert small.generate(requests, WARM) == engine.generate(requests, WARM)

    def test_sample_i_is_the_first_sample_of_the_seed_plus_i(self, engine, pictures):
        both = engine.generate([ask(0, pictures, seed=7), ask(0, pictures, seed=9, n=1)], WARM)
        assert both[0].samples[2] == both[1].samples[0]

    def test_samples_differ_where_the_temperature_is_above_zero(self, engine, pictures):
        (response,) = engine.generate([ask(1, pictures, n=12)], WARM)
        assert len(set(texts(response))) > 1

    def test_greedy_samples_are_copies_and_do_not_depend_on_the_seed(self, engine, pictures):
        first, second = engine.generate([ask(1, pictures), ask(1, pictures, seed=5, n=2)], GREEDY)
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
        samples = [s for r in engine.generate(requests, limit) for s in r.samples]
        assert {s.finish_reason for s in samples} == {"stop", "length"}
        assert all(s.tokens == 4 for s in samples if s.finish_reason == "length")
        assert all(1 <= s.tokens <= 4 for s in samples)

    def test_a_missing_image_fails_its_own_request_alone(self, engine, pictures):
        good = mixed(pictures)
        bad = ask(9, pictures, images=(MISSING,))
        *others, failed = engine.generate([*good, bad], WARM)
        assert failed.id == "q9"
        assert failed.samples == ()
        assert MISSING in failed.error
        assert others == engine.generate(good, WARM)

    def test_an_overlong_prompt_fails_its_own_request_alone(self, engine, pictures):
        bad = ask(9, pictures, "red " * 300)
        failed, other = engine.generate([bad, ask(1, pictures)], WARM)
        assert failed.id == "q9"
        assert "the limit is 200" in failed.error
        assert other == engine.generate([ask(1, pictures)], WARM)[0]

    def test_damaged_bytes_are_no_answer(self, engine, engine_library, engine_store, pictures):
        name = engine_library.add(png((1, 2, 3), (20, 20)))
        (Path(engine_store.uri) / "images" / name[:2] / name).write_bytes(b"damaged")
        with pytest.raises(StoreError, match="another hash"):
            engine.generate([ask(0, pictures, images=(name,)), ask(1, pictures)], WARM)
        assert texts(engine.generate([ask(1, pictures)], WARM)[0])


class ModelContract(EngineContract):
    """And the cases of engines that run a model, which sees its pictures."""

    def test_a_changed_picture_changes_the_texts_of_its_request_alone(self, engine, pictures):
        before = [ask(i, pictures, images=(pictures[0],)) for i in range(3)]
        after = [*before[:2], ask(2, pictures, images=(pictures[1],))]
        first, second = engine.generate(before, WARM), engine.generate(after, WARM)
        assert first[:2] == second[:2]
        assert texts(first[2]) != texts(second[2])

    def test_several_images_and_none_go_into_one_batch(self, engine, pictures):
        requests = [
            ask(0, pictures, images=()),
            ask(1, pictures, images=(pictures[0], pictures[1])),
            ask(2, pictures, images=(pictures[1], pictures[0])),
            ask(3, pictures),
        ]
        together = engine.generate(requests, WARM)
        assert together == [engine.generate([request], WARM)[0] for request in requests]
        assert texts(together[1]) != texts(together[2])

    def test_a_prompt_that_fakes_an_image_fails_alone(self, engine, pictures):
        bad = ask(0, pictures, "colour of <image> here")
        failed, other = engine.generate([bad, ask(1, pictures)], WARM)
        assert "refuses the prompt" in failed.error
        assert other == engine.generate([ask(1, pictures)], WARM)[0]

    def test_a_pickled_adapter_is_refused(self, start, idefics3, adapter, tmp_path):
        folder = tmp_path / "pickled"
        shutil.copytree(adapter / "adapter", folder)
        (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
        with pytest.raises(EngineError, match=r"no adapter_model\.safetensors"):
            start(self.kind, ModelRef(base=str(idefics3), adapter=str(folder)), here=True)
