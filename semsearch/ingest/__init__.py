"""Bring an index up to date with files: survey, read, chunk, embed and store."""
