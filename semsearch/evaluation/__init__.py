"""Measure models, thresholds and searches against judged data, and report the results."""
