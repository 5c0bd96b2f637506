"""Choose the sentence that a person wants to see, and never data."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_embedder import DIMENSION, TinyEmbedder

from semsearch.search.sentences import SentenceVectors, best_sentences

DATA = "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAA"


def preferring(word: str):  # type: ignore[no-untyped-def]
    """Return a scorer that prefers the sentences with a word."""

    def score(sentences: list[str], text_of: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.array([sentence.count(word) for sentence in sentences], np.float32)

    return score


@pytest.mark.parametrize(
    "worse",
    [
        f"wifi{DATA}",
        f"data:image/png;base64,wifi{DATA}",
        f"https://example.com/wifi?{DATA}",
        "title: wifi\nstatus: active wifi",
        "![[wifi-wifi.png]]",
        "```wifi\n```",
        "<!-- wifi.\n\nwifi wifi -->",
        "%% wifi wifi %%",
        "| 17 | 3.5 | wifi | 22 | 15 | 99 |",
        "[data 0a1b2c3d4e5f wifi]",
    ],
)
def test_what_has_no_words_is_not_the_best_sentence(worse: str) -> None:
    text = f"{worse}\n\nThe password hangs at the door.\n\n{worse}"
    ((start, end),) = best_sentences([text], preferring("wifi"))
    assert text[start:end] == "The password hangs at the door."


def test_front_matter_is_not_the_best_sentence() -> None:
    text = "---\ntitle: wifi\ntags:\n  - wifi\n---\n\nThe password hangs at the door."
    ((start, end),) = best_sentences([text], preferring("wifi"))
    assert text[start:end] == "The password hangs at the door."


@pytest.mark.parametrize("text", [DATA, "17 | 25", "wifi", "无线网络密码是什么？"])
def test_a_text_without_a_better_sentence_shows_what_it_has(text: str) -> None:
    assert best_sentences([text], preferring("x")) == [(0, len(text))]


def test_words_of_any_script_are_words() -> None:
    text = "Nothing here.\n\n密码是 wifi 一二三。\n\nОтвета нет."
    ((start, end),) = best_sentences([text], preferring("wifi"))
    assert text[start:end] == "密码是 wifi 一二三。"


def test_the_only_sentence_of_a_text_is_not_scored() -> None:
    def scorer(sentences: list[str], text_of: NDArray[np.int64]) -> NDArray[np.float32]:
        assert sentences == ["One here.", "Two there."] and text_of.tolist() == [1, 1]
        return np.array([0, 1], np.float32)

    texts = ["Alone.", "One here.\n\nTwo there.", DATA]
    assert best_sentences(texts, scorer) == [(0, 6), (11, 21), (0, len(DATA))]
    assert best_sentences(["Alone."], lambda *_: pytest.fail("it was scored")) == [(0, 6)]


def test_sentence_vectors_keeps_those_asked_for_last() -> None:
    tiny = TinyEmbedder()
    vectors = SentenceVectors(lambda: tiny, kept_bytes=3 * 4 * DIMENSION)
    expected = TinyEmbedder().embed(["a", "b", "a"])
    assert np.array_equal(vectors.embed(["a", "b", "a"]), expected) and tiny.texts == 2
    assert np.array_equal(vectors.embed(["a", "b", "a"]), expected) and tiny.texts == 2
    vectors.embed(["b", "c", "d"])  # a is the one that nobody asked for the longest time
    assert tiny.texts == 4
    vectors.embed(["b", "c", "d"])
    assert tiny.texts == 4
    assert np.array_equal(vectors.embed(["a", "b", "a"]), expected) and tiny.texts == 5
    vectors.embed(list("efghij"))  # more than are kept
    assert tiny.texts == 11
