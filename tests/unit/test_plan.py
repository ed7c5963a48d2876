"""What a loop would cost: every figure follows from the configuration and stated rates."""

import json
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from judgeloop.cli.main import main
from judgeloop.method.judging.attacks import ATTACKS
from judgeloop.ops.plan.estimate import GPUS, REPORTED_AS, Plan, Rates, make_plan
from judgeloop.ops.plan.overhead import BOUND, TASK_WAIT_S
from judgeloop.ops.plan.shapes import KNOWN, shape_of
from judgeloop.ops.plan.survey import survey
from judgeloop.ops.plan.workload import Assumptions, Questions
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import ConfigError
from tests.conftest import REPOSITORY

PRESETS = REPOSITORY / "pipelines" / "configs"
QWEN = PRESETS / "qwen2.5-vl-7b.yaml"


def planned(config: Config, count: int = 10_000, gold: int = 0, gpu: str = "h100") -> Plan:
    questions = Questions(
        count=count, open_share=0.5, options_share=0.25, unsure_share=0.1, images=1.0,
        image_pixels=1e6, text_tokens=60.0,
    )  # fmt: skip
    return make_plan(config, shape_of(config.model.base), questions, gold, GPUS[gpu], 2.0)


def hours_of_work(plan: Plan, config: Config, group: str) -> float:
    """Hours of a group without the engines' starts."""
    tasks = {"synthesize": 1 + config.loop.iterations * config.loop.partitions,
             "judge": config.loop.iterations * config.loop.partitions}  # fmt: skip
    return plan.gpu_hours[group] - tasks[group] * Rates().engine_start_s / 3600


@pytest.mark.parametrize(
    ("base", "bytes_per_token", "tokens_of_a_megapixel"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", 57_344, 1e6 / 784),
        ("Qwen/Qwen3-VL-8B-Instruct", 147_456, 1e6 / 1024),
        ("meta-llama/Llama-3.2-11B-Vision-Instruct", 163_840, 576),
        ("builtin:tiny-vlm", 2 * 5 * 4 * 32 * 2, 9),
    ],
)
def test_cache_and_image_tokens_are_the_models_own(
    base: str, bytes_per_token: int, tokens_of_a_megapixel: float
) -> None:
    shape = shape_of(base)
    assert shape.cache_bytes_per_token() == bytes_per_token
    assert shape.image_tokens(1e6) == pytest.approx(tokens_of_a_megapixel)


def test_an_image_above_the_processors_limit_costs_no_more() -> None:
    shape = KNOWN["Qwen/Qwen2.5-VL-7B-Instruct"]
    assert shape.image_tokens(50e6) == shape.image_tokens(13e6)


def test_every_preset_with_a_real_model_is_planned_and_its_hours_add_up() -> None:
    for preset in sorted(PRESETS.glob("*.yaml")):
        config = load_config(preset, [])
        if config.model.base.startswith("scripted:"):
            continue
        plan = planned(config)
        groups = [hours for name, hours in plan.gpu_hours.items() if name != "total"]
        assert set(plan.gpu_hours) == {"total", *REPORTED_AS.values()}
        assert plan.gpu_hours["total"] == pytest.approx(sum(groups), abs=0.01)
        assert plan.price == pytest.approx(2.0 * plan.gpu_hours["total"], abs=0.05)


def test_the_papers_size_lies_where_the_paper_says() -> None:
    """Notes on the paper say some 400 H100 hours (docs/method.md)."""
    plan = planned(load_config(PRESETS / "paper.yaml", []), count=100_000)
    assert 200 <= plan.gpu_hours["total"] <= 800


def test_work_grows_with_questions_and_samples() -> None:
    config = load_config(QWEN, [])
    once, twice = planned(config), planned(config, count=20_000)
    for group in ("synthesize", "judge"):
        assert hours_of_work(twice, config, group) == pytest.approx(
            2 * hours_of_work(once, config, group), rel=0.01
        )
    more = load_config(QWEN, ["synthesis.vote_samples=32"])
    assert planned(more).gpu_hours["synthesize"] > 1.5 * once.gpu_hours["synthesize"]
    assert planned(more).gpu_hours["judge"] == once.gpu_hours["judge"]
    samples = load_config(QWEN, ["judging.samples=2"])
    assert planned(samples).gpu_hours["train"] > 1.9 * once.gpu_hours["train"]


def work_of(plan: Plan, stage: str) -> tuple[float, float, float]:
    (found,) = (each for each in plan.work if each.stage == stage)
    return found.requests, found.prompt_tokens, found.completion_tokens


def test_permuted_options_cost_another_judgement_of_the_pairs_with_options() -> None:
    config = load_config(QWEN, ["judging.samples=3"])
    permuted = load_config(QWEN, ["judging.samples=3", "filtering.permuted_options=true"])
    once, again = planned(config), planned(permuted)
    yields = Assumptions()
    closed = 0.5 * yields.closed_yield
    # A quarter of the questions, half of the closed ones, has options.
    grows = 1 + 0.25 * yields.closed_yield / (0.5 * yields.open_yield + closed)
    for before, after in zip(work_of(once, "judge"), work_of(again, "judge"), strict=True):
        assert after == pytest.approx(grows * before)
    assert again.gpu_hours["judge"] > once.gpu_hours["judge"]
    assert again.pairs == once.pairs  # no pair is made twice
    for group in ("synthesize", "train", "evaluate"):
        assert again.gpu_hours[group] == once.gpu_hours[group]


def test_answers_that_decide_a_kind_cost_what_they_are() -> None:
    once = planned(load_config(QWEN, []))
    routed = planned(load_config(QWEN, ["synthesis.route_samples=4"]))
    held_out = load_config(QWEN, []).validation.share
    requests = work_of(routed, "synthesize")[0] - work_of(once, "synthesize")[0]
    assert requests == pytest.approx(10_000 * (1 - held_out) * 0.1 * 4)
    assert routed.gpu_hours["synthesize"] > once.gpu_hours["synthesize"]


