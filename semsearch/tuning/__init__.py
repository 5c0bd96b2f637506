"""Tuning on labelled pairs: load them, choose a threshold and say how good it is, compare models, draw.

Pure: the caller embeds the texts and passes their cosines in. scipy and matplotlib load when first needed.
"""
