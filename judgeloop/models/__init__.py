"""Where a `ModelRef` points, and what its files say."""
