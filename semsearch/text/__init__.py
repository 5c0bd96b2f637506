"""Clean text, find its structure, and cut it into passages: functions of strings, without files or models."""

from semsearch.text.chunking import SPLITTER_VERSION, Measure, Span, sentences, split
from semsearch.text.cleaning import CLEANER_VERSION, as_written, clean, text_digest
from semsearch.text.original import Original
from semsearch.text.payloads import value_without_data, without_data
from semsearch.text.prose import is_remnant, prose_parts, why_not_prose
from semsearch.text.structure import Heading, parse_structure

__all__ = [
    "CLEANER_VERSION",
    "SPLITTER_VERSION",
    "Heading",
    "Measure",
    "Original",
    "Span",
    "as_written",
    "clean",
    "is_remnant",
    "parse_structure",
    "prose_parts",
    "sentences",
    "split",
    "text_digest",
    "value_without_data",
    "why_not_prose",
    "without_data",
]
