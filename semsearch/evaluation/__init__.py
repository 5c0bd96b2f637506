"""Measure models and searches against labelled data, and report the results."""
