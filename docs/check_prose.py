"""Reject words that make the prose hard to read: `python docs/check_prose.py [FILE...]`, by default every tracked file.

Code, docstrings, comments, messages and documents are checked alike. Exit code 1 if anything is found.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
CHECKED = {".py", ".md", ".toml", ".yml", ".yaml", ".cfg", ""}
EXEMPT = ("sample_corpus/", "LICENSE", "docs/check_prose.py", "tests/")
"""Texts that are data, the licence, this list, and tests, whose texts are often data."""

REJECTED = {
    r"anew": "again, or rebuild",
    r"beside": "next to",
    r"of (?:its|their|our|his|one's|your|her) own": "own, or separate",
    r"is no(?! (?:longer|more than|less than|such|one)\b)": "is not a",
    r"are no(?! (?:longer|more than|less than|such)\b)": "are not",
    r"is none": "does not exist, or is not one",
    r"in (?:its|their|his) stead": "instead",
    r"goes by|go by|went by": "uses",
    r"turn(?:s|ed|ing)? down": "reject",
    r"taken apart|takes apart": "parsed",
    r"that of": "name the thing again",
    r"of no matter": "does not matter",
    r"so many as|as many as there": "name the number",
    r"in vain": "without success",
    r"made? anew": "rebuild",
    r"judgement": "label, report or qrels",
    r"(?<!qu)alike,? to the model": "similar to the model",
    r"unhappily|whereupon|thereof|wherein|heretofore": "use an ordinary word",
}
OPENINGS = re.compile(r'^\s*(?:[rbf]?""")(?:What|Who|Whether|Which|How|Where)\b')
"""A docstring's first line is a verb and its object."""
_PATTERN = re.compile(
    "|".join(rf"(?P<w{at}>\b(?:{word})\b)" for at, word in enumerate(REJECTED)), re.IGNORECASE
)
_ADVICE = list(REJECTED.values())


def found(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the line number, the words found and the advice, for each rejected expression of a file."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for match in _PATTERN.finditer(line):
            yield number, match[0], _ADVICE[int((match.lastgroup or "w0")[1:])]
        if path.suffix == ".py" and OPENINGS.match(line):
            yield number, line.strip()[:40], "begin with a verb: Return, Save, Raise"


def tracked() -> list[str]:
    """Return the paths of the files that git tracks, less those that are exempt."""
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if not name.startswith(EXEMPT)]


def main() -> int:
    """Print every finding; return the exit code."""
    names = sys.argv[1:] or tracked()
    count = 0
    for path in (REPOSITORY / name for name in names):
        if path.suffix in CHECKED and path.is_file():
            for number, words, advice in found(path):
                print(f"{path.relative_to(REPOSITORY)}:{number}: {words!r}: {advice}")
                count += 1
    print(f"{count} rejected expressions", file=sys.stderr)
    return bool(count)


if __name__ == "__main__":
    raise SystemExit(main())
