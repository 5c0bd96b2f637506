"""Clean text, find its structure, and cut it into passages: functions of strings, without files or models.

Each name is imported from its module when it is first used: what needs only the words of a text does not wait for the
patterns of everything else.
"""

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from semsearch.text.chunking import SPLITTER_VERSION, Measure, Span, sentences, split
    from semsearch.text.cleaning import CLEANER_VERSION, as_written, clean, text_digest
    from semsearch.text.original import Original
    from semsearch.text.payloads import value_without_data, without_data
    from semsearch.text.prose import is_remnant, prose_parts, why_not_prose
    from semsearch.text.structure import Heading, parse_structure
else:  # hidden from type checkers, which would take a misspelt name for one that this function returns
    _MODULES = {
        "chunking": "SPLITTER_VERSION Measure Span sentences split",
        "cleaning": "CLEANER_VERSION as_written clean text_digest",
        "original": "Original",
        "payloads": "value_without_data without_data",
        "prose": "is_remnant prose_parts why_not_prose",
        "structure": "Heading parse_structure",
    }

    def __getattr__(name: str) -> object:
        """Import a public name from its module and return it. Raise `AttributeError` for any other name."""
        from importlib import import_module

        for module, names in _MODULES.items():
            if name in names.split():
                return getattr(import_module(f"semsearch.text.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
