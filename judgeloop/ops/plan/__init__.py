"""Estimates what a loop costs before it runs: tokens, GPU hours, memory, disk and price.

Every figure is computed from stated rates and assumptions; none was measured on a GPU.
"""
