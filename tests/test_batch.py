"""`semsearch batch`: the answer of one process, on a cluster of two nodes, also after workers and drivers die."""

import gzip
import json
import os
import pickle
import random
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray_embedders import MARK, Dying, Logging, logged, on_gpu
from tiny_embedder import TinyEmbedder

from semsearch.dedup.in_files import Dataset
from semsearch.dedup.join import TooManyPairs, join
from semsearch.distributed.batch import Batch, list_inputs
from semsearch.distributed.cluster import Cluster, connected
from semsearch.distributed.datasets import dedup_dataset, embed_dataset
from semsearch.distributed.matching import Matching
from semsearch.distributed.pieces import pieces
from semsearch.distributed.work import Work
from semsearch.errors import InvalidInput, ModelError, SemsearchError
from semsearch.readers import RowFields
from semsearch.requests import DedupRequest

ray = pytest.importorskip("ray", reason="needs semsearch[ray]")
pq = pytest.importorskip("pyarrow.parquet")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of ray

WORDS = [
    f"{a}{b}" for a in ("ka", "lo", "mi", "ne", "pu", "ri") for b in ("da", "fe", "go", "hu", "ji", "sol")
]


@pytest.fixture(scope="module")
def client_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def address(client_port: int) -> Iterator[str]:
    """Yield the address of a cluster of two nodes with a processor each."""
    from ray.cluster_utils import Cluster as Nodes

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        patch.setenv("PYTHONPATH", paths)
        nodes = Nodes(
            initialize_head=True,
            head_node_args={
                "num_cpus": 1,
                "object_store_memory": 150 * 2**20,
                "include_dashboard": False,
                "ray_client_server_port": client_port,
            },
        )
        # No GPU is asked to do anything.
        nodes.add_node(num_cpus=1, num_gpus=1, object_store_memory=150 * 2**20)
        yield nodes.address
        ray.shutdown()
        nodes.shutdown()


@pytest.fixture(scope="module")
def cluster(address: str) -> Iterator[Cluster]:
    with connected(address) as cluster:
        yield cluster


