"""Choose the columns by which the rows of a data set are compared: the same in all of its files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

from semsearch.errors import SemsearchError
from semsearch.readers import RowFields, first_rows, main_field

_FEW = 100
_WORDS, _CHARACTERS = 3, 12
"""A column is prose if its values have so many words on average, or so many characters above ASCII."""


def compared_fields(paths: Iterable[Path], fields: RowFields) -> tuple[dict[Path, RowFields], list[str]]:
    """Return the fields to read each file of rows with, and notes on what was chosen.

    Fields that a user names are those of all files. Otherwise it is the one that usually holds the text, without the
    title: a copy of a text under another title is a copy. Files that have no such column are compared by the columns
    of prose that all of them have.
    """
    if fields.text:
        return {}, []
    plain = replace(fields, titled=False)
    samples = {path: sample for path in paths if (sample := _sample(path, plain))}
    strings = {path: _strings(sample, fields.id) for path, sample in samples.items()}
    chosen = {path: name for path, columns in strings.items() if (name := main_field(columns))}
    notes = []
    if any(name.strip().casefold() == "title" for path in chosen for name in strings[path]):
        main = next(iter(chosen.values()))
        named = f"--text-field title --text-field {main}"
        notes.append(f"texts are compared without their titles; to compare both: {named}")
    if len({name.casefold() for name in chosen.values()}) > 1:
        named = ", ".join(f"{name!r} of {path.as_posix()}" for path, name in chosen.items())
        notes.append(f"compared by {named}")
    others = {path: columns for path, columns in strings.items() if path not in chosen}
    common = set.intersection(*map(set, others.values())) if others else set()
    found = dict.fromkeys(samples, plain)
    for path, columns in others.items():
        names = [name for name in columns if not common or name in common]
        prose = [name for name in names if _is_prose(columns[name])] or names
        if not prose:
            continue
        found[path] = replace(plain, text=tuple(prose))
        listed = ", ".join(map(repr, prose))
        notes.append(f"{path.as_posix()}: compared by {listed}; --text-field names other columns")
    return found, notes


def _sample(path: Path, fields: RowFields) -> list[Mapping[str, object]]:
    """Return the first rows of a file of rows; none of any other, or where it cannot be read."""
    try:
        return first_rows(path, fields, _FEW)
    except (OSError, SemsearchError):
        return []


def _strings(sample: Sequence[Mapping[str, object]], id_field: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in sample:
        for name, value in row.items():
            if isinstance(value, str) and name != id_field:
                found.setdefault(name, []).append(value)
    return found


def _is_prose(values: Sequence[str]) -> bool:
    full = [value for value in values if value.strip()]
    if not full:
        return False
    wide = mean(sum(character > "\u2e7f" for character in value) for value in full)
    return mean(len(value.split()) for value in full) >= _WORDS or wide >= _CHARACTERS / 3
