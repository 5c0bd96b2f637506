"""The adapters to other libraries: each does its library's work with an index, and says what to install without it."""

import builtins
import importlib
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_embedder import TinyEmbedder, create_index

from semsearch import InvalidInput, MissingExtra, dedup


def test_langchain_store_keeps_ids_and_metadata(tmp_path: Path) -> None:
    langchain = importlib.import_module("semsearch.integrations.langchain")
    documents = importlib.import_module("langchain_core.documents")
    with create_index(tmp_path / "index") as index:
        store = langchain.IndexVectorStore(index)
        assert store.add_texts(["the red cat", "a blue dog"], [{"n": 1}, {"n": 2}], ids=["a", "b"]) == [
            "a",
            "b",
        ]
        (found,) = store.similarity_search("red cat -source:x", k=1)
        assert (found.id, found.page_content, found.metadata) == ("a", "the red cat", {"n": 1})
        assert store.get_by_ids(["b", "none"])[0] == documents.Document(
            id="b", page_content="a blue dog", metadata={"n": 2}
        )
        assert store.as_retriever(search_kwargs={"k": 1}).invoke("blue dog")[0].id == "b"
        added = store.add_documents([documents.Document("without id"), documents.Document("new cat", id="a")])
        assert added[1] == "a" and len(index) == 3
        assert store.delete(["a"]) and "a" not in index
        with pytest.raises(InvalidInput, match="1 of the texts are empty"):
            store.add_texts([" "])
        assert store.delete() and len(index) == 0


def test_langchain_store_finds_files_with_their_place(tmp_path: Path) -> None:
    langchain = importlib.import_module("semsearch.integrations.langchain")
    (tmp_path / "note.md").write_text("the saw is in the shed")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
        (found,) = langchain.IndexVectorStore(index).similarity_search("saw", mode="lexical")
    assert found.metadata == {"source": "note.md", "unit": "line", "start": 1, "end": 1}


def test_langchain_from_texts_opens_or_creates(tmp_path: Path) -> None:
    store = importlib.import_module("semsearch.integrations.langchain").IndexVectorStore
    for count in (1, 2):
        made = store.from_texts([f"text {count}"], folder=str(tmp_path / "index"), embedder=TinyEmbedder())
        assert len(made.index) == count
        made.index.close()
    with pytest.raises(InvalidInput, match="its own model"):
        store.from_texts(["a"], object(), folder=str(tmp_path / "index"))


@pytest.fixture
def llama() -> Any:
    pytest.importorskip("llama_index.core")
    return importlib.import_module("semsearch.integrations.llama_index")


def test_llama_retriever_finds_records_and_files(tmp_path: Path, llama: Any) -> None:
    (tmp_path / "note.md").write_text("the saw is in the shed")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
        index.add([{"id": "a", "text": "the red cat", "n": 1}])
        retriever = llama.IndexRetriever(index, k=1)
        (found,) = retriever.retrieve("red cat")
        assert (found.node.node_id, found.node.text, found.node.metadata) == ("a", "the red cat", {"n": 1})
        (found,) = llama.IndexRetriever(index, 1, mode="lexical").retrieve("saw")
        assert found.node.metadata == {"source": "note.md", "unit": "line", "start": 1, "end": 1}
        assert found.score == index.search("saw", mode="lexical", literal=True)[0].score


def test_llama_vector_store_backs_an_index(tmp_path: Path, llama: Any) -> None:
    core = importlib.import_module("llama_index.core")
    schema = importlib.import_module("llama_index.core.schema")
    with create_index(tmp_path / "index") as index:
        store = llama.IndexVectorStore(index)
        built = core.VectorStoreIndex.from_vector_store(store, embed_model=llama.IndexEmbedding(index))
        built.insert(core.Document(text="the red cat", id_="doc", metadata={"n": 1}))
        (found,) = built.as_retriever(similarity_top_k=1).retrieve("cat")
        assert found.node.text == "the red cat" and found.node.metadata == {"n": 1}
        assert found.node.ref_doc_id == "doc"
        assert store.add([schema.TextNode(text="a blue dog", id_="b")]) == ["b"]
        assert [node.text for node in store.get_nodes(["b"])] == ["a blue dog"]
        built.delete_ref_doc("doc")
        assert [node.node_id for node in store.get_nodes()] == ["b"]
        store.delete_nodes(["b"])
        assert len(index) == 0
        store.add([schema.TextNode(text="one", id_="1"), schema.TextNode(text="two", id_="2")])
        store.clear()
        assert len(index) == 0 and store.client is index


