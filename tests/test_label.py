"""`semsearch label` as a person uses it, at a real terminal and through a pipe, and what its file is worth."""

import csv
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from filelock import FileLock
from soundness import assert_sound
from tiny_embedder import TinyEmbedder, create_index, open_index

from semsearch import Index
from semsearch.cli import main
from semsearch.embedding import load_embedder
from semsearch.errors import IndexLocked, InvalidInput
from semsearch.tuning.labels import FILE, Label, open_labels, read_labels
from semsearch.tuning.metrics import threshold_metrics
from semsearch.tuning.pairs import load_pairs, positives
from semsearch.tuning.sampling import labelling_order
from semsearch.tuning.scoring import score_pairs
from semsearch.tuning.threshold import tune_threshold

REPOSITORY = Path(__file__).parent.parent
WORDS = [
    "amber",
    "brook",
    "cove",
    "dune",
    "ember",
    "fjord",
    "glade",
    "heath",
    "inlet",
    "juniper",
    "kelp",
    "lichen",
]
PATIENCE = 60.0
"""Seconds after which something that has not come never will."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a working directory with an index of the tiny embedder over 40 short texts; `label` needs no model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMSEARCH_INDEX", raising=False)
    rng = np.random.default_rng(0)
    (tmp_path / "texts").mkdir()
    for number in range(40):
        words = [*rng.choice(WORDS, 6), "没" if number % 4 == 0 else "不"]
        (tmp_path / "texts" / f"{number:02}.txt").write_text(" ".join(words), encoding="utf-8")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest(["texts"])
    yield tmp_path
    with open_index(tmp_path / ".semsearch") as index:
        assert_sound(index)


def label(*args: str, answers: str = "", code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["label", *args], input="".join(f"{key}\n" for key in answers))
    assert result.exit_code == code, result.output
    return result


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def wait_for_keys(terminal: int) -> None:
    """Wait until a program reads single keys from a terminal: what is pressed before that is thrown away."""
    until = time.monotonic() + PATIENCE
    while termios.tcgetattr(terminal)[3] & termios.ICANON:
        assert time.monotonic() < until, "it does not read keys"
        time.sleep(0.01)


class Terminal:
    """A process at a separate terminal, by the standard library."""

    def __init__(self, *args: str) -> None:
        self.screen, theirs = pty.openpty()
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "TERM": "xterm", "COLUMNS": "120"}
        command = [sys.executable, "-m", "semsearch", *args]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)
        self.said = ""

    def press(self, key: str) -> None:
        wait_for_keys(self.screen)
        os.write(self.screen, key.encode())

    def wait_for(self, text: str, times: int = 1) -> None:
        until = time.monotonic() + PATIENCE
        while self.said.count(text) < times:
            if not self._read(until):
                self.process.kill()
                self.process.wait()
                pytest.fail(f"{text!r} has not come:\n{self.said}")

    def end(self) -> int:
        until = time.monotonic() + PATIENCE
        while self._read(until):
            pass
        code = self.process.wait(PATIENCE)
        os.close(self.screen)
        return code

    def _read(self, until: float) -> bool:
        try:
            if not select.select([self.screen], [], [], max(0, until - time.monotonic()))[0]:
                return False
            more = os.read(self.screen, 2**16).decode(errors="replace")
        except OSError:  # how Linux says that the other end is closed
            return False
        self.said += more
        return bool(more)


# -- at a terminal ------------------------------------------------------------------------------------------


def test_single_keys_at_a_terminal(here: Path) -> None:
    terminal = Terminal("label", "--above", "0.5")
    for times, key in enumerate("ynxsun", 1):
        terminal.wait_for("quit: ", times)
        terminal.press(key)
    terminal.wait_for("quit: ", 7)
    assert len(rows(here / ".semsearch" / FILE)) == 3, "the third was undone, and answered anew"
    terminal.press("q")
    assert terminal.end() == 0
    assert "3 labelled: 1 duplicate, 2 not; 0 skipped" in terminal.said
    assert "\x1b[31m" in terminal.said and "\x1b[32m" in terminal.said, "what differs is coloured"
    assert [row["label"] for row in rows(here / ".semsearch" / FILE)] == ["1", "0", "0"]


@pytest.mark.parametrize("ending", ["\x03", "\x04", "kill"])
def test_however_it_ends_nothing_is_lost(here: Path, ending: str) -> None:
    terminal = Terminal("label", "--above", "0.5")
    for times in (1, 2):
        terminal.wait_for("quit: ", times)
        terminal.press("y")
    terminal.wait_for("quit: ", 3)
    if ending == "kill":
        os.kill(terminal.process.pid, signal.SIGKILL)
    else:
        terminal.press(ending)
    assert terminal.end() == (-9 if ending == "kill" else 0)
    assert [row["label"] for row in rows(here / ".semsearch" / FILE)] == ["1", "1"]
    again = label("--above", "0.5", answers="n")
    assert "3 of 150" in again.stdout and "3 labelled: 2 duplicates, 1 not" in again.stderr


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
@pytest.mark.parametrize("columns", [80, 120])
def test_through_tmux(here: Path, columns: int) -> None:
    """Show the two texts side by side at 120 columns, and one below the other at 80."""
    server = ["tmux", "-L", f"semsearch-test-{os.getpid()}-{columns}", "-f", os.devnull]

    def tmux(*args: str) -> str:
        done = subprocess.run([*server, *args], capture_output=True, text=True, encoding="utf-8", check=True)
        return done.stdout

    def wait_for(happened: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while not happened():
            assert time.monotonic() < until, tmux("capture-pane", "-p")
            time.sleep(0.05)

    def press(key: str) -> None:
        pane = os.open(tmux("display-message", "-p", "#{pane_tty}").strip(), os.O_RDONLY | os.O_NOCTTY)
        wait_for_keys(pane)
        os.close(pane)
        tmux("send-keys", key)

    environment = f"env -u COLUMNS -u LINES PYTHONPATH={REPOSITORY} TERM=xterm"
    program = f"{environment} {sys.executable} -m semsearch label --above 0.5; cat"
    tmux("new-session", "-d", "-x", str(columns), "-y", "50", "-c", str(here), program)
    try:
        for number, key in enumerate("yns", 1):
            wait_for(lambda: tmux("capture-pane", "-p").count("quit:") == number)  # noqa: B023
            press(key)
        wait_for(lambda: tmux("capture-pane", "-p").count("quit:") == 4)
        screen = tmux("capture-pane", "-p")
        assert max(map(len, screen.splitlines())) <= columns
        beside = [line for line in screen.splitlines() if len([w for w in line.split() if w in WORDS]) > 8]
        assert bool(beside) == (columns == 120), screen
        press("q")
        wait_for(
            lambda: (
                "2 labelled: 1 duplicate, 1 not; 1 skipped" in " ".join(tmux("capture-pane", "-p").split())
            )
        )
    finally:
        tmux("kill-server")
    assert [row["label"] for row in rows(here / ".semsearch" / FILE)] == ["1", "0", "skip"]
    assert [pair.duplicate for pair in load_pairs(str(here / ".semsearch" / FILE)).pairs] == [True, False]


# -- through a pipe, and the file ---------------------------------------------------------------------------


def test_lines_where_there_is_no_terminal(here: Path) -> None:
    done = label("--above", "0.5", "--output", "mine.csv", "--count", "2", answers="ynnn")
    assert "2 labelled: 1 duplicate, 1 not" in done.stderr and "tune --pairs mine.csv" in done.stderr
    assert "{+" in done.stdout and "\x1b" not in done.stdout
    assert not (here / ".semsearch" / FILE).exists()
    row = rows(here / "mine.csv")[0]
    assert row["model"] == "tiny fp32"  # the index's own settings: the tiny one is put in its place
    for side, name in (("text_a", "left"), ("text_b", "right")):
        assert row[side] == (here / row[name]).read_text(encoding="utf-8")


def test_undo_reaches_back_to_an_earlier_run(here: Path) -> None:
    label("--above", "0.5", answers="yn")
    before = rows(here / ".semsearch" / FILE)
    label("--above", "0.5", answers="uuuy")
    after = rows(here / ".semsearch" / FILE)
    assert [row["label"] for row in after] == ["1"] and after[0]["left"] == before[0]["left"]


def test_labels_of_passages_have_bands_of_their_own(here: Path) -> None:
    label("--above", "0.5", answers="y")
    label("--above", "0.5", "--level", "passage", answers="n")
    first, second = rows(here / ".semsearch" / FILE)
    assert second["band"].endswith(" passages") and " passages" not in first["band"]
    assert second["left"].endswith(":1"), "named by its place"


def test_nothing_to_label(here: Path) -> None:
    assert "only exact copies" in label("--above", "0.999").stderr
    every = label("--above", "0.9", "--count", "10000", answers="n" * 500)
    assert "no pairs are left to label" in every.stderr


def test_tune_says_how_many_labels_are_missing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semsearch.index.load_embedder", lambda *_, **__: TinyEmbedder())
    label("--above", "0.5", answers="yy")
    refused = CliRunner().invoke(main, ["tune", "--pairs", "labels"])
    assert refused.exit_code == 2 and "2 of 2 are duplicates" in refused.stderr
    assert "label at least 2 more" in refused.stderr


def test_errors_are_said(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "has no labels yet" in CliRunner().invoke(main, ["tune", "--pairs", "labels"]).stderr
    Path("other.csv").write_text("text_a,text_b,label\nx,y,1\n")
    assert "is not a labels file" in label("--output", "other.csv", code=2).stderr
    assert "no folder none" in label("--output", "none/labels.csv", code=2).stderr
    with FileLock(here / ".mine.csv.lock"):
        assert "another process" in label("--output", "mine.csv", code=11).stderr
    with open_labels(here / "foreign.csv") as labels:
        labels.add(row(1))
    assert "labels for the model m fp32" in label("--output", "foreign.csv", code=2).stderr
    monkeypatch.chdir("/")
    assert "no index" in label(code=10).stderr


def row(number: int, label: str = "1", band: str = "0.80-0.85", pairs: int = 10) -> Label:
    return Label(f'a "{number}"\n', "b, c", label, 0.8, "m fp32", band, pairs, "x", "y", "2026-01-01")


def test_a_torn_last_line_is_dropped_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with open_labels(path) as labels:
        labels.add(row(1))
        whole = len(path.read_bytes())
        labels.add(row(2))
        with pytest.raises(IndexLocked), open_labels(path):
            pass
    written = path.read_bytes()
    for end in range(whole, len(written)):
        if written[end - 1 : end] == b"\n" and end > whole:
            continue  # torn within a text, just after its line break: taken for damage, and nothing is touched
        path.write_bytes(written[:end])
        with open_labels(path) as labels:
            assert labels.rows[0] == row(1) and len(labels.rows) <= 2
    path.write_bytes(written.replace(b"0.8,", b"much,", 1))
    with pytest.raises(InvalidInput, match="damaged"), open_labels(path):
        pass
    assert b"much" in path.read_bytes()


def test_a_label_stands_for_its_share_of_its_band(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with open_labels(path) as labels:
        for number, (answer, band, pairs) in enumerate(
            [("1", "a", 30), ("skip", "a", 30), ("0", "a", 30), ("0", "a", 30), ("1", "b", 4)]
        ):
            labels.add(row(number, answer, band, pairs))
    loaded = load_pairs(str(path))
    assert [pair.weight for pair in loaded.pairs] == [10, 10, 10, 4]
    assert [skipped.failed for skipped in loaded.skipped] == [False]
    (tmp_path / "own.csv").write_text("a,b,label,weight\nx,y,1,2.5\nx,z,0,0\n")
    own = load_pairs(str(tmp_path / "own.csv"))
    assert [pair.weight for pair in own.pairs] == [2.5] and "not above 0" in own.skipped[0].reason


# -- which pairs --------------------------------------------------------------------------------------------


def test_the_frame_is_every_pair_above(here: Path) -> None:
    texts = {
        f"texts/{path.name}": path.read_text(encoding="utf-8") for path in sorted(Path("texts").iterdir())
    }
    with open_index(here / ".semsearch") as index:
        vectors = dict(zip(texts, index.embedder.embed(list(texts.values())).astype(float), strict=True))
        found = index.sample_pairs(0.5, around=0.8)
        pairs = list(found)
    names = list(texts)
    expected = {
        (a, b): vectors[a] @ vectors[b]
        for at, a in enumerate(names)
        for b in names[at + 1 :]
        if vectors[a] @ vectors[b] >= 0.5 and texts[a] != texts[b]
    }
    assert {(pair.left, pair.right) for pair in pairs} == expected.keys() and len(pairs) == len(expected)
    for pair in pairs:
        assert pair.cosine == pytest.approx(expected[pair.left, pair.right])
        assert (pair.text_a, pair.text_b) == (texts[pair.left], texts[pair.right])
        low, high = map(float, pair.band.split("-"))
        assert low <= pair.cosine < high or pair.cosine == pytest.approx(1)
    assert Counter(pair.band for pair in pairs) == {band: size for band, size in found.bands if size}
    early = Counter(pair.band for pair in pairs[:40])
    near = {"0.75-0.80", "0.80-0.85"}
    assert sum(early[band] for band in near) > sum(early.values()) / 3
    assert len(early) >= 4, "every band has its turn"


def test_the_order_stays_when_texts_are_added(here: Path) -> None:
    with open_index(here / ".semsearch") as index:
        before = [
            (pair.left, pair.right)
            for pair in index.sample_pairs(0.5, around=0.8)
            if pair.band == "0.70-0.75"
        ]
        Path("texts/new.txt").write_text(" ".join(WORDS[:7]))
        index.ingest(["texts"])
        after = [
            (pair.left, pair.right)
            for pair in index.sample_pairs(0.5, around=0.8)
            if pair.band == "0.70-0.75"
        ]
    assert [pair for pair in after if "texts/new.txt" not in pair] == before


def test_labels_weighted_by_band_estimate_the_whole_frame(here: Path) -> None:
    """Over many orders, what the first labels say of all pairs is right on average: here, of a share known exactly."""
    with open_index(here / ".semsearch") as index:
        pairs = list(index.sample_pairs(0.5, around=0.8))
    truth = np.mean([len(pair.left + pair.text_a) % 2 == 0 for pair in pairs])
    by_band: dict[str, list[bool]] = {}
    for pair in pairs[:60]:
        by_band.setdefault(pair.band, []).append(len(pair.left + pair.text_a) % 2 == 0)
    sizes = {pair.band: pair.band_pairs for pair in pairs}
    estimate = sum(sizes[band] * np.mean(labels) for band, labels in by_band.items())
    estimate /= sum(sizes[band] for band in by_band)
    assert estimate == pytest.approx(truth, abs=0.25)


def test_tune_on_ones_own_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample_corpus: Path
) -> None:
    """With the real model: the labels' own cosines are used, for long documents as well."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(sample_corpus / "faq", "faq")
    CliRunner().invoke(main, ["ingest", "faq"])
    label("--above", "0.1", "--count", "50", answers="yynnynnnyn" * 6)
    tuned = CliRunner().invoke(main, ["tune", "--pairs", "labels", "--json"])
    assert tuned.exit_code == 0, tuned.output
    with Index.open(".semsearch") as index:
        assert index.threshold["threshold"] == json.loads(tuned.stdout)["threshold"]
        cosines = {float(row["cosine"]) for row in rows(Path(".semsearch") / FILE)}
        assert min(cosines) >= 0.1
        assert_sound(index)


