"""Filtering: which judgements agree with the known preference and become examples."""
