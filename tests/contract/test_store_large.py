"""Large objects in flat memory; `benchmarks/large_object.py` does the same with 5 GB."""

from pathlib import Path

import pytest

from benchmarks.large_object import measure


@pytest.mark.slow
def test_an_object_goes_there_and_back_in_half_its_memory(tmp_path: Path) -> None:
    measured = measure(512, tmp_path)
    assert measured.peak_mib - measured.start_mib < 256
