"""Brings data sets of other layouts into our form: a file of questions with images beside it."""
