"""LangChain's own tests of a vector store and of a retriever, as far as they are not asynchronous.

The modules are loaded from their files: their package imports the tools for testing chat models over a network.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tiny_embedder import TinyEmbedder, create_index

from semsearch import Index

pytest.importorskip("langchain_tests")
ASYNC = ("_async", "_ainvoke_returns_documents")
langchain = importlib.import_module("semsearch.integrations.langchain")


def standard(name: str) -> ModuleType:
    package = importlib.util.find_spec("langchain_tests")
    assert package is not None and package.submodule_search_locations is not None
    path = Path(package.submodule_search_locations[0], "integration_tests", f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"standard_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_async(suite: type) -> type:
    """Return a class without the tests that need a plugin of pytest. LangChain makes these methods of the others."""
    return type(suite.__name__, (suite,), {name: None for name in dir(suite) if name.endswith(ASYNC)})


class TestVectorStore(without_async(standard("vectorstores").VectorStoreIntegrationTests)):  # type: ignore[misc]
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[Any]:
        with create_index(tmp_path / "index") as index:
            yield langchain.IndexVectorStore(index)


class TestRetriever(without_async(standard("retrievers").RetrieversIntegrationTests)):  # type: ignore[misc]
    @pytest.fixture(autouse=True)
    def index(self, tmp_path: Path) -> Iterator[Index]:
        with create_index(tmp_path / "index", TinyEmbedder()) as self.opened:
            self.opened.add([f"tool number {number}" for number in range(5)])
            yield self.opened

    @property
    def retriever_constructor(self) -> Any:
        return lambda k=4: langchain.IndexVectorStore(self.opened).as_retriever(search_kwargs={"k": k})

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {}

    @property
    def retriever_query_example(self) -> str:
        return "tool"
