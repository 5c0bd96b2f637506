"""From a passage to something a person can read. Pure."""

import re

_SENTENCE_END = re.compile(
    r"(?<=[.!?])[\"')\]]*\s+(?=\S)|(?<=[。！？；…])[”’」』）]*\s*(?=\S)|\n\s*\n\s*|\n(?=\s*[-*+#|] )"
)


def sentences(text: str) -> list[tuple[int, int]]:
    """The [start, end) spans of the sentences of a passage, blanks around them left out; never empty spans."""
    ends = [match.start() for match in _SENTENCE_END.finditer(text)]
    starts = [match.end() for match in _SENTENCE_END.finditer(text)]
    spans = zip([0, *starts], [*ends, len(text)], strict=True)
    return [(start, end) for start, end in spans if text[start:end].strip()]
