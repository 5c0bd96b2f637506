"""Read one file in a test, and look at what came of it."""

from collections.abc import Callable
from pathlib import Path

from semsearch.readers import read
from semsearch.types import Document, Skipped

Lines = list[tuple[int, str]]


class Reading:
    """The result of reading one file."""

    def __init__(self, path: Path) -> None:
        items = list(read(path, path.name))
        self.documents = [item for item in items if isinstance(item, Document)]
        self.skipped = [item for item in items if isinstance(item, Skipped)]

    @property
    def document(self) -> Document:
        """The one Document, where nothing was left out with a reason."""
        assert self.skipped == []
        (document,) = self.documents
        return document

    @property
    def lines(self) -> Lines:
        """The lines of the one Document that are not blank, with their places."""
        return lines_of(self.document)

    @property
    def reason(self) -> str:
        """The reason why the file gave no Document."""
        assert self.documents == []
        (skipped,) = self.skipped
        return skipped.reason


def lines_of(document: Document) -> Lines:
    numbered = zip(document.numbers or (), document.text.split("\n"), strict=True)
    return [(number, line) for number, line in numbered if line]


Read = Callable[[str, str | bytes], Reading]