def rows(count: int, seed: int = 1) -> list[str]:
    """Return texts with exact copies, near-copies, and some that differ in a number only."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(5, 12))) for _ in range(count)]
    for at in range(0, count, 5):
        words = texts[rng.randrange(count)].split()
        kind = rng.randrange(3)
        if kind:
            words[rng.randrange(len(words))] = rng.choice(WORDS) if kind == 1 else str(rng.randrange(9))
        texts[at] = " ".join(words)
    return texts


def write_inputs(folder: Path, texts: list[str]) -> list[str]:
    """Write texts as JSON Lines (packed and not), CSV and plain files; return the paths to give."""
    folder.mkdir()
    first, second, third = (texts[at::3] for at in range(3))
    with gzip.open(folder / "a.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(f"{json.dumps({'text': text})}\n" for text in first)
    (folder / "b.jsonl").write_text("".join(f"{json.dumps({'text': text})}\n" for text in second), "utf-8")
    (folder / "c.csv").write_text("text\n" + "\n".join(third[:-20]) + "\n", "utf-8")
    (folder / "notes").mkdir()
    for at, text in enumerate(third[-20:]):
        (folder / "notes" / f"{at}.txt").write_text(f"{text}.\n\n{text} {texts[at]}\n", "utf-8")
    return [str(folder)]


def table(output: Path) -> list[dict[str, Any]]:
    return [
        row
        for file in sorted((output / "result").glob("*.parquet"))
        for row in pq.read_table(file).to_pylist()
    ]


def expected(paths: list[str], request: DedupRequest) -> tuple[list[dict[str, Any]], set[Any], float]:
    """Return what one process finds: rows as `batch dedup` writes them, the pairs that are alike, the threshold."""
    with Dataset.read(paths, embedder=TinyEmbedder()) as data:
        found = data.find_duplicates(request)
        of: dict[str, tuple[Any, ...]] = {}
        for number, group in enumerate(found.groups, 1):
            of[group.keeper] = number, group.keeper, "keeper", True
            of |= {one.name: (number, group.keeper, one.tier, one.protected) for one in group.members}
        values = [
            dict(
                zip(("group", "keeper", "tier", "kept"), of.get(name, (None, None, None, True)), strict=True)
            )
            | {"name": name, "text": text}
            for name, text in zip(data.names, data.texts(range(len(data.names))), strict=True)
        ]
        return values, {(one.left, one.right, one.reason) for one in found.rejected}, found.threshold


def check_equal(output: Path, paths: list[str], request: DedupRequest) -> None:
    values, alike, _ = expected(paths, request)
    got = table(output)
    assert [{name: row[name] for name in values[0]} for row in got] == values
    assert {
        (one["left"], one["right"], one["reason"])
        for one in pq.read_table(output / "alike.parquet").to_pylist()
    } == alike
    assert sum(row["tier"] == "keeper" for row in got) > 5  # there is something to find


REQUEST = DedupRequest(0.93)


def test_dedup_equals_one_process_in_any_partition(cluster: Cluster, tmp_path: Path) -> None:
    paths = write_inputs(tmp_path / "in", rows(1500))
    batch = Batch([paths], str(tmp_path / "out"), TinyEmbedder)
    found = batch.dedup(cluster, REQUEST, partition=100)
    check_equal(tmp_path / "out", paths, REQUEST)
    assert found.visited.partitions > 10
    assert found.visited.compared < found.visited.total
    assert found.embedded.embedded == found.embedded.passages
    # Another threshold, linkage and keeper: nothing is embedded again.
    other = DedupRequest(0.96, linkage="complete", keep=["longest"], lexical=0.8)
    again = Batch([paths], str(tmp_path / "out"), TinyEmbedder).dedup(cluster, other)
    check_equal(tmp_path / "out", paths, other)
    assert again.embedded.embedded == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["groups"] == again.groups
    assert report["visited"]["partitions"] == 1


@pytest.mark.long
def test_leak_equals_one_process_in_any_partition(cluster: Cluster, tmp_path: Path) -> None:
    texts = rows(1500, seed=5)
    texts[300], texts[800] = (f"{' '.join(WORDS[:30])} {number}" for number in (5, 6))
    test, train = tmp_path / "test.jsonl", tmp_path / "train.csv"
    test.write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts[:500]), "utf-8")
    train.write_text("text\n" + "\n".join([*texts[500:], *texts[:40]]) + "\n", "utf-8")
    paths = [[str(test)], [str(train), str(test)]]  # the test file itself is left out of the second part
    batch = Batch(paths, str(tmp_path / "out"), TinyEmbedder)
    told = batch.leak(cluster, 0.93, partition=100)
    with Dataset.read(*paths, embedder=TinyEmbedder()) as data:
        found = data.leaks(0.93)
        alike = {(one.left, one.right, one.reason) for one in found.alike}
        assert set(told.embedded.notes) == set(data.notes)
    wanted = {one.left: (one.right, one.tier, one.similarity) for one in found.pairs}
    got = table(tmp_path / "out")
    assert len(got) == 500
    leaked = {row["name"]: (row["train"], row["tier"], row["similarity"]) for row in got if row["leaked"]}
    assert leaked.keys() == wanted.keys()
    assert all(leaked[name][:2] == wanted[name][:2] for name in wanted)
    assert all(abs(leaked[name][2] - wanted[name][2]) < 1e-6 for name in wanted)
    assert {
        (one["left"], one["right"], one["reason"])
        for one in pq.read_table(tmp_path / "out" / "alike.parquet").to_pylist()
    } == alike
    assert (told.total, told.against) == (500, 1040)
    assert told.exact >= 40 and told.semantic > 5 and alike
    assert told.visited.compared < told.visited.total


def test_recall_below_one_is_kept_and_reported(cluster: Cluster, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(12, 24))
    vectors = centres[rng.integers(12, size=40_000)] + rng.normal(size=(40_000, 24))
    vectors[20_000:] = vectors[:20_000] + rng.normal(size=(20_000, 24)) / 6
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors.astype(np.float32)
    matching = Matching(cluster, Work(str(tmp_path)), vectors, "key", recall=0.9, memory=2**29, size=1000)
    got, whole = matching(0.97), join(vectors, 0.97)
    told = matching.visited
    assert set(zip(got.left.tolist(), got.right.tolist(), strict=True)) <= set(
        zip(whole.left.tolist(), whole.right.tolist(), strict=True)
    )

    def degrees(pairs: Any) -> Any:
        return np.bincount(pairs.left, minlength=len(vectors)) + np.bincount(
            pairs.right, minlength=len(vectors)
        )

    paired = degrees(whole) > 0
    share = np.mean(degrees(got)[paired] == degrees(whole)[paired])
    assert told.visited < told.possible
    assert told.sampled >= 1000
    assert 0.9 <= share < 1
    assert abs(share - told.complete / told.sampled) < 0.04
    again = Matching(cluster, Work(str(tmp_path)), vectors, "key", recall=0.9, memory=2**29, size=1000)
    assert np.array_equal(again(0.97).left, got.left)


def test_more_pairs_than_memory_holds_are_found_again(cluster: Cluster, tmp_path: Path) -> None:
    vectors = np.tile(np.float32([0.6, 0.8]), (300, 1))
    with pytest.raises(TooManyPairs):
        Matching(cluster, Work(str(tmp_path)), vectors, "key", memory=2**22, size=100)(0.9)


@pytest.mark.long
def test_killed_worker_changes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    texts = [*rows(9_000)]
    texts[7_000] = MARK
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts), "utf-8")
    (tmp_path / "log").mkdir()
    paths = [str(tmp_path / "in.jsonl")]
    load = partial(Dying, tmp_path / "log")
    # The driver's own model must not die.
    found = Batch([paths], str(tmp_path / "out"), load).dedup(cluster, DedupRequest(0.97))
    assert (tmp_path / "log" / "died").exists()
    check_equal(tmp_path / "out", paths, DedupRequest(0.97))
    twice = Counter(logged(tmp_path / "log"))
    assert found.embedded.documents == 9_000
    # Equal texts, and the piece in flight.
    assert sum(count - 1 for text, count in twice.items()) <= 4096 + 2 * 4096


DRIVER = """
import json, os, sys
from functools import partial
from pathlib import Path
from ray_embedders import Dying, Logging
from semsearch.distributed.batch import Batch, list_inputs
from semsearch.distributed.cluster import connected
from semsearch.distributed.pieces import pieces
from semsearch.distributed.work import Work
from semsearch.requests import DedupRequest

