"""Extract the text of a Jupyter notebook, cell by cell."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from semsearch.errors import UnreadableSource
from semsearch.readers.encoding import decoded
from semsearch.readers.parsed import Parsed, parsed
from semsearch.readers.parsers.markdown import plain_lines
from semsearch.types import Scalar

_MOST_OUTPUT = 2_000
"""The most characters of a cell's output. A longer one is a log or a table of numbers more often than a text."""
_LONGEST_LINE = 1_000
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FENCE = re.compile(r"`{3,}")


def parse_notebook(content: bytes) -> Iterator[Parsed]:
    """Yield the cells of a notebook of format 3 or 4, with a blank line between them: prose, code and short output.

    Code and output are fenced as in Markdown. Of an output, the plain text and the message of an error are read; pages,
    pictures and attachments are not. The title is the notebook's, and `language` is a field. Raises
    `UnreadableSource` if the file is not a notebook.
    """
    try:
        notebook = json.loads(decoded(content), parse_constant=lambda name: None)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else f"malformed JSON: {error}"
        raise UnreadableSource(f"broken notebook ({reason})") from error
    notebook = _object(notebook)
    worksheets = [sheet for sheet in _list(notebook.get("worksheets")) if isinstance(sheet, dict)]
    cells = [cell for holder in (notebook, *worksheets) for cell in _list(holder.get("cells"))]
    if "nbformat" not in notebook and not cells:
        raise UnreadableSource("not a notebook: it has no cells")
    about = _object(notebook.get("metadata"))
    kernel, info = _object(about.get("kernelspec")), _object(about.get("language_info"))
    language = str(info.get("name") or kernel.get("language") or "")
    lines: list[tuple[int, str]] = []
    for number, cell in enumerate(cells, 1):
        for block in _blocks(_object(cell), language):
            if any(line.strip() for line in block):
                lines += ((number, line) for line in ([""] if lines else []) + block)
    fields: dict[str, Scalar] = {"language": language} if language else {}
    title = about.get("title") or about.get("name")
    yield parsed(lines, "cell", title if isinstance(title, str) else "", metadata=fields)


def _blocks(cell: Mapping[str, Any], language: str) -> Iterator[list[str]]:
    kind = cell.get("cell_type")
    source = _text(cell.get("input") if "input" in cell else cell.get("source"))
    if kind == "code":
        if source.strip():
            yield _fenced(source, str(cell.get("language") or language))
        for output in _list(cell.get("outputs")):
            if text := _output(_object(output)):
                yield _fenced(text, "")
    elif kind == "heading":
        level = next((level for level in range(2, 7) if cell.get("level") == level), 1)
        yield [f"{'#' * level} {' '.join(source.split())}"]
    elif kind == "raw":
        yield source.splitlines()
    else:
        yield plain_lines(source)


def _output(output: Mapping[str, Any]) -> str:
    """Return the text of an output, at most `_MOST_OUTPUT` characters, or an empty text."""
    data = _object(output.get("data"))
    text = _text(data.get("text/plain")) or _text(output.get("text"))
    if output.get("output_type") in ("error", "pyerr"):
        text = f"{_text(output.get('ename'))}: {_text(output.get('evalue'))}"
    elif text.startswith("<") and text.rstrip().endswith(">") and len(text) < 200:
        return ""  # the name of an object, such as <Figure size 640x480 with 1 Axes>
    text = _ESCAPE.sub("", text)[: 2 * _MOST_OUTPUT].replace("\r", "\n")
    lines = [line for line in text.splitlines() if len(line) <= _LONGEST_LINE]
    return "\n".join(lines).strip("\n")[:_MOST_OUTPUT]


def _fenced(text: str, language: str) -> list[str]:
    mark = "`" * max(3, 1 + max(map(len, _FENCE.findall(text)), default=0))
    return [mark + language.partition("\n")[0], *text.splitlines(), mark]


def _text(value: object) -> str:
    """Return a text, which a notebook may write as a list of its lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
