"""Judges a file of answer pairs: resumable, with both orders, and a summary."""
