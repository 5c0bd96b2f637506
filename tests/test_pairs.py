"""Loading labelled pairs, and deciding which of them count as duplicates."""

from collections import Counter
from pathlib import Path

import pytest

from semsearch.errors import InvalidInput
from semsearch.tuning.pairs import PairColumns, load_pairs, positives
from semsearch.types import LabelledPair


@pytest.fixture
def write(tmp_path: Path):
    """Write a file of pairs and return its path as text."""

    def write(name: str, content: str) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode())
        return str(path)

    return write


@pytest.fixture
def data_folder(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the public data sets, found through SEMSEARCH_DATA."""
    monkeypatch.setenv("SEMSEARCH_DATA", str(shared_data))
    return shared_data


def test_sick_has_its_published_size_and_splits(data_folder: Path) -> None:
    sick = load_pairs("sick")
    assert not sick.skipped
    assert Counter(pair.split for pair in sick.pairs) == {"train": 4439, "trial": 495, "test": 4906}
    raw = (data_folder / "sick" / "SICK.txt").read_bytes()
    assert positives(sick.pairs, "paraphrase").sum() == raw.count(b"\tA_entails_B\tB_entails_A\t") == 1300
    assert sick.default_rule == "paraphrase"
    assert sick.pairs[0] == LabelledPair(
        "A group of kids is playing in a yard and an old man is standing in the background",
        "A group of boys in a yard is playing and a man is standing in the background",
        duplicate=False,
        score=4.5,
        split="train",
        kind="NEUTRAL",
    )


def test_sick_is_recognised_by_its_columns_whatever_its_name(data_folder: Path, write) -> None:
    lines = (data_folder / "sick" / "SICK.txt").read_text().splitlines()[:50]
    copy = load_pairs(write("mine.tsv", "\n".join(lines)))
    assert copy.pairs == load_pairs("sick").pairs[:49]


def test_a_quotation_mark_in_sick_is_part_of_the_sentence(write) -> None:
    header = "sentence_A\tsentence_B\trelatedness_score\tentailment_AB\tentailment_BA\tSemEval_set\r\n"
    rows = (
        '"Go\tHe says "Go"\t4\tA_entails_B\tB_entails_A\tTRIAL\r\nx\ty\t1\tA_entails_B\tB_neutral_A\tTEST\r\n'
    )
    assert load_pairs(write("SICK.txt", header + rows)).pairs == (
        LabelledPair('"Go', 'He says "Go"', duplicate=True, score=4, split="trial"),
        LabelledPair("x", "y", duplicate=False, score=1, split="test"),
    )


@pytest.mark.parametrize(
    ("spec", "size"), [("sts-b", 1379), ("sts-b:test", 1379), ("sts-b:dev", 1500), ("sts-b:train", 5749)]
)
def test_sts_b_has_its_published_size(data_folder: Path, spec: str, size: int) -> None:
    stsb = load_pairs(spec)
    assert (len(stsb.pairs), len(stsb.skipped)) == (size, 0)
    assert {pair.duplicate for pair in stsb.pairs} == {None}
    assert stsb.default_rule == "score>=4"


def test_public_data_is_found_in_the_folder_or_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SEMSEARCH_DATA", str(tmp_path))
    with pytest.raises(InvalidInput, match=r"no stsb-en-test\.csv in ") as missing:
        load_pairs("sts-b")
    assert "SEMSEARCH_DATA" in missing.value.hint
    cache = tmp_path / "cache" / "semsearch" / "data"
    cache.mkdir(parents=True)
    (cache / "stsb-en-test.csv").write_text("from,cache,1\n")
    assert load_pairs("sts-b").pairs[0].text_b == "cache"
    (tmp_path / "stsb-en-test.csv").write_text("from,folder,1\n")
    assert load_pairs("sts-b").pairs[0].text_b == "folder"


def test_a_missing_sick_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSEARCH_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InvalidInput) as missing:
        load_pairs("sick")
    assert "2787612" in missing.value.hint
    assert "CC BY-NC-SA 3.0" in missing.value.hint


def test_the_sample_is_the_projects_own(sample_corpus: Path) -> None:
    sample = load_pairs("sample")
    assert sample.pairs == load_pairs(str(sample_corpus / "pairs.csv")).pairs
    assert len(sample.pairs) >= 150
    assert not sample.skipped
    assert sample.default_rule == "paraphrase"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", 'text_a,text_b,label\n"one, two",two,1\nthree,four,0\n'),
        ("p.csv", '\ufeffText_A, text_b ,LABEL\r\n"one, two",two,Yes\r\n\r\nthree,four,no\r\n'),
        ("p.tsv", "question1\tquestion2\tis_duplicate\none, two\ttwo\tTRUE\nthree\tfour\tfalse\n"),
        ("p.txt", "label\tsentence1\tsentence2\n1\tone, two\ttwo\n0\tthree\tfour\n"),
        (
            "p.jsonl",
            '{"a": "one, two", "b": "two", "duplicate": true}\n\n{"a":"three","b":"four","duplicate":0}',
        ),
        (
            "p.ndjson",
            '{"text1":"one, two","text2":"two","label":"yes"}\n{"text1":"three","text2":"four","label":"no"}',
        ),
    ],
)
def test_the_usual_names_and_formats_are_recognised(write, name: str, content: str) -> None:
    expected = (
        LabelledPair("one, two", "two", duplicate=True),
        LabelledPair("three", "four", duplicate=False),
    )
    loaded = load_pairs(write(name, content))
    assert (loaded.pairs, loaded.skipped) == (expected, ())


def test_split_kind_and_score_are_kept(write) -> None:
    path = write("p.csv", "a,b,similarity,split,kind\nx,y,0.25,TEST,negation\n")
    assert load_pairs(path).pairs == (LabelledPair("x", "y", score=0.25, split="test", kind="negation"),)


def test_a_line_separator_in_a_json_string_is_part_of_the_text(write) -> None:
    path = write("p.jsonl", '{"a": "x\u2028y", "b": "z", "label": 1}\n')
    assert load_pairs(path).pairs[0].text_a == "x\u2028y"


def test_columns_can_be_named(write) -> None:
    path = write("p.csv", "label,left,right,gold,a,b\nspam,x,y,3,p,q\n")
    columns = PairColumns(text_a="left", text_b="right", score="gold")
    assert load_pairs(path, columns=columns).pairs == (LabelledPair("x", "y", score=3),)


def test_malformed_rows_are_named_by_line_and_the_rest_goes_on(write) -> None:
    path = write(
        "p.csv",
        'text_a,text_b,label,score\na,b,1,5\na,b,maybe,5\n"two\nlines",b,0,1\na,b,1\na,b,1,nan\n ,b,1,5\n'
        'a,"b"c,1,5\na,b,0,2\n"never closed,b,1,5\na,b,1,5\n',
    )
    loaded = load_pairs(path)
    assert [pair.score for pair in loaded.pairs] == [5, 1, 2, 5]
    reasons = {int(skip.path.rpartition(":")[2]): skip.reason for skip in loaded.skipped}
    assert all(skip.path.startswith(path) and skip.failed for skip in loaded.skipped)
    expected = {3: "'maybe'", 6: "score ''", 7: "'nan'", 8: "no text", 9: "expected", 11: "not closed"}
    assert reasons.keys() == expected.keys()
    assert all(part in reasons[line] for line, part in expected.items()), reasons


def test_malformed_json_lines_are_named_and_the_rest_goes_on(write) -> None:
    good = '{"a": "x", "b": "y", "label": 1}'
    bad = ["{", '"text"', "[1]", '{"a": "x", "label": 1}', '{"a": "x", "b": 3, "label": 1}']
    bad += ['{"a": "x", "b": "\\ud800", "label": 1}', '{"a": "x", "b": "y", "label": null}']
    loaded = load_pairs(write("p.jsonl", "\n".join([*bad, good])))
    assert loaded.pairs == (LabelledPair("x", "y", duplicate=True),)
    assert [skip.path.rpartition(":")[2] for skip in loaded.skipped] == list("1234567")


@pytest.mark.parametrize(
    ("content", "columns", "message", "hint"),
    [
        ("x,y,label\na,b,1\n", PairColumns(), "which two columns hold the texts", "x, y, label"),
        ("a,b,verdict\nx,y,1\n", PairColumns(), "a label or a score", "a, b, verdict"),
        ("a,b,label\nx,y,1\n", PairColumns(score="gold"), "no column 'gold'", "a, b, label"),
        (
            "a,b,label\nx,y,perhaps\n",
            PairColumns(),
            r"no usable pairs in 1 rows.*p\.csv:2: .*'perhaps'",
            "a, b",
        ),
        ("a,b,label\n", PairColumns(), "no usable pairs", "below a header"),
        ("", PairColumns(), "no usable pairs", "a row"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(write, content, columns, message: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        load_pairs(write("p.csv", content), columns=columns)
    assert hint in refused.value.hint


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file") as missing:
        load_pairs(str(tmp_path / "none.csv"))
    assert "sick" in missing.value.hint
    with pytest.raises(InvalidInput, match="directory"):
        load_pairs(str(tmp_path))
    (tmp_path / "latin.csv").write_bytes("a,b,label\nné,ne,1\n".encode("latin-1"))
    (pair,) = load_pairs(str(tmp_path / "latin.csv")).pairs
    assert pair.text_a == "né"


GRADED = [LabelledPair("a", "b", score=score) for score in (3.9, 4.0, 4.5, 5.0)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("score>=4", [False, True, True, True]),
        ("score > 4", [False, False, True, True]),
        ("relatedness>=4.5", [False, False, True, True]),
    ],
)
def test_score_rules_cut_the_graded_score(rule: str, expected: list[bool]) -> None:
    assert positives(GRADED, rule).tolist() == expected


def test_a_rule_that_does_not_fit_says_what_the_pairs_offer() -> None:
    with pytest.raises(InvalidInput, match="paraphrase, or score>=NUMBER") as unknown:
        positives(GRADED, "score<4")
    assert "4 scores from 3.9 to 5" in unknown.value.hint
    with pytest.raises(InvalidInput, match="4 of 4 pairs have no duplicate label"):
        positives(GRADED, "paraphrase")
    labelled = [LabelledPair("a", "b", duplicate=True)]
    with pytest.raises(InvalidInput, match="1 of 1 pairs have no score") as unfit:
        positives(labelled, "score>=4")
    assert "paraphrase" in unfit.value.hint


@pytest.mark.parametrize("top", ["1", "3", "4", "10", "100"])
def test_no_default_rule_is_made_up_for_an_unknown_scale(write, top: str) -> None:
    with pytest.raises(InvalidInput) as unclear:
        _ = load_pairs(write("p.csv", f"a,b,0\nc,d,{top}\n")).default_rule
    assert "--positive" in unclear.value.hint
