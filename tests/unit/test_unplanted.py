"""Gold pairs with mistakes that synthesis does not plant."""

from __future__ import annotations

import json

import pytest

from judgeloop.tiny import unplanted
from judgeloop.tiny.mistakes import differences, parse
from judgeloop.tiny.scenes import PLACES
from judgeloop.tiny.unplanted import CATEGORIES, write_unplanted


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    file = write_unplanted(tmp_path_factory.mktemp("gold"), 200, 3)
    return [json.loads(line) for line in file.read_text().splitlines()]


def objects(row):
    return parse(row["chosen"]), parse(row["rejected"])


def of(rows, category):
    return [row for row in rows if row["category"] == category]


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path):
    def written(name, seed):
        file = write_unplanted(tmp_path / name, 20, seed)
        pictures = sorted((tmp_path / name / "images").iterdir())
        return [file.read_bytes(), *(picture.read_bytes() for picture in pictures)]

    assert written("a", 1) == written("b", 1) != written("c", 2)


def test_every_category_has_as_many_pairs(rows):
    assert {name: len(of(rows, name)) for name in CATEGORIES} == dict.fromkeys(CATEGORIES, 40)


def test_both_answers_are_captions_in_reading_order_and_differ(rows):
    for row in rows:
        right, wrong = objects(row)
        assert right != wrong
        for caption in (right, wrong):
            cells = [PLACES.index(place) for _, _, place in caption]
            assert cells == sorted(set(cells))
            assert len({(colour, shape) for colour, shape, _ in caption}) == len(caption)


def test_swapped_colours_keep_every_word_and_are_no_single_mistake(rows):
    for row in of(rows, "swapped colours"):
        right, wrong = objects(row)
        assert [obj[1:] for obj in right] == [obj[1:] for obj in wrong]
        assert [obj[0] for obj in right] == [obj[0] for obj in wrong][::-1]
        assert differences(row["chosen"], row["rejected"]) == ()


@pytest.mark.parametrize(("category", "count"), [("omitted, of two", 2), ("omitted, of three", 3)])
def test_omission_leaves_one_object_out_and_changes_no_other(rows, category, count):
    for row in of(rows, category):
        right, wrong = objects(row)
        assert (len(right), len(wrong)) == (count, count - 1)
        assert set(wrong) < set(right)


@pytest.mark.parametrize(
    ("category", "places"), [("middle of three", {1}), ("end of three", {0, 2})]
)
def test_of_three_objects_one_attribute_of_the_named_one_is_wrong(rows, category, places):
    for row in of(rows, category):
        right, wrong = objects(row)
        changed = [at for at in range(3) if right[at] != wrong[at]]
        assert len(changed) == 1
        assert set(changed) <= places
        assert sum(a != b for a, b in zip(right[changed[0]], wrong[changed[0]], strict=True)) == 1


def test_every_scene_is_of_the_evaluation_split(tmp_path, monkeypatch):
    drawn = []
    kept = unplanted.write_image
    monkeypatch.setattr(
        unplanted, "write_image", lambda *given: drawn.append(given[2]) or kept(*given)
    )
    write_unplanted(tmp_path, 30, 0)
    assert len(drawn) == 30
    assert {scene.split for scene in drawn} == {"evaluation"}
