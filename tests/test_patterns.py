"""One language of patterns: names, folders and globs select sources, and no pattern takes endless time."""

import fnmatch
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timing import seconds_of

from semsearch.errors import InvalidInput
from semsearch.patterns import IgnoreRules, Names, glob

NFD = "notes/cafe\u0301.md"
SOURCES = [
    "docs/live/fence.md",
    "docs/archive/fence.md",
    "docs/archive/old/gate.md",
    "docs/archive2/wall.md",
    "notes/[draft] plan*.md",
    "notes/d plan.md",
    "notes/.hidden/key.md",
    NFD,
    "笔记/一.md",
    "top.md",
    "<stdin>",
]
ROWS = [("data.csv", "data.csv#1"), ("data.csv", "data.csv#2"), ("other.csv", "other.csv#1")]


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    (tmp_path / "docs/archive").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    outside = str(tmp_path.parent / "far/away.md")
    sources = [*SOURCES, outside, *(source for source, _ in ROWS)]
    return Names(sources, [*SOURCES, outside, *(row for _, row in ROWS)], tmp_path)


def selected(names: Names, pattern: str) -> list[str]:
    chosen = names.select(pattern)
    return [name for name, taken in zip(names.documents, chosen, strict=True) if taken]


ARCHIVE = ["docs/archive/fence.md", "docs/archive/old/gate.md"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("docs/archive", ARCHIVE),
        ("docs/archive/", ARCHIVE),
        ("./docs/archive/", ARCHIVE),
        ("./docs/archive/*", ARCHIVE),
        ("docs/live/../archive", ARCHIVE),
        ("docs\\archive", ARCHIVE),
        ("docs\\archive\\*", ARCHIVE),
        ("docs/arch?ve", ARCHIVE),
        ("docs/archive/**", ARCHIVE),
        ("docs/archive*/", [*ARCHIVE, "docs/archive2/wall.md"]),
        ("**/fence.md", ["docs/live/fence.md", "docs/archive/fence.md"]),
        ("**/top.md", ["top.md"]),
        ("docs/**/gate.md", ["docs/archive/old/gate.md"]),
        ("docs/archive/**/fence.md", ["docs/archive/fence.md"]),
        ("*/old/*", ["docs/archive/old/gate.md"]),
        ("notes/[draft] plan*.md", ["notes/[draft] plan*.md"]),
        ("notes/[draft] plan.md", ["notes/d plan.md"]),
        ("notes/.hidden", ["notes/.hidden/key.md"]),
        ("notes/café.md", [NFD]),
        ("notes/cafe\u0301*", [NFD]),
        ("笔记", ["笔记/一.md"]),
        ("data.csv", ["data.csv#1", "data.csv#2"]),
        ("data.csv#2", ["data.csv#2"]),
        ("*.csv#1", ["data.csv#1", "other.csv#1"]),
        ("<stdin>", ["<stdin>"]),
        ("Docs/archive", []),
        ("docs/archvie/*", []),
        ("fence.md", []),
        ("docs/arch", []),
    ],
)
def test_a_pattern_selects_what_a_person_means(names: Names, pattern: str, expected: list[str]) -> None:
    assert selected(names, pattern) == expected


def test_paths_are_read_from_the_working_directory_too(
    names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert selected(names, f"{tmp_path}/docs/archive/*") == ARCHIVE
    assert selected(names, f"{tmp_path}/docs/archive") == ARCHIVE
    assert selected(names, str(tmp_path.parent / "far")) == [str(tmp_path.parent / "far/away.md")]
    assert selected(names, "../far/*") == [str(tmp_path.parent / "far/away.md")]
    assert "<stdin>" not in selected(names, ".")
    assert set(selected(names, ".")) == {*SOURCES, *(row for _, row in ROWS)} - {"<stdin>"}
    monkeypatch.chdir(tmp_path / "docs")
    assert selected(names, "archive") == selected(names, "archive/*") == ARCHIVE
    assert selected(names, "../top.md") == ["top.md"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert selected(names, "~/docs/archive/*") == ARCHIVE


def test_a_link_to_the_folder_names_the_same_sources(names: Names, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "docs")
    assert selected(names, f"{tmp_path}/link/archive/*") == ARCHIVE


def test_a_folder_with_brackets_in_its_own_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "a[1]*"
    here.mkdir()
    monkeypatch.chdir(here)
    within = Names(["a[1]*/x.md", "a1b/x.md"], ["a[1]*/x.md", "a1b/x.md"], tmp_path)
    assert within.select("*.md") == [True, True]  # relative to the base as well
    assert within.select("./x.*") == [True, False]


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("Docs/Archive", "did you mean docs/archive/?"),
        ("docs/archvie/*", "did you mean docs/archive/"),
        ("fence.md", "did you mean docs/archive/fence.md or docs/live/fence.md?"),
        ("TOP.md", "did you mean top.md?"),
        ("zzz", "names are relative to the folder of the index"),
    ],
)
def test_what_matches_nothing_names_what_is_near(names: Names, pattern: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=r"--protect .* matches no source") as refused:
        names.require(pattern, f"--protect {pattern!r}")
    assert hint in refused.value.hint