@pytest.mark.long
def test_labels_of_other_texts_beat_the_threshold_of_sick(shared_data: Path) -> None:
    """Draw and weigh pairs of STS-B's training part as `label` does it, and measure the threshold on its test part.

    The report is true of all pairs that the labels were drawn from. benchmarks/labels.py does it on all of them.
    """
    embedder = load_embedder()
    sets = [load_pairs(str(shared_data / "stsb" / f"stsb-en-{part}.csv")) for part in ("train", "test")]
    train, test = (replace(one, pairs=one.pairs[::step]) for one, step in zip(sets, (10, 6), strict=True))
    scores, judges = score_pairs(train, embedder).scores, score_pairs(test, embedder).scores
    frame = np.flatnonzero(scores >= 0.6)
    pairs, scores = [train.pairs[at] for at in frame.tolist()], scores[frame]
    truth, judged = positives(pairs, "score>=4"), positives(test.pairs, "score>=4")
    tuned, above, draws = [], 0, 10
    for seed in range(draws):
        keys = np.random.default_rng(seed).integers(2**64, size=len(pairs), dtype=np.uint64)
        order, band, bands = labelling_order(keys, scores, 0.6, 0.85)
        drawn = order[:100]
        weights = np.array([size for _, size in bands]) / np.bincount(band[drawn], minlength=len(bands)).clip(
            1
        )
        labelled = [replace(pairs[at], weight=float(weights[band[at]])) for at in drawn.tolist()]
        tuning = tune_threshold(labelled, scores[drawn], "score>=4", seed=seed)
        quality = threshold_metrics(judges, judged, tuning.threshold)
        tuned.append(quality.f1.value)
        above += tuning.reported.precision.low > truth[scores >= tuning.threshold].mean()
    sick = 0.89  # docs/thresholds.md
    assert np.mean(tuned) > threshold_metrics(judges, judged, sick).f1.value
    assert above <= 1, f"{above} of {draws} report more than is true"


