"""Show results as tables: as dicts, as a data frame, and as HTML in a notebook."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any

from semsearch.errors import extra

_SHOWN = 20
"""Rows of a table in a notebook."""
_WIDTH = 160
"""Characters of a cell in a notebook."""


class Table:
    """A result that is a table as well, with a row for each thing found."""

    __slots__ = ()

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows, each a dict with the same keys."""
        raise NotImplementedError

    def to_pandas(self) -> Any:
        """Return the rows as a `pandas.DataFrame`. Raises `MissingExtra` without pandas."""
        with extra("pandas", "a data frame"):
            import pandas
        return pandas.DataFrame(self.to_dicts())

    def _repr_html_(self) -> str:
        return html_table(self.to_dicts(), repr(self))


def html_table(rows: Sequence[Mapping[str, Any]], title: str) -> str:
    """Return the first rows as HTML; everything in them is escaped. Columns without a value are left out."""
    shown = list(islice(rows, _SHOWN))
    names = [name for name in (shown[0] if shown else ()) if any(_cell(row[name]) for row in shown)]
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(_cell(row[name]))}</td>' for name in names)}</tr>" for row in shown
    )
    more = f"<p>and {len(rows) - _SHOWN:,} more</p>" if len(rows) > _SHOWN else ""
    return f"<p>{escape(title)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(value: Any) -> str:
    if value is None or value == {} or value == ():
        return ""
    text = f"{value:.4f}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
