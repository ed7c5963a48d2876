"""Fourteen kinds of faults that users reported, and the tables of regression cases for them.

A case is a row of a table, a set of a test's parameters, or a test without parameters. It counts as
reported where a report's own wording stands in it; a test without parameters counts as reported
unless its name is listed among `OWN`.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from itertools import product
from typing import Any, NamedTuple


class Point(NamedTuple):
    """A kind of fault."""

    title: str
    sources: tuple[str, ...]
    """`module:NAME` below `tests`: a table, a test, or a module, whose tests all count."""
    reported: tuple[str, ...] = ()
    """Wordings of the reports; those of up to three characters are a whole value of a case."""
    own: tuple[str, ...] = ()
    """Tests without parameters that try what no report names."""


class Counted(NamedTuple):
    """The cases of a point."""

    cases: int
    unreported: int


def counted(point: Point) -> Counted:
    """Counts a point's cases, and those that no report names."""
    found = [case for source in point.sources for case in _cases(source, point)]
    return Counted(len(found), sum(not is_reported for is_reported in found))


def _cases(source: str, point: Point) -> list[bool]:
    module_name, _, name = source.partition(":")
    module = import_module(f"tests.{module_name}")
    if not name:
        tests = [each for each in vars(module) if each.startswith("test_")]
        tests = [each for each in tests if getattr(module, each).__module__ == module.__name__]
        return [case for each in tests for case in _of_test(getattr(module, each), point)]
    found = getattr(module, name)
    if inspect.isfunction(found):
        return _of_test(found, point)
    return [
        _is_reported(row, point) for row in (found.items() if isinstance(found, dict) else found)
    ]


def _of_test(test: Any, point: Point) -> list[bool]:
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    if not marks:
        return [test.__name__ not in point.own]
    rows = product(*[_rows(mark) for mark in marks])
    return [_is_reported(row, point) for row in rows]


def _rows(mark: Any) -> list[Any]:
    values, ids = list(mark.args[1]), mark.kwargs.get("ids")
    if ids is None or callable(ids):
        return values
    return list(zip(ids, values, strict=True))


def _is_reported(row: object, point: Point) -> bool:
    values = list(_texts(row))
    for wording in map(str.casefold, point.reported):
        for value in values:
            if value == wording or (len(wording) > 3 and wording in value):
                return True
    return False


def _texts(row: object) -> list[str]:
    if isinstance(row, str | bytes):
        return [(row if isinstance(row, str) else row.decode("utf-8", "replace")).casefold()]
    if isinstance(row, dict):
        return [text for pair in row.items() for text in _texts(pair)]
    if isinstance(row, list | tuple | set):
        return [text for each in row for text in _texts(each)]
    name = getattr(row, "__name__", None) or getattr(row, "what", None) or str(row)
    return [str(name).casefold()]


def table() -> str:
    """Returns the counts as a table in Markdown."""
    lines = ["| kind of fault | cases | not in a report |", "| --- | --- | --- |"]
    for number, point in enumerate(POINTS, start=1):
        found = counted(point)
        lines.append(f"| {number}. {point.title} | {found.cases} | {found.unreported} |")
    return "\n".join(lines)


