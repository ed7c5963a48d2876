"""Synthesis of preference pairs: planted errors for open questions, votes for closed ones."""
