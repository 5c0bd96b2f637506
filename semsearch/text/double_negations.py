"""Rewrite negations that deny nothing, or say in two words what others say in none.

`Not without` is `with`, `you cannot enter unless` is `you can only enter if`, 未满十八岁不得 is 年满十八岁才可.
"""

import re
from functools import cache

_CANNOT = r"(?:can ?not|can't|(?:may|must|will)(?: not|n't)|(?:is|are) not (?:allowed|permitted) to)"
_NOT = r"(\w*)(?:n't|\b(?:not|never))"
_SOME = r"((?:[\w'-]+ ){1,8}?)"
"""A few words."""
_FEWER = r"((?:[\w'-]+ ){0,8}?)"
_ENGLISH = (
    ("never fail", r"never fail(?:s|ed)? to", "always"),
    ("t fail", rf"{_NOT} fail to", r"\1"),
    ("t forget", rf"{_NOT} forget to", r"\1"),
    ("without", rf"(?:{_CANNOT}|no|nobody|no one) {_SOME}without", r"\1with"),
    ("without", rf"{_NOT} {_FEWER}without", r"\1 \2with"),
    ("unless", rf"{_CANNOT} {_SOME}unless", r"can only \1if"),
    ("unless", rf"no {_SOME}unless", r"only \1if"),
    ("unless", rf"unless ([^,.;]{{1,80}}), ([^,.;]{{1,40}}?){_CANNOT}", r"only if \1, \2can"),
    ("until", rf"{_NOT} {_SOME}until", r"\1 only \2after"),
    ("non", rf"non-?([a-z]+) {_CANNOT}", r"only \1 can"),
    ("t work", rf"{_NOT} work(?:ing|ed)?", r"\1 broken"),
    ("impossible", r"(?<!not )(?<!n't )impossible(?= (?:for [a-z]+ )?to )", "not possible"),
    ("ly ever", "(?:hard|scarce)ly ever", "rarely"),
    ("next to nothing", "next to nothing", "very little"),
    (" down", "turn(?:s|ed)? down", "rejected"),
    ("the g", "g[ai]ves? the (?:go-ahead|green light)", "approved"),
    (" lack", rf"{_NOT} lack(?:s|ing)?", r"\1 have"),
    ("unable", "unable to", "not able to"),
    (
        "no ",
        "(?:at )?no (?:(?:entrance|entry|admission|extra|additional|further) )?(?:charge|cost|fee)s?",
        "free",
    ),
    ("free", "for free|free of (?:charge|cost)", "free"),
    ("without", "without charge", "free"),
    ("free of", "free of", "without"),
    ("-free", r"(?!hands|toll|duty|care|carriage|risk|hassle|trouble)([a-z]{3,})-free", r"without \1"),
    ("on time", "on time", "punctual"),
    ("hesitate", "(?:please )?do(?: not|n't) hesitate to", "please"),
    ("mind", "if you do(?: not|n't) mind", " "),
    ("trouble", "if it(?: is|'s) not too much trouble", " "),
    ("if ", "if (?:[a-z]+ )?(?:not|(?:do|does|did|is|are)(?: not|n't))(?=,)", "otherwise"),
)
"""A part of each text that one of these is in, its pattern, and what says the same."""
_CHINESE = (
    ("没", "(?:如果|若|要是)没有?([^，。；]{1,10})[，,]?[就则便都]?不[能得可]", r"有\1才可"),
    ("点没", "差一?点没", "差点"),
    ("忘", "(?:别|不要|勿|莫)忘[了记]?", "记得"),
    ("未满", r"未满(\d+[^，。；不]{0,6}?)者?(?:不得|不能|不可以?|禁止|谢绝)", r"年满\1才可"),
    ("非", "非([\u4e00-\u9fff]{2,5}?)(?:不得|不能|不可以?|禁止|谢绝)", r"只有\1才可"),
    ("除非", "除非([^，。；]{1,20})[，,]?(?:否则|不然)([^，。；]{0,6})不[得能可]", r"只有\1才\2可"),
    ("除非", "除非([^，。；]{1,20})[，,]?(?:否则|不然)", r"如果不\1，"),
)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{pattern})(?![a-z])" if pattern.isascii() else pattern)


def without_double_negations(low: str) -> str:
    """Return a text in lower case with each of these in its plain form."""
    for part, pattern, plain in _ENGLISH if low.isascii() else (*_ENGLISH, *_CHINESE):
        if part in low:
            low = _compiled(pattern).sub(plain, low)
    return low
