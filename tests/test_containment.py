"""The containment of documents, which equals a brute force over words, whatever the texts and the share."""

import csv
import io
import json
import tracemalloc
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import numpy as np
import planting
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tiny_embedder import TinyEmbedder, create_index

from semsearch.cli import main
from semsearch.dedup import Duplicates, containment, run_table
from semsearch.dedup.containment import FEWEST_WORDS, LocatedWords, containments, share_with_passages
from semsearch.dedup.in_files import Dataset
from semsearch.errors import InvalidInput
from semsearch.text.word_runs import RUN, words_of
from semsearch.types import Contained


def share_by_hand(a: Sequence[bytes], b: Sequence[bytes]) -> Fraction:
    """Return the share of the words of `a` that lie in a run that `b` has, by looking at every run."""
    runs = {tuple(b[at : at + RUN]) for at in range(len(b) - RUN + 1)}
    inside = {
        word
        for at in range(len(a) - RUN + 1)
        if tuple(a[at : at + RUN]) in runs
        for word in range(at, at + RUN)
    }
    return Fraction(len(inside), max(1, len(a)))


def by_hand(texts: Sequence[str], least: Fraction) -> dict[tuple[int, int], float]:
    words = [words_of(text) for text in texts]
    shares = {
        (x, y): share_by_hand(words[x], words[y])
        for x, y in permutations(range(len(texts)), 2)
        if len(words[x]) >= FEWEST_WORDS and (len(words[y]), -y) > (len(words[x]), -x)
    }
    return {pair: float(share) for pair, share in shares.items() if share >= least}


def found_in(texts: Sequence[str], least: float, memory: int = 2**29) -> dict[tuple[int, int], float]:
    found = containments(texts, least, lambda x, y: x != y, rank=np.arange(len(texts)), memory=memory)
    assert not found.semantic.any()
    return dict(zip(zip(found.x.tolist(), found.y.tolist(), strict=True), found.share.tolist(), strict=True))


word = st.sampled_from("abc")
text = st.lists(word, max_size=40).map(" ".join)
cut = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)


@given(
    st.lists(text, max_size=8),
    st.lists(cut, max_size=5),
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from([2**14, 2**29]),
)
def test_the_pairs_equal_those_of_a_brute_force(
    texts: list[str], cuts: list[list[int]], p: int, q: int, memory: int
) -> None:
    whole = " ".join(f"w{number}" for number in range(60))
    texts = [*texts, *(" ".join(whole.split()[first:last]) for first, last in cuts), whole]
    least = Fraction(min(p, q), max(p, q))
    assert found_in(texts, float(least), memory) == by_hand(texts, least)


