"""The study of docs/results.md: the method, its controls and the paper's comparisons."""
