"""Parsers of formats: each module takes the bytes of a file and yields its texts. `readers.parsing` lists them all."""