def test_asking_what_a_copy_means_costs_an_answer_for_each_pair_of_an_open_question() -> None:
    once = planned(load_config(QWEN, ["synthesis.check_meaning=false"]))
    asked = planned(load_config(QWEN, ["synthesis.check_meaning=true"]))
    more = [
        after - before
        for before, after in zip(work_of(once, "synthesize"), work_of(asked, "synthesize"),
                                 strict=True)
    ]  # fmt: skip
    share = 1 - load_config(QWEN, []).validation.share
    assert more[0] == pytest.approx(10_000 * share * 0.5 * Assumptions().open_yield)
    assert min(more) > 0
    assert work_of(asked, "judge") == work_of(once, "judge")


def test_attacks_cost_a_judgement_of_each_kind_and_order() -> None:
    once = planned(load_config(QWEN, ["evaluation.attacks=0"]), gold=100)
    attacked = planned(load_config(QWEN, ["evaluation.attacks=30"]), gold=100)
    assert work_of(once, "evaluate")[0] == 2 * 100
    assert work_of(attacked, "evaluate")[0] == 2 * (100 + 30 * len(ATTACKS))
    few = planned(load_config(QWEN, ["evaluation.attacks=30"]), gold=10)
    assert work_of(few, "evaluate")[0] == 2 * (10 + 10 * len(ATTACKS))


def test_what_is_not_counted_is_said() -> None:
    assert planned(load_config(QWEN, ["evaluation.benchmarks=[]"])).notes == ()
    (note,) = planned(load_config(QWEN, ["evaluation.benchmarks=[more.jsonl]"])).notes
    assert "evaluation.benchmarks are not counted" in note


def test_a_model_that_is_too_large_is_told() -> None:
    config = load_config(PRESETS / "paper.yaml", [])
    assert planned(config).fits
    assert not planned(config, gpu="a10").fits


def test_the_questions_at_hand_are_counted_and_measured(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    rows = [
        {"id": "1", "images": ["a.png"], "text": "Describe the image."},
        {"id": "2", "images": ["a.png", "gone.png"], "text": "Is it red?", "kind": "yes_no"},
        {"id": "3", "images": ["a.png"], "text": "Which? (A) a cat (B) a dog"},
        {"id": "4", "images": ["a.png"], "text": "What is it?", "choices": ["a", "b"]},
        {"id": "5", "images": ["a.png"], "text": "What is it?", "source": "tales"},
    ]
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\nnot JSON\n")
    changes = [f"data.questions={file}", "data.count=null", "data.kinds={tales: long_answer}"]
    config = load_config(PRESETS / "tiny.yaml", changes)
    questions, gold, notes = survey(config)
    counted = (questions.count, questions.open_share, questions.images, questions.image_pixels)
    assert counted == (5, 0.4, 1.2, 1200.0)
    assert (questions.options_share, questions.unsure_share) == (0.4, 0.2)
    assert gold == config.evaluation.count
    assert notes == ()


def test_the_plan_for_people_shows_stages_rates_and_that_nothing_was_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["plan", str(PRESETS / "tiny.yaml"), "--price-per-hour", "3"]) == 0
    shown = capsys.readouterr().out
    for word in (
        "synthesize",
        "train",
        "GPU hours",
        "price",
        "kept_share 0.5",
        "none was measured",
    ):
        assert word in shown


def test_waiting_on_kubeflow_is_told_and_the_sizes_that_would_be_below_the_bound(
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = load_config(QWEN, ["loop.iterations=2", "loop.partitions=2"])
    small = planned(config, count=100).overhead
    assert small.tasks == 29  # as a cluster was recorded to have
    assert (small.waiting_s, small.share > BOUND) == (29 * TASK_WAIT_S, True)
    assert small.questions is not None
    count = round(small.questions / (1 - config.validation.share))
    enough = planned(config, count=count).overhead
    assert 0.018 < enough.share <= BOUND
    assert (enough.partitions, enough.questions) == (None, None)
    many = load_config(QWEN, ["loop.iterations=2", "loop.partitions=64"])
    fewer = planned(many, count=count).overhead.partitions
    assert fewer is not None
    changed = load_config(QWEN, ["loop.iterations=2", f"loop.partitions={fewer}"])
    assert planned(changed, count=count).overhead.share <= BOUND
    assert main(["plan", str(QWEN), "--set", "data.count=100"]) == 0
    shown = capsys.readouterr().out
    assert "warning: waiting is more than 2% of a loop on Kubeflow: below it with" in shown
    assert main(["plan", str(QWEN), "--set", "data.count=1000000"]) == 0
    assert "warning" not in capsys.readouterr().out


def test_questions_that_are_not_at_hand_need_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["plan", str(QWEN), "--set", "data.questions=/nowhere/questions.jsonl"]
    assert main(asked) == ConfigError.exit_code
    assert "set data.count" in capsys.readouterr().err
    assert main([*asked, "--set", "data.count=50", "--json"]) == 0
    plan = msgspec.json.decode(capsys.readouterr().out)
    assert set(plan["gpu_hours"]) == {"total", "synthesize", "judge", "train", "evaluate"}
    assert plan["peak_gpu_memory_gib"] > 15
    assert any("not available" in note for note in plan["notes"])


def test_a_base_of_unknown_size_is_an_error_that_lists_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["plan", str(QWEN), "--set", "model.base=a/b", "--set", "data.count=5"]) == 2
    assert "Qwen/Qwen2.5-VL-7B-Instruct" in capsys.readouterr().err
