"""Resolves a `ModelRef` to files, and reads and checks them."""
