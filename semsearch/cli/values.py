"""The types of values that a person types: shares, sizes, the form of a table, the rank of a hit."""

import re
from typing import TYPE_CHECKING, Any, ClassVar

import click

from semsearch.errors import InvalidInput
from semsearch.requests import bytes_of

if TYPE_CHECKING:
    from semsearch.readers import RowFormat

_EXAMPLE = 0.85
_LEAST_PERCENT = 10
"""From this number on, one without a sign was probably meant in percent; 1.2 was not."""
_PERCENT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(%?)\s*", re.ASCII | re.IGNORECASE)


class Share(click.ParamType[float]):
    """A number up to 1, also in percent: 0.85 or 85%.

    Args:
        low: The lowest value.
        open: Whether the ends do not belong to the range: "low", "both", "high" or "".
    """

    name = "share"

    def __init__(self, low: float = 0, *, open: str = "") -> None:
        self.low, self.open = low, open

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        match = _PERCENT.fullmatch(str(value))
        if not match:
            self.fail(f"{value!r} is not a number such as 0.85 or 85%", param, ctx)
        number = float(match[1]) / (100 if match[2] else 1)
        if number > 1 and not match[2]:
            share = number / 100 if _LEAST_PERCENT <= number <= 100 else _EXAMPLE
            self.fail(f"{value} is more than 1: write {share:g} or {share * 100:g}%", param, ctx)
        above = number > self.low or (number == self.low and self.open not in ("low", "both"))
        below = number < 1 or (number == 1 and self.open not in ("high", "both"))
        if not (above and below):
            low = "above" if self.open in ("low", "both") else "at least"
            high = "below" if self.open in ("high", "both") else "at most"
            self.fail(f"{value} is not {low} {self.low:g} and {high} 1", param, ctx)
        return number


class Rank(click.IntRange):
    """The number of a hit, from 1, for an option whose value may be left out."""

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not the number of a hit. Put --open last, or write --open=1", param, ctx)


class Size(click.ParamType[int]):
    """A number of bytes, such as 2000000, 500kB, 50MB or 1GiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the size in bytes."""
        if isinstance(value, int):
            return value
        try:
            return bytes_of(str(value))
        except InvalidInput as error:
            self.fail(str(error), param, ctx)


class ServerUrl(click.ParamType[str]):
    """The URL of a server of models. It is stored and shown, so it holds no password."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the URL as it was typed. Raises `InvalidInput`."""
        from semsearch.embedding.servers import checked_url

        checked_url(str(value))
        return str(value)


class Table(click.ParamType[dict[str, str]]):
    """Say how a file of rows is written: delimiter=tab,header=no,encoding=cp1252,lines=yes; any of them."""

    name = "table"
    _PART = re.compile(r"\s*([a-z]+)\s*=(,|[^,]*)(?:,|\Z)", re.IGNORECASE)
    _SWITCHES: ClassVar = {"yes": "yes", "true": "yes", "on": "yes", "no": "", "false": "", "off": ""}
    KEYS = ("delimiter", "header", "encoding", "lines")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Return the parts by name; a switch that is off is empty."""
        if isinstance(value, dict):
            return value
        parts: dict[str, str] = {}
        at = 0
        while at < len(value):
            match = self._PART.match(value, at)
            if not match or match[1].lower() not in self.KEYS:
                self.fail(
                    f"{value[at:]!r} is not delimiter=tab, header=no, encoding=NAME or lines=yes",
                    param,
                    ctx,
                )
            name, given = match[1].lower(), match[2]
            if name in ("header", "lines"):
                if given.strip().lower() not in self._SWITCHES:
                    self.fail(f"{name} is yes or no, not {given!r}", param, ctx)
                given = self._SWITCHES[given.strip().lower()]
            parts[name] = given
            at = match.end()
        return parts

    @staticmethod
    def row_format(parts: "tuple[dict[str, str], ...]") -> "RowFormat":
        """Return the format that the values of a repeated option make together."""
        from semsearch.readers.dialect import RowFormat

        all_parts = {name: value for one in parts for name, value in one.items()}
        return RowFormat(
            delimiter=all_parts.get("delimiter", ""),
            no_header=not all_parts.get("header", "yes"),
            encoding=all_parts.get("encoding", ""),
            lines=bool(all_parts.get("lines")),
        )
