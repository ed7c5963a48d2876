"""Converts data sets of other layouts to a file of questions with images beside it."""
