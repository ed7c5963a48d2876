"""Reads data sets: finds them, checks their rows and quarantines bad ones."""
