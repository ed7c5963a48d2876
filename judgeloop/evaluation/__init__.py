"""From item results to figures: accuracies, their uncertainty, and how two judges compare."""
