"""Shell completion, through click's protocol of environment variables."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from semsearch.cli import main


def complete(words: str, at: int) -> list[str]:
    """Return the kinds and values that bash gets for word number `at`."""
    asked = {"_SEMSEARCH_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
    code = "from semsearch.cli import main; main(prog_name='semsearch')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_commands_options_choices_and_files_are_completed() -> None:
    assert complete("semsearch que", 1) == ["plain,query"]
    assert complete("semsearch query --sour", 2) == ["plain,--source"]
    assert complete("semsearch query --show f", 3) == ["plain,full"]
    assert complete("semsearch ingest no", 2) == ["file,no"]


@pytest.mark.parametrize(
    ("shell", "mark"), [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --no-files")]
)
def test_the_script_asks_semsearch(shell: str, mark: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0 and mark in result.stdout
    assert f"_SEMSEARCH_COMPLETE={shell}_complete" in result.stdout


def test_a_shell_that_is_not_known_is_wrong_usage() -> None:
    result = CliRunner().invoke(main, ["completion", "csh"])
    assert result.exit_code == 2 and "bash" in result.stderr
