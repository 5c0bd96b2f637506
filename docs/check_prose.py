"""Check the prose of the project: `python docs/check_prose.py [FILE...]`, by default every tracked file.

Three rules hold for everything a person reads (CONTRIBUTING.md says why):

- No file has an expression of `REJECTED`. Code, docstrings, comments, messages and pages are checked alike. In a test
  only docstrings and comments are, since its strings are often data.
- A docstring does not open with What, Who, Whether, Which, How or Where. Its first line is a verb and its object.
- The name of a test has at most 60 characters.

The exit code is 1 if anything is found.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
CHECKED = {".py", ".md", ".toml", ".yml", ".yaml", ".cfg", ".txt", ""}
"""The suffixes of files that are text for people, or contain it."""
EXEMPT = ("sample_corpus/", "LICENSE", "docs/check_prose.py")
"""The files that are not checked: data, the licence, and this list."""
LONGEST_TEST_NAME = 60

REJECTED = {
    r"anew": "again, or rebuild",
    r"beside": "next to, with, or in addition to",
    r"of (?:its|their|our|his|her|one's) own": "own, or separate",
    r"(?<!there )is no(?! (?:longer|more than|less than|such|one)\b)(?!-)": "is not a",
    r"(?<!there )are no(?! (?:longer|more than|less than|such)\b)(?!-)": "are not",
    r"(?-i:(?<!there )is none)": "does not exist, or is not one",
    r"in (?:its|their|his|her|whose) stead": "instead",
    r"(?:goes|go|going|went) by(?! the name)": "uses",
    r"turn(?:s|ed|ing)? down": "reject",
    r"(?:taken|takes|take|taking) apart": "parse, or split",
    r"(?<!at )that of": "name the thing again",
    r"of no matter": "does not matter",
    r"so many as|as many as there": "name the number",
    r"in vain": "without success",
    r"(?<!relevance )judgements?": "label, report, or relevance judgement",
    r"alike,? to the model": "the model finds them similar",
    r"unhappily|whereupon|thereof|wherein|whereof|heretofore|hitherto": "use an ordinary word",
    r"no such thing": "say what it is not",
    r"is there already": "already exists",
    r"what (?:is|are) no longer": "name the thing",
}
"""Each rejected expression, as a regular expression, and better words."""
OPENINGS = re.compile(r'\s*[rR]?"""(?:What|Who|Whose|Whether|Which|How|Where)\b')
_ADVICE = list(REJECTED.values())
_PATTERN = re.compile(
    "|".join(rf"(?P<w{at}>\b(?:{word}))(?!\w)" for at, word in enumerate(REJECTED)), re.IGNORECASE
)


def prose_of(source: str) -> list[str]:
    """Return the lines of a test with everything blanked that is neither a docstring nor a comment."""
    lines = source.splitlines()
    kept = [""] * len(lines)
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            for at in range(node.lineno - 1, node.end_lineno or node.lineno):
                kept[at] = lines[at]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            kept[token.start[0] - 1] += token.string
    return kept


def long_names(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each test whose name is too long."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.FunctionDef)
            and node.name.startswith("test_")
            and len(node.name) > LONGEST_TEST_NAME
        ):
            yield node.lineno, node.name


def found(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the line number, the words found and the advice, for each fault of a file."""
    source = path.read_text(encoding="utf-8")
    test = path.suffix == ".py" and path.parent.name == "tests"
    for number, line in enumerate(prose_of(source) if test else source.splitlines(), 1):
        for match in _PATTERN.finditer(line):
            yield number, match[0], _ADVICE[int((match.lastgroup or "w0")[1:])]
        if path.suffix == ".py" and OPENINGS.match(line):
            yield number, line.strip()[:40], "begin with a verb: Return, Save, Raise"
    if test:
        for number, name in long_names(source):
            yield number, name, f"{len(name)} characters; a test's name has at most {LONGEST_TEST_NAME}"


def tracked() -> list[str]:
    """Return the names of the files that git tracks, or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return listed.stdout.splitlines()


def main() -> int:
    """Print every fault and return the exit code."""
    count = 0
    for path in (REPOSITORY / name for name in sys.argv[1:] or tracked() if not name.startswith(EXEMPT)):
        if path.suffix in CHECKED and path.is_file():
            for number, words, advice in found(path):
                print(f"{path.relative_to(REPOSITORY)}:{number}: {words!r}: {advice}")
                count += 1
    if count:
        print(f"{count} faults in the prose", file=sys.stderr)
    return bool(count)


if __name__ == "__main__":
    raise SystemExit(main())
