"""The measurement of crop-resistant hashes counts matching regions as `imagehash` does."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.crops import matching


@pytest.mark.parametrize("wrong", [0.1, 0.25])
def test_regions_match_as_in_the_library(wrong: float) -> None:
    from imagehash import ImageHash, ImageMultiHash

    rng = np.random.default_rng(0)
    whole = rng.random((5, 8, 8)) < 0.5
    crop = np.concatenate([whole[:3], rng.random((2, 8, 8)) < 0.5])
    crop[0].ravel()[:4] ^= True  # 4 of 64 bits
    crop[1].ravel()[:12] ^= True
    one, other = (ImageMultiHash([ImageHash(bits) for bits in part]) for part in (crop, whole))
    expected, _ = one.hash_diff(other, bit_error_rate=wrong)
    found = matching(crop.reshape(5, 64), whole.reshape(5, 64), wrong)
    assert found == expected == (2 if wrong == 0.1 else 3)
