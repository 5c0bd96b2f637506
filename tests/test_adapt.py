"""An adapted model: how it is trained and judged, the index that moves to it, and the way back."""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Timer
from typing import Any

import numpy as np
import pytest
from test_api import TOKEN, client_of

from semsearch import Index, serialize
from semsearch.embedding import load_embedder
from semsearch.embedding.adapter import Adapter, save_adapter
from semsearch.errors import IndexLocked, InvalidInput, MissingExtra, ModelError, SemsearchError
from semsearch.readers import RowFields
from semsearch.storage.lock import training_lock, write_lock
from semsearch.tuning.adapt import adapt
from semsearch.tuning.adapt_tasks import SectionTask, folds
from semsearch.tuning.labels import FILE as LABELS
from semsearch.tuning.pairs import PairSet, load_pairs
from semsearch.tuning.split import pair_clusters
from semsearch.tuning.structure import read_sections
from semsearch.types import LabelledPair
from tests.tiny_models import make_model

SUBJECTS = ("cat", "dog", "bread", "dough", "water", "flour")
RATES = (0.01,)


def labelled(count: int, *, right: bool = True) -> PairSet:
    """Return pairs that are duplicates where the subject is the same; else labels by chance."""
    random = np.random.default_rng(3)
    pairs = []
    for at in range(count):
        same = bool(at % 2)
        a, b = random.choice(len(SUBJECTS), 2, replace=False)
        texts = (
            f"the {SUBJECTS[a]} {'ran' * (1 + at % 3)} {at} in the park",
            f"a {SUBJECTS[a if same else b]} sat on {at * 7} mat and {'to' * (1 + at % 4)}",
        )
        pairs.append(LabelledPair(*texts, duplicate=same if right else bool(random.integers(2))))
    return PairSet("made", tuple(pairs))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = (*SUBJECTS, "the", "a", "in", "park", "mat", "on", "sat", "ran", "and")
    return make_model(tmp_path_factory.mktemp("tiny") / "model", words=words)


@pytest.fixture
def index(tmp_path: Path, model: Path) -> Iterator[Index]:
    notes = tmp_path / "notes"
    notes.mkdir()
    for at, subject in enumerate(SUBJECTS):
        (notes / f"{at}.txt").write_text(f"The {subject} ran to the park and sat on a mat.", encoding="utf-8")
    with Index.create(tmp_path / "index", model=str(model)) as index:
        index.ingest(notes)
        yield index


OTHERS = ("park", "mat", "sat", "ran", "on", "and", "in", "a", "the")
ALIKE = 0.999
"""The threshold of near-duplicates here: all texts are alike to a model of random weights."""
TRAINING = {"guard": False, "rates": [0.02], "epochs": 16}


