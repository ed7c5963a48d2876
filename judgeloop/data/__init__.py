"""Data on its way in: where data sets lie, and rows that are checked or quarantined."""
