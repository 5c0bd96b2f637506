"""Find what code says by its words: modifiers, clauses of SQL, joined names, and calls with arguments in order."""

import re
from collections.abc import Collection

_MODIFIERS = frozenset(
    ("mut", "const", "constexpr", "volatile", "mutable", "async", "await", "nonlocal", "noexcept")
)
"""Words that change the meaning of what they stand before."""
_CLAUSES = frozenset(("join", "union", "distinct"))
_CLAUSE = re.compile(
    r"\b(?:(left|right|full|cross|natural)\s+(?:outer\s+)?(?=join\b)|union\s+(all\b)|(?:select|count\s?\()\s*(distinct\b))"
)
"""The clauses of SQL that mean something else with one word more. `INNER JOIN` is `JOIN`."""
_COMMANDS = frozenset(
    (
        "cp",
        "mv",
        "copy",
        "move",
        "ln",
        "link",
        "rename",
        "replace",
        "git",
        "scp",
        "rsync",
        "diff",
        "merge",
        "rebase",
    )
)
_CALL = re.compile(r"\w\([^\s()][^()\n]{0,200},")
_LETTER = r"[^\W\d_]"
_JOINED = re.compile(rf"{_LETTER}[^\W_]*(?:[._‐‑-]+[^\W_]+)+")
_JOINT = re.compile("[._‐‑-](?<=[^\\s._-].)[._‐‑-]*(?=[^\\W_])")
_JOINTS = re.compile("[._‐‑-]+")


def keywords(low: str, tokens: Collection[str]) -> list[str]:
    """Return the words of a text in lower case that act as signs, such as `mut`, or `left` before JOIN."""
    found = [] if _MODIFIERS.isdisjoint(tokens) else [token for token in tokens if token in _MODIFIERS]
    if not _CLAUSES.isdisjoint(tokens):
        found += [word for groups in _CLAUSE.findall(low) for word in groups if word]
    return found


def joined_names(text: str) -> dict[str, str]:
    """Return the words that a dot, a `_` or a hyphen joins, such as `a_b`, by their letters: {"ab": "a_b"}."""
    found: dict[str, str] = {}
    if not _JOINT.search(text):  # few texts have any
        return found
    for word in _JOINED.findall(text):
        name = word.lower().replace("‐", "-").replace("‑", "-")
        found[_JOINTS.sub("", name)] = name
    return found


def has_arguments(text: str, tokens: Collection[str]) -> bool:
    """Return True for a command or a call, where the order of what follows counts: `cp a b`, `f(a, b)`."""
    return next(iter(tokens), "") in _COMMANDS or ("(" in text and _CALL.search(text) is not None)
