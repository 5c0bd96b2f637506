"""Plant copies in a folder: ten kinds of copies of each of six texts, with other texts on the same topics."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from semsearch.dedup import Duplicates

TEXTS = Path(__file__).parent / "planted_texts"
_PIECES = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+")
"""The words of a text with their marks, or single Chinese characters."""


def cut(text: str, first: float, last: float) -> str:
    """Return the part of a text between two shares of its words."""
    places = [match.start() for match in _PIECES.finditer(text)] + [len(text)]
    return text[places[round(first * (len(places) - 1))] : places[round(last * (len(places) - 1))]].strip()


def with_typos(text: str) -> str:
    """Return a text with two letters swapped in every tenth word, or another character in place of every tenth."""
    count = 0

    def mistyped(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        word = match[0]
        if count % 10:
            return word
        return word[0] + word[2:3] + word[1:2] + word[3:] + "x" if len(word) > 1 else "某"

    return _PIECES.sub(mistyped, text)


def inserted(part: str, into: str) -> str:
    """Return a text with a part of another one between its middle lines."""
    lines = into.split("\n")
    middle = next(at for at in range(len(lines) // 2, len(lines)) if not lines[at].strip())
    return "\n".join([*lines[:middle], "", part, *lines[middle:]])


def with_insert(text: str, other: str, share: float) -> str:
    """Return a text with `share` as many words of another in its middle."""
    count = share * len(_PIECES.findall(text)) / len(_PIECES.findall(other))
    return inserted(cut(other, 0, min(1, count)), text)


def shuffled(text: str) -> str:
    """Return a text with its paragraphs in another order."""
    paragraphs = re.split(r"\n\s*\n", text)
    return "\n\n".join(paragraphs[1::2] + paragraphs[::2][::-1])


HEADER = (
    "Forwarded by the editors on 4 March\n\nThis text was sent to us by a reader, who asks us to keep it.\n\n"
)
KINDS: dict[str, Callable[[str, str], str]] = {
    "header": lambda text, _: HEADER + text,
    "typos": lambda text, _: with_typos(text),
    "first 90%": lambda text, _: cut(text, 0, 0.9),
    "first 75%": lambda text, _: cut(text, 0, 0.75),
    "first 50%": lambda text, _: cut(text, 0, 0.5),
    "middle 25%": lambda text, _: cut(text, 0.375, 0.625),
    "insert 10%": lambda text, other: with_insert(text, other, 0.1),
    "insert 25%": lambda text, other: with_insert(text, other, 0.25),
    "insert 50%": lambda text, other: with_insert(text, other, 0.5),
    "shuffled": lambda text, _: shuffled(text),
}
"""Each kind of copy: a function of the text, and of another text on the same topic."""


@dataclass(frozen=True)
class Planted:
    """A file, the kind of copy that it is (empty for an original), and the originals that it has words of."""

    name: str
    text: str
    kind: str
    of: frozenset[str]

    @property
    def original(self) -> str:
        """The name of the text that this is a copy of."""
        return min(name for name in self.of if not name.startswith("other_"))


def originals() -> dict[str, str]:
    """Return the texts by the name of their file."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(TEXTS.iterdir())}


def planted() -> Iterator[Planted]:
    """Yield the six texts, another text on the topic of each, and ten copies of each of the six."""
    texts = originals()
    for name, text in texts.items():
        yield Planted(name, text, "", frozenset({name}))
        other = f"other_{name}"
        for number, (kind, copy) in enumerate(KINDS.items() if other in texts else ()):
            parts = {name, other} if kind.startswith("insert") else {name}
            stem, _, suffix = name.partition(".")
            yield Planted(f"{stem}-{number}.{suffix}", copy(text, texts[other]), kind, frozenset(parts))


def pairs_of(found: Duplicates) -> set[tuple[str, str]]:
    """Return the names of the files, sorted, of each two documents in one group, and of each pair contained."""
    groups = [[group.keeper, *(member.name for member in group.members)] for group in found.groups]
    together = [pair for group in groups for pair in combinations(group, 2)]
    together += [(pair.document, pair.container) for pair in found.contained]
    return {(min(pair), max(pair)) for pair in ((Path(a).name, Path(b).name) for a, b in together)}
