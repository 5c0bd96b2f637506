"""Take records from memory, as people have them: texts, dicts, data frames and data sets.

No library of data frames is imported: a frame is known by its methods.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import islice
from numbers import Integral
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import numpy as np

from semsearch.errors import InvalidInput
from semsearch.readers import RowFields
from semsearch.readers.encoding import storable
from semsearch.readers.rows import main_field, row_document, value_at
from semsearch.types import Document, FieldValue, Record, Skipped

_ROWS = 1024
"""Rows of a data frame that are taken at a time."""
_SHOWN = 60


class Columns(Protocol):
    """A data frame or table: anything with named columns, of pandas, Polars or PyArrow."""

    @property
    def columns(self) -> Any:
        """The columns, or their names."""


Records: TypeAlias = Iterable[Any] | Columns
"""Texts, dicts and `Record`s, or a data frame, or a data set: everything that is taken from memory."""


def items_of(data: Records) -> Iterator[Any]:
    """Yield the texts, dicts and `Record`s of some data; each row of a frame or data set is a dict.

    A string or dict is one item. Raises `InvalidInput` for bytes, paths, and what is not iterable.
    """
    if isinstance(data, os.PathLike):
        raise InvalidInput(f"{data!r} is a path, but texts are needed", "`Index.ingest` reads files")
    if isinstance(data, bytes | bytearray | memoryview):
        raise InvalidInput("bytes are not text", "decode them first: data.decode()")
    rows: Any = data
    if isinstance(data, str | Mapping | Record):
        yield data
    elif hasattr(rows, "iter_rows"):  # Polars
        yield from rows.iter_rows(named=True)
    elif hasattr(rows, "to_batches") and hasattr(rows, "column_names"):  # PyArrow
        for batch in rows.to_batches(max_chunksize=_ROWS):
            yield from batch.to_pylist()
    elif hasattr(rows, "iloc") and hasattr(rows, "columns"):  # pandas
        for start in range(0, len(rows), _ROWS):
            yield from rows.iloc[start : start + _ROWS].to_dict("records")
    elif isinstance(rows, Iterable):
        yield from rows
    else:
        raise InvalidInput(f"{type(data).__name__} is neither texts, dicts nor a data frame")


def records_of(
    data: Records,
    *,
    id: str | Iterable[Any] | None = None,
    text: str | Sequence[str] | None = None,
    metadata: Iterable[Any] | None = None,
) -> Iterator[Record | Skipped]:
    """Yield a `Record` for each item of some data, see `Index.add`; what has no text is `Skipped` under its id."""
    fields = RowFields((text,) if isinstance(text, str) else tuple(text or ()))
    id_field = id if isinstance(id, str) else None
    ids = _Beside(None if id_field else id, "ids")
    dicts, names = _metadata_of(metadata)
    described = _Beside(dicts, "dicts of metadata")
    for number, item in enumerate(items_of(data), 1):
        own, extra = ids.take(number), described.take(number)
        values = item if isinstance(item, Mapping) else {}
        name = _id_of(number, item, values, own, id_field)
        document = _document(number, item, fields)
        if isinstance(document, Skipped):
            yield Skipped(name or document.path, document.reason)
            continue
        kept = {
            key: value
            for key, value in document.metadata.items()
            if key != (id_field or "id") and (names is None or key in names)
        }
        yield Record(name or text_id(document.text), document.text, {**kept, **_fields_of(number, extra)})
    ids.finish()
    described.finish()


def texts_of(data: Records, text: str | Sequence[str] | None = None) -> Iterator[str | None]:
    """Yield the text of each item of some data, None where it has none; `text` is as in `records_of`."""
    fields = RowFields((text,) if isinstance(text, str) else tuple(text or ()), titled=False)
    for number, item in enumerate(items_of(data), 1):
        document = _document(number, item, fields)
        yield None if isinstance(document, Skipped) else document.text


def selected(data: Any, positions: Sequence[int]) -> Any:
    """Return the items at some positions, as a frame, data set, array, tuple or list, whatever `data` is."""
    if hasattr(data, "iter_rows") and hasattr(data, "columns"):  # Polars
        return data[list(positions)]
    if hasattr(data, "to_batches") and hasattr(data, "take"):  # PyArrow
        return data.take(list(positions))
    if hasattr(data, "iloc"):  # pandas
        return data.iloc[list(positions)]
    if hasattr(data, "column_names") and hasattr(data, "select"):  # a Hugging Face data set
        return data.select(list(positions))
    if isinstance(data, np.ndarray):
        return data[list(positions)]
    items = [data[position] for position in positions]
    return tuple(items) if isinstance(data, tuple) else items


class _Beside:
    """Values that belong to the items one to one; None for each where there are none."""

    def __init__(self, values: Iterable[Any] | None, called: str) -> None:
        self._values = None if values is None else iter(values)
        self._called = called

    def take(self, number: int) -> Any:
        """Return the value of an item. Raises `InvalidInput` where there are too few."""
        if self._values is None:
            return None
        for value in self._values:
            return value
        raise InvalidInput(f"there are fewer {self._called} than texts: none for number {number}")

    def finish(self) -> None:
        """Raise `InvalidInput` where values are left."""
        for _ in self._values or ():
            raise InvalidInput(f"there are more {self._called} than texts")


def _fields_of(number: int, metadata: Any) -> Mapping[str, FieldValue]:
    """Return the metadata that a caller gives for one text, with values that an index can hold."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise InvalidInput(f"the metadata of number {number} is {_short(metadata)}, and not a dict")
    found = row_document(1, "", {**_plain(metadata), "": "-"}, "", RowFields(("",)), set())
    return {} if isinstance(found, Skipped) else found.metadata


