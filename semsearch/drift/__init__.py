"""Compare the texts of two windows of time, and decide whether they differ by more than chance."""
