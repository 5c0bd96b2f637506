"""The files that a walk finds, the reasons for those it skips, and ignore files compared with git."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semsearch.errors import InvalidInput
from semsearch.readers import Choice, Found, walk
from semsearch.types import Skipped


def plant(top: Path, files: Iterable[str] | dict[str, str]) -> Path:
    """Write files (path -> content) below `top`."""
    contents = files if isinstance(files, dict) else dict.fromkeys(files, "text")
    for name, content in contents.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(content)
    return top


def names(top: Path, *roots: Path, **options: Choice) -> list[str]:
    """Return the files that a walk finds, in order, relative to `top`."""
    outcome = walk(roots or [top], **options)
    return [item.path.relative_to(top).as_posix() for item in outcome if isinstance(item, Found)]


def reasons(top: Path, *roots: Path, **options: Choice) -> dict[str, tuple[str, bool]]:
    """Return what a walk skips: path relative to `top` -> (reason, failed)."""
    outcome = walk(roots or [top], **options)
    skipped = [item for item in outcome if isinstance(item, Skipped)]
    found = {os.path.relpath(item.path, top): (item.reason, item.failed) for item in skipped}
    assert len(found) == len(skipped), "one Skipped a path"
    return found


def test_files_are_sorted_by_name_folders_among_them(tmp_path: Path) -> None:
    plant(tmp_path, ["b/z.md", "b/a.md", "a.md", "c.md", "B.md", "b.md"])
    assert names(tmp_path) == ["B.md", "a.md", "b/a.md", "b/z.md", "b.md", "c.md"]


def test_found_carries_size_and_time_of_the_file(tmp_path: Path) -> None:
    path = plant(tmp_path, {"a.md": "four"}) / "a.md"
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    assert list(walk([tmp_path])) == [Found(path, 4, path.stat().st_mtime_ns)]


def test_overlapping_roots_yield_each_file_once(tmp_path: Path) -> None:
    plant(tmp_path, ["docs/a.md", "docs/sub/b.md", "docs/c.md", "other/d.md"])
    docs = tmp_path / "docs"
    roots = [docs / "sub", docs, docs / "a.md", docs / "sub" / "..", docs / "sub" / "b.md", tmp_path]
    assert names(tmp_path, *roots) == ["docs/c.md", "docs/a.md", "docs/sub/b.md", "other/d.md"]


def test_a_missing_root_is_named_before_anything_is_read(tmp_path: Path) -> None:
    plant(tmp_path, ["a.md"])
    with pytest.raises(InvalidInput, match="nothing-here") as caught:
        walk([tmp_path, tmp_path / "nothing-here"])
    assert caught.value.hint
    with pytest.raises(InvalidInput, match="does not exist"):
        walk([tmp_path / "a.md" / "below-a-file"])


def test_hidden_files_and_folders_are_one_skip_each(tmp_path: Path) -> None:
    plant(tmp_path, [".git/HEAD", ".git/refs/x", ".semsearch/library.sqlite3", ".cache/x", ".env", "a.md"])
    assert names(tmp_path) == ["a.md"]
    assert reasons(tmp_path) == {
        ".git": ("hidden folder", False),
        ".cache": ("hidden folder", False),
        ".env": ("hidden file", False),
    }


def test_a_root_is_taken_even_if_hidden_or_ignored(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "build\nx.md\n", "build/a.md": "a", "x.md": "x", ".notes/b.md": "b"})
    assert names(tmp_path) == []
    roots = [tmp_path, tmp_path / "build", tmp_path / "x.md", tmp_path / ".notes"]
    assert names(tmp_path, *roots) == ["build/a.md", "x.md", ".notes/b.md"]


def test_a_root_that_is_a_file_is_still_checked(tmp_path: Path) -> None:
    (tmp_path / "b.dat").write_bytes(b"a\0b")
    plant(tmp_path, {"big.txt": "x" * 11})
    roots = [tmp_path / "b.dat", tmp_path / "big.txt"]
    assert reasons(tmp_path, *roots, choice=Choice(10)) == {
        "b.dat": ("binary file", False),
        "big.txt": ("larger than 10 bytes (--max-size)", False),
    }


def test_the_size_limit_is_exact(tmp_path: Path) -> None:
    plant(tmp_path, {"at": "four", "over": "fives"})
    assert names(tmp_path, choice=Choice(4)) == ["at"]
    assert reasons(tmp_path, choice=Choice(4)) == {"over": ("larger than 4 bytes (--max-size)", False)}


@pytest.mark.parametrize(
    ("limit", "said"), [(1500, "1.5 kB"), (50_000_000, "50 MB"), (2_000_000_000, "2 GB")]
)
def test_the_size_limit_is_named_in_its_unit(tmp_path: Path, limit: int, said: str) -> None:
    with (tmp_path / "over").open("wb") as file:
        file.truncate(limit + 1)  # takes no space
    assert reasons(tmp_path, choice=Choice(limit)) == {"over": (f"larger than {said} (--max-size)", False)}


def test_binary_file_has_an_early_nul_and_no_reader_or_bom(tmp_path: Path) -> None:
    contents = {
        "late.txt": b"x" * 8192 + b"\0",
        "early.txt": b"x" * 8191 + b"\0",
        "manual.pdf": b"%PDF-1.7\0",
        "letter.DOCX": b"PK\0",
        "table.csv": b"a,b\0",
        "little.txt": "\ufefftext".encode("utf-16-le"),
        "big.txt": "\ufefftext".encode("utf-16-be"),
        "wide.txt": "\ufefftext".encode("utf-32-le"),
        "unmarked.txt": "text".encode("utf-16-le"),
        "empty.md": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    assert reasons(tmp_path) == {
        "early.txt": ("binary file", False),
        "table.csv": ("binary file", False),
        "unmarked.txt": ("binary file", False),
        "empty.md": ("empty file", False),
    }


def test_special_files_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer for ever
    with tempfile.TemporaryDirectory(dir="/tmp") as short, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{short}/socket")  # a socket's path is limited to about 100 bytes
        assert reasons(Path(short)) == {"socket": ("not a regular file", False)}
    special = ("not a regular file", False)
    assert reasons(tmp_path) == {"pipe": special}
    assert reasons(tmp_path, tmp_path / "pipe") == {"pipe": special}


def test_symbolic_links_are_left_out_each_with_its_reason(tmp_path: Path) -> None:
    top = plant(tmp_path / "top", ["real.md", "folder/a.md"])
    plant(tmp_path, ["outside.md"])
    links = {
        "inside.md": "real.md",
        "inside": "folder",
        "outside.md": "../outside.md",
        "broken.md": "gone.md",
        "folder/up": "..",
        "self": "self",
    }
    for name, target in links.items():
        (top / name).symlink_to(target)
    assert names(top) == ["folder/a.md", "real.md"]
    assert reasons(top) == {
        "inside.md": ("symbolic link inside the folder", False),
        "inside": ("symbolic link inside the folder", False),
        "outside.md": ("symbolic link out of the folder", False),
        "broken.md": ("broken symbolic link", False),
        "folder/up": ("symbolic link loop", False),
        "self": ("symbolic link loop", False),
    }


def test_a_root_may_be_a_symbolic_link(tmp_path: Path) -> None:
    plant(tmp_path, ["real/a.md"])
    (tmp_path / "link").symlink_to("real")
    assert names(tmp_path, tmp_path / "link") == ["link/a.md"]
    assert names(tmp_path, tmp_path / "link", tmp_path / "real") == ["link/a.md"]


def test_a_name_that_is_not_utf8_is_reported_and_the_rest_found(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")).write_text("text")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    plant(tmp_path, ["café.md"])
    assert names(tmp_path) == ["café.md"]
    assert reasons(tmp_path) == {"caf\\xe9.md": ("name is not valid UTF-8", True)}


@pytest.fixture
def closed_doors() -> Iterator[Path]:
    """Yield a folder, as a user without privileges; root, who may read everything, becomes such a user."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)
            for path in sorted(Path(name).rglob("*")):
                path.chmod(0o755)


