"""Fixtures that every test may use."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import chromium
from hypothesis import HealthCheck, settings
from reading import Read, Reading
from tiny_embedder import TinyEmbedder

from semsearch.embedding import Embedder, load_embedder
from semsearch.embedding.scale import passage_scale
from semsearch.search.relevance import unrelated_vectors
from tests.engine_servers import chroma_server

os.environ["SEMSEARCH_VECTOR_CACHE"] = "0"  # no test leaves vectors in the user's cache
os.environ["SEMSEARCH_LANG"] = "en"  # also where the locale is another one

# The time of an example says nothing on a shared machine, so there is no deadline.
settings.register_profile("semsearch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("semsearch"), max_examples=1_500)
settings.load_profile("semsearch")

REPOSITORY = Path(__file__).parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that CI gives."""
    parser.addoption("--long", action="store_true", help="run the tests marked `long` as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests that take long, and say so."""
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes long: run it with --long"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of public data sets next to the checkout, or skip the test if it does not exist.

    With CI=true and a `shared` folder its absence is a failure, so that CI does not skip these tests unnoticed.
    """
    if SHARED_DATA.is_dir():
        return SHARED_DATA
    if os.environ.get("CI") == "true" and SHARED_DATA.parent.is_dir():
        pytest.fail(f"{SHARED_DATA} is missing on CI")
    pytest.skip(f"needs public data sets in {SHARED_DATA}")


@pytest.fixture(scope="session", autouse=True)
def settings_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give every test, and every process that it starts, a configuration folder that is not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("config")
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        patch.setenv("APPDATA", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def no_settings_of_another_test(settings_folder: Path) -> Iterator[None]:
    """Empty the configuration folder after each test."""
    yield
    shutil.rmtree(settings_folder)
    settings_folder.mkdir()


@pytest.fixture(scope="session", autouse=True)
def what_the_tiny_model_computes_once() -> None:
    """Keep the threshold of the tiny model in the cache, since a process that opens its index cannot load it.

    Its vectors of unrelated questions are there as well, so tests that count texts do not count those.
    """
    passage_scale(TinyEmbedder().fingerprint, TinyEmbedder)
    unrelated_vectors(TinyEmbedder())


@pytest.fixture(scope="session", autouse=True)
def default_model() -> Embedder:
    """Keep the default model loaded, so that the indexes of all tests share it."""
    return load_embedder()


@pytest.fixture(scope="session")
def sample_corpus() -> Path:
    """Return the folder of the sample corpus."""
    return REPOSITORY / "sample_corpus"


@pytest.fixture
def reading(tmp_path: Path) -> Read:
    """Return a function that writes a file and reads it."""

    def write_and_read(name: str, content: str | bytes) -> Reading:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return Reading(tmp_path / name)

    return write_and_read


@pytest.fixture(scope="session")
def chroma_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a real Chroma server."""
    with chroma_server(tmp_path_factory.mktemp("chroma-server")) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a separate file system of 64 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)