POINTS = (
    Point(
        "names in the registry",
        ("contract.test_registry_names", "contract.test_registry_names:CATEGORIES",
         "unit.test_registry_names:ODD"),
        ("micro", "qwen", "llama", "../x", "/x", ".", "300", "颜色", "形状", "a?", "a!", " cafe",
         "ccccc", "ddddd", "xxxxx"),
        ("test_a_version_with_an_odd_name_can_be_promoted",
         "test_a_deleted_experiment_is_named_before_anything_is_computed",
         "test_the_check_leaves_nothing_behind"),
    ),
    Point(
        "control tokens in texts",
        ("unit.test_control_tokens:TOKENS", "unit.test_control_tokens:HOSTILE",
         "unit.test_control_tokens:CONTEXTS"),
        ("<|image_pad|>", "<|video_pad|>", "<image>", "<end_of_utterance>", "<|eot_id|>",
         "<|start_header_id|>"),
    ),
    Point(
        "marks of media, and stages that end for lack of rows",
        ("unit.test_gold_rows:MARKS", "unit.test_starved",
         "unit.test_gold_rows:test_a_mark_without_its_image_is_refused"),
        ("<image>\n",),
        ("test_a_file_whose_rows_are_mostly_unusable_is_quoted_by_hold_out",
         "test_the_most_frequent_reason_for_no_verdict_is_quoted_not_the_first"),
    ),
    Point(
        "transparency",
        ("unit.test_decode:TRANSPARENT",
         "unit.test_decode:test_half_transparent_pixels_are_mixed_with_the_background",
         "unit.test_decode:test_black_text_on_transparency_can_be_read",
         "unit.test_decode:test_an_image_that_is_transparent_everywhere_is_refused"),
        ("png", "webp", "gif"),
        ("test_half_transparent_pixels_are_mixed_with_the_background",),
    ),
    Point(
        "one limit of pixels for all",
        ("unit.test_model_presets:test_two_full_answers_and_as_many_images_as_allowed_fit_into_a_"
         "judge_prompt", "unit.test_decode:test_a_larger_image_is_made_smaller_in_its_shape",
         "unit.test_decode:test_engines_endpoints_and_the_training_see_the_same_pixels"),
        ("photograph of 12 megapixels",),
    ),
    Point(
        "S3 servers that do less than Amazon's",
        ("contract.test_store_vendors",),
        ("Backblaze", "no trailers", "neither", "no condition", "MD5 to complete", "when_required"),
        ("test_what_a_server_refuses_for_another_reason_changes_nothing_for_later",
         "test_an_encryption_that_makes_no_sense_is_refused_before_anything_is_sent"),
    ),
    Point(
        "OpenAI-compatible servers",
        ("contract.test_endpoint_services",),
        ("eos_token", "STOP", "end_turn", "max_tokens"),
        ("test_the_model_s_refusal_is_the_item_s_error",
         "test_a_service_that_counts_nothing_has_no_price",
         "test_a_redirect_is_not_followed_and_its_host_is_named",
         "test_a_redirect_s_address_is_shown_without_its_user_and_escaped",
         "test_further_fields_are_part_of_an_answer_s_key_in_any_order"),
    ),
    Point(
        "answers counted in a vote",
        ("unit.number_cases:NUMBERS", *(f"unit.answer_cases:{name}"
         for name in ("YES_NO", "OPTIONS", "IN_TEXT", "PHRASES"))),
        ("−3", "–3", ".5", "1.5 million", "10²", "one third", "not three", "at least 3", "No. 5",
         "C++", "C#", "−5 °C", "5 °C", "vitamin", "ﬁ", "Straße", "STRASSE", "boxed{C}", "Option C",
         "C because", "<answer>C", "12,5", "small pitcher", "not sure"),
    ),
    Point(
        "planted errors",
        (*(f"unit.alter_cases:{name}" for name in ("PLANTED", "WRAPPED", "REFUSED", "FAR")),
         "unit.test_blind"),
        ("Sure! Here is the new answer", "Answer:", "(instead of", "I replaced", "~~", "<think>",
         "unchanged", "```", "longer", "preamble", "markup", "word"),
        ("test_its_guesses_do_not_depend_on_which_answer_is_stored_first",
         "test_its_memory_does_not_grow_with_the_pairs"),
    ),
    Point(
        "verdicts",
        ("unit.verdict_cases:CASES", "unit.verdict_cases:LABELLED"),
        ("Answer A is better than Answer B", "Response B", "[[A]]", "\\boxed{A}", "Winner: A",
         "The verdict is A", "<|eot_id|>", "not A", "plan B", "<think>", "```", '{"'),
    ),
    Point(
        "letters that collide, and prompts in files",
        ("unit.test_prompts", "contract.test_own_prompts", "unit.test_prompts:HOSTILE"),
        ("Answer: B", "Answer: C", "Response 1", "Response 2", "directly"),
        ("test_a_set_in_s3_is_refused_as_one_on_the_disk_is",
         "test_a_moved_folder_gives_the_same_hash_and_line_ends_do_not_count",
         "test_prompts_that_changed_since_validation_are_not_registered",
         "test_other_prompts_are_taken_for_a_judge_where_they_are_asked_for",
         "test_a_version_of_an_older_judgeloop_is_asked_by_the_name_of_its_set"),
    ),
    Point(
        "gold pairs and rows",
        ("unit.test_gold_rows:SAME", "unit.test_gold_rows:DIFFERENT", "unit.test_gold_rows:FILES",
         *(f"unit.test_gold_rows:{name}" for name in (
             "test_a_key_that_is_there_twice_in_a_row_is_named",
             "test_an_image_is_found_by_its_names_other_normal_form",
             "test_pairs_that_contradict_each_other_are_both_quarantined_and_name_each_other",
             "test_pairs_about_something_else_contradict_nothing",
             "test_of_equal_pairs_the_first_is_kept",
             "test_three_pairs_of_which_one_contradicts_two_are_all_quarantined",
             "test_options_of_a_gold_question_are_shown",
             "test_a_file_with_usual_line_ends_is_read"))),
        ("gzip", "JSON array", "CR alone", "NFD", "NFC"),
        ("test_three_pairs_of_which_one_contradicts_two_are_all_quarantined",),
    ),
    Point(
        "configuration",
        ("unit.test_changes:VALUES", "unit.test_changes:BAD_VALUES", "unit.test_changes:SPLIT",
         "unit.test_changes:BLAMED",
         "unit.test_changes:test_a_store_s_address_is_never_taken_for_a_folder_below_the_run",
         "unit.test_changes:test_a_home_of_nobody_is_refused_wherever_a_path_is_given",
         "unit.test_config:test_a_bad_change_is_refused_with_its_key",
         "bad_input.settings:SETTINGS"),
        ("5e-5", "~/x", "first --set colour", "ftp://", "enum value", "known:"),
    ),
    Point(
        "a mended loop and its status",
        (*(f"unit.test_decided:{name}" for name in (
            "test_a_loop_goes_on_with_a_setting_that_decides_no_finished_work",
            "test_a_loop_goes_on_with_its_server_at_another_port_but_not_on_another_host",
            "test_a_setting_that_decides_finished_work_is_refused_with_the_stages_and_a_free_id",
            "test_what_was_made_with_the_new_value_cannot_be_mixed_with_the_old_one",
            "test_a_free_id_is_one_that_no_loop_has",
            "test_the_command_line_of_a_refused_run_is_printed_whole",
            "test_status_prints_the_command_that_starts_the_loop_again")),
         "unit.test_decide:test_a_loop_refuses_another_start_than_it_was_begun_with",
         "unit.test_decide:test_mended_gold_pairs_and_later_iterations_may_change_in_a_loop"),
        ("LOOP_ID", "training.micro_batch_size"),
        ("test_a_free_id_is_one_that_no_loop_has",
         "test_what_was_made_with_the_new_value_cannot_be_mixed_with_the_old_one"),
    ),
)  # fmt: skip
