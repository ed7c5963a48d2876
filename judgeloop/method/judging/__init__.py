"""Judging: both orders of every pair, and how a verdict is read from a judgement."""