_TEXT = RowFields(("text",))


def text_id(text: str) -> str:
    """Return the id of a record that has none: a digest of its text, so adding a text again changes nothing."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def ids_of(ids: Any) -> list[str]:
    """Return one id, or several, as strings. Raises `InvalidInput` for what cannot be an id."""
    several = [ids] if isinstance(ids, str | Integral | UUID | np.generic) else ids
    if not isinstance(several, Iterable):
        raise InvalidInput(f"{ids!r} is not an id", "an id is a string or a whole number")
    return [_as_id(id_, f"{id_!r}") for id_ in several]


def _metadata_of(metadata: Any) -> tuple[Iterator[Any] | None, frozenset[str] | None]:
    """Return the dicts of `metadata`, or the names of fields, whichever it has."""
    if metadata is None:
        return None, None
    if isinstance(metadata, str):
        return None, frozenset([metadata])
    if isinstance(metadata, Mapping):
        raise InvalidInput("metadata is one dict, but each text needs its own", "give a list of dicts")
    if isinstance(metadata, Sequence) and all(isinstance(name, str) for name in metadata):
        return None, frozenset(metadata)
    return iter(metadata), None


def _document(number: int, item: Any, fields: RowFields) -> Document | Skipped:
    """Return the text and metadata of an item, by the rules for the rows of files."""
    if isinstance(item, Record):
        item = {"text": item.text, **item.metadata}
        fields = _TEXT
    if isinstance(item, str):
        if fields.text:
            raise InvalidInput(
                f"number {number} is a text, so it has no field {fields.text[0]!r}", "leave out text="
            )
        return Document("", storable(item)) if item.strip() else Skipped(f"number {number}", "no text")
    if _is_missing(item):
        return Skipped(f"number {number}", "no text")
    if not isinstance(item, Mapping):
        raise InvalidInput(
            f"number {number} is {_short(item)}, and neither a text nor a dict", "give strings or dicts"
        )
    values = _plain(item)
    main = None if fields.text else main_field(values)
    if main is not None and values[main] is None:
        return Skipped(f"number {number}", "no text")
    _require_text(number, values, fields)
    found = row_document(number, "", values, f"number {number}", fields, set())
    return found if isinstance(found, Skipped) else replace(found, row_id="", unit="line", numbers=None)


def _require_text(number: int, values: Mapping[str, object], fields: RowFields) -> None:
    """Raise `InvalidInput` where a record cannot have a text: it lacks a named field, or holds columns or data sets."""
    for name in fields.text:
        if name not in values and value_at(values, name) is None and name.split(".")[0] not in values:
            raise InvalidInput(
                f"number {number} has no field {name!r}", f"its fields: {', '.join(list(values)[:20])}"
            )
    main = fields.text[0] if fields.text else main_field(values)
    text = values.get(main) if main else next(iter(values.values()), None)
    if text is not None and not isinstance(text, str | int | float) and not fields.text:
        raise InvalidInput(
            f"the text of number {number} is {_short(text)}, and not a string",
            "give a list of dicts, or one split of a data set, or name the field with text=",
        )


def _id_of(number: int, item: Any, values: Mapping[str, Any], own: Any, field: str | None) -> str:
    """Return the id of an item, "" where it has none; a field that the caller names must have one."""
    if isinstance(item, Record):
        return _as_id(item.id, f"the id of number {number}")
    if own is not None:
        return _as_id(own, f"the id of number {number}")
    if field is not None:
        if value_at(values, field) is None:
            raise InvalidInput(
                f"number {number} has no field {field!r} for its id",
                f"its fields: {', '.join(map(str, list(values)[:20])) or 'none'}",
            )
        return _as_id(value_at(values, field), f"the id of number {number}")
    value = values.get("id")
    return "" if _is_missing(value) or value == "" else _as_id(value, f"the id of number {number}")


def _as_id(value: Any, what: str) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool) or not isinstance(value, str | Integral | UUID):
        raise InvalidInput(f"{what} is {_short(value)}", "an id is a string or a whole number")
    text = storable(str(value))
    if not text.strip() or "\0" in text:
        raise InvalidInput(f"{what} is empty" if not text.strip() else f"{what} has a NUL character")
    return text


def _plain(values: Mapping[Any, Any]) -> dict[str, object]:
    """Return the values of a record as JSON knows them. What is missing (None, NaN, NaT) is left out as None."""
    return {str(name): _plain_value(value) for name, value in values.items()}


def _plain_value(value: Any) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if _is_missing(value):
        return None
    if isinstance(value, date):  # and a datetime
        return value.isoformat()
    if isinstance(value, str | bool | int | float | list | tuple | dict):
        return list(value) if isinstance(value, tuple) else value
    if isinstance(value, bytes | bytearray):
        return None
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, Iterable):  # such as one split of a data set
        raise InvalidInput(
            f"a value is {_short(value)}, and neither text nor number", "give one split or column"
        )
    return str(value)


def _is_missing(value: Any) -> bool:
    if isinstance(value, float | np.floating):
        return math.isnan(value)
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def steps_of(
    records: Iterable[Record | Skipped], most: int, characters: int
) -> Iterator[list[Record | Skipped]]:
    """Yield records in lists of at most `most`, which end once they have so many `characters`."""
    step: list[Record | Skipped] = []
    size = 0
    for record in records:
        step.append(record)
        size += len(record.text) if isinstance(record, Record) else 0
        if len(step) >= most or size >= characters:
            yield step
            step, size = [], 0
    if step:
        yield step


def record_digest(record: Record) -> str:
    """Return the SHA-256 of a record's text and metadata in hex."""
    content = json.dumps([record.text, dict(sorted(record.metadata.items()))], ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()


def first_of(ids: Sequence[str]) -> str:
    """Return some ids for a message."""
    return ", ".join(islice(ids, 3)) + (", …" if len(ids) > 3 else "")
