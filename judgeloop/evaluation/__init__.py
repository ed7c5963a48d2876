"""Turns item results into figures: accuracies, their uncertainty, and comparisons of two judges."""
