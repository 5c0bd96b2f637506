"""Values that are remembered by word are those of whole texts."""

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from semsearch.embedding import load_embedder
from semsearch.embedding.onnx import OnnxEmbedder
from semsearch.embedding.tokens import Tokens
from semsearch.text import analyzer, payloads, prose
from semsearch.text.word_memo import WordMemo

_CHARACTERS = "abcXYZ019 \n\t-=+/_.:#&@é中\u200c\u200d\u00a0\u0301ﬁＡ\x0c\x1c\x85İß\U0001f600\0\u3000"
_WORDS = (
    "[SEP]", "[MASK] ", "[UNK]", "unbelievably", "R & D", "a&b", "c++ ", "3.11.2", "a_name", "camelCaseWord", " .net",
    "password: hunter22X9a", "key=", "passession token ", "mot de passe: aB3dE5gH7j", "data:image/png;base64,",
    "begin 644 x\n", "https://a.b/", "x" * 120, "Ab3" * 25, "Ab3" * 22 + "\n" + "Cd4" * 22 + "\nEf5=\n", "  ", "=====",
)  # fmt: skip


@pytest.fixture(scope="module")
def texts() -> list[str]:
    chance = random.Random(15)

    def part() -> str:
        return chance.choice(_WORDS if chance.random() < 0.3 else _CHARACTERS)

    return ["".join(part() for _ in range(chance.randrange(50))) for _ in range(2000)]


@pytest.fixture(scope="module")
def embedder() -> OnnxEmbedder:
    loaded = load_embedder()
    assert isinstance(loaded, OnnxEmbedder)
    return loaded


def test_ids_by_word_are_those_of_whole_texts(texts: list[str], embedder: OnnxEmbedder) -> None:
    tokenizer = embedder._tokens._tokenizer
    expected = [one.ids for one in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    assert list(embedder._tokens.ids(texts)) == expected
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: next(embedder._tokens.ids([text])), texts)) == expected


def test_other_tokenizers_see_whole_texts() -> None:
    tokenizer = Tokenizer(WordLevel({"a b": 1, "?": 0}, unk_token="?"))
    assert list(Tokens(lambda: tokenizer).ids(["a b", "a"])) == [[1], [0]]
    tokenizer.pre_tokenizer = WhitespaceSplit()
    assert list(Tokens(lambda: tokenizer).ids(["a b"])) == [[0, 0]]
    assert list(Tokens(lambda: tokenizer).ids([])) == []


def test_vectors_are_the_same_on_second_sight(embedder: OnnxEmbedder) -> None:
    fresh = load_embedder().embed(["Never rebase a public branch.", "short"])
    for _ in range(2):
        again = embedder.embed(["Never rebase a public branch.", "short"])
        assert np.array_equal(fresh, again)


def test_terms_by_word_are_those_of_whole_texts(texts: list[str]) -> None:
    for text in texts:
        terms, length = analyzer.index_terms(text)
        words, symbolic, more = analyzer._terms_of(text)
        assert (sorted(terms), length) == (sorted([*words, *symbolic, *more]), len(words) + len(symbolic))


@given(st.text("aB1 \n&\u0301\u00a0\u3000\uff06\ufe60é中+#_./", max_size=14))
@settings(max_examples=500, deadline=None)
@example("a \u0301& b")
@example("a\u3000＆ b")
def test_terms_around_an_ampersand_are_those_of_a_text(text: str) -> None:
    terms, length = analyzer.index_terms(text)
    words, symbolic, more = analyzer._terms_of(text)
    assert (sorted(terms), length) == (sorted([*words, *symbolic, *more]), len(words) + len(symbolic))


def test_letters_in_words_are_those_of_whole_texts(texts: list[str]) -> None:
    for text in texts:
        whole = prose._length(prose._WORD, text)
        whole += 0 if text.isascii() else prose._length(prose._OTHER_LETTERS, text)
        assert prose._in_words(text) == whole


def test_data_near_long_runs_is_all_the_data(texts: list[str]) -> None:
    found = 0
    for text in texts:
        whole = payloads._DATA.sub(payloads._data_mark, text)
        assert payloads._without_encoded(text) == whole
        found += whole != text
    assert found > 100


def test_memo_is_bounded_and_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semsearch.text.word_memo._MOST", 3)
    asked: list[str] = []

    def length(word: str) -> int:
        asked.append(word)
        return len(word)

    memo = WordMemo(length)
    assert list(memo.values_of("a bb\na  bb")) == [1, 2, 1, 0, 2]
    assert asked == ["a", "bb", ""]
    assert list(memo.values_of("ccc " + "d" * 65)) == [3, 65]
    assert dict(memo) == {"ccc": 3}
