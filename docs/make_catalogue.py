"""Bring the catalogues of translations up to date with the English texts in the code.

Each text without a translation gets an empty `msgstr` to fill in, and those that no code has any more are removed. The
three kinds of texts are the help of the commands, the messages (`tr("...")` and `plural(n, "noun")` in semsearch/cli),
and, in the context "library", the errors and reasons of the library and of click. Only the first two must be complete.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click

from semsearch import errors
from semsearch.cli import COMMANDS, diff, drift, groups, label, leak, main, plan
from semsearch.cli.command import _EXIT_CODES, Command
from semsearch.cli.language import CATALOGUES, entries

PACKAGE = Path(__file__).parent.parent / "semsearch"
CLICK = Path(click.__file__).parent
NOUNS = ("document", "passage", "source")
"""Nouns that code computes, as from the level of `dedup`."""
COMPUTED = (
    *("Options", "Other options"),
    *(text for both in plan._COUNTS.items() for text in both),
    *groups._FACTS.values(),
    *diff._TIERS.values(),
    *leak._TIERS.values(),
    *drift._NAMES.values(),
    *(
        "remove",
        "protected",
        "kept",
        "not counted",
        "--remove-differing takes them",
        "--count-differing counts them",
    ),
    *(
        "exact",
        "lexical",
        "semantic",
        "similarity",
        "jaccard",
        "share",
        "word triples",
        "tier",
        "containment",
    ),
    *("a negation differs", "negations differ", "a number differs", "numbers differ", label._PROMPT),
    *("indexed", "stale", "missing", "new", "skipped", "failed", "outside", "unknown"),
    *("added", "updated", "removed", "precision", "recall", "Pearson", "Spearman", "texts/s", "size", "mode"),
    *(
        "index",
        "model",
        "weights",
        "holds",
        "last ingest",
        "reads",
        "threshold",
        "classifier",
        "adapted",
        "engine",
    ),
    *(
        "library",
        "comparisons",
        "quarantine",
        "database",
        "content",
        "words",
        "unfinished",
        "files",
        "vectors",
        "graph",
        "strays",
        "vector file",
    ),
    *("command line", "environment", "default"),
    *(f"{unit}{s} {{number}}" for unit in ("line", "page", "paragraph", "row", "slide") for s in ("", "s")),
)
"""Texts that the command line translates and that no call of `tr` contains."""
_ERRORS = {
    name
    for name, one in vars(errors).items()
    if isinstance(one, type) and issubclass(one, errors.SemsearchError)
} | {"UsageError", "Skipped", "Refused", "UnknownName", "OutOfReach"}
_TRANSLATING = {"tr": ("", 0, 1), "plural": ("count", 1, 2), "counting": ("", 0, 2), "progress": ("", 0, 2)}
"""The functions that translate their arguments: the context, and the [first, last) of these arguments."""
_CLICK_FILES = ("core.py", "decorators.py", "exceptions.py", "parser.py", "termui.py", "types.py")


def help_texts() -> Iterator[tuple[str, str, str]]:
    """Yield the context, the text and the place of each English text in help."""
    for text in main.help_texts():
        yield "", text, "semsearch --help"
    for text in _EXIT_CODES.values():
        yield "", text, "semsearch/cli/command.py"
    ctx = click.Context(main)
    for name in COMMANDS:
        for text in cast(Command, main.get_command(ctx, name)).help_texts():
            yield "", text, f"semsearch {name} --help"


def messages() -> Iterator[tuple[str, str, str]]:
    """Yield the context, the text and the place of each message of the command line."""
    for path in sorted(PACKAGE.glob("cli/*.py")):
        place = path.relative_to(PACKAGE.parent).as_posix()
        for node in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            context, first, last = _TRANSLATING.get(name, ("", 0, 0))
            for text in (text for arg in node.args[first:last] for text in _literals(arg)):
                if "{}" not in text:
                    yield context, text, place
    for text in COMPUTED:
        yield "", text, "docs/make_catalogue.py"
    for noun in NOUNS:
        yield "count", noun, "semsearch/types.py"


def library_texts() -> Iterator[tuple[str, str, str]]:
    """Yield the context, the template and the place of each text of an error or a skipped file."""
    for name in _CLICK_FILES:
        for node in ast.walk(ast.parse((CLICK / name).read_bytes())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_", "ngettext"):
                for text in (text for arg in node.args for text in _literals(arg)):
                    yield "library", re.sub(r"\{(?!message\})[^}]*\}", "{}", text), "click"
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE.parent).as_posix()
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _ERRORS:
                for text in (text for arg in node.args[:3] for text in _literals(arg)):
                    yield "library", text, place


def _literals(node: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression can be, with {} for each value within them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)


def every_literal() -> str:
    """Return all strings of the package and of click in one, since texts are also put together from parts."""
    files = (*PACKAGE.rglob("*.py"), *(CLICK / name for name in _CLICK_FILES))
    trees = (ast.parse(path.read_bytes()) for path in files)
    nodes = (node for tree in trees for node in ast.walk(tree))
    return "\n".join(
        node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def missing(catalogue: Path) -> dict[tuple[str, str], str]:
    """Return the place of each text of help and messages that has no translation, by context and text."""
    known = {
        (context, text)
        for context, text, said in entries(catalogue.read_text(encoding="utf-8").splitlines())
        if said
    }
    return {key: place for key, place in required().items() if key not in known}


def required() -> dict[tuple[str, str], str]:
    """Return the place of each text that must have a translation, by context and text."""
    found: dict[tuple[str, str], str] = {}
    for context, text, place in (*help_texts(), *messages()):
        if text.strip() and re.search("[A-Za-z]{2}|[,;:]", text):
            found.setdefault((context, text), place)
    return found


def updated(catalogue: Path) -> str:
    """Return the text of a catalogue with an entry for each text in the code, and no others."""
    old = catalogue.read_text(encoding="utf-8")
    header, _, _ = old.partition("\n\n")
    said: dict[tuple[str, str], str] = {}
    # Of two, as after a merge, one that is not empty.
    for context, text, translation in entries(old.splitlines()):
        said[context, text] = translation or said.get((context, text), "")
    wanted = required()
    for context, text, place in library_texts():
        if re.search("[A-Za-z]{3}", text):
            wanted.setdefault((context, text), place)
    literals = every_literal()
    for context, text in said:  # reasons in tables, and texts that are put together
        parts = [part.strip(" :;,.()?") for part in re.split(r"\{\w*\}", text)]
        if context == "library" and (context, text) not in wanted and all(one in literals for one in parts):
            wanted[context, text] = "semsearch"
    parts = [header]
    for (context, text), place in wanted.items():
        lines = [f"#: {place.replace(' ', '_')}"]
        lines += [f"msgctxt {json.dumps(context)}"] if context else []
        translation = json.dumps(said.get((context, text), ""), ensure_ascii=False)
        lines += [f"msgid {_string(text)}", f"msgstr {translation}"]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    for path in CATALOGUES.values():
        path.write_text(updated(path), encoding="utf-8")
        sys.stderr.write(
            f"wrote {path}: {len(missing(path))} texts of help and messages have no translation\n"
        )