def test_unreadable_folder_or_file_is_a_failure(closed_doors: Path) -> None:
    plant(closed_doors, ["a.md", "closed/b.md", "closed/deep/c.md", "secret.md", "rules/d.md"])
    plant(closed_doors, {"rules/.gitignore": "d.md"})
    for name in ("closed", "secret.md", "rules/.gitignore"):
        (closed_doors / name).chmod(0)
    assert names(closed_doors) == ["a.md"]
    # a folder whose ignore file cannot be read might hold what must not be indexed
    assert reasons(closed_doors) == dict.fromkeys(
        ["closed", "secret.md", "rules"], ("permission denied", True)
    )


def test_a_root_that_may_not_be_read_is_a_failure_of_the_root(closed_doors: Path) -> None:
    plant(closed_doors, ["closed/deep/c.md"])
    (closed_doors / "closed").chmod(0)
    for name in ("closed", "closed/deep"):
        assert reasons(closed_doors, closed_doors / name) == {name: ("permission denied", True)}


def test_ignored_folders_are_one_skip_and_not_entered(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {".gitignore": "build/\n*.log\n", "build/keep.md": "k", "a.log": "l", "sub/b.log": "l", "c.md": "c"},
    )
    plant(tmp_path, {"build/.gitignore": "!keep.md"})
    assert names(tmp_path) == ["c.md"]
    ignored = ("ignored by .gitignore", False)
    assert reasons(tmp_path) == {
        "build": ignored,
        "a.log": ignored,
        "sub/b.log": ignored,
        ".gitignore": ("hidden file", False),
    }


