"""The documentation tells the truth: the command line's page is current, and the README's sessions run as shown."""

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent


def test_the_page_on_the_command_line_is_current() -> None:
    made = subprocess.run(
        [sys.executable, "-c", "import make_cli, sys; sys.stdout.write(make_cli.page())"],
        cwd=REPOSITORY / "docs",
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout == (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8"), "run `make docs`"


def test_the_sessions_of_the_readme_run_as_shown(tmp_path: Path) -> None:
    """Each `$ command` of a console block prints what follows it; `...` stands for anything."""
    shutil.copytree(REPOSITORY / "sample_corpus", tmp_path / "sample_corpus")
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "semsearch").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m semsearch "$@"\n')
    (binaries / "semsearch").chmod(0o755)
    environment = os.environ | {
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "COLUMNS": "80",
    }
    environment.pop("SEMSEARCH_INDEX", None)
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    sessions = re.findall(r"```console\n(.*?)```", readme, re.DOTALL)
    commands = [step for session in sessions for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]]
    assert len(commands) >= 4
    for step in commands:
        command, _, expected = step.partition("\n")
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        same = doctest.OutputChecker().check_output(expected, done.stdout, flags)
        assert same, f"$ {command}\n{done.stdout}\n--- but the README says ---\n{expected}"


def test_every_promise_of_reliability_names_a_test_that_exists() -> None:
    page = (REPOSITORY / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    tests = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").glob("test_*.py")]
    defined = {name for text in tests for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    assert len(named) > 10
    assert named <= defined
