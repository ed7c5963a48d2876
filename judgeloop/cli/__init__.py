"""The commands of `judgeloop`, one a module: `add` declares the options, `run` returns the text."""
