"""Measurements: each module is one study, prints its figures and writes them beside its text."""
