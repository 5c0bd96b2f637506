"""Match names with patterns: the one language of `--protect`, `--source`, `--include` and `source:`, and ignore files.

Every pattern becomes a regular expression of atomic groups. Each wildcard takes the first place where the text after it
fits and never tries another, so matching takes time proportional to the pattern and the name, whatever both hold.
"""

import errno
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from semsearch.errors import InvalidInput

_WILD = re.compile(r"[*?\[]")
_IN_NO_FOLDER = ("<stdin>", "record://")
"""The beginnings of the names of standard input and of records, which no folder contains."""
_MOST_RULES, _LONGEST_RULE = 10_000, 4_096
"""The most rules with wildcards in an ignore file, and the most characters of one."""
_MOST_COMPARED = 20_000
"""The most names that are searched for one spelled like a pattern."""
_UNTRIMMED = re.compile(r"(?:\\.?|[^\\ ]| +(?=[^ ]))*", re.DOTALL)
"""A rule without the spaces at its end, which count only if escaped."""
_CLASSES = {
    "alnum": "^\\W_", "alpha": "^\\W\\d_", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9",
    "graph": "\\x21-\\x7e", "lower": "a-z", "print": "\\x20-\\x7e", "punct": "!-/:-@\\[-`{-~", "space": "\\s",
    "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
"""The character classes of POSIX, such as `[[:digit:]]`, as the inside of a class of `re`."""


# -- names of sources -----------------------------------------------------------------------------------


class Names:
    """The names of documents and of their sources, which patterns select.

    A pattern is, in this order: the exact name of a source, a folder or a document (`data.csv#3`), whatever signs it
    contains; or a glob, where `*` is any text, `**/` any folders, `?` one character and `[a-c]` one of a set. A folder
    means all below it, with or without `/` at its end. Case counts. Patterns are relative to `base`, as names are, or
    to the working directory, or absolute, or begin with `~/`; `\\` may stand for `/`, and NFC equals NFD.

    `documents[i]` belongs to `sources[i]`. Give the same names twice where only sources matter.
    """

    def __init__(self, sources: Sequence[str], documents: Sequence[str], base: Path) -> None:
        self.sources = sources
        self.documents = documents
        self._base = base

    def __len__(self) -> int:
        return len(self.sources)

    def select(self, pattern: str) -> list[bool]:
        """Return for each document whether a pattern selects it or its source.

        Raises `InvalidInput` for a pattern that is empty or too long.
        """
        spellings = self._spellings(pattern)
        canonical, names = self._canonical, set(self._canonical.values())
        folders = tuple(f"{one}/" for one in spellings if one)
        chosen = {name for name in names if name in spellings or name.startswith(folders)}
        if "" in spellings:
            chosen |= {
                name for name in names if not Path(name).is_absolute() and not name.startswith(_IN_NO_FOLDER)
            }
        if not chosen:
            globs = [glob(one, prefix=fixed) for one, fixed in spellings.items() if _WILD.search(one)]
            chosen = {name for name in names if any(one.match(name) for one in globs)}
        return [
            canonical[source] in chosen or canonical[document] in chosen
            for source, document in zip(self.sources, self.documents, strict=True)
        ]

    def require(self, pattern: str, called: str) -> list[bool]:
        """Return what `select` returns. Raises `InvalidInput`, with the nearest names, where it selects nothing.

        `called` is what the message calls the pattern.
        """
        selected = self.select(pattern)
        if self.sources and not any(selected):
            raise InvalidInput(f"{called} matches no source", self.hint(pattern))
        return selected

    def hint(self, pattern: str) -> str:
        """Return what else a pattern that selects nothing could mean, as a hint."""
        known = {name: name for name in self.sources}
        for name in self.sources:
            parts = name.split("/")
            known |= {folder: f"{folder}/" for folder in ("/".join(parts[:n]) for n in range(1, len(parts)))}
        spellings = [one.rstrip("/*") for one in self._spellings(pattern)]
        folded = {_nfc(name).casefold(): name for name in known}
        same = [folded[one.casefold()] for one in spellings if one.casefold() in folded]
        last = spellings[0].rpartition("/")[2]
        if last:
            same += sorted(name for name in known if name.rpartition("/")[2].casefold() == last.casefold())
        near = same or get_close_matches(spellings[0], sorted(known)[:_MOST_COMPARED], 3, 0.7)
        shown = [known[name] for name in dict.fromkeys(near)][:3]
        if shown:
            return f"did you mean {' or '.join(shown)}?"
        return "names are relative to the folder of the index; `semsearch status --sources` lists them"

    @cached_property
    def _canonical(self) -> dict[str, str]:
        """Every name, and the same as patterns name it: in NFC, without `..`, and relative if it is below the base."""
        return {name: self._path(name) for name in {*self.sources, *self.documents}}

    def _path(self, name: str) -> str:
        if name.startswith("/") or ".." in name or (os.name == "nt" and ":" in name):
            return _below(Path(os.path.abspath(self._base / name)), self._base)  # noqa: PTH100 - keeps links
        return _nfc(name)

    def _spellings(self, pattern: str) -> dict[str, str]:
        """Return the names that a pattern may stand for, and for each the part at its start without wildcards.

        The empty name stands for all below the base.
        """
        if not pattern.strip():
            raise InvalidInput(
                "a pattern is empty", "give the name of a source, a folder or a glob such as 'notes/*'"
            )
        if len(pattern) > _LONGEST_RULE:
            raise InvalidInput(f"a pattern has {len(pattern):,} characters; the limit is {_LONGEST_RULE:,}")
        found: dict[str, str] = {}
        texts = dict.fromkeys([pattern, pattern.replace("\\", "/")])
        for text in texts:
            if text.startswith("~"):
                found |= self._located(os.path.expanduser(text), "")  # noqa: PTH111 - it may be a glob
            if not Path(text).is_absolute():
                as_given = _nfc(os.path.normpath(text).replace(os.sep, "/"))
                found.setdefault("" if as_given == "." else as_given, "")
            found |= self._located(text, str(Path.cwd()))
        return found

    def _located(self, text: str, here: str) -> dict[str, str]:
        """Return the name of a path that is relative to the folder `here`, or absolute."""
        absolute = os.path.normpath(os.path.join(here, text))  # noqa: PTH118 - Path would keep `..`
        fixed = "" if Path(text).is_absolute() else os.path.commonpath([absolute, here])
        found: dict[str, str] = {}
        for real in (str, os.path.realpath):
            path, base = Path(real(absolute)), Path(real(self._base))
            name, start = (_below(one, base) for one in (path, Path(real(fixed)) if fixed else base))
            found[name] = start if name.startswith(start) else ""
            if base.is_relative_to(path):
                found[""] = ""
        return found


def _below(path: Path, base: Path) -> str:
    """Return a path relative to `base` if it lies below, else absolute; the empty string for `base`."""
    name = path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()
    return "" if name == "." else _nfc(name)


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def naming(patterns: Iterable[str]) -> Callable[[Path], bool]:
    """Return a function that says if one of the patterns names a file itself, as `*.pem` or `keys/id_rsa` do.

    A pattern such as `keys/*` names a folder, and none of the files in it.
    """
    lasts = {_nfc(pattern.replace("\\", "/").rpartition("/")[2]) for pattern in patterns}
    globs = [glob(last) for last in lasts if any(map(str.isalnum, last))]
    return lambda path: any(one.match(_nfc(path.name)) for one in globs)


# -- globs ----------------------------------------------------------------------------------------------


def glob(pattern: str, *, prefix: str = "") -> re.Pattern[str]:
    """Return what matches the names that a glob means, and all below a folder that it means.

    `prefix`, with which the pattern begins, has no wildcards.
    """
    fixed = pattern[: len(prefix)]
    return re.compile(
        re.escape(fixed) + _translated(pattern[len(fixed) :], any_=".", end=r"(?:/.*)?\Z", escapes=False),
        re.DOTALL,
    )


def _translated(pattern: str, *, any_: str, end: str, escapes: bool) -> str:
    """Return a glob as the source of a regular expression.

    `any_` is what `*` and `?` match, `end` what follows, and `escapes` says whether `\\` takes the next character as it
    is. Each part after a wildcard is an atomic group that begins with the wildcard. The first place where a part fits
    leaves the most to the parts after it, so no other place is ever needed. Only the last part looks for its end.
    """
    runs: list[list[str]] = [[""]]
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "*":
            stars = len(pattern) - at - len(pattern[at:].lstrip("*"))
            starts_part = at == 0 or pattern[at - 1] == "/"
            at += stars
            if stars > 1 and starts_part and pattern[at : at + 1] == "/":
                if runs[-1] != [""] or len(runs) == 1:  # several in a row are one
                    runs.append([""])
                at += 1
            elif stars > 1 and starts_part and at == len(pattern) and any_ != ".":
                runs[-1][-1] += ".+"
            elif not (len(runs[-1]) > 1 and runs[-1][-1] == ""):
                runs[-1].append("")
        elif character == "[":
            source, at = _character_class(pattern, at, any_, escapes)
            runs[-1][-1] += source
        elif character == "\\" and escapes and at + 1 < len(pattern):
            runs[-1][-1] += re.escape(pattern[at + 1])
            at += 2
        else:
            runs[-1][-1] += any_ if character == "?" else re.escape(character)
            at += 1
    runs[-1][-1] += end
    first, *others = ["".join([run[0], *(f"(?>{any_}*?{part})" for part in run[1:])]) for run in runs]
    return f"(?>{first})" + "".join(f"(?>(?:.*?/)??{run})" for run in others)


def _character_class(pattern: str, at: int, any_: str, escapes: bool) -> tuple[str, int]:
    """Return the class of characters that begins at a `[` as a regular expression, and where it ends.

    Raises `ValueError` for one without an end where `escapes`; otherwise it is a plain `[`.
    """
    here = at + 1
    negated = pattern[here : here + 1] in ("!", "^") and bool(pattern[here : here + 1])
    here += negated
    members: list[str] = []
    start = here
    while here < len(pattern) and (pattern[here] != "]" or here == start):
        if pattern.startswith("[:", here) and (close := pattern.find(":]", here)) > 0:
            kind = _CLASSES.get(pattern[here + 2 : close])
            if kind is None:
                raise ValueError(f"no class of characters is called {pattern[here + 2 : close]!r}")
            members.append(f"[{kind}]")
            here = close + 2
            continue
        low, here = _member(pattern, here, escapes)
        high = low
        if pattern.startswith("-", here) and pattern[here + 1 : here + 2] not in ("", "]"):
            high, here = _member(pattern, here + 1, escapes)
        if low <= high:
            members.append(f"[{re.escape(low)}-{re.escape(high)}]")
    if here >= len(pattern):
        if escapes:
            raise ValueError("a class of characters has no end")
        return r"\[", at + 1
    inside = "|".join(members) or "(?!)"
    return (f"(?:(?!{inside}){any_})" if negated else f"(?:(?={any_})(?:{inside}))"), here + 1


def _member(pattern: str, at: int, escapes: bool) -> tuple[str, int]:
    if pattern[at] == "\\" and escapes:
        at += 1
    if at >= len(pattern):
        raise ValueError("a class of characters has no end")
    return pattern[at], at + 1


# -- ignore files ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of an ignore file: its line, from 1, its text, and whether it takes files in again (`!`)."""

    line: int
    text: str
    negated: bool


class IgnoreRules:
    """The rules of an ignore file, as in gitignore(5). A malformed rule matches nothing, as in git.

    Raises `OSError` for more rules than anyone writes, since a crafted file could ask for endless work.
    """

    def __init__(self, content: bytes, name: str = "") -> None:
        self._rules: list[Rule] = []
        self._exact: dict[str, int] = {}
        """The number of the last rule without wildcards by what it matches, see `_subjects`."""
        self._sources: list[tuple[int, str]] = []
        # Undecodable bytes are kept as `os` keeps them.
        for line, raw in enumerate(content.decode("utf-8-sig", "surrogateescape").split("\n"), 1):
            text = _UNTRIMMED.findall(raw.removesuffix("\r"))[0]
            if not text.startswith("#") and text.strip("!/"):
                self._add(Rule(line, text, text.startswith("!")), name)

    def _add(self, rule: Rule, name: str) -> None:
        body = rule.text.removeprefix("!")
        only_folders = body.endswith("/")
        body = body.removesuffix("/")
        anchored = "/" in body
        body = body.removeprefix("/")
        number = len(self._rules)
        if not re.search(r"[*?\[\\]", body):
            mark = "/" if anchored else ""
            for kind in ("/",) if only_folders else ("/", ""):
                self._exact[f"{mark}{body}{kind}"] = number
            self._rules.append(rule)
            return
        if len(body) > _LONGEST_RULE or len(self._sources) >= _MOST_RULES:
            message = f"{name} has a rule of more than {_LONGEST_RULE:,} characters, or more than {_MOST_RULES:,} rules"
            raise OSError(errno.EFBIG, f"{message} with wildcards")
        try:
            source = _translated(
                body if anchored else f"**/{body}",
                any_="[^/]",
                end=r"(?<=[^/])/\Z" if only_folders else r"(?<=[^/])/?\Z",
                escapes=True,
            )
        except ValueError:
            return
        self._sources.append((number, source))
        self._rules.append(rule)

    @cached_property
    def _wild(self) -> tuple[list[int], re.Pattern[str]] | None:
        """The rules with wildcards, the last first, as one expression with a group for each."""
        if not self._sources:
            return None
        latest = self._sources[::-1]
        source = "|".join(f"({source})" for _, source in latest)
        return [number for number, _ in latest], re.compile(source, re.DOTALL)

    def deciding(self, path: str, is_folder: bool) -> Rule | None:
        """Return the last rule that matches a path, relative to the folder of the file; None if no rule does."""
        subject = path + "/" * is_folder
        base = path.rpartition("/")[2] + "/" * is_folder
        numbers = [self._exact.get(f"/{subject}", -1), self._exact.get(base, -1)]
        if self._wild is not None:
            order, expression = self._wild
            if (match := expression.match(subject)) and match.lastindex:
                numbers.append(order[match.lastindex - 1])
        last = max(numbers)
        return self._rules[last] if last >= 0 else None


def unmatched(names: Names, patterns: Iterable[str]) -> Iterator[str]:
    """Yield a note for each pattern that selects nothing."""
    for pattern in patterns:
        if not any(names.select(pattern)):
            yield f"no source matches {pattern!r}: {names.hint(pattern)}"
