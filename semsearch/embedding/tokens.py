"""Tokenize texts, each word once: a BERT tokenizer sees no further than the next blank."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from semsearch.embedding.unigram import MOST_CHARACTERS, PieceTable
from semsearch.text.word_memo import WordMemo

_TOKENIZED, _TEXT = 2**19, 20
"""Characters that are tokenized at a time, and what a text counts in addition to its own."""


class Tokens:
    """The token ids of texts, without special tokens, exactly as a tokenizer gives them.

    The tokenizers of BERT split a text at its blanks first, so a text has the ids of its words. They are asked for each
    word once. Others are asked for whole texts. With a table of pieces, `load` is called once it is worth its time.
    Several threads may share this.
    """

    def __init__(self, load: Callable[[], Tokenizer], table: PieceTable | None = None) -> None:
        self._load, self._table = load, table
        self._left = MOST_CHARACTERS
        tokenizer = None if table else self._tokenizer
        self._by_word = (
            tokenizer is not None
            and isinstance(tokenizer.model, WordPiece)
            and isinstance(tokenizer.normalizer, BertNormalizer)
            and isinstance(tokenizer.pre_tokenizer, BertPreTokenizer)
        )
        self._known: WordMemo[tuple[int, ...]] = WordMemo(
            lambda word: tuple(self._tokenizer.encode(word, add_special_tokens=False).ids)
        )

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return self._load()

    def places(self, text: str) -> list[tuple[int, int, int]]:
        """Return each id of a text with the characters that it stands for, from the first to before the last."""
        found = self._tokenizer.encode(text, add_special_tokens=False)
        return [(number, *place) for number, place in zip(found.ids, found.offsets, strict=True)]

    def ids(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Yield the ids of each text."""
        if self._by_word:
            for text in texts:
                yield list(chain.from_iterable(self._known.values_of(text)))
            return
        if self._table and self._left >= 0:
            self._left -= sum(map(len, texts))
            if self._left >= 0 and (found := self._table.ids(texts)) is not None:
                yield from found
                return
        start = size = 0  # what the tokenizer returns takes 100 bytes for a token, and 500 for a text
        for end, text in enumerate(texts, 1):
            size += len(text) + _TEXT
            if size >= _TOKENIZED or end == len(texts):
                some = list(texts[start:end])
                yield from (
                    one.ids for one in self._tokenizer.encode_batch_fast(some, add_special_tokens=False)
                )
                start, size = end, 0
