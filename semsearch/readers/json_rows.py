"""Read the records of a JSON file: of an array, of an object that holds one, of objects one after the other.

The text is cut at its brackets, so a record that is malformed costs itself only, memory holds one record at a time, and
a copy without some records keeps the bytes of the others.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from semsearch.errors import UnreadableSource

LONGEST_ROW = 10_000_000
"""The most characters of a row in JSON, whose values take fifty times the memory."""
TOO_DEEP = "malformed JSON: nested too deeply"
_WHOLE = 20_000_000
"""The most characters of an object that is parsed as a whole, which may take twenty times the memory."""
_CHUNK = 1 << 16
_KEYS = (
    "data", "rows", "records", "items", "examples", "documents", "docs", "results", "entries", "instances", "samples",
    "texts", "sentences", "passages", "train", "test", "validation", "dev",
)  # fmt: skip
"""The keys that may hold the records of a file next to other arrays; of an object with one member, any may."""
_SPLITS = frozenset({"train", "test", "validation", "valid", "dev", "val"})
_RECORD_TEXT = ("text", "content", "body", "passage", "sentence", "message")
"""A file of one object is a record if it has one of these, and else a text like a configuration."""
_MARKS = "\ufeff\x1e"
"""The marks before a value: of byte order, and the separator of RFC 7464 (JSON text sequences)."""
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|["{}\[\],:]', re.DOTALL)


def json_value(text: str) -> object:
    """Return a JSON value; NaN becomes None. Raises `ValueError`, which says what is wrong with the text."""
    try:
        # with a line end at the error, its column would be counted on the next line
        return json.loads(text.lstrip(_MARKS).rstrip(), parse_constant=lambda name: None)
    except json.JSONDecodeError as error:
        raise ValueError(f"malformed JSON: {error.msg} (column {error.colno})") from error
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except ValueError as error:  # a number of thousands of digits
        raise ValueError(f"malformed JSON: {error}") from error


def json_object(line: str) -> dict[str, object]:
    """Return the object on a line of JSON Lines; NaN becomes None, and a string is an object with a `text`.

    Raises `ValueError`, which says what is wrong with the line.
    """
    value = json_value(line)
    if isinstance(value, str):
        return {"text": value}
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


@dataclass(frozen=True, slots=True)
class JsonLayout:
    """Say where the records of a JSON file are.

    `kind` is "lines" (JSON Lines), "array" (with the `key` of the object that holds it, or ""), "stream" (values one
    after the other), "columns" (arrays or objects by column, as pandas writes them), "index" (records by name),
    "record" (the file is one record) or "" (none of these: a text). `advice` says how to make it a file of records.
    """

    kind: str
    key: str = ""
    advice: str = ""


def json_layout(file: TextIO, names: Sequence[str] = (), *, lines: bool = False) -> JsonLayout:
    """Return where the records of a JSON file are.

    `names` are the fields that a user has named. With `lines`, the file's name says that it is JSON Lines, so only an
    array or objects of several lines are something else.
    """
    head = file.read(_CHUNK)
    first = [line for line in head.split("\n") if line.strip()][:20]
    if sum(_is_object(line) for line in first) > 1:
        return JsonLayout("lines")
    start = head.lstrip(_MARKS + " \t\r\n")[:1]
    complete = [line for line in first if _is_complete(line)]
    if lines and (start not in ("[", "{") or (first and first[0] in complete and start == "{")):
        return JsonLayout("lines")
    if lines and start == "{" and len(head) == _CHUNK and "\n" not in head.lstrip("\ufeff \t\r\n"):
        # A first line this long is a record, and not one written over several lines.
        return JsonLayout("lines")
    if start == "[":
        if lines and len(complete) > 1 and first[0] in complete:
            return JsonLayout("lines")
        some = _first_values(head)
        if any(isinstance(value, dict | str) for value in some) or (not some and len(head) == _CHUNK):
            return JsonLayout("array")
        return JsonLayout("lines" if lines else "", advice="write one object a line, as JSON Lines")
    if start != "{":
        strings = [line for line in first if line.lstrip().startswith('"') and line in complete]
        return JsonLayout("lines" if len(strings) == len(first) > 1 else "")
    text = head + file.read(_WHOLE)
    if len(text) >= _WHOLE:
        key = _streamed_key(_Window(file, text))
        too_large = "it is too large; write one object a line, as JSON Lines"
        return JsonLayout("array", key) if key else JsonLayout("lines" if lines else "", advice=too_large)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return JsonLayout("stream")
        return JsonLayout("lines" if lines else "", advice=f"{error}")
    except (RecursionError, ValueError):
        return JsonLayout("lines" if lines else "")
    return JsonLayout("lines") if lines and not value else _object_layout(value, names)


def _streamed_key(window: "_Window") -> str:
    """Return the key of the only array of records in an object that is too large to be parsed as a whole, or "".

    As in `_object_layout`, it is the only member, or has a usual name. An object that is a record has none.
    """
    arrays: list[str] = []
    depth = members = 0
    key = string = before = ""
    for token, _, end in window.tokens():
        if depth == 1 and token == ":":
            key, members = json.loads(string), members + 1
        elif depth == 1 and before == ":" and token.startswith('"') and key in _RECORD_TEXT:
            return ""
        elif depth == 2 and before == "[" and (token == "{" or token.startswith('"')):
            arrays.append(key)
        depth += (token in "{[") - (token in "}]")
        before, string = token, token
        window.cut(end)
        if depth < 0 or token == '"':
            return ""
    usual = len(arrays) == 1 and (members == 1 or arrays[0].lower() in _KEYS)
    return arrays[0] if usual and not depth else ""


def _object_layout(value: Mapping[str, object], names: Sequence[str]) -> JsonLayout:
    arrays = [key for key, inner in value.items() if _is_records(inner)]
    lists = {len(inner) for inner in value.values() if isinstance(inner, list)}
    named = {name.partition(".")[0] for name in names}
    if any(isinstance(value.get(name), str) for name in {*_RECORD_TEXT, *named}):
        return JsonLayout("record")
    if _is_split(value):
        return JsonLayout("columns")
    usual = [key for key in arrays if key.lower() in _KEYS]
    if len(arrays) == 1 and (usual or len(value) == 1):
        return JsonLayout("array", arrays[0])
    columns = [inner for inner in value.values() if isinstance(inner, list)]
    nested = any(isinstance(item, dict | list) for column in columns for item in column[:20])
    if (
        len(columns) == len(value) > 1
        and len(lists) == 1
        and max(lists)
        and not (nested or value.keys() & _SPLITS)
    ):
        return JsonLayout("columns")
    inners = [inner for inner in value.values() if isinstance(inner, dict)]
    if inners and len(inners) == len(value):
        if all(key.isdigit() for inner in inners for key in inner) and all(inners):
            return JsonLayout("columns")
        if all(set(_RECORD_TEXT) & {k.lower() for k in inner} or named & inner.keys() for inner in inners):
            return JsonLayout("index")
    if named & value.keys():
        return JsonLayout("record")
    if arrays:
        key = next(
            (key for key in arrays if all(isinstance(row, dict) for row in _items(value[key]))), arrays[0]
        )
        return JsonLayout("", advice=f"write its records as JSON Lines: jq -c '.[{json.dumps(key)}][]' FILE")
    return JsonLayout("", advice="name the key of its text with --text-field, or write one object a line")


def _is_split(value: Mapping[str, object]) -> bool:
    """Return whether an object has the names of columns and rows of their cells, as pandas writes them by `split`."""
    columns, rows = _items(value.get("columns")), _items(value.get("data"))
    return (
        all(isinstance(name, str) for name in columns)
        and bool(columns and rows)
        and all(len(_items(row)) == len(columns) for row in rows)
    )


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _is_records(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and (all(isinstance(item, dict) for item in value) or all(isinstance(item, str) for item in value))
    )


def _is_object(line: str) -> bool:
    return line.lstrip(_MARKS + " \t").startswith("{") and _is_complete(line)


def _is_complete(line: str) -> bool:
    try:
        json.loads(line.lstrip(_MARKS))
    except (ValueError, RecursionError):
        return False
    return True


def _first_values(head: str) -> list[object]:
    """Return the first values of the array that a text begins with."""
    found: list[object] = []
    text = head[head.index("[") + 1 :]
    decoder = json.JSONDecoder()
    for _ in range(10):
        text = text.lstrip(" \t\r\n,")
        try:
            value, end = decoder.raw_decode(text)
        except (ValueError, RecursionError):
            break
        found.append(value)
        text = text[end:]
    return found


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a JSON file: a record, with its number from 1 and the line it starts on, or what is around records.

    The texts of all pieces are the text of the file. A record's text is without the blanks and the comma around it.
    """

    text: str
    line: int = 0
    number: int = 0