def test_labels_beyond_the_first_are_drawn_and_tuned_on(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer by a rule that the similarity tells, with an undo and a break between; a precision is guaranteed."""
    monkeypatch.setattr("semsearch.index.load_embedder", lambda *_, **__: TinyEmbedder())
    with open_index(here / ".semsearch") as index:
        cosine = {frozenset((pair.left, pair.right)): pair.cosine for pair in index.sample_pairs(0.5)}
    with open_index(here / ".semsearch") as index, open_labels(here / ".semsearch" / FILE) as labels:
        sample = index.sample_pairs(0.5)
        while (found := sample.next(labels.rows, 0.7)).pair and len(labels.rows) < 90:
            pair = found.pair
            answer = str(int(cosine[frozenset((pair.left, pair.right))] >= 0.7))
            labels.add(Label.of(pair, answer, "tiny fp32"))
            if len(labels.rows) % 30 == 0:  # the same pair comes again, drawn in the same way
                labels.undo()
                assert sample.next(read_labels(here / ".semsearch" / FILE), 0.7).pair == pair
                labels.add(Label.of(pair, answer, "tiny fp32"))
        last = labels.rows[-1]
        labels.merge([replace(labels.rows[40], label="skip")])
        assert labels.rows[-1] == last and labels.rows[40].draw is not None, "order and draws stay"
        labels.merge([replace(labels.rows[40], label="1")])
    assert found.guarantee is not None
    file = rows(here / ".semsearch" / FILE)
    assert not any(row["probability"] for row in file[:20])
    assert all(0 < float(row["probability"]) <= 1 for row in file[20:])
    tuned = CliRunner().invoke(main, ["tune", "--pairs", "labels", "--min-precision", "0.7", "--json"])
    assert tuned.exit_code == 0, tuned.output
    said = json.loads(tuned.stdout)
    assert said["threshold"] == said["guarantee"]["threshold"] == pytest.approx(found.guarantee.threshold)
    dedup = CliRunner().invoke(main, ["dedup", "--min-precision", "0.7", "--json"])
    assert dedup.exit_code == 0, dedup.output