def test_llama_vector_store_refuses_what_it_lacks(tmp_path: Path, llama: Any) -> None:
    types = importlib.import_module("llama_index.core.vector_stores.types")
    schema = importlib.import_module("llama_index.core.schema")
    with create_index(tmp_path / "index") as index:
        store = llama.IndexVectorStore(index)
        for options, said in (
            ({"query_str": "a", "mode": types.VectorStoreQueryMode.MMR}, "mode 'mmr'"),
            ({"query_embedding": [0.0]}, "needs its words"),
            (
                {"query_str": "a", "filters": types.MetadataFilters(filters=[{"key": "n", "value": 1}])},
                "filters are not understood",
            ),
        ):
            with pytest.raises(InvalidInput, match=said):
                store.query(types.VectorStoreQuery(**options))
        with pytest.raises(InvalidInput, match="1 of the texts are empty"):
            store.add([schema.TextNode(text=" ")])


def test_sklearn_transformer_is_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("semsearch.integrations.sklearn")
    monkeypatch.setattr(module, "load_embedder", lambda **_: TinyEmbedder())
    step = module.TextEmbedder()
    assert step.fit(["a"]).transform(["the red cat", None, "a dog"]).shape == (3, 32)
    assert step.get_params() == {"model": "all-MiniLM-L6-v2", "dtype": "float32", "base_url": None}
    clone = importlib.import_module("sklearn.base").clone(step)
    assert pickle.loads(pickle.dumps(step)).transform(["x"]).shape == clone.transform(["x"]).shape == (1, 32)
    pipeline = importlib.import_module("sklearn.pipeline").make_pipeline(
        step, importlib.import_module("sklearn.linear_model").LogisticRegression()
    )
    texts, labels = ["red cat", "red dog", "blue sky", "blue sea"], [0, 0, 1, 1]
    assert pipeline.fit(texts, labels).predict(["red cat", "blue sea"]).tolist() == [0, 1]


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_get_params_invariance",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_set_params",
        "check_valid_tag_types",
    ],
)
def test_sklearn_transformer_passes_its_checks(check: str) -> None:
    """The checks of scikit-learn that need no data. scikit-learn runs no other for texts."""
    checks = importlib.import_module("sklearn.utils.estimator_checks")
    step = importlib.import_module("semsearch.integrations.sklearn").TextEmbedder()
    getattr(checks, check)("TextEmbedder", step)


def test_sklearn_transformer_names_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("semsearch.integrations.sklearn")
    monkeypatch.setattr(module, "load_embedder", lambda **_: TinyEmbedder())
    frame = module.TextEmbedder().set_output(transform="pandas").fit_transform(["the red cat", "a dog"])
    assert frame.shape == (2, 32) and frame.columns[1] == "textembedder1"


def test_hugging_face_data_sets_go_in_and_out(tmp_path: Path) -> None:
    datasets = importlib.import_module("datasets")
    data = datasets.Dataset.from_list([{"id": n, "text": "one two three four", "n": n} for n in range(3)])
    with create_index(tmp_path / "index") as index:
        assert index.add(data).ids == ("0", "1", "2")
        assert index.get(2)[0].metadata == {"n": 2}
        found = datasets.Dataset.from_list(index.search("three", k=2, collapse=False).to_dicts())
        assert found.num_rows == 2 and found["text"][0] == "one two three four"
        again = index.add(data)
        assert again.unchanged == 3
    kept = dedup(data, embedder=TinyEmbedder()).kept
    assert isinstance(kept, datasets.Dataset) and kept["n"] == [0]
    split = datasets.DatasetDict({"train": data})
    with pytest.raises(InvalidInput, match="is one record"):
        dedup(split, embedder=TinyEmbedder())
    with create_index(tmp_path / "other") as index, pytest.raises(InvalidInput, match="a value is Dataset"):
        index.add(split)


@pytest.mark.parametrize(
    ("module", "library"),
    [("langchain", "langchain_core"), ("llama_index", "llama_index"), ("sklearn", "sklearn")],
)
def test_a_missing_library_is_one_clear_line(
    module: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = module.replace("_", "-")
    name, real = f"semsearch.integrations.{module}", builtins.__import__

    def without(wanted: str, *rest: Any) -> Any:
        if wanted.partition(".")[0] == library:
            raise ModuleNotFoundError(f"No module named {library!r}", name=library)
        return real(wanted, *rest)

    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match="needs") as caught:
        importlib.import_module(name)
    assert caught.value.hint == f"pip install 'semsearch[{extra}]'"