@pytest.fixture
def book(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Yield an index of documents with headings, and a text about its subject below each."""
    monkeypatch.setattr(Index, "_default_threshold", lambda index: ALIKE)
    notes = tmp_path / "notes"
    notes.mkdir()
    for at in range(60):
        lines = [f"# The {OTHERS[at % 9]} {OTHERS[at // 9]}"]
        for number, subject in enumerate(SUBJECTS):
            random = np.random.default_rng(10 * at + number)
            words = [*random.choice(OTHERS, 5), *[subject] * 9]
            random.shuffle(words)
            lines += ["", f"## The {subject}", "", " ".join(words)]
        (notes / f"{at}.md").write_text("\n".join(lines), encoding="utf-8")
    with Index.create(tmp_path / "index", model=str(model)) as index:
        index.ingest(notes)
        yield index


def answers(index: Index) -> list[tuple[Any, ...]]:
    """Return all that a search shows, with the scores to the last digit."""
    asked = ("the dog in the park", "bread and water", "a mat")
    return [
        (hit.document, hit.score, hit.relevance, hit.text) for one in index.query_many(asked) for hit in one
    ]


def files(index: Index) -> set[str]:
    return {path.name for path in index.folder.iterdir() if path.name.startswith("adapt")}


@pytest.mark.long
def test_adapted_model_gains_and_is_the_one_judged(model: Path) -> None:
    embedder = load_embedder(str(model))
    found, factors = adapt(labelled(240), embedder, guard=False, rates=RATES, epochs=3)
    assert found.adopted and found.held_out.gain.low > 0 and not found.guards
    one = found.held_out
    for each in (one.before, one.after, one.gain, *(trial.quality for trial in found.trials)):
        assert each.low <= each.value <= each.high and each.low < each.high
    assert one.gain.value == one.after.value - one.before.value
    assert found.trained_on + found.held_out.pairs == 240
    assert [(trial.rate, trial.epochs) for trial in found.trials] == [(0, 0), (0.01, 1), (0.01, 2), (0.01, 3)]
    again, same = adapt(labelled(240), embedder, guard=False, rates=RATES, epochs=3)
    assert again == found and all(np.array_equal(factors[name], same[name]) for name in factors)


def test_adapter_on_onnx_gives_the_vectors_of_torch(model: Path, tmp_path: Path) -> None:
    from semsearch.tuning.adapt import files_of
    from semsearch.tuning.adapt_tasks import examples_of
    from semsearch.tuning.lora import Trainer

    embedder = load_embedder(str(model))
    pairs = labelled(64).pairs
    examples = examples_of(pairs, np.array([pair.duplicate for pair in pairs]))
    trainer = Trainer(files_of(embedder))
    factors = trainer.train(examples, 0.01, 1)
    run = load_embedder(str(model), adapter=save_adapter(tmp_path / "a.safetensors", factors))
    texts = list(examples.texts[:20])
    assert np.abs(run.embed(texts) - trainer.embed(texts, "passage", factors)).max() < 1e-5
    assert np.abs(run.embed(texts) - embedder.embed(texts)).max() > 1e-3
    assert run.fingerprint.model.startswith(f"{model}+")


@pytest.mark.parametrize("kind", ["distilbert", "mpnet", "xlm-roberta"])
def test_other_architectures_train_what_runs(kind: str, tmp_path: Path) -> None:
    from semsearch.tuning.adapt import files_of
    from semsearch.tuning.adapt_tasks import examples_of
    from semsearch.tuning.lora import Trainer

    folder = make_model(tmp_path / "model", kind, pooling="cls", dense=8)
    pairs = labelled(32).pairs
    examples = examples_of(pairs, np.array([pair.duplicate for pair in pairs]))
    trainer = Trainer(files_of(load_embedder(str(folder))))
    factors = trainer.train(examples, 0.01, 1)
    run = load_embedder(str(folder), adapter=save_adapter(tmp_path / "a.safetensors", factors))
    texts = list(examples.texts[:20])
    assert np.abs(run.embed(texts) - trainer.embed(texts, "passage", factors)).max() < 1e-5


def test_labels_by_chance_are_refused(model: Path) -> None:
    pairs = labelled(180, right=False)
    found, _ = adapt(pairs, load_embedder(str(model)), guard=False, rates=[0.1], epochs=2)
    assert not found.adopted and ("interval" in found.reason or "cross-validation" in found.reason)


def test_rate_that_ruins_the_model_is_refused(model: Path) -> None:
    with pytest.raises(ModelError, match="ruined"):
        adapt(labelled(180), load_embedder(str(model)), guard=False, rates=[1e30], epochs=2)


def test_folds_share_no_text() -> None:
    pairs = [
        *labelled(120).pairs,
        *(LabelledPair(one.text_b, "the park", duplicate=True) for one in labelled(9).pairs),
    ]
    positive = np.array([pair.duplicate for pair in pairs])
    found = folds(pair_clusters(pairs), positive, 3, 0)
    texts = [
        {
            text
            for pair, fold in zip(pairs, found, strict=True)
            if fold == at
            for text in (pair.text_a, pair.text_b)
        }
        for at in range(3)
    ]
    assert not (texts[0] & texts[1] or texts[0] & texts[2] or texts[1] & texts[2])
    assert min(np.bincount(found)) >= 40


def test_too_few_pairs_are_refused(model: Path) -> None:
    with pytest.raises(InvalidInput, match="too few"):
        adapt(labelled(30), load_embedder(str(model)), guard=False)


def test_without_a_guard_it_must_be_told(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEMSEARCH_DATA", str(tmp_path))
    monkeypatch.setattr("semsearch.tuning.public_datasets._cache", lambda: tmp_path)
    with pytest.raises(InvalidInput, match="no guard"):
        adapt(labelled(240), load_embedder(str(model)))


def test_model_without_layers_is_refused(tmp_path: Path) -> None:
    static = make_model(tmp_path / "static", "static")
    with pytest.raises(InvalidInput, match="cannot be adapted"):
        adapt(labelled(240), load_embedder(str(static)), guard=False)


def test_index_moves_and_comes_back_byte_equal(index: Index) -> None:
    index._library.save_setting(
        "threshold", {"threshold": 0.9, "promise": None, "pairs": "p", "rule": "r", "saved": "s"}
    )
    before, name = answers(index), index.model
    other = Index.open(index.folder)
    assert answers(other) == before
    found = index.adapt(labelled(240), guard=False, rates=RATES, epochs=3)
    assert found.adopted and index.status().settings["model"] == found.model != name
    assert index.threshold is None
    after = answers(index)
    assert after != before and answers(other) == after  # an index that was open all along
    other.close()
    with Index.open(index.folder) as fresh:
        assert answers(fresh) == after and fresh.check().sound
    assert len(files(index)) == 2
    assert index.undo_adapt() == name.rpartition(" ")[0]
    assert answers(index) == before and index.model == name and index.threshold is not None
    assert files(index) == set() and index.check().sound


def test_undo_embeds_what_came_since(index: Index, tmp_path: Path) -> None:
    index.adapt(labelled(240), guard=False, rates=RATES, epochs=3)
    new = tmp_path / "notes" / "new.txt"
    new.write_text("The flour and the water rise in the park.", encoding="utf-8")
    (tmp_path / "notes" / "0.txt").unlink()
    index.ingest(tmp_path / "notes")
    index.undo_adapt()
    with Index.create(tmp_path / "plain", model=str(index.status().settings["model"])) as plain:
        plain.ingest(tmp_path / "notes")
        assert [one[:2] for one in answers(plain)] == [one[:2] for one in answers(index)]


def test_refused_adapter_changes_nothing(index: Index) -> None:
    before, state = answers(index), index.state
    found = index.adapt(labelled(180, right=False), guard=False, rates=[0.1], epochs=2)
    assert not found.adopted and found.reason
    assert answers(index) == before and index.state == state and files(index) == set()


def test_failure_before_the_switch_changes_nothing(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(index)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("semsearch.storage.change_model._write", full)
    with pytest.raises(SemsearchError, match="No space left"):
        index.adapt(labelled(240), guard=False, rates=RATES, epochs=3)
    assert answers(index) == before and files(index) == set()


def test_interrupt_while_embedding_changes_nothing(index: Index) -> None:
    before = answers(index)

    def stop(what: str, done: int, total: int) -> None:
        if what == "embed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.adapt(labelled(240), guard=False, rates=RATES, epochs=3, progress=stop)
    assert answers(index) == before and files(index) == set() and index.check().sound


def test_second_writer_waits_then_gives_up(index: Index) -> None:
    index._wait = 0.1
    with write_lock(index.folder, 1), pytest.raises(IndexLocked):
        index.adapt(labelled(240), guard=False, rates=RATES, epochs=3)


def test_damaged_files_are_found(index: Index) -> None:
    index.adapt(labelled(240), guard=False, rates=RATES, epochs=3)
    adapter = next(index.folder.glob("adapter-*"))
    kept = next(index.folder.glob("adapted-before-*"))
    content = bytearray(adapter.read_bytes())
    content[-1] ^= 1
    adapter.write_bytes(content)
    with Index.open(index.folder) as other, pytest.raises(ModelError, match="another SHA-256"):
        other.query("a mat")
    whole = bytearray(kept.read_bytes())
    whole[20] ^= 1
    kept.write_bytes(whole)
    after = index.state
    with pytest.raises(SemsearchError, match="damaged"):
        index.undo_adapt()
    assert index.state == after


def test_forget_reaches_the_kept_vectors(index: Index, tmp_path: Path) -> None:
    index.adapt(labelled(240), guard=False, rates=RATES, epochs=3)
    size = next(index.folder.glob("adapted-before-*")).stat().st_size
    assert index.forget(tmp_path / "notes" / "1.txt", verify=True).left == ()
    assert next(index.folder.glob("adapted-before-*")).stat().st_size == size * 5 // 6
    index.undo_adapt()
    assert index.check().sound


def test_moved_folder_keeps_its_adapted_model(index: Index, tmp_path: Path) -> None:
    index.adapt(labelled(240), guard=False, rates=RATES, epochs=3)
    after = [one[1] for one in answers(index)]
    shutil.copytree(index.folder, tmp_path / "copy")
    with Index.open(tmp_path / "copy") as copy:
        assert [one[1] for one in answers(copy)] == after


@pytest.mark.parametrize("change", ["shape", "name", "half", "infinite"])
def test_adapter_that_does_not_fit_is_refused(change: str, model: Path, tmp_path: Path) -> None:
    name = "encoder.layer.0.output.dense"
    factors = {f"{name}.lora_A": np.ones((2, 32), np.float32), f"{name}.lora_B": np.ones((16, 2), np.float32)}
    if change == "shape":
        factors[f"{name}.lora_A"] = np.ones((2, 31), np.float32)
    elif change == "name":
        factors = {one.replace("dense", "other"): value for one, value in factors.items()}
    elif change == "half":
        del factors[f"{name}.lora_B"]
    else:
        factors[f"{name}.lora_A"][0, 0] = np.inf
    with pytest.raises(ModelError, match="adapter"):
        load_embedder(str(model), adapter=save_adapter(tmp_path / "a.safetensors", factors))


def test_adapter_that_is_not_safetensors_is_refused(model: Path, tmp_path: Path) -> None:
    import hashlib
    import pickle

    path = tmp_path / "a.safetensors"
    path.write_bytes(pickle.dumps({"a": 1}))
    adapter = Adapter(path, hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(ModelError, match="cannot read the adapter"):
        load_embedder(str(model), adapter=adapter)


def test_structure_gives_each_heading_its_text(index: Index, tmp_path: Path) -> None:
    (tmp_path / "notes" / "guide.md").write_text(
        "# Baking\n\n## 发酵\n\n"
        + "把面团放在温暖的地方，等待一个小时，直到它的体积变成原来的两倍。" * 2
        + "\n\n## Oven\n\nPreheat it well before the loaves have risen, since a cold stone gives no crust.\n",
        encoding="utf-8",
    )
    (tmp_path / "notes" / "rows.csv").write_text(
        "title,text\nWater of dough,The more of it there is the larger the holes of the crumb will become.\n",
        encoding="utf-8",
    )
    (tmp_path / "notes" / "code.py").write_text(
        "# Baking\n\ndef bake(loaf):\n    # Oven\n    return put_it_into_the_oven_for_forty_minutes(loaf)\n",
        encoding="utf-8",
    )
    index.ingest(tmp_path / "notes", fields=RowFields(text=("text",)))
    found = read_sections(index._library, index.embedder, 1.0)
    texts = dict(zip(found.headings, found.texts, strict=True))
    assert set(texts) == {"Baking: 发酵", "Baking: Oven", "Water of dough", "code: bake"}
    assert texts["Baking: Oven"].startswith("Preheat") and texts["Baking: 发酵"].startswith("把面团")
    assert texts["Water of dough"].startswith("The more") and "put_it_into" in texts["code: bake"]


def test_structure_leaves_out_what_two_documents_have(book: Index, tmp_path: Path) -> None:
    text = "Whoever has this text may copy and change it, without a word of thanks to us."
    for at in range(2):
        page = f"# Page {at}\n\n## Own words {at}\n\n{at} {'abc'[at] * 60}\n\n## Licence\n\n{text}\n"
        (tmp_path / "notes" / f"page{at}.md").write_text(page, encoding="utf-8")
    book.ingest(tmp_path / "notes")
    found = read_sections(book._library, book.embedder, 1.0)
    assert text not in found.texts and {"Page 0: Own words 0", "Page 1: Own words 1"} <= {*found.headings}
    negatives = found.hard_negatives()
    assert (found.groups[negatives] != found.groups).all()
    cosines = found.heading_vectors @ found.text_vectors.T
    cosines[found.groups[:, None] == found.groups] = -1
    assert np.allclose(cosines[np.arange(len(found)), negatives], cosines.max(axis=1))


def test_index_moves_by_its_structure_and_comes_back(book: Index) -> None:
    before = answers(book)
    found = book.adapt("structure", **TRAINING)
    assert found.adopted and found.held_out.measure == "MRR" and found.held_out.gain.low > 0
    assert answers(book) != before
    book.undo_adapt()
    assert answers(book) == before and book.check().sound


@pytest.mark.long
def test_headings_by_chance_are_refused(book: Index) -> None:
    sections = read_sections(book._library, book.embedder, ALIKE)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(sections))
        mixed = replace(
            sections,
            headings=[sections.headings[at] for at in order],
            heading_vectors=sections.heading_vectors[order],
        )
        found, _ = adapt(mixed, book.embedder, seed=seed, **TRAINING)
        assert not found.adopted


def test_parts_of_sections_share_no_document(book: Index) -> None:
    task = SectionTask(read_sections(book._library, book.embedder, ALIKE))
    parts = task.folds(np.arange(len(task.groups)), 3, 0)
    assert all(len(set(parts[task.groups == one])) == 1 for one in np.unique(task.groups))
    assert min(np.bincount(parts)) > 80


def test_rank_of_a_text_is_among_those_asked(book: Index) -> None:
    task = SectionTask(read_sections(book._library, book.embedder, ALIKE))
    vectors = np.eye(3, dtype=np.float32)
    answers = {
        "query": vectors,
        "passage": np.array([[1, 0, 0], [0.5, 0.2, 0.9], [0, 0.6, 0.8]], np.float32),
    }
    values = task.values(np.arange(3), lambda _, kind: answers[kind])
    assert values.tolist() == [1, 1 / 2, 1 / 2]


def test_name_of_pairs_is_not_taken_for_structure(index: Index) -> None:
    with pytest.raises(InvalidInput, match="pairs is 'labels'"):
        index.adapt("labels")  # type: ignore[arg-type]


def test_second_adapt_fails_before_it_trains(index: Index) -> None:
    calls: list[int] = []
    with training_lock(index.folder), pytest.raises(IndexLocked, match="another process"):
        index.adapt(labelled(240), guard=False, progress=lambda what, done, total: calls.append(done))
    assert not calls
    index._wait = 0.1
    with training_lock(index.folder):  # others may write meanwhile
        index.ingest(index.folder.parent / "notes")


def written(path: Path, pairs: PairSet) -> Path:
    """Write pairs as a user's file."""
    import csv

    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text_a", "text_b", "label"])
        rows.writerows([pair.text_a, pair.text_b, int(bool(pair.duplicate))] for pair in pairs.pairs)
    return path


def run(*arguments: object) -> Any:
    from click.testing import CliRunner

    from semsearch.cli import main

    return CliRunner().invoke(main, [str(one) for one in arguments])


def test_command_adopts_and_undoes(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semsearch.tuning.adapt.RATES", RATES)
    monkeypatch.setattr("semsearch.tuning.adapt.EPOCHS", 3)
    pairs = written(tmp_path / "pairs.csv", labelled(240))
    index._library.save_setting(
        "threshold", {"threshold": 0.9, "promise": None, "pairs": "p", "rule": "r", "saved": "s"}
    )
    base = index.status().settings["model"]
    tried = run("adapt", "--index", index.folder, "--pairs", pairs, "--no-guard", "--dry-run", "--json")
    assert tried.exit_code == 0, tried.output
    found = json.loads(tried.stdout)
    assert found["adopted"] and found["held_out"]["gain"]["low"] > 0
    assert index.status().settings["model"] == base
    moved = run("adapt", "--index", index.folder, "--pairs", pairs, "--no-guard")
    assert moved.exit_code == 0, moved.output
    assert "held out" in moved.stdout and "semsearch tune --pairs" in moved.stderr
    assert index.status().settings["model"] == found["model"]
    again = run("adapt", "--index", index.folder, "--pairs", pairs, "--no-guard")
    assert again.exit_code == 2 and "adapted already" in again.stderr
    both = run("adapt", "--index", index.folder, "--undo", "--pairs", pairs)
    assert both.exit_code == 2 and "goes alone" in both.stderr
    back = run("adapt", "--index", index.folder, "--undo")
    assert back.exit_code == 0 and index.status().settings["model"] == base
    assert run("adapt", "--index", index.folder, "--undo").exit_code == 2


def ended(client: Any, **job: Any) -> dict[str, Any]:
    """Run a job of a server to its end, and return it as the server shows it."""
    told = client.post("/api/v1/jobs", json=job, headers=TOKEN)
    assert told.status_code == 202, told.text
    client.get(f"{told.headers['location']}/events")
    return dict(client.get(told.headers["location"]).json())


@pytest.mark.long
def test_server_adopts_and_undoes_as_the_library_does(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semsearch.tuning.adapt.RATES", RATES)
    monkeypatch.setattr("semsearch.tuning.adapt.EPOCHS", 3)
    base, before = index.status().settings["model"], answers(index)
    with client_of(index) as client:
        without = ended(client, kind="adapt", guard=False)
        assert without["state"] == "failed" and "no labels" in without["problem"]["detail"]
        pairs = load_pairs(str(written(index.folder / LABELS, labelled(240))))
        tried = ended(client, kind="adapt", guard=False, dry_run=True)
        assert answers(index) == before and client.get("/api/v1/status").json()["adapted_from"] is None
        found = index.adapt(pairs, guard=False, dry_run=True)
        assert tried["result"] == json.loads(json.dumps(serialize.adaptation_json(found)))
        moved = ended(client, kind="adapt", guard=False)
        assert moved["result"] == tried["result"] and moved["result"]["adopted"]
        assert moved["progress"]["done"] == moved["progress"]["total"] == 6, "the texts, after the pairs"
        status = client.get("/api/v1/status").json()
        assert (status["settings"]["model"], status["adapted_from"]) == (found.model, base)
        asked = client.get("/api/v1/search", params={"q": "the dog in the park"}).json()
        with Index.open(index.folder) as other:
            hits = other.query("the dog in the park")
        assert [hit["score"] for hit in asked["hits"]] == [round(hit.score, 6) for hit in hits]
        again = ended(client, kind="adapt", guard=False)
        assert "adapted already" in again["problem"]["detail"]
        assert ended(client, kind="undo_adapt")["result"] == {"model": base}
        assert "not adapted" in ended(client, kind="undo_adapt")["problem"]["detail"]
    assert answers(index) == before


@pytest.mark.parametrize("phase", ["train", "embed"])
def test_cancelled_job_changes_nothing(phase: str, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semsearch.tuning.adapt.RATES", RATES)
    monkeypatch.setattr("semsearch.tuning.adapt.EPOCHS", 3)
    written(index.folder / LABELS, labelled(240))
    before, adapt, waiting, go_on = answers(index), Index.adapt, Event(), Event()

    def stopped(index: Index, *pairs: Any, progress: Any, **options: Any) -> Any:
        def told(what: str, done: int, total: int) -> None:
            if what == phase:
                waiting.set()
                assert go_on.wait(60)
            progress(what, done, total)

        return adapt(index, *pairs, progress=told, **options)

    monkeypatch.setattr(Index, "adapt", stopped)
    with client_of(index) as client:
        job = client.post("/api/v1/jobs", json={"kind": "adapt", "guard": False}, headers=TOKEN)
        assert waiting.wait(60)
        path = job.headers["location"]
        Timer(0.1, go_on.set).start()
        client.delete(path, headers=TOKEN)
        client.get(f"{path}/events")
        assert client.get(path).json()["state"] == "cancelled"
        assert ended(client, kind="check")["result"]["sound"]
    assert answers(index) == before and files(index) == set()


def test_read_only_server_does_not_adapt(index: Index) -> None:
    with client_of(index, read_only=True) as client:
        for kind in ("adapt", "undo_adapt"):
            assert client.post("/api/v1/jobs", json={"kind": kind}, headers=TOKEN).status_code == 403


def test_status_says_that_the_model_is_adapted(index: Index) -> None:
    assert "adapt --undo" not in run("status", "--index", index.folder).stdout
    assert index.adapt(labelled(240), guard=False, rates=RATES, epochs=3).adopted
    assert "adapt --undo" in run("status", "--index", index.folder).stdout
    index.undo_adapt()
    assert index.status().adapted_from is None


def test_command_says_why_it_does_not_adopt(index: Index, tmp_path: Path) -> None:
    pairs = written(tmp_path / "pairs.csv", labelled(180, right=False))
    refused = run("adapt", "--index", index.folder, "--pairs", pairs, "--no-guard")
    assert refused.exit_code == 1 and "not adopted" in refused.stderr


def test_command_without_pairs_says_what_to_give(index: Index) -> None:
    refused = run("adapt", "--index", index.folder)
    assert refused.exit_code == 2 and "--pairs" in refused.stderr


def test_command_adapts_to_structure(book: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semsearch.tuning.structure.RATES", (0.02,))
    monkeypatch.setattr("semsearch.tuning.structure.EPOCHS", 16)
    book._library.save_setting(
        "threshold", {"threshold": 0.9, "promise": None, "pairs": "p", "rule": "r", "saved": "s"}
    )
    base = book.status().settings["model"]
    moved = run("adapt", "--index", book.folder, "--structure", "--no-guard")
    assert moved.exit_code == 0, moved.output
    assert "MRR" in moved.stdout and "semsearch tune --pairs labels" in moved.stderr
    assert book.status().settings["model"] != base


def test_command_takes_structure_or_pairs(index: Index, tmp_path: Path) -> None:
    pairs = written(tmp_path / "pairs.csv", labelled(6))
    both = run("adapt", "--index", index.folder, "--structure", "--pairs", pairs)
    assert both.exit_code == 2 and "--structure takes no pairs" in both.stderr
    few = run("adapt", "--index", index.folder, "--structure")
    assert few.exit_code == 2 and "0 headings" in few.stderr and "--pairs labels" in few.stderr
    undo = run("adapt", "--index", index.folder, "--structure", "--undo")
    assert undo.exit_code == 2 and "goes alone" in undo.stderr


def test_without_peft_one_line_says_what_to_install(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtra) as error:
        adapt(labelled(240), load_embedder(str(model)), guard=False)
    assert error.value.hint == "pip install 'semsearch[models]'"
