"""Tokenise a few texts with a large Unigram vocabulary without loading it.

A tokenizer of 250,000 pieces takes a second to load, which each query would wait for. A text is cut into substrings of
it that are pieces, and the best cut depends on their scores only (Kudo 2018, arXiv:1804.10959). So a tokenizer that
knows no other pieces than those in a text gives the same tokens. The vocabulary lies sorted in a file that is mapped
into memory, and a small tokenizer is built for each call.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer

LEAST_PIECES = 50_000
"""Pieces from which on a table is worth its file; fewer load in 0.2 s."""
MOST_CHARACTERS = 16_384
"""Characters of all texts. For many more, loading the whole vocabulary takes no longer."""
_HEAD = struct.Struct("<32sI")


class PieceTable:
    """The vocabulary of a tokenizer, as `write_table` gives it. Raises `ValueError` for anything else.

    `view` may be of a file that is mapped into memory. `special` is what was given to `write_table`.
    """

    def __init__(self, view: memoryview) -> None:
        if len(view) < _HEAD.size:
            raise ValueError("it is too short")
        digest, length = _HEAD.unpack_from(view)
        if hashlib.sha256(view[len(digest) :]).digest() != digest:
            raise ValueError("it is damaged")
        start = _HEAD.size + length
        head = json.loads(bytes(view[_HEAD.size : start]))
        self.special: dict[str, Any] = head["special"]
        self._json, self._kept, count, self._width = (
            head[name] for name in ("tokenizer", "kept", "count", "width")
        )
        self._pieces = np.frombuffer(view, f"S{self._width}", count, start)
        self._numbers = np.frombuffer(view, "<u4", count, start + self._width * count)
        self._scores = np.frombuffer(view, "<f8", count, start + (self._width + 4) * count)
        small = Tokenizer.from_str(self._with_pieces({})[0])
        self._normalise, self._split = small.normalizer, small.pre_tokenizer
        self._added = [token["content"] for token in self._json["added_tokens"]]

    def ids(self, texts: Sequence[str]) -> list[list[int]] | None:
        """Return the tokens of each text without special ones, or None where the whole vocabulary must be loaded.

        That is so for many texts, and for a text that holds a special token.
        """
        if sum(map(len, texts)) > MOST_CHARACTERS or any(
            token in text for text in texts for token in self._added
        ):
            return None
        words = {word for text in texts for word in self._words(text)}
        content, numbers = self._with_pieces(self._found(sorted(set(_substrings(words, self._width)))))
        small = Tokenizer.from_str(content)
        encodings = small.encode_batch_fast(list(texts), add_special_tokens=False)
        return [[numbers[number] for number in encoding.ids] for encoding in encodings]

    def _words(self, text: str) -> Iterator[str]:
        normal = self._normalise.normalize_str(text) if self._normalise else text
        return (word for word, _ in self._split.pre_tokenize_str(normal))

    def _found(self, candidates: list[bytes]) -> dict[int, tuple[str, float]]:
        """Return the pieces among sorted candidates, with their scores, by their numbers."""
        if not candidates:
            return {}
        rows = np.minimum(np.searchsorted(self._pieces, np.array(candidates)), len(self._pieces) - 1)
        return {
            int(self._numbers[row]): (candidate.decode(), float(self._scores[row]))
            for row, candidate in zip(rows.tolist(), candidates, strict=True)
            if self._pieces[row] == candidate
        }

    def _with_pieces(self, pieces: dict[int, tuple[str, float]]) -> tuple[str, list[int]]:
        """Return the JSON of a tokenizer with some pieces, and the number of each in the whole vocabulary.

        It also has the special tokens and the piece of the least score, on which the score of unknown text depends.
        """
        kept = {number: (piece, score) for number, piece, score in self._kept}
        listed = sorted((kept | pieces).items())
        numbers = [number for number, _ in listed]
        local = {number: at for at, number in enumerate(numbers)}
        model = self._json["model"]
        value = self._json | {
            "added_tokens": [token | {"id": local[token["id"]]} for token in self._json["added_tokens"]],
            "model": model | {"vocab": [piece for _, piece in listed], "unk_id": local[model["unk_id"]]},
        }
        return json.dumps(value), numbers


def write_table(tokenizer: bytes, special: dict[str, Any]) -> bytes | None:
    """Return the table of a `tokenizer.json`, or None for one that loads fast, and one of another kind.

    `special` is kept for the reader of the table.
    """
    value = json.loads(tokenizer)
    model, added = value["model"], value["added_tokens"]
    if model.get("type") != "Unigram" or model.get("byte_fallback") or not value.get("pre_tokenizer"):
        return None
    vocabulary = model["vocab"]
    if len(vocabulary) < LEAST_PIECES or not isinstance(model.get("unk_id"), int):
        return None
    if not all(token["id"] < len(vocabulary) and token["special"] for token in added):
        return None
    least = min(range(len(vocabulary)), key=lambda number: vocabulary[number][1])
    kept = sorted({least, model["unk_id"], *(token["id"] for token in added)})
    order = sorted((piece.encode(), number) for number, (piece, _) in enumerate(vocabulary) if piece)
    if any(b"\0" in piece for piece, _ in order):
        return None
    pieces = np.array([piece for piece, _ in order])
    numbers = np.array([number for _, number in order], "<u4")
    scores = np.array([vocabulary[number][1] for _, number in order], "<f8")
    head = json.dumps(
        {
            "special": special,
            "kept": [[number, *vocabulary[number]] for number in kept],
            "count": len(order),
            "width": pieces.dtype.itemsize,
            "tokenizer": value | {"model": model | {"vocab": []}, "post_processor": None, "decoder": None},
        }
    ).encode()
    content = struct.pack("<I", len(head)) + head + pieces.tobytes() + numbers.tobytes() + scores.tobytes()
    return hashlib.sha256(content).digest() + content


def _substrings(words: Iterable[str], most: int) -> Iterator[bytes]:
    """Yield all substrings of words of at most `most` bytes in UTF-8."""
    for word in words:
        ends = [0]
        for character in word:
            ends.append(ends[-1] + len(character.encode("utf-8", "surrogatepass")))
        content = word.encode("utf-8", "surrogatepass")
        for at, start in enumerate(ends):
            for end in ends[at + 1 :]:
                if end - start > most:
                    break
                yield content[start:end]
