"""What enters a content key: from the table of stages, and from the stages' own functions."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import msgspec
import pytest

from judgeloop.method.prompts import TinyPrompts
from judgeloop.runtime import identity, stage_table
from judgeloop.runtime import stage_key as keys
from judgeloop.runtime.stage_key import key_spec, stage_key
from judgeloop.runtime.stage_table import STAGES, KeySpec
from judgeloop.schema.config import Config
from judgeloop.schema.keys import field_at
from judgeloop.schema.records import Manifest, ModelRef
from tests.stage_keys import JUDGE, KEYED, changed, keys_of, leaves, made

ASK = {"hold_out", "synthesize", "judge", "validate", "evaluate"}
"""Stages that ask a model."""
SEEDED = {"ingest", "filter", "train"} | ASK
GOLD = {"evaluate"}
"""The stage that reads gold pairs, whose own key it holds."""
VLLM = ("engine.kind=vllm",)
OPENAI = ("engine.kind=openai", "engine.endpoint={url: 'http://host:1/v1', model: m}")

EXPECTED: dict[str, tuple[str, set[str]]] = {
    # field or section: (another value, the stages whose keys it changes)
    "store": ("elsewhere", set()),
    "prompts": ("default", ASK | {"filter"}),
    "loop.iterations": ("7", {"decide"}),
    "loop.iterations_per_run": ("1", set()),
    "loop.reruns": ("0", set()),
    "loop.partitions": ("2", {"ingest", "filter"}),  # filter gets two partitions
    "loop.min_delta": ("0.25", {"decide"}),
    "loop.stop_error": ("0.1", {"decide"}),
    "loop.min_gain": ("0.1", {"decide"}),
    "loop.patience": ("2", {"decide"}),
    "loop.seed": ("1", SEEDED),
    "data.questions": ("{questions}", {"ingest"}),
    "data.columns": ("{text: prompt}", {"ingest"}),
    "data.kinds": ("{ai2d: number}", {"ingest"}),
    "data.count": ("5", {"ingest"}),
    "data.per_iteration": ("40", {"synthesize"}),
    "data.fresh_pairs": ("false", set()),  # in later iterations: see below
    "data.max_pixels": ("1000000", {"ingest"} | GOLD),
    "data.background": ("black", {"ingest"} | GOLD),
    "data.shard_size": ("10", {"ingest", "hold_out", "synthesize"} | GOLD),
    "model.base": ("{base}", {"resolve"}),
    "model.revision": ("main", {"resolve"}),
    "model.start": ("null", set()),  # `resolve` asks MLflow what it is: tests/contract
    "engine.kind": ("vllm", ASK),
    "engine.batch_size": ("3", set()),
    "engine.shards_in_flight": ("2", set()),
    "engine.dtype": ("float32", ASK),
    "engine.max_prompt_tokens": ("100", ASK),
    "engine.vllm.tensor_parallel": ("2", set()),
    "engine.vllm.memory_share": ("0.5", set()),
    "engine.vllm.cpu_cache_mib": ("64", set()),
    "engine.vllm.max_model_len": ("999", ASK),
    "engine.vllm.max_images": ("2", ASK),
    "engine.vllm.structured_verdict": ("true", ASK),
    "engine.endpoint.url": ("http://other:1/v1", ASK),
    "engine.endpoint.model": ("n", ASK),
    "engine.endpoint.key_variable": ("KEY", set()),
    "engine.endpoint.timeout_s": ("7", set()),
    "engine.endpoint.retries": ("1", set()),
    "engine.endpoint.prompt_price": ("2", set()),
    "engine.endpoint.completion_price": ("2", set()),
    "engine.endpoint.extra": ("{reasoning: none}", ASK),
    "synthesis.route_samples": ("3", {"synthesize", "hold_out"}),
    "synthesis.answer.temperature": ("0.1", {"synthesize", "hold_out"}),
    "synthesis.answer.top_p": ("0.5", {"synthesize", "hold_out"}),
    "synthesis.answer.top_k": ("5", {"synthesize", "hold_out"}),
    "synthesis.answer.max_tokens": ("9", {"synthesize", "hold_out"}),
    "synthesis.alter.temperature": ("0.1", {"synthesize", "hold_out"}),
    "synthesis.alter.top_p": ("0.5", {"synthesize", "hold_out"}),
    "synthesis.alter.top_k": ("5", {"synthesize", "hold_out"}),
    "synthesis.alter.max_tokens": ("9", {"synthesize", "hold_out"}),
    "synthesis.check_meaning": ("true", {"synthesize", "hold_out"}),
    "synthesis.errors": ("[count]", {"synthesize", "hold_out"}),
    "synthesis.alter_tries": ("2", {"synthesize", "hold_out"}),
    "synthesis.min_length_ratio": ("0.25", {"synthesize", "hold_out"}),
    "synthesis.min_omission_ratio": ("0.25", {"synthesize", "hold_out"}),
    "synthesis.vote.temperature": ("0.1", {"synthesize", "hold_out"}),
    "synthesis.vote.top_p": ("0.5", {"synthesize", "hold_out"}),
    "synthesis.vote.top_k": ("5", {"synthesize", "hold_out"}),
    "synthesis.vote.max_tokens": ("9", {"synthesize", "hold_out"}),
    "synthesis.vote_samples": ("17", {"synthesize", "hold_out"}),
    "synthesis.vote_threshold": ("4", {"synthesize", "hold_out"}),
    "synthesis.vote_margin": ("2", {"synthesize", "hold_out"}),
    "synthesis.vote_rejected": ("frequent", {"synthesize", "hold_out"}),
    "judging.sampling.temperature": ("0.1", {"judge"}),
    "judging.sampling.top_p": ("0.5", {"judge"}),
    "judging.sampling.top_k": ("5", {"judge"}),
    "judging.sampling.max_tokens": ("9", {"judge"}),
    "judging.samples": ("2", {"judge"}),
    "judging.attacked_share": ("0.5", {"judge"}),
    "filtering.keep": ("shuffled", {"filter"}),
    "filtering.both_orders": ("false", {"filter"}),
    "filtering.majority": ("true", {"filter"}),
    "filtering.traces_per_pair": ("1", {"filter"}),
    "filtering.reason_words": ("3", {"filter"}),
    "filtering.reason_names_answer": ("true", {"filter"}),
    "filtering.max_sentence_share": ("0.5", {"filter"}),
    "filtering.max_similarity": ("0.9", {"filter"}),
    "filtering.last_verdict": ("same", {"filter"}),
    "filtering.permuted_options": ("true", {"judge", "filter"}),
    "filtering.pairs_per_kind": ("3", {"filter"}),
    "filtering.pairs_per_error": ("3", {"filter"}),
    "filtering.pairs_per_image": ("3", {"filter"}),
    "filtering.min_examples": ("3", {"enough"}),
    "filtering.max_examples": ("50", {"filter"}),
    "training.kind": ("scripted", {"train", "resolve"} | ASK),  # it goes with the engine's kind
    "training.start": ("base", {"train"}),
    "training.data": ("all", {"train"}),
    "training.current_share": ("0.25", {"train"}),
    "training.rank": ("8", {"train"}),
    "training.alpha": ("8", {"train"}),
    "training.learning_rate": ("0.5", {"train"}),
    "training.epochs": ("1", {"train"}),
    "training.max_steps": ("2", {"train"}),
    "training.batch_size": ("32", {"train"}),
    "training.micro_batch_size": ("8", {"train"}),
    "training.warmup_ratio": ("0.5", {"train"}),
    "training.schedule": ("linear", {"train"}),
    "training.weight_decay": ("0.1", {"train"}),
    "training.dtype": ("bfloat16", {"train"}),
    "training.processes": ("2", {"train"}),
    "training.nodes": ("2", {"train"}),
    "training.checkpoint_steps": ("7", set()),
    "training.where": ("trainjob", set()),  # both ways leave the same bytes
    "validation.share": ("0.5", {"ingest"}),
    "validation.sampling.temperature": ("0.1", {"validate"}),
    "validation.sampling.top_p": ("0.5", {"validate"}),
    "validation.sampling.top_k": ("5", {"validate"}),
    "validation.sampling.max_tokens": ("9", {"validate"}),
    "evaluation.gold": ("{gold}", GOLD),
    "evaluation.count": ("5", GOLD),
    "evaluation.sampling.temperature": ("0.1", {"evaluate"}),
    "evaluation.sampling.top_p": ("0.5", {"evaluate"}),
    "evaluation.sampling.top_k": ("5", {"evaluate"}),
    "evaluation.sampling.max_tokens": ("9", {"evaluate"}),
    "evaluation.attacks": ("3", set()),  # `evaluate`: see test_attacks.py
    "evaluation.base_prompts": ("[default]", set()),  # see test_evaluation_alone.py
    "evaluation.benchmarks": ("{benchmarks}", {"ingest"}),  # what is kept out of training
    "evaluation.data": ("{vl-rewardbench: data}", set()),
    "evaluation.samples": ("3", set()),
    "gate.group_losses": ("{count: 0.1}", {"promote"}),
    "gate.max_accuracy_loss": ("0.5", {"promote"}),
    "gate.max_clear_probes": ("0.5", {"promote"}),
    "gate.max_group_loss": ("0.5", {"promote"}),
    "gate.max_position_bias_rise": ("0.5", {"promote"}),
    "gate.max_undecided_rise": ("0.5", {"promote"}),
    "gate.min_difference": ("0.5", {"promote"}),
    "registry.model_name": ("other", set()),  # `register`: see below
    "registry.experiment": ("other", set()),
    "report.gallery": ("1", set()),
    "report.thumbnail_px": ("64", set()),
}
TOGETHER = {
    "training.kind": ("engine.kind=scripted", "model.base='scripted:'"),
    "training.epochs": ("training.max_steps=null",),
    "training.processes": ("training.micro_batch_size=8",),
    "training.nodes": ("training.micro_batch_size=8", "training.where=trainjob"),
    "filtering.last_verdict": ("data.fresh_pairs=false",),
    "synthesis.check_meaning": ("prompts=default",),  # the short prompts cannot ask for it
}
"""Settings that must change with another one."""


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every engine counts as installed, whatever this machine has."""
    monkeypatch.setattr(metadata, "version", lambda name: "1.0")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Other questions, other gold pairs, another base."""
    import shutil

    from judgeloop.models.fetch import base_location
    from judgeloop.tiny.dataset import write_gold, write_questions

    folder = tmp_path_factory.mktemp("other")
    base = shutil.copytree(base_location(JUDGE), folder / "base")
    (base / "config.json").write_text((base / "config.json").read_text() + "\n")
    return {
        "{questions}": str(write_questions(folder / "q", 4, 99)),
        "{gold}": str(write_gold(folder / "g", 4, 99)),
        "{benchmarks}": f"[{write_gold(folder / 'own', 4, 98)}]",
        "{base}": str(base),
    }


def test_every_field_of_the_configuration_is_listed() -> None:
    assert sorted(EXPECTED) == sorted(leaves())


@pytest.mark.parametrize("field", EXPECTED)
def test_a_setting_changes_the_keys_that_it_decides_and_no_other(
    field: str, files: dict[str, str], tmp_path: Path
) -> None:
    value, stages = EXPECTED[field]
    kind = VLLM if field.startswith("engine.vllm") else ()
    kind = OPENAI if field.startswith("engine.endpoint") else kind
    kind = TOGETHER[field] if field == "synthesis.check_meaning" else kind
    before = keys_of(changed(*kind), tmp_path)
    settings = (*kind, *TOGETHER.get(field, ()), f"{field}={files.get(value, value)}")
    after = keys_of(changed(*settings), tmp_path)
    assert {stage for stage in KEYED if before[stage] != after[stage]} == stages


def test_how_an_endpoint_is_reached_changes_no_key(tmp_path: Path) -> None:
    before = keys_of(changed(*OPENAI), tmp_path)
    path = "engine.endpoint.url=http://host:2/other"
    assert keys_of(changed(*OPENAI, path), tmp_path) == before


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_another_version_of_what_an_engine_computes_with_changes_its_keys(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys_of(changed(), tmp_path)
    monkeypatch.setattr(metadata, "version", lambda name: "2.0" if name == package else "1.0")
    after = keys_of(changed(), tmp_path)
    assert {stage for stage in KEYED if before[stage] != after[stage]} == ASK | {"train"}


@pytest.mark.parametrize("text", ["judge", "answer"])
def test_another_wording_changes_the_keys_of_what_asks_and_of_what_shows_it(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys_of(changed(), tmp_path)
    monkeypatch.setattr(TinyPrompts, text, lambda *_: "another wording")
    after = keys_of(changed(), tmp_path)
    assert {stage for stage in KEYED if before[stage] != after[stage]} == ASK | {"filter"}


def test_another_rule_for_control_tokens_changes_the_keys_of_what_asks_and_of_what_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys_of(changed(), tmp_path)
    monkeypatch.setattr(identity, "RULE", "another rule")
    after = keys_of(changed(), tmp_path)
    assert {stage for stage in KEYED if before[stage] != after[stage]} == ASK | {"train"}


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ({"base_sha256": "c"}, ASK | {"train"}),
        ({"adapter_sha256": "c"}, {"judge", "validate", "evaluate", "train"}),
        ({"revision": "c"}, ASK | {"train"}),
        ({"base": "/another/place"}, set()),  # the same files
        ({"adapter": "s3://another/place"}, set()),
    ],
)
def test_a_model_changes_the_keys_by_what_it_is_and_the_base_makes_the_pairs(
    change: dict[str, str], stages: set[str], tmp_path: Path
) -> None:
    before = keys_of(changed(), tmp_path)
    after = keys_of(changed(), tmp_path, model=msgspec.structs.replace(JUDGE, **change))
    assert {stage for stage in KEYED if before[stage] != after[stage]} == stages


def test_where_training_starts_from_the_base_the_judge_decides_nothing(tmp_path: Path) -> None:
    other = msgspec.structs.replace(JUDGE, adapter_sha256="c")
    for start, same in (("base", True), ("previous", False)):
        config = changed(f"training.start={start}")
        one, two = (keys_of(config, tmp_path, model=model)["train"] for model in (JUDGE, other))
        assert (one == two) is same


def test_each_iteration_makes_pairs_of_its_own(tmp_path: Path) -> None:
    one, two = (keys_of(changed(), tmp_path, iteration=number) for number in (1, 2))
    assert {stage for stage in KEYED if one[stage] != two[stage]} == {"synthesize", "decide"}


def test_a_pool_of_pairs_is_made_once_a_slice_and_found_again(tmp_path: Path) -> None:
    whole, halves = (
        [
            keys_of(changed("data.fresh_pairs=false", *more), tmp_path, iteration=at)["synthesize"]
            for at in (1, 2, 3)
        ]
        for more in ((), ("data.per_iteration=40",))
    )
    assert len(set(whole)) == 1
    assert halves[0] == halves[2] != halves[1]
    assert whole[0] == keys_of(changed(), tmp_path)["synthesize"]


def input_of(name: str, tag: str) -> object:
    if name in ("model", "base", "start"):
        return msgspec.structs.replace(JUDGE, base_sha256=tag)
    if name in ("file", "images", "loop_id", "names", "controls", "libraries", "used_gold",
                "benchmark", "files", "official_prompt", "prompt_hash", "sampling", "samples",
                "engine_settings", "max_pixels", "background", "rule"):  # fmt: skip
        return tag
    if name in ("iteration", "partition", "slices"):
        return len(tag)
    several = name in ("judgements", "earlier", "last", "validations", "evaluations", "sets")
    return [made("any", tag)] if several else made("any", tag)


def inputs_of(stage: str) -> dict[str, object]:
    derived = ("engine", "prompts", "control_tokens")
    names = [name for name in key_spec(stage).inputs if name not in derived]
    return {name: input_of(name, "a") for name in names}


ALL = ("gold", "attack", "benchmark_items", "benchmark", "compare", *(spec.name for spec in STAGES))


@pytest.mark.parametrize("stage", ALL)
def test_every_declared_input_and_setting_enters_the_key(stage: str) -> None:
    inputs, found = inputs_of(stage), set()
    found.add(stage_key(stage, changed(), **inputs))
    for name in inputs:
        found.add(stage_key(stage, changed(), **inputs | {name: input_of(name, "bb")}))
    fields = [field for field in leaves() for path in key_spec(stage).settings
              if (field + ".").startswith(path + ".") and field not in TOGETHER]  # fmt: skip
    for field in fields:
        found.add(stage_key(stage, changed(f"{field}={EXPECTED[field][0]}"), **inputs))
    assert len(found) == 1 + len(inputs) + len(fields)


@pytest.mark.parametrize("stage", ALL)
def test_an_input_that_is_not_declared_or_not_given_is_refused(stage: str) -> None:
    inputs = inputs_of(stage)
    with pytest.raises(ValueError, match=f"{stage}: its key is declared to hold"):
        stage_key(stage, changed(), **inputs, weather="fine")
    for name in inputs:
        left = {key: value for key, value in inputs.items() if key != name}
        with pytest.raises(ValueError, match="must agree"):
            stage_key(stage, changed(), **left)


@pytest.mark.parametrize("stage", KEYED)
def test_another_version_of_a_stage_changes_its_own_key_alone(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys_of(changed(), tmp_path)
    rows = [
        msgspec.structs.replace(spec, key=msgspec.structs.replace(spec.key, version=99))
        if spec.name == stage
        else spec
        for spec in STAGES
    ]
    monkeypatch.setattr(stage_table, "STAGES", tuple(rows))
    after = keys_of(changed(), tmp_path)
    assert {name for name in KEYED if before[name] != after[name]} == {stage}


def test_another_version_of_the_gold_pairs_changes_the_key_of_their_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys_of(changed(), tmp_path)["evaluate"]
    monkeypatch.setattr(keys, "GOLD", msgspec.structs.replace(stage_table.GOLD, version=99))
    assert keys_of(changed(), tmp_path)["evaluate"] != before


def test_a_manifest_names_the_manifests_that_it_was_made_from() -> None:
    config: Config = changed()
    judged: list[Manifest] = [made("judge", "j1"), made("judge", "j2")]
    assert keys.stage_manifest("filter", config, judgements=judged, last=[]).inputs == ("j1", "j2")
    config = changed("loop.seed=5")
    model = ModelRef(base="b", base_sha256="c")
    header = keys.stage_manifest("judge", config, model=model, pairs=made("synthesize", "p"))
    assert (header.inputs, header.seed) == (("p",), 5)
    assert keys.stage_manifest("enough", config, examples=made("filter", "f")).seed == 0


def test_the_same_inputs_have_another_key_in_another_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "key_spec", lambda stage: KeySpec(inputs=("pairs",)))
    assert stage_key("judge", changed(), pairs="p") != stage_key("validate", changed(), pairs="p")


def test_a_field_of_a_section_that_is_not_set_is_none() -> None:
    assert field_at(changed(), "engine.endpoint.extra") is None
    with pytest.raises(AttributeError):
        field_at(changed(), "engine.endpiont")
