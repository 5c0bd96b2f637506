"""Tell questions from statements, in English and Chinese."""

import re

_MARKED = re.compile(r"[?？][\s\"'”’」』）)\]*_!！.。]*$|吗[\s\"'”’」』）)\]。.]*$")
_TAG = re.compile(
    r"[,，]\s*(?:(?:all ?right|ok(?:ay)?|right|yes|no|eh|huh"
    r"|(?:is|are|was|were|do|does|did|can|could|will|would|have|has|should)(?:n['’]t)? (?:it|you|they|we|he|she|i))"
    r"\s*\?"
    r"|[好对對行是]吗\s*[?？]?|可以吗\s*[?？]?|[是对好]吧\s*[?？])[\s\"'”’」』）)\]*_!！.。]*$",
    re.IGNORECASE,
)
"""The end of a sentence that asks for no more than a nod: "all right?"."""
_REQUEST = re.compile(
    r"\b(?:could|can|would|will) you (?:please|kindly|mind|be so kind)\b|\bcould you (?:[a-z]+ ){1,2}(?:me|us)\b"
    r"|(?:能否|可否|能不能|可不可以|可以)(?:请|請|麻烦|麻煩|帮|幫)",
    re.IGNORECASE,
)
"""A request in the form of a question: "Could you please send it?"."""
_SUBJECTS = (
    "a|all|an|any|anybody|anyone|both|each|everybody|everyone|her|his|i|it|my|one|our|people|she|he|some|somebody|someone"
    "|that|the|their|there|these|they|this|those|we|you|your"
)
_POSSIBLE = re.compile(
    r"(?:^|[,;:.!—–-]\s*|\b(?:and|but|hello|hey|hi|or|please|so)\s+)(?:(?:am|are|can|could|did|do|does|had|has|have|is|may"
    rf"|might|shall|should|was|were|will|would)(?:n't)?\s+(?:{_SUBJECTS})\b"
    r"|(?:how|what|when|where|which|who|whom|whose|why)\b)"
    r"|[谁哪怎几呢]|什么|多少|为何|是否|何时|何地|如何",
    re.IGNORECASE,
)
"""The beginning of a question, or a word that makes one in Chinese. Its mark is often left out."""


def asks(sentence: str) -> bool:
    """Return True for a sentence with the mark of a question at its end, or the word for it (吗), but no request."""
    marked = _MARKED.search(sentence[-12:]) is not None
    return marked and _TAG.search(sentence[-24:]) is None and _REQUEST.search(sentence) is None


def may_ask(sentence: str) -> bool:
    """Return True for a sentence that is a question with or without its mark: "What time is it"."""
    return _POSSIBLE.search(sentence) is not None
