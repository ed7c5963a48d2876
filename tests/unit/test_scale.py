"""The benchmarks of scale count what they say, and a figure that outgrows its input is an error."""

import pytest

from benchmarks.convert_memory import main as convert_memory
from benchmarks.scale import Counted, grows_faster, projected
from judgeloop.models.fetch import fetch_model
from judgeloop.schema.config import load_config
from judgeloop.schema.records import ModelRef
from judgeloop.schema.requests import Request
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from tests.conftest import REPOSITORY


@pytest.mark.parametrize(
    ("small", "large", "faster"),
    [(100, 1000, False), (100, 1090, False), (50, 55, False), (100, 1330, True), (1, 100, True)],
    ids=["as its input", "by chance", "hardly at all", "like a sort", "squared"],
)
def test_what_grows_faster_than_its_input_is_noticed(small, large, faster):
    assert grows_faster((small, large), (1_000, 10_000)) is faster


def test_a_figure_is_projected_along_the_line_through_both_sizes():
    assert projected(20 + 3 * 1_000, 20 + 3 * 10_000, (1_000, 10_000), 100_000) == 300_020
    assert projected(7, 7, (1_000, 10_000), 100_000) == 7


def test_the_counting_engine_counts_requests_samples_words_and_pictures(tmp_path):
    from collections import Counter

    counts = Counter()
    config = load_config(REPOSITORY / "pipelines/configs/micro.yaml", [])
    store = FolderStore(tmp_path)
    library = ImageLibrary(store, 10_000)
    model = fetch_model(ModelRef(base="scripted:"), store)
    engine = Counted(counts, config.engine, model, library)
    request = Request(
        id="r", text="three words here", purpose="answer", n=4,
        variables={"question": "count red", "kind": "number"},
        sampling=Sampling(temperature=1.0, max_tokens=8),
    )  # fmt: skip
    engine.submit(0, request)
    ((_, response),) = engine.poll()
    assert len(response.samples) == 4
    assert counts["requests"] == 1
    assert counts["samples"] == 4
    assert counts["prompt words"] == 3
    assert counts["pictures opened"] == 0
    assert counts["answer words"] == sum(sample.tokens for sample in response.samples) > 4


def test_the_conversion_s_memory_is_printed_by_size(capsys):
    assert convert_memory(["--sizes", "20", "200"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in rows[-2:]] == [["20", "20"], ["200", "200"]]
    assert all(float(row[2]) > 5 for row in rows[-2:])