def test_semsearchignore_wins_at_any_depth_and_needs_no_git(tmp_path: Path) -> None:
    plant(tmp_path, {
        ".semsearchignore": "*.tmp\n!build/\n!kept.md\n",
        ".gitignore": "build/\n",
        "sub/.gitignore": "!x.tmp\nkept.md\nlost.md\n",
        "build/a.md": "a", "sub/x.tmp": "x", "sub/kept.md": "k", "sub/lost.md": "l",
    })  # fmt: skip
    assert names(tmp_path) == ["build/a.md", "sub/kept.md"]
    outcome = reasons(tmp_path)
    assert outcome["sub/x.tmp"] == ("ignored by .semsearchignore", False)
    assert outcome["sub/lost.md"] == ("ignored by .gitignore", False)


def test_parent_rules_hold_up_to_the_top_of_the_repository(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "*.md", ".semsearchignore": "*.txt"})
    top = plant(
        tmp_path / "repo", {".gitignore": "/docs/draft\n", "docs/sub/a.md": "a", "docs/draft/b.md": "b"}
    )
    plant(top, ["docs/c.txt", ".git/HEAD"])
    assert names(top, top / "docs") == ["docs/sub/a.md"]
    assert names(top, top / "docs" / "sub") == ["docs/sub/a.md"]


def test_gitignore_without_a_repository_counts_from_the_root(tmp_path: Path) -> None:
    plant(tmp_path, {".gitignore": "*.md", "docs/a.md": "a", "docs/.gitignore": "b.md", "docs/b.md": "b"})
    assert names(tmp_path) == []
    assert names(tmp_path, tmp_path / "docs") == ["docs/a.md"]


def test_a_repository_inside_another_has_rules_of_its_own(tmp_path: Path) -> None:
    plant(
        tmp_path, {".gitignore": "*.log", "inner/.git": "gitdir: elsewhere", "inner/a.log": "a", "b.log": "b"}
    )
    assert names(tmp_path) == ["inner/a.log"]


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        # each hand-worked from gitignore(5); the files are a.md, b.md, d/a.md, d/e/a.md
        (b"*\n!*/\n!a.md\n", "a.md d/a.md d/e/a.md"),
        (b"d/*\n!d/e\n", "a.md b.md d/e/a.md"),
        (b"d/**\n!d/a.md\n", "a.md b.md d/a.md"),
        (b"/a.md", "b.md d/a.md d/e/a.md"),
        (b"**/e", "a.md b.md d/a.md"),
        (b"d/**/a.md", "a.md b.md"),
        (b"a.md/", "a.md b.md d/a.md d/e/a.md"),
        (b"\xef\xbb\xbfa.md\r\n# b.md\r\n\r\n", "b.md"),
        (b"a.md   \n", "b.md"),
        (b"a.md\\ \n", "a.md b.md d/a.md d/e/a.md"),
        (b"[z-a]\n[\nb.md\\\n//\n/\n!\nb.md", "a.md d/a.md d/e/a.md"),
    ],
)
def test_patterns_as_git_documents_them(tmp_path: Path, lines: bytes, kept: str) -> None:
    plant(tmp_path, ["a.md", "b.md", "d/a.md", "d/e/a.md"])
    (tmp_path / ".gitignore").write_bytes(lines)
    assert names(tmp_path) == kept.split()


PARTS = [
    "a",
    "b",
    "ab",
    "*",
    "**",
    "?",
    "a*",
    "*.md",
    "[ab]",
    "[!a]",
    "a.md",
    "\\a",
    "#a",
    "!a",
    "{a,b}",
    "a ",
]
PATTERNS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map("/".join),
    st.sampled_from(["", "", "/"]),
)
FOLDERS = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=3).map("/".join)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@settings(max_examples=50, deadline=None)
@given(
    files=st.sets(
        st.tuples(FOLDERS, st.sampled_from(["a.md", "b.md", "c", "d.txt"])), min_size=1, max_size=10
    ),
    rules=st.dictionaries(FOLDERS, st.lists(PATTERNS, min_size=1, max_size=4), min_size=1, max_size=3),
)
def test_the_files_found_are_those_git_would_track(
    files: set[tuple[str, str]], rules: dict[str, list[str]]
) -> None:
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    with tempfile.TemporaryDirectory() as folder:
        top = plant(Path(folder), [f"{place}/{name}".lstrip("/") for place, name in files])
        plant(top, {f"{place}/.gitignore".lstrip("/"): "\n".join(lines) for place, lines in rules.items()})
        subprocess.run(["git", "init", "-q", "--template=", top], check=True, env=environment)
        command = ["git", "-C", folder, "ls-files", "-z", "--others", "--exclude-standard"]
        listed = subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout
        expected = {name for name in listed.split("\0") if name and not name.endswith(".gitignore")}
        assert set(names(top)) == expected