class _Window:
    """The part of a text that is in memory: from `kept` on, the start of what has not been cut off yet."""

    def __init__(self, file: TextIO, read: str = "") -> None:
        """Begin with the text that is `read` from the file already."""
        self._file, self._text, self._origin, self._ended = file, read, 0, False
        self.kept = 0

    def tokens(self) -> Iterator[tuple[str, int, int]]:
        """Yield brackets, commas, colons, strings, and a quotation mark that is not closed, with their places."""
        at = 0
        while True:
            match = _TOKEN.search(self._text, at - self._origin)
            if (match is None or match[0] == '"') and not self._ended:
                at = self._origin + (len(self._text) if match is None else match.start())
                self._read_more()
            elif match is None:
                return
            else:
                end = self._origin + match.end()
                yield match[0], self._origin + match.start(), end
                at = end

    def cut(self, end: int | None = None) -> str:
        """Return the text from `kept` to `end`, or all of it, and keep what comes after."""
        start = self.kept - self._origin
        self.kept = self._origin + len(self._text) if end is None else end
        return self._text[start : self.kept - self._origin]

    def _read_more(self) -> None:
        self._text = self._text[self.kept - self._origin :]
        self._origin = self.kept
        if len(self._text) > LONGEST_ROW:
            raise UnreadableSource(f"a record of more than {LONGEST_ROW:,} characters")
        more = self._file.read(max(_CHUNK, len(self._text)))
        self._ended = not more
        self._text += more


