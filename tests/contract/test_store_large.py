"""Large objects in flat memory; `benchmarks/large_object.py` does the same with 5 GB."""

from pathlib import Path

import pytest

from benchmarks.large_object import measure
from judgeloop.store.s3 import PART_BYTES, PARTS_AT_ONCE


@pytest.mark.slow
def test_three_times_the_object_takes_no_more_memory(tmp_path: Path) -> None:
    small, large = measure(128, tmp_path), measure(384, tmp_path)
    assert large.peak_mib < small.peak_mib + 2 * PARTS_AT_ONCE * PART_BYTES / 2**20
    assert large.peak_mib - large.start_mib < 192, "the object itself has 384 MiB"