address, paths, output, log, point = sys.argv[1:]
save = Work.save
saved = 0
def counting(*arguments, **options):
    global saved
    saved += 1
    if saved > int(point) >= 0:
        os._exit(9)
    return save(*arguments, **options)
if int(point) >= 0:
    Work.save = counting
load = partial(Logging, Path(log)) if int(point) >= -1 else partial(Dying, Path(log), os.getpid())
with connected(address) as cluster:
    found = Batch([[paths]], output, load).dedup(cluster, DedupRequest(0.97), partition=700)
    print(json.dumps(found.embedded.embedded))
"""


def drive(address: str, paths: str, output: Path, log: Path, point: int) -> subprocess.CompletedProcess[str]:
    """Run a driver that dies at its save number `point`; at -2 a worker kills it at the marked text; never at -1."""
    return subprocess.run(
        [sys.executable, "-c", DRIVER, address, paths, str(output), str(log), str(point)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.long
def test_killed_drivers_go_on_to_the_same_result(address: str, cluster: Cluster, tmp_path: Path) -> None:
    texts = [*rows(9_000, seed=2)]
    texts[8_990] = MARK  # in the third and last piece
    path, output, log = tmp_path / "in.jsonl", tmp_path / "out", tmp_path / "log"
    path.write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts), "utf-8")
    log.mkdir()
    killed = drive(address, str(path), output, log, -2)
    assert killed.returncode == -9, killed.stderr
    for point in (0, 1, 3):  # before the plan of visits, after it, and among the visits
        killed = drive(address, str(path), output, log, point)
        assert killed.returncode == 9, killed.stderr
    done = drive(address, str(path), output, log, -1)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 0  # all had been embedded
    check_equal(output, [str(path)], DedupRequest(0.97))
    twice = Counter(logged(log))
    distinct = len(set(texts))
    assert sum(twice.values()) <= distinct + 3 * 4096  # each piece in flight may be embedded once more
    assert not list(output.rglob(".tmp-*"))


@pytest.mark.long
def test_ray_client_gives_the_same_answer(address: str, client_port: int, tmp_path: Path) -> None:
    paths = write_inputs(tmp_path / "in", rows(600, seed=4))
    (tmp_path / "log").mkdir()
    for _ in range(3):  # on a busy machine Ray gives up before the server of a client has started
        done = drive(f"ray://127.0.0.1:{client_port}", *paths, tmp_path / "out", tmp_path / "log", -1)
        if "Initialization failure from server" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr
    check_equal(tmp_path / "out", paths, DedupRequest(0.97))


@pytest.mark.long
def test_full_disk_is_an_error_until_there_is_room(
    cluster: Cluster, small_disk: Path, tmp_path: Path
) -> None:
    texts, output, log = rows(9_000, seed=6), small_disk / "out", tmp_path / "log"
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts), "utf-8")
    log.mkdir()
    paths = [str(tmp_path / "in.jsonl")]

    def failures(work: str, room: int, growth: int, *rest: Any, **options: Any) -> int:
        """Do the work in ever more room, until it is done; return how often there was none."""
        for failed in count():
            stat = os.statvfs(small_disk)
            size = max(1, stat.f_blocks - stat.f_bfree) * stat.f_frsize + room * growth**failed
            subprocess.run(["mount", "-o", f"remount,size={size}", small_disk], check=True)
            try:
                batch = Batch([paths], str(output), partial(Logging, log))
                getattr(batch, work)(cluster, *rest, **options)
                return failed
            except SemsearchError as error:
                assert str(error) == f"cannot write {output}: No space left on device"
        raise AssertionError

    embedding = failures("embed", 50_000, 4)
    assert embedding > 1
    assert failures("dedup", 8_000, 2, DedupRequest(0.97), partition=700) > 1
    check_equal(output, paths, DedupRequest(0.97))
    assert not list(output.rglob(".tmp-*"))
    distinct = len(set(texts))
    assert len(logged(log)) <= distinct + 2 * 4096 * embedding  # the pieces that two workers could not save


def test_output_of_other_work_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    paths = write_inputs(tmp_path / "in", rows(60))
    output = str(tmp_path / "out")
    Batch([paths], output, TinyEmbedder).embed(cluster)
    with (tmp_path / "in" / "b.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"text": "one more"}\n')
    with pytest.raises(InvalidInput, match="inputs differ"):
        Batch([paths], output, TinyEmbedder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine", "utf-8")
    with pytest.raises(InvalidInput, match="not empty"):
        Batch([paths], str(tmp_path / "mine"), TinyEmbedder)


@pytest.mark.long
def test_damaged_piece_is_noticed_and_made_again(cluster: Cluster, tmp_path: Path) -> None:
    paths = write_inputs(tmp_path / "in", rows(300))
    output = tmp_path / "out"
    Batch([paths], str(output), TinyEmbedder).embed(cluster)
    (piece,) = (output / "embeddings").glob("*.parquet")
    content = bytearray(piece.read_bytes())
    content[len(content) // 2] ^= 1
    piece.write_bytes(content)
    with pytest.raises(SemsearchError, match="is damaged") as caught:
        Batch([paths], str(output), TinyEmbedder).dedup(cluster, REQUEST)
    assert "delete this file" in caught.value.hint
    piece.unlink()
    Batch([paths], str(output), TinyEmbedder).dedup(cluster, REQUEST)
    check_equal(output, paths, REQUEST)


@pytest.mark.long
def test_urls_are_read_and_written(cluster: Cluster, tmp_path: Path) -> None:
    paths = write_inputs(tmp_path / "in", rows(300))
    url, output = f"file://{tmp_path / 'in'}", f"file://{tmp_path / 'out'}"
    with pytest.raises(InvalidInput, match="not guessed"):
        Batch([[url]], output, TinyEmbedder)
    found = Batch([[url]], output, TinyEmbedder, fields=RowFields(("text",))).dedup(cluster, REQUEST)
    wanted, _, _ = expected(paths, REQUEST)
    assert found.embedded.documents == len(wanted)
    assert Counter(row["tier"] for row in table(tmp_path / "out")) == Counter(row["tier"] for row in wanted)
    with pytest.raises(InvalidInput, match="does not exist"):
        Batch([[f"{url}/nothing"]], output, TinyEmbedder, fields=RowFields(("text",)))


def test_names_below_a_url_are_read(tmp_path: Path) -> None:
    names = ["a b.txt", "a?b=1.txt", "a#b.txt", "%41.txt", "新.txt", "a/c.txt"]
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(f"text of {name}", "utf-8")
    for url in (
        f"file://{tmp_path}/in",
        f"file://{tmp_path}/in/?option=1",
        f"file://{tmp_path}/in/a%20b.txt",
    ):
        inputs, skipped, _ = list_inputs([[url]], RowFields(("text",)))
        found = [one for piece in pieces(inputs, frozenset()) for one in piece.documents]
        wanted = names if "%20" not in url else ["a b.txt"]
        assert {one.text for one in found} == {f"text of {name}" for name in wanted}
        assert not skipped


@pytest.mark.parametrize("url", ["s3://KEY:SECRET@bucket/x", "s3://KEY:SEC/RET@bucket/x"])
def test_a_url_with_a_password_is_refused(url: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a text", "utf-8")
    for inputs, output in (([url], str(tmp_path / "out")), ([str(tmp_path / "a.txt")], url)):
        with pytest.raises(InvalidInput, match="may not hold a password") as caught:
            Batch([inputs], output, TinyEmbedder, fields=RowFields(("text",)))
        assert "SEC" not in str(caught.value) and "SEC" not in (caught.value.hint or "")
    assert not (tmp_path / "out").exists()


def test_an_output_that_leads_into_an_input_is_refused(tmp_path: Path) -> None:
    paths = write_inputs(tmp_path / "in", rows(3))
    (tmp_path / "in" / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in" / "out")
    (tmp_path / "to").symlink_to(tmp_path / "in")
    for output in (tmp_path / "link", tmp_path / "to" / "new", f"file://{tmp_path}/in/new"):
        with pytest.raises(InvalidInput, match="is in the input"):
            Batch([[str(tmp_path / "in")]], str(output), TinyEmbedder)
    with pytest.raises(InvalidInput, match="has an input in it"):
        Batch([paths], str(tmp_path / "to"), TinyEmbedder)
    assert not list((tmp_path / "in" / "out").iterdir())


def test_a_run_that_another_follows_writes_no_more(tmp_path: Path) -> None:
    paths, output = write_inputs(tmp_path / "in", rows(3)), tmp_path / "out"
    old = pickle.loads(pickle.dumps(Batch([paths], str(output), TinyEmbedder).work))  # as a worker has it
    old.save("embeddings", "one", ".parquet", b"old", {})
    (output / "result").mkdir()
    for folder in ("", "embeddings", "result"):
        (output / folder / ".tmp-left").write_bytes(b"half")
    new = Batch([paths], str(output), TinyEmbedder).work
    assert not list(output.rglob(".tmp-*"))
    with pytest.raises(SemsearchError, match="another run has begun"):
        old.save("embeddings", "one", ".parquet", b"older", {})
    assert new.load("embeddings", new.finished("embeddings")["one"]) == b"old"
    new.save("embeddings", "one", ".parquet", b"new", {})
    assert new.load("embeddings", new.finished("embeddings")["one"]) == b"new"
    assert not list(output.rglob(".tmp-*"))


class Broken(TinyEmbedder):
    """A model that fails."""

    def embed(self, *rest: Any, **options: Any) -> Any:
        raise ModelError("the model fails", "use another one")


@pytest.mark.long
def test_processor_that_others_use_is_not_waited_for(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semsearch.distributed.cluster._BEGIN_SECONDS", 1.0)
    paths = write_inputs(tmp_path / "in", rows(60))
    other = ray.remote(num_cpus=1)(TinyEmbedder).remote()
    ray.get(other.embed.remote(["it has begun"]))
    found = Batch([paths], str(tmp_path / "out"), TinyEmbedder).embed(cluster)
    assert found.documents == 60
    ray.kill(other)


@pytest.mark.long
def test_error_of_a_worker_is_the_error_of_the_run(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one text", "utf-8")
    with pytest.raises(ModelError, match="the model fails") as caught:
        Batch([[str(tmp_path / "a.txt")]], str(tmp_path / "out"), Broken).embed(cluster)
    assert caught.value.hint == "use another one"


def test_workers_on_gpus_embed(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "kada lofe"}\n{"text": "migo"}\n', "utf-8")
    batch = Batch([[str(tmp_path / "in.jsonl")]], str(tmp_path / "out"), TinyEmbedder, gpu=on_gpu)
    assert batch.embed(cluster).embedded == 2
    assert batch.embed(cluster).embedded == 0
    again = Batch([[str(tmp_path / "in.jsonl")]], str(tmp_path / "again"), TinyEmbedder, gpu=on_gpu)
    monkeypatch.setattr(cluster, "gpus", 0)
    with pytest.raises(SemsearchError, match="no GPU"):
        again.embed(cluster)


def test_vectors_in_parquet_are_those_of_the_model(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(
        '{"id": "x", "text": "kada lofe"}\n{"id": "y", "text": "migo"}\n', "utf-8"
    )
    Batch(
        [[str(tmp_path / "in.jsonl")]], str(tmp_path / "out"), TinyEmbedder, fields=RowFields(id="id")
    ).embed(cluster)
    (row, _) = pq.read_table(tmp_path / "out" / "embeddings" / "00000-000000.parquet").to_pylist()
    assert row["name"].endswith("in.jsonl#x")
    assert np.allclose(row["vectors"][0], TinyEmbedder().embed(["kada lofe"])[0])
    assert row["text"] == "kada lofe"


@pytest.mark.long
def test_dataset_gets_the_vectors_of_its_texts(cluster: Cluster) -> None:
    data = ray.data.from_items(
        [{"text": text, "n": at} for at, text in enumerate(["kada lofe", "", "migo  kada"])]
    )
    got = embed_dataset(data, TinyEmbedder).take_all()
    assert len(embed_dataset(data, on_gpu, gpu=True).take_all()) == len(got)
    for row in got:
        wanted = TinyEmbedder().embed([" ".join(row["text"].split())])[0]
        assert np.allclose(row["vector"], wanted)
    assert sorted(row["n"] for row in got) == [0, 1, 2]
    with pytest.raises(InvalidInput, match="text, n"):
        embed_dataset(data, TinyEmbedder, text="body")


@pytest.mark.long
def test_dataset_gets_the_groups_of_its_rows(cluster: Cluster, tmp_path: Path) -> None:
    texts = ["kada lofe migo", "kada  lofe migo", "puda rifo nehu", "kada lofe migo."]
    data = ray.data.from_items([{"key": f"k#{at}", "body": text} for at, text in enumerate(texts)])
    got = dedup_dataset(data, str(tmp_path / "out"), TinyEmbedder, DedupRequest(0.9), id="key", text="body")
    rows = {row["key"]: row for row in got.take_all()}
    assert rows.keys() == {"k#0", "k#1", "k#2", "k#3"}
    assert rows["k#0"]["tier"] == "keeper"
    assert (rows["k#1"]["keeper"], rows["k#1"]["tier"], rows["k#1"]["kept"]) == ("k#0", "exact", False)
    assert (rows["k#2"]["group"], rows["k#2"]["kept"]) == (None, True)
    with pytest.raises(InvalidInput, match="not empty"):
        dedup_dataset(data, str(tmp_path / "out"), TinyEmbedder, DedupRequest(0.9), id="key", text="body")
    with pytest.raises(InvalidInput, match="no column id"):
        dedup_dataset(data, str(tmp_path / "new"), TinyEmbedder, DedupRequest(0.9), id="id", text="body")
