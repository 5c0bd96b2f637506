"""The check of prose: what it rejects, and what it leaves alone."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "docs" / "check_prose.py"
spec = importlib.util.spec_from_file_location("check_prose", SCRIPT)
assert spec is not None and spec.loader is not None
check_prose = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_prose)


def faults(path: Path, text: str) -> list[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return [words for _, words, _ in check_prose.found(path)]


@pytest.mark.parametrize(
    "line",
    [
        "The index is made anew.",
        "Beside it lies a lock.",
        "A process of its own parses it.",
        "That path is no file.",
        "These are no duplicates.",
        "A pair that the classifier turned down.",
        "The weakest similarity, and that of any two members.",
        "Dedup goes by the cosine.",
        "Relevant by the judgements of people.",
    ],
)
def test_rejected_expression_is_found(tmp_path: Path, line: str) -> None:
    assert len(faults(tmp_path / "page.md", f"Good prose.\n{line}\n")) == 1
    assert len(faults(tmp_path / "module.py", f'say = "{line}"\n')) == 1


@pytest.mark.parametrize(
    "line",
    [
        "if value is None: return",
        "There is no limit, and there are no exceptions.",
        "It is no longer there, and is now a no-op; it is no more than that.",
        "Besides, the file is a renewal of owned canewood.",
        "Relevance judgements are in qrels.tsv.",
    ],
)
def test_plain_prose_passes(tmp_path: Path, line: str) -> None:
    assert faults(tmp_path / "module.py", f"# {line}\n") == []


def test_docstring_that_opens_with_a_question_is_found(tmp_path: Path) -> None:
    assert len(faults(tmp_path / "module.py", 'def f():\n    """Whether it is so."""\n')) == 1
    assert faults(tmp_path / "module.py", 'def f():\n    """Return whether it is so."""\n') == []


def test_strings_of_a_test_are_data(tmp_path: Path) -> None:
    test = tmp_path / "tests" / "test_it.py"
    assert faults(test, 'def test_it():\n    assert "made anew"\n') == []
    assert len(faults(test, 'def test_it():\n    """The index is made anew."""\n')) == 1
    assert len(faults(test, "def test_it():\n    pass  # beside the lock\n")) == 1


def test_long_name_of_a_test_is_found(tmp_path: Path) -> None:
    test = tmp_path / "tests" / "test_it.py"
    assert faults(test, f"def test_{'a' * 56}():\n    pass\n") == [f"test_{'a' * 56}"]
    assert faults(test, f"def test_{'a' * 55}():\n    pass\n") == []
