"""Read one file as Documents, by its kind."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from semsearch.errors import MissingExtra, UnreadableSource
from semsearch.files import opened
from semsearch.readers import packed, parsing
from semsearch.readers.encoding import decoded, detect_encoding, storable
from semsearch.readers.heads import Head, markup_head
from semsearch.readers.kinds import HEAD, kind_of
from semsearch.readers.mbox import LARGEST_MAIL, split_mbox
from semsearch.readers.parsed import Parsed, bounded_fields
from semsearch.readers.parsers.code import PARSED_CODE, can_parse_code
from semsearch.readers.rows import RowFields, Tell, read_rows, row_document, row_file
from semsearch.readers.sandbox import parse_in_sandbox
from semsearch.text import as_written
from semsearch.types import Definition, Document, Skipped

READER_VERSION, _CODE_VERSION = 6, 1
"""The next ingest reads every file again if this is another number than at the last one, and code for the second."""
_MARKUP = frozenset({".rest", ".rst"})
"""The suffixes of text whose head has fields."""
_DEFAULT_FIELDS = RowFields()


def read(
    path: Path, source: str, fields: RowFields = _DEFAULT_FIELDS, tell: Tell | None = None
) -> Iterator[Document | Skipped]:
    """Yield the Documents of a file, one for the file or one per row, and what of it could not be read.

    Rows stream, and any other file is held in memory as a whole. `fields` is for files of rows only; `tell` is called
    with what was detected in one that is not plain. A broken file, page or row is a `Skipped` with `failed`. Raises
    `UnreadableSource` if the file cannot be opened or disappears, and `InvalidInput` if `fields` names a column that no
    row has.
    """
    nothing = True
    try:
        with opened(path) as file:
            kind = kind_of(path.name, file.read(HEAD), named=True)
        if kind.reason:
            yield Skipped(source, kind.reason)
            return
        for item in _items(path, source, fields, kind.suffix, tell or (lambda note: None)):
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


def code_versions(name: str) -> list[int]:
    """Return the version of the reader of definitions, for a file of source code, if the extra `code` is installed."""
    return [_CODE_VERSION] if _is_parsed_code(name) and can_parse_code() else []


def notes_on(names: Iterable[str]) -> list[str]:
    """Return what a person should know of how files with these names are read."""
    if can_parse_code() or not any(map(_is_parsed_code, names)):
        return []
    return ["source code is cut at blank lines; pip install 'semsearch[code]' cuts it at its functions"]


def _is_parsed_code(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in PARSED_CODE


def read_text(text: str, source: str) -> Document:
    """Return the Document of a text that is not a file, such as standard input."""
    return Document(source, storable(text))


def os_reason(error: OSError) -> str:
    """Return the operating system's reason for an error as a short phrase, such as "permission denied"."""
    return (error.strerror or str(error)).lower()


def _items(
    path: Path, source: str, fields: RowFields, suffix: str, tell: Tell
) -> Iterator[Document | Skipped]:
    if suffix in parsing.FORMATS:
        yield from _read_in_sandbox(path, source, fields, suffix)
    elif suffix in (".mbox", ".mbx"):
        yield from _read_mbox(path, source)
    elif rows := row_file(path, fields):
        yield from read_rows(rows, source, fields, tell)
    else:
        for document in _read_plain(path, source, fields.format.encoding, suffix in _MARKUP):
            yield replace(document, outline=_outline(suffix, document.text))


def _outline(suffix: str, text: str) -> tuple[Definition, ...]:
    """Return the definitions of source code; none for any other text, and for code that cannot be parsed."""
    if suffix not in PARSED_CODE or not can_parse_code():
        return ()
    try:
        (code,) = parse_in_sandbox(suffix, as_written(text).encode())
    except (MissingExtra, UnreadableSource):  # it stays a text, which is cut at its blank lines
        return ()
    return code.outline


def _read_plain(path: Path, source: str, encoding: str, markup: bool) -> Iterator[Document]:
    with packed.opened_unpacked(path) as file:
        content = file.read()
    text = content.decode(encoding or detect_encoding(io.BytesIO(content)))
    if not text.strip():
        return
    head = markup_head(text) if markup else Head("", {}, text)
    metadata = bounded_fields(head.fields) | ({"title": storable(head.title)} if head.title else {})
    lines = head.text.split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    if head.title:  # it stands, as a heading, at the first line of the text
        lines = [head.title, "=" * max(len(head.title), 3), "", *lines[first:]]
        numbers = (first + 1,) * 3 + tuple(range(first + 1, first + len(lines) - 2))
        yield Document(source, "\n".join(lines), "", "line", numbers, metadata, text)
    else:
        written = "" if head.text == text else text
        yield Document(source, head.text, metadata=metadata, written=written)


def _read_in_sandbox(path: Path, source: str, fields: RowFields, suffix: str) -> Iterator[Document | Skipped]:
    with opened(path) as file:
        content = file.read()
    columns = [name for name in (*fields.text, fields.id) if name]
    taken: set[str] = set()
    for text in parse_in_sandbox(suffix, content, columns):
        if text.values is not None:
            yield row_document(text.numbers[0], text.part, text.values, source, fields, taken)
        else:
            written = decoded(content) if parsing.FORMATS[suffix].by_lines else ""
            yield from _documents(text, source, written)


def _read_mbox(path: Path, source: str) -> Iterator[Document | Skipped]:
    """Yield each mail of a mailbox, and each attachment. A mail that cannot be read costs only itself."""
    with opened(path) as file:
        for number, mail in enumerate(split_mbox(file), 1):
            if mail is None:
                reason = f"a mail of more than {LARGEST_MAIL // 10**6} MB"
                yield Skipped(f"{source}#{number}", reason, failed=True)
                continue
            try:
                texts = parse_in_sandbox(".eml", mail)
            except UnreadableSource as error:
                yield Skipped(f"{source}#{number}", str(error), failed=True)
                continue
            for text in texts:
                if text.part in ("", "body"):
                    text = replace(
                        text, part=str(number), unit="message", numbers=(number,) * len(text.numbers)
                    )
                else:
                    text = replace(text, part=f"{number}/{text.part}")
                yield from _documents(text, source)


def _documents(text: Parsed, source: str, written: str = "") -> Iterator[Document | Skipped]:
    """Yield what was without text, and the text as a Document, with the `written` lines that it was made from."""
    name = f"{source}#{text.part}" if text.part else source
    for number, reason, failed in text.without:
        yield Skipped(f"{name}:{number}", reason, failed)
    if text.text.strip():
        metadata = dict(text.metadata) | ({"title": text.title} if text.title else {})
        yield Document(source, text.text, text.part, text.unit, text.numbers, metadata, written)
