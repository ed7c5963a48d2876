"""Measurements: each module is one study, and prints its figures."""