@pytest.mark.parametrize("work", [1, 60, 2**22])
def test_work_and_rounds_do_not_change_the_result(work: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    footer = [f"f{number}" for number in range(30)]
    bases = [[f"w{at}-{number}" for number in range(50)] for at in range(4)]
    texts = [
        " ".join([*bases[at % 4][: rng.integers(5, 50)], *footer[: rng.integers(0, 30)], f"own{at}"])
        for at in range(60)
    ]
    expected = by_hand(texts, Fraction(3, 4))
    assert len(expected) > 100
    monkeypatch.setattr(run_table, "_WORK", work)
    monkeypatch.setattr(run_table, "_FIRST_LOOK", 2)
    monkeypatch.setattr(run_table, "_FEWEST_SORTED", work)
    for module in (containment, run_table):
        monkeypatch.setattr(module, "MOST_CONTAINERS", 60)
    for memory in (2**17, 2**29):
        assert found_in(texts, 0.75, memory) == expected


def test_memory_is_bounded_whatever_texts_share() -> None:
    """Each text has 30 of its 80 words from one of 50 others, so most runs are shared and few texts are contained."""
    rng = np.random.default_rng(1)
    shared = rng.integers(10**6, size=(50, 30))
    texts = [" ".join(map(str, [*shared[at % 50], *rng.integers(10**6, size=50)])) for at in range(2_000)]
    texts.append(texts[0].rsplit(" ", 8)[0])
    found_in(texts[:20], 0.8)  # imports take memory too
    peaks = []
    for memory in (2**22, 2**29):
        tracemalloc.start()
        assert found_in(texts, 0.8, memory) == {(2_000, 0): 1.0}
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < 2**22 < peaks[1] / 2


# -- planted copies --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Duplicates:
    """Return what containment alone finds among the planted copies; at threshold 1 only equal texts are groups."""
    folder = tmp_path_factory.mktemp("planted")
    for file in planting.planted():
        (folder / file.name).write_text(file.text, encoding="utf-8")
    with Dataset.read([folder], embedder=TinyEmbedder()) as dataset:
        return dataset.duplicates(1.0, contained=0.8)


@pytest.mark.parametrize("kind", planting.KINDS)
def test_planted_copies_are_found(kind: str, planted: Duplicates) -> None:
    pairs = planting.pairs_of(planted)
    copies = [file for file in planting.planted() if file.kind == kind]
    expected = {(min(file.original, file.name), max(file.original, file.name)) for file in copies}
    assert len(expected) == 6
    assert expected - pairs == set()


def test_no_pair_of_different_documents(planted: Duplicates) -> None:
    of = {file.name: file.of for file in planting.planted()}
    assert [pair for pair in planting.pairs_of(planted) if not of[pair[0]] & of[pair[1]]] == []


# -- a few documents -------------------------------------------------------------------------------------

BODY = """The toolshed lends ladders, drills and tents to every member of the street.
Loans last a week, and a second week is free if nobody else has asked for the tool.
Whoever breaks something says so, and helps to repair it on the first Saturday."""
BEFORE = (
    "Minutes of the spring meeting\n\nTwelve people came, and the soup was good. We talked about this.\n\n"
)
AFTER = "\n\nThen the chair thanked the cooks, and everybody carried a table back into the hall before the rain began."


def contained_in(folder: Path, files: dict[str, str], share: float = 0.8) -> tuple[Contained, ...]:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    with create_index(folder / ".semsearch") as index:
        index.ingest([folder])
        stored = index.duplicates(1.0, contained=share).contained
    with Dataset.read([folder], embedder=TinyEmbedder()) as dataset:
        read = dataset.duplicates(1.0, contained=share).contained
    assert [(Path(pair.document).name, pair.share, pair.parts) for pair in read] == [
        (pair.document, pair.share, pair.parts) for pair in stored
    ]
    return stored


def places(pair: Contained) -> list[tuple[int, int, int, int]]:
    return [(part.start, part.end, part.container_start, part.container_end) for part in pair.parts]


def test_the_share_and_the_lines_of_both_sides(tmp_path: Path) -> None:
    (pair,) = contained_in(tmp_path, {"note.md": "\n\n" + BODY, "whole.md": BEFORE + BODY + AFTER})
    assert (pair.document, pair.container, pair.share, pair.tier) == ("note.md", "whole.md", 1, "lexical")
    assert (pair.words, pair.parts[0].words) == (len(BODY.split()), len(BODY.split()))
    assert places(pair) == [(3, 5, 5, 7)]


def test_paragraphs_in_another_order_are_parts(tmp_path: Path) -> None:
    lines = BODY.splitlines()
    whole = BEFORE + "\n\nbut also\n\n".join(reversed(lines)) + AFTER
    (pair,) = contained_in(tmp_path, {"note.md": BODY, "whole.md": whole})
    assert places(pair) == [(1, 1, 13, 13), (2, 2, 9, 9), (3, 3, 5, 5)]


@pytest.mark.parametrize(
    "disguise",
    [
        str.upper,
        lambda text: text.replace(" ", "\u202f"),
        lambda text: text.replace("t", "t\u00ad").replace("o", "o\u200b"),
        lambda text: text.replace("\n", " ").replace(",", " --"),
        lambda text: text.replace("fi", "\ufb01").replace("e", "e\u0301"),
        lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
        lambda text: "".join(f"> {line}\r\n" for line in text.splitlines()),
    ],
    ids=["capitals", "blanks", "invisible", "wrapped", "accents", "full width", "quoted"],
)
def test_a_disguised_copy_is_still_the_text(disguise: Callable[[str], str], tmp_path: Path) -> None:
    (pair,) = contained_in(tmp_path, {"note.md": disguise(BODY), "whole.md": BEFORE + BODY + AFTER})
    assert pair.share == 1


def test_chinese_without_blanks(tmp_path: Path) -> None:
    note = "借书证丢失的读者请到服务台登记,补办需要三天。"
    whole = f"各位读者:\n图书馆从下周一起延长开放时间。\n\n{note}谢谢大家的配合。\n"
    (pair,) = contained_in(tmp_path, {"note.md": note, "whole.md": whole})
    assert (pair.share, pair.words, places(pair)) == (1, 21, [(1, 1, 4, 4)])


def test_a_mail_inside_a_thread(tmp_path: Path) -> None:
    thread = "Thanks, I agree with all of it.\n\n" + "\n".join(f"> > {line}" for line in BODY.splitlines())
    (pair,) = contained_in(tmp_path, {"mail.txt": BODY, "thread.txt": thread})
    assert pair.container == "thread.txt"


def test_what_is_not_contained(tmp_path: Path) -> None:
    other = (
        "Ladders are heavy, so two people carry them, and a third one opens the gate of the yard for both."
    )
    files = {
        "few words.md": "Then the chair thanked the cooks, and everybody left.",  # nine words
        "other.md": other,
        "copy.md": BODY,
        "copy too.md": BODY,  # an exact copy is in a group
        "footer only.md": other + AFTER,
        "whole.md": BEFORE + AFTER,
    }
    found = contained_in(tmp_path, files)
    assert [(pair.document, pair.container) for pair in found] == [("other.md", "footer only.md")]


def test_footers_of_many_documents_count_for_nothing(tmp_path: Path) -> None:
    footer = BODY
    files = {
        f"{at}.md": " ".join(f"w{at}x{word}" for word in range(30)) + "\n\n" + footer for at in range(150)
    }
    assert contained_in(tmp_path, files) == ()


def test_more_containers_than_are_listed(tmp_path: Path) -> None:
    files = {
        f"{at:02}.md": f"{BODY}\n\n" + " ".join(f"w{at}x{word}" for word in range(90)) for at in range(25)
    }
    for name, text in (files | {"note.md": BODY}).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with Dataset.read([tmp_path], embedder=TinyEmbedder()) as dataset:
        found = dataset.duplicates(1.0, contained=0.8)
    assert len(found.contained) == containment.MOST_CONTAINERS
    assert found.more_contained == 1


def test_a_kept_comparison_gives_the_same_containers(tmp_path: Path) -> None:
    files = {"whole.md": BEFORE + BODY + AFTER, "note.md": BODY, "other.md": AFTER}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
        first = index.duplicates(0.9, contained=0.8)
        kept = index.duplicates(0.9, contained=0.8, from_run=True)
        assert first.contained and first == kept
        (tmp_path / "late.md").write_text(f"{BODY}\nThere is soup.", encoding="utf-8")
        index.ingest([tmp_path])
        later = index.duplicates(0.9, contained=0.8)
    with create_index(tmp_path / "other-index") as index:
        index.ingest([tmp_path / name for name in (*files, "late.md")])
        assert later.contained == index.duplicates(0.9, contained=0.8).contained != first.contained


def test_a_plan_never_removes_what_is_only_contained(tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text(BODY, encoding="utf-8")
    (tmp_path / "whole.md").write_text(BEFORE + BODY + AFTER, encoding="utf-8")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
        found = index.duplicates(1.0, contained=0.8)
        assert len(found.contained) == 1
        assert index.plan(found).steps == ()
    assert found.rethreshold(1.0).containment is None


@pytest.mark.parametrize("keep", [(), ("shortest",), ("first",)])
def test_the_longer_one_of_a_group_stays(keep: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(BODY, encoding="utf-8")
    (tmp_path / "b.md").write_text(BODY + " There is soup.", encoding="utf-8")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
        plain = index.plan(index.duplicates(0.85, keep=keep))
        found = index.duplicates(0.85, keep=keep, contained=0.8)
        plan = index.plan(found)
    assert [step.document for step in plain.steps] == ["b.md"]
    assert [step.document for step in plan.steps] == ([] if keep else ["a.md"])
    assert found.contained == ()  # they are in one group


@pytest.mark.parametrize("share", [0, -1, 1.01, float("nan"), "0.8", True])
def test_a_share_that_means_nothing(share: float, tmp_path: Path) -> None:
    with create_index(tmp_path / ".semsearch") as index, pytest.raises(InvalidInput, match="contained is"):
        index.duplicates(contained=share)


def test_passages_have_no_containment(tmp_path: Path) -> None:
    with create_index(tmp_path / ".semsearch") as index, pytest.raises(InvalidInput, match="whole documents"):
        index.duplicates(contained=0.8, level="passage")


# -- passages that the model finds similar ------------------------------------------------------------------


def located(*passages: str) -> LocatedWords:
    lengths = [len(passage) for passage in passages]
    return LocatedWords.of("\n".join(passages), lengths, [("line", 1, 1)] * len(passages))


SAME = "one two three four five six seven eight nine ten"
MIXED = "a1 b c d e f g h i j"


@pytest.mark.parametrize(
    ("passage", "cosine", "expected"),
    [
        ("b c a1 e d g f i h j", 0.9, 1.0),  # the same words in another order
        ("b c a1 e d g f i h j", 0.8, 0.5),  # the model does not find it similar
        ("b c a2 e d g f i h j", 0.9, 0.5),  # another number
        ("b c a1 e d x y z u v", 0.9, 0.5),  # half of the words are others
    ],
)
def test_a_similar_passage_needs_the_same_words_and_numbers(
    passage: str, cosine: float, expected: float
) -> None:
    a, b = located(SAME, passage), located(MIXED, "and then " + SAME)
    cosines = np.array([[0.1, 0.9], [cosine, 0.1]])
    assert share_with_passages(a, b, cosines, 0.85, 0.8) == expected


def test_a_pair_that_only_passages_complete_is_semantic() -> None:
    words = [f"w{number}" for number in range(40)]
    part = " ".join(words)
    # No run of five is left.
    loose = " ".join(word if at % 4 else f"{word}x" for at, word in enumerate(words[20:]))
    note = " ".join(words[:20]) + " " + loose
    asked = []

    def alike(x: int, y: int) -> float:
        asked.append((x, y))
        return 0.9

    found = containments([note, part + " " + AFTER], 0.8, lambda x, y: x != y, rank=np.arange(2), alike=alike)
    assert asked == [(0, 1)]
    assert (found.share.tolist(), found.semantic.tolist()) == ([0.9], [True])
    assert len(containments([note, part + AFTER], 0.8, lambda x, y: x != y, rank=np.arange(2)).x) == 0


# -- one document ----------------------------------------------------------------------------------------------


def test_one_document_is_found_in_both_directions(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    files = {
        "whole.md": BEFORE + BODY + AFTER,
        "notes/note.md": BODY,
        "notes/copy.md": BODY,
        "other.md": AFTER,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    draft = tmp_path / "draft.md"
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest([tmp_path])
        draft.write_text(BODY + "\nThis file is not in the index.", encoding="utf-8")
        found = index.find_contained(tmp_path / "whole.md")
        of_draft = index.find_contained(draft, 0.8, "notes")
        with pytest.raises(InvalidInput, match="contained is 2"):
            index.find_contained("whole.md", 2)
    assert {(pair.document, pair.container) for pair in found} == {
        ("notes/copy.md", "whole.md"),
        ("notes/note.md", "whole.md"),
        ("other.md", "whole.md"),
    }
    assert [places(pair) for pair in found if pair.document == "notes/note.md"] == [[(1, 3, 5, 7)]]
    assert {pair.document for pair in of_draft} == {"notes/copy.md", "notes/note.md"}


# -- leaks ---------------------------------------------------------------------------------------------------


def test_a_test_record_inside_a_training_record_leaks(tmp_path: Path) -> None:
    test, train = tmp_path / "test.csv", tmp_path / "train.csv"
    first, second, _ = BODY.splitlines()
    test.write_text(f'text\n"{first}"\n"{first}"\n"{second}"\nseven other words that nobody has written\n')
    train.write_text(f'text\n"{BEFORE}{BODY}"\n"{second}"\nsomething else\n')
    with Dataset.read([test], [train], embedder=TinyEmbedder()) as data:
        plain, found = data.leaks(0.99), data.leaks(0.99, contained=0.8)
    assert (len(plain.pairs), plain.contained, plain.rate) == (1, (), 0.25)
    assert [(Path(pair.document).name, Path(pair.container).name) for pair in found.contained] == [
        ("test.csv#1", "train.csv#1"),
        ("test.csv#2", "train.csv#1"),
    ]
    assert (found.pairs, found.leaked, found.rate) == (plain.pairs, 3, 0.75)


# -- the commands --------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "note.md": BODY,
        "whole.md": BEFORE + BODY + AFTER,
        "other.md": "A word or two.",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result.stdout


def test_dedup_prints_contained_documents_in_each_form(here: Path) -> None:
    shown = run("dedup", ".", "--contained", "0.8")
    assert "contained: note.md, 45 words\n  lexical   1.0000  in whole.md" in shown
    assert "lines 1-3 in lines 5-7" in shown
    (pair,) = json.loads(run("dedup", ".", "--contained", "0.8", "--json"))["contained"]
    assert (pair["document"], pair["container"], pair["share"]) == ("note.md", "whole.md", 1)
    assert json.loads(run("dedup", ".", "--contained", "0.8", "--jsonl")) == pair
    (row,) = csv.DictReader(io.StringIO(run("dedup", ".", "--contained", "0.8", "--csv")))
    assert (row["role"], row["document"], row["container"]) == ("contained", "note.md", "whole.md")
    assert "contained" not in json.loads(run("dedup", ".", "--json"))


def test_the_check_of_a_rate_counts_contained_records(here: Path) -> None:
    check = ("leak", "note.md", "other.md", "--against", "whole.md", "--max-rate", "10%")
    run(*check)
    rows = csv.DictReader(io.StringIO(run(*check, "--contained", "0.8", "--csv", code=1)))
    assert [(row["test"], row["train"], row["tier"], row["similarity"], row["share"]) for row in rows] == [
        ("note.md", "whole.md", "contained", "", "1.000000")
    ]
    found = json.loads(run(*check, "--contained", "0.8", "--json", code=1))
    assert (found["leaked"], found["contained"], found["leaks"][0]["parts"][0]["start"]) == (1, 1, 1)


def test_similar_lists_containers_after_the_hits(here: Path) -> None:
    run("ingest", ".")
    shown = run("similar", "note.md", "--contained", "0.8", "--show", "path")
    assert shown.index("contained: note.md") > shown.index("whole.md")
    answer = json.loads(run("similar", "whole.md", "--contained", "0.8", "--json"))
    assert [pair["document"] for pair in answer["contained"]] == ["note.md"]
    assert "nothing contains" in run("similar", "other.md", "--contained", "0.8")
    run("similar", "note.md:1", "--contained", "0.8", code=2)
