"""The documentation tells the truth: pages match the code, sessions run as shown, links lead somewhere."""

import ast
import doctest
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import semsearch
from semsearch.cli import COMMANDS, main
from semsearch.cli.command import Command

REPOSITORY = Path(__file__).parent.parent
DOCS = REPOSITORY / "docs"
PAGES = sorted(
    path for path in (*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md"), *REPOSITORY.glob("[!.]*/README.md"))
)
HOME = "https://github.com/semsearch/semsearch/blob/main/"


def steps_of(page: str) -> Iterator[tuple[str, str]]:
    """Yield each `$ command` of a page's console blocks, and the output shown for it."""
    for session in re.findall(
        r"```console\n(.*?)```", (REPOSITORY / page).read_text(encoding="utf-8"), re.DOTALL
    ):
        for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
            command, _, shown = step.partition("\n")
            yield command, shown


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a copy of the sample corpus."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(REPOSITORY / "sample_corpus", folder / "sample_corpus")
    return folder


@pytest.fixture(scope="module")
def printed(folder: Path) -> list[tuple[str, str]]:
    """Run the commands of README.md on a copy of the sample corpus; return each with its output."""
    binaries = folder / "bin"
    binaries.mkdir()
    (binaries / "semsearch").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m semsearch "$@"\n')
    (binaries / "semsearch").chmod(0o755)
    environment = os.environ | {
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "COLUMNS": "80",
    }
    environment.pop("SEMSEARCH_INDEX", None)
    printed = []
    for command, _ in steps_of("README.md"):
        done = subprocess.run(
            command,
            shell=True,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        printed.append((command, done.stdout))
    return printed


def same(shown: str, output: str) -> bool:
    """Return whether a page shows an output. `...` stands for anything."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(shown, output, flags)


def test_readme_sessions_run_as_shown(printed: list[tuple[str, str]]) -> None:
    steps = list(steps_of("README.md"))
    assert len(steps) >= 10
    for (command, shown), (ran, output) in zip(steps, printed, strict=True):
        assert command == ran
        assert same(shown, output), f"$ {command}\n{output}\n--- but README.md says ---\n{shown}"


def test_chinese_readme_sessions_run_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(REPOSITORY / "sample_corpus", tmp_path / "sample_corpus")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)
    runner = CliRunner(env={"SEMSEARCH_LANG": "zh", "COLUMNS": "80"})
    for command, shown in steps_of("README.zh-CN.md"):
        output = runner.invoke(main, shlex.split(command)[1:], prog_name="semsearch").output
        assert same(shown, output), f"$ {command}\n{output}\n--- but README.zh-CN.md says ---\n{shown}"


def test_chinese_readme_has_the_same_sections_and_commands() -> None:
    """The two may differ in prose, in what is quoted (a query), in comments, and in how much of an output is shown."""

    def shape(language: str, body: str) -> list[str]:
        if language == "python":
            tree = ast.parse(body)
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    node.value = ""
            return [ast.unparse(tree)]
        commands = [line for line in body.splitlines() if language != "console" or line.startswith("$ ")]
        return [re.sub(r"""'[^']*'|"[^"]*\"|\s*#.*""", "", command) for command in commands]

    def outline(page: str) -> list[str]:
        found: list[str] = []
        text = (REPOSITORY / page).read_text(encoding="utf-8")
        for block in re.split(r"^(```\w+\n.*?^```)$", text, flags=re.MULTILINE | re.DOTALL):
            if block.startswith("```"):
                language, _, body = block[3:-3].partition("\n")
                found += [language, *shape(language, body)]
            else:
                found += re.findall(r"^(?:#+|\*\*\d\.|\| `[^`]+`|!\[)", block, re.MULTILINE)
        return found

    assert outline("README.zh-CN.md") == outline("README.md")


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "docs/extend.md", "docs/python.md"])
def test_python_example_runs(page: str, tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", (REPOSITORY / page).read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    (tmp_path / "notes").mkdir()
    for name in ("deposit-refund.md", "closing-checklist-for-volunteers.md"):
        text = (REPOSITORY / "sample_corpus" / "faq" / name).read_bytes()
        (tmp_path / "notes" / name).write_bytes(text)
        (tmp_path / "notes" / f"copy-of-{name}").write_bytes(text)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", example[1]],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("4")
    assert "copy-of-deposit-refund.md" in ran.stdout and "exact" in ran.stdout


def test_command_line_page_is_current() -> None:
    made = subprocess.run(
        [sys.executable, "-c", "import make_cli, sys; sys.stdout.write(make_cli.page())"],
        cwd=DOCS,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout == (DOCS / "cli.md").read_text(encoding="utf-8"), "run `make docs`"


def options_of(command: str) -> set[str]:
    """Return the long and short options of a command."""
    found = main.get_command(click.Context(main), command)
    assert found is not None, f"semsearch {command} does not exist"
    assert isinstance(found, Command)
    known = found.option_names() | {spelling.split()[0] for spelling in found.spellings()} | {"--help"}
    return known | {"--plan"} if command == "dedup" else known  # `dedup --plan FILE` means `plan FILE`


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_options_that_a_page_names_exist(page: Path) -> None:
    if page.name in ("CHANGELOG.md", "cli.md") or page.parent.name == "benchmarks":
        pytest.skip("it names options of the past, or of scripts")
    text = page.read_text(encoding="utf-8")
    every = set().union(*map(options_of, COMMANDS)) | {"--version"}
    wrong = []
    code = re.findall(r"```(?:sh|console|text)\n(.*?)```", text, re.DOTALL)
    code += re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for snippet in code:
        for line in snippet.splitlines():
            named = re.match(r"(?:\$ )?semsearch ([a-z-]+)(.*)", line)
            if named and named[1] in COMMANDS:
                options, known = named[2].partition("#")[0], options_of(named[1])
            elif line.startswith("--"):
                options, known = line, every
            else:
                continue
            wrong += [
                f"{option}: {line}"
                for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", options)
                if option not in known
            ]
    # Of pip, pytest and the benchmarks.
    allowed = {"--no-deps", "--hypothesis-profile", "--long", "--models", "--only"}
    assert [line for line in wrong if line.partition(":")[0] not in allowed] == []


def test_python_page_has_every_public_name() -> None:
    listed = re.findall(
        r"^::: semsearch\.(\w+)$", (DOCS / "python.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(listed) == sorted(set(semsearch.__all__) - {"__version__"})


def keys_of(value: Any) -> set[str]:
    """Return the keys of all objects within a JSON value, except those that are names of files."""
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    if isinstance(value, dict):
        return {key for key in value if "/" not in key} | keys_of(list(value.values()))
    return set()


@pytest.mark.parametrize(
    ("section", "command"),
    [
        ("### A hit", "query -k 2 --explain --json deposit"),
        ("### Near-duplicates", "dedup --threshold 0.93 --json"),
        ("## The plan", "plan {plan} --threshold 0.93 --json"),
        ("## The quarantine", "apply {plan} --json"),
    ],
)
@pytest.mark.usefixtures("printed")
def test_formats_page_names_every_key(section: str, command: str, folder: Path) -> None:
    plan, index = folder / "formats.json", folder / ".semsearch"
    arguments = [part.format(plan=plan) for part in command.split()]
    ran = CliRunner().invoke(main, [arguments[0], "--index", str(index), *arguments[1:]])
    assert ran.exit_code == 0, ran.output
    document = ran.stdout
    if "plan" in section:
        document = plan.read_text(encoding="utf-8")
    elif "quarantine" in section:
        document = next(index.glob("quarantine/*/manifest.json")).read_text(encoding="utf-8")
    page = (DOCS / "formats.md").read_text(encoding="utf-8")
    part = page[page.index(section) :]
    part = re.split(r"^##", part.lstrip("#"), flags=re.MULTILINE)[0]
    keys = keys_of(json.loads(document)) - {"query", "hits"}
    assert len(keys) > 5
    assert sorted(key for key in keys if f"`{key}`" not in part) == []


def test_reliability_page_names_tests_that_exist() -> None:
    page = (DOCS / "reliability.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    tests = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").glob("test_*.py")]
    defined = {name for text in tests for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    assert len(named) > 10
    assert sorted(named - defined) == []


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page: its headings as GitHub makes them, and the names it documents."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    documented = re.findall(r"^::: (\S+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings} | {
        *documented
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if path.startswith(HOME):
            target = REPOSITORY / path.removeprefix(HOME)
        elif "://" in path:
            continue
        else:
            target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


def test_paths_that_contributing_names_exist() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    notes = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "decisions").glob("*.md"))
    named = re.findall(r"`((?:semsearch|tests|benchmarks|docs)/[\w./-]+)`", f"{text}\n{notes}")
    assert len(named) > 30
    assert [path for path in named if not (REPOSITORY / path).exists()] == []
    questions = re.findall(r"^\| .*\? \| `(semsearch/[\w./]+)` \|$", text, re.MULTILINE)
    assert len(questions) == 17


def test_every_decision_is_in_the_index() -> None:
    notes = sorted(path.name for path in (DOCS / "decisions").glob("0*.md"))
    index = (DOCS / "decisions" / "index.md").read_text(encoding="utf-8")
    assert notes == sorted(re.findall(r"\]\((0[\w-]+\.md)\)", index))
    assert len({name[:4] for name in notes}) == len(notes)


def test_changelog_has_a_section_for_the_version() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{semsearch.__version__}]" in changelog


def test_pictures_load_nothing_from_the_network() -> None:
    for picture in DOCS.glob("*.svg"):
        text = picture.read_text(encoding="utf-8")
        assert "url(http" not in text and "<script" not in text and "href" not in re.sub(r'href="#', "", text)


def test_container_does_not_run_as_root() -> None:
    stage = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")[-1]
    users = re.findall(r"^USER (\d+)(?::\d+)?$", stage, re.MULTILINE)
    assert users and int(users[-1]) > 0
    assert stage.index("USER") < stage.index("ENTRYPOINT")
