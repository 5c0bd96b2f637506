"""Read one file as Documents, by its suffix."""

from collections.abc import Callable, Iterator
from pathlib import Path

from semsearch.errors import UnreadableSource
from semsearch.files import opened
from semsearch.readers import parsing
from semsearch.readers.encoding import detect_encoding, storable
from semsearch.readers.rows import RowFields, read_csv, read_jsonl, read_tsv
from semsearch.readers.sandbox import parse_in_sandbox
from semsearch.types import Document, Skipped

_DEFAULT_FIELDS = RowFields()


def read(path: Path, source: str, fields: RowFields = _DEFAULT_FIELDS) -> Iterator[Document | Skipped]:
    """Yield the Documents of a file, one for the file or one per row, and what of it could not be read.

    Rows stream, and any other file is held in memory as a whole. `fields` is for files of rows only. A broken file,
    page or row is a `Skipped` with `failed`. Raises `UnreadableSource` if the file cannot be opened or disappears,
    and `InvalidInput` if `fields` names a column that no row has.
    """
    reader = _READERS.get(path.suffix.lower(), _read_plain)
    nothing = True
    try:
        for item in reader(path, source, fields):
            nothing = False
            yield item
    except OSError as error:
        raise UnreadableSource(f"{source}: {os_reason(error)}") from error
    except UnreadableSource as error:
        yield Skipped(source, str(error), failed=True)
    except UnicodeError as error:
        yield Skipped(source, f"malformed text: {error}", failed=True)
    else:
        if nothing:
            yield Skipped(source, "no text")


def read_text(text: str, source: str) -> Document:
    """Return the Document of a text that is not a file, such as standard input."""
    return Document(source, storable(text))


def os_reason(error: OSError) -> str:
    """Return the operating system's reason for an error as a short phrase, such as "permission denied"."""
    return (error.strerror or str(error)).lower()


def _read_plain(path: Path, source: str, fields: RowFields) -> Iterator[Document]:
    with opened(path) as file:
        encoding = detect_encoding(file)
        text = file.read().decode(encoding)
    if text.strip():
        yield Document(source, text)


def _read_in_sandbox(path: Path, source: str, fields: RowFields) -> Iterator[Document | Skipped]:
    with opened(path) as file:
        content = file.read()
    parsed = parse_in_sandbox(path.suffix.lower(), content)
    for number, reason, failed in parsed.without:
        yield Skipped(f"{source}:{number}", reason, failed)
    if parsed.text.strip():
        metadata = {"title": parsed.title} if parsed.title else {}
        yield Document(source, parsed.text, unit=parsed.unit, numbers=parsed.numbers, metadata=metadata)


_READERS: dict[str, Callable[[Path, str, RowFields], Iterator[Document | Skipped]]] = {
    **dict.fromkeys(parsing.SUFFIXES, _read_in_sandbox),
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
}
BINARY_SUFFIXES = frozenset({".pdf", ".docx"})
"""The formats that are read although their bytes are not text."""
