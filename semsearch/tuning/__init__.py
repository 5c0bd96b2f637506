"""Learn from labelled pairs: load them, draw a sample to label, tune a threshold, train a classifier.

Nothing here embeds text: callers pass the cosines in. SciPy and scikit-learn load when they are first needed.
"""