@pytest.mark.parametrize("pattern", ["", "  ", "x" * 5_000])
def test_a_pattern_that_cannot_be_meant_is_refused(names: Names, pattern: str) -> None:
    with pytest.raises(InvalidInput):
        names.select(pattern)


@given(st.text("ab*?[]!-/", max_size=8), st.text("ab-/]", max_size=8))
def test_a_glob_matches_what_fnmatch_does_and_below(pattern: str, name: str) -> None:
    if "**/" in pattern or "\n" in name:
        return
    folders = [name[:at] for at, sign in enumerate(name) if sign == "/"]
    expected = any(fnmatch.fnmatchcase(one, pattern) for one in (name, *folders))
    try:
        assert bool(glob(pattern).match(name)) == expected
    except AssertionError:
        # fnmatch lets a reversed range such as [b-a] take part of the set with it; here it is empty
        assert "-" in pattern and "[" in pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 60 + "b",
        "**/" * 200 + "b",
        "**/*a" * 80 + "/b",
        "?*" * 200 + "b",
        "[!b]*" * 200 + "b",
        "*" * 3_000 + "b",
        "a*/" * 100 + "**/" * 100 + "b",
    ],
)
def test_no_pattern_takes_long_on_a_hostile_name(pattern: str) -> None:
    names = ["a" * 250, "a/" * 1_000 + "a", "/".join(["a" * 50] * 40)]

    def match() -> None:
        rules = IgnoreRules(f"{pattern}\n/{pattern}\n{pattern}/".encode())
        for name in names:
            assert rules.deciding(name, False) is None
            assert not glob(pattern).match(name)

    assert seconds_of(match, bound=3) < 3


def test_the_last_rule_decides_and_has_its_line() -> None:
    rules = IgnoreRules(b"# all\n*.md\n\n!keep.md\nkeep.*\n!/sub/keep.md\n")
    assert rules.deciding("x.txt", False) is None
    assert (rule := rules.deciding("d/x.md", False)) and (rule.line, rule.text) == (2, "*.md")
    assert (rule := rules.deciding("keep.md", False)) and (rule.line, rule.negated) == (5, False)
    assert (rule := rules.deciding("sub/keep.md", False)) and rule.negated


@pytest.mark.parametrize(
    ("rule", "matching", "others"),
    [
        ("[[:digit:]].md", "1.md", "a.md"),
        ("[![:alpha:]]x", "1x", "ax"),
        ("[]-]x", "]x", "ax"),
        ("a[/]b", "", "a/b"),
        ("x\\*y", "x*y", "xzy"),
        ("\\!a", "!a", "a"),
        ("*/b", "a/b", "a/c/b"),
    ],
)
def test_rules_of_ignore_files_that_git_knows(rule: str, matching: str, others: str) -> None:
    rules = IgnoreRules(rule.encode())
    assert not matching or rules.deciding(matching, False)
    assert rules.deciding(others, False) is None


def test_an_ignore_file_of_endless_rules_is_refused() -> None:
    with pytest.raises(OSError, match="more than 10,000 rules"):
        IgnoreRules(b"*a\n" * 10_001)
    with pytest.raises(OSError, match="more than 4,096 characters"):
        IgnoreRules(b"*a" * 5_000)
    many = IgnoreRules("\n".join(f"name{number}" for number in range(90_000)).encode())
    assert (rule := many.deciding("d/name77", False)) and rule.line == 78
