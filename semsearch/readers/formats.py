"""Read one file as Documents, by its suffix."""

from collections.abc import Callable, Iterator
from pathlib import Path

from semsearch.errors import MissingExtra, UnreadableSource
from semsearch.files import opened
from semsearch.readers import parsing
from semsearch.readers.encoding import detect_encoding, storable
from semsearch.readers.rows import RowFields, read_csv, read_jsonl, read_tsv, row_document
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
    except MissingExtra as error:
        yield Skipped(source, f"{error}: {error.hint}")
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
    columns = [name for name in (*fields.text, fields.id) if name]
    taken: set[str] = set()
    for part in parse_in_sandbox(path.suffix.lower(), content, columns):
        if part.values is not None:
            yield row_document(part.numbers[0], part.part, part.values, source, fields, taken)
            continue
        name = f"{source}#{part.part}" if part.part else source
        for number, reason, failed in part.without:
            yield Skipped(f"{name}:{number}", reason, failed)
        if part.text.strip():
            metadata = dict(part.metadata) | ({"title": part.title} if part.title else {})
            yield Document(source, part.text, part.part, part.unit, part.numbers, metadata)


def _read_not(path: Path, source: str, fields: RowFields) -> Iterator[Skipped]:
    yield Skipped(source, parsing.UNREAD[path.suffix.lower()])


_READERS: dict[str, Callable[[Path, str, RowFields], Iterator[Document | Skipped]]] = {
    **dict.fromkeys(parsing.FORMATS, _read_in_sandbox),
    **dict.fromkeys(parsing.UNREAD, _read_not),
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
}
BINARY_SUFFIXES = frozenset(
    {suffix for suffix, format_ in parsing.FORMATS.items() if format_.binary} | parsing.UNREAD.keys()
)
"""The suffixes whose files come to `read` although their bytes are not text."""