def json_pieces(file: TextIO, layout: JsonLayout) -> Iterator[Piece]:
    """Yield the pieces of an array or a stream. Raises `UnreadableSource` where brackets or quotes do not match."""
    window = _Window(file)
    within = 0 if layout.kind == "stream" else 2 if layout.key else 1
    depth = number = 0
    line = 1
    inside = done = layout.kind == "stream"
    string = key = ""

    def pieces(text: str, *, record: bool) -> Iterator[Piece]:
        nonlocal line, number
        body = text.strip() if record else ""
        lead = text[: text.index(body)] if body else text
        line += lead.count("\n")
        if lead:
            yield Piece(lead)
        if body:
            number += 1
            yield Piece(body, line, number)
            line += text[len(lead) :].count("\n")
            if trail := text[len(lead) + len(body) :]:
                yield Piece(trail)

    for token, start, end in window.tokens():
        if token == '"':
            raise UnreadableSource(f"malformed JSON: a string that begins after line {line} is not closed")
        if token in "{[":
            if depth == within and inside and not within:
                yield from pieces(window.cut(start), record=False)
            depth += 1
            if depth == within and not (inside or done) and token == "[" and key == layout.key:
                inside = True
                yield from pieces(window.cut(end), record=False)
        elif token in "}]":
            depth -= 1
            if inside and not within and depth == 0:
                yield from pieces(window.cut(end), record=True)
            elif inside and within and depth < within:
                yield from pieces(window.cut(start), record=True)
                inside, done = False, True
            if depth < 0:
                break
        elif token == "," and inside and within and depth == within:
            yield from pieces(window.cut(start), record=True)
            yield from pieces(window.cut(end), record=False)
        elif token == ":" and depth == 1 and not inside:
            key = json.loads(string)
        else:
            string = token
    if depth or not done:
        raise UnreadableSource(f"malformed JSON: after line {line}, brackets do not match")
    yield from pieces(window.cut(), record=False)


def json_members(file: TextIO, layout: JsonLayout) -> Iterator[object]:
    """Yield the records of a file whose records are in columns, or by name, or which is one record."""
    value = json.loads(file.read().lstrip("\ufeff"), parse_constant=lambda name: None)
    if layout.kind == "record":
        yield value
    elif layout.kind == "index":
        for name, inner in value.items():
            yield {**inner} if "id" in inner else {"id": name, **inner}
    elif _is_split(value):
        for row in value["data"]:
            yield dict(zip(value["columns"], row, strict=True))
    elif all(isinstance(column, list) for column in value.values()):
        for cells in zip(*value.values(), strict=True):
            yield dict(zip(value, cells, strict=True))
    else:
        for at in dict.fromkeys(at for column in value.values() for at in column):
            yield {name: column[at] for name, column in value.items() if at in column}
