"""Find the numbers, dates and times of a text, in a form in which equal ones are equal however they are written.

1,000 and 1000, `3rd` and `third`, `2 l` and `two litres`, 5 March 2024 and 2024-03-05, 十四天 and 14天 are equal. What
can be read in two ways, such as 03/05/2024 or 1.000, is equal to either.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal

from semsearch.text.frequencies import frequencies
from semsearch.text.units import LATIN_UNITS, OTHER_UNITS, UNIT, in_other_units, plain

Kind = Literal["number", "date", "time", "ordinal", "weekday", "frequency"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, date or time in a text.

    `value` is its canonical form, and `others` are the values that it may stand for as well, each with its unit. A
    `unit` is canonical too, and empty where there is none. `said` is how the text has it, in lower case.
    """

    kind: Kind
    value: str
    unit: str
    said: str
    others: tuple[tuple[str, str], ...] = ()


def _list(words: str) -> list[str]:
    return words.split()


# -- words for numbers --------------------------------------------------------------------------------------

_UNITS_EN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
)
_SMALL = {word: at for at, word in enumerate(_list(f"{_UNITS_EN} seventeen eighteen nineteen"))}
_TENS = {
    word: 10 * at for at, word in enumerate(_list("twenty thirty forty fifty sixty seventy eighty ninety"), 2)
}
_SCALES = {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_ORDINALS = {
    word: at
    for at, word in enumerate(
        _list(
            "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth"
            " fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
        ),
        1,
    )
} | {"thirtieth": 30}
_SCALE = "|".join(_SCALES)
_NUMERAL = "|".join(sorted({*_SMALL, *_TENS, *_SCALES}, key=len, reverse=True))
_ORDINAL = "|".join(sorted(_ORDINALS, key=len, reverse=True))
# "One" alone, and "second" after a number, are words: one of them, 30 seconds.
_WORDS = re.compile(
    rf"(?<![\w'-])(?:(?:a\s+(?={_SCALE}))?(?:{_NUMERAL})"
    rf"(?:(?:[\s-]+|\s+and\s+)(?:{_NUMERAL}))*(?:-(?:{_ORDINAL}))?|{_ORDINAL})(?![\w'])"
)
_PARTS = {"third": 3, "quarter": 4, "fifth": 5, "tenth": 10}
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4}
_PART = re.compile(
    rf"(?<![\w'-])(?:(?P<six>half\s+a\s+dozen)|(?P<half>(?:(?:a|one)[\s-]+)?half(?=\s+(?:of|the|our|all)\b))"
    rf"|(?P<count>{'|'.join(_COUNTS)})[\s-]+(?P<part>{'|'.join(_PARTS)})s?(?=\s+of\b(?!\s+an\s+hour)))(?![\w'-])"
)
"""A part of a whole, such as "two thirds of", and half a dozen."""
_AND_A_HALF = re.compile(rf"(?<![\w'-])(a|an|{'|'.join([*_SMALL][1:])}|\d{{1,3}})\s+and\s+a\s+half(?![\w'-])")
_SHARES = {"half": "0.5", "a quarter": "0.25", "three quarters": "0.75", "a third": "1/3", "a tenth": "0.1"}
_OF_A_UNIT = re.compile(
    rf"(?<![\w'-])({'|'.join(_SHARES)})\s+(?:of\s+)?an?\s+"
    r"(?=(?:hour|day|year|decade|century|litre|liter|kilo|kilogram|kilometre|kilometer|metre|meter|mile|pound|tonne|ton)\b)"
)
"""A part of a unit: half an hour, a quarter of a litre."""
_SINGLE = re.compile(
    r"(?<![\w-])(for|in|within|takes?|took|lasts?|lasted|after) an? "
    r"(?=(?:minute|hour|day|week|fortnight|month|year|decade|century)(?![\w-]| and a half))"
)
"""The article before a span of time, where it counts."""
_BY_A = re.compile(r"(?<![\w-])by (?:a|one)[ -](half|third|quarter|fifth|tenth)(?![\w-])")
_ONE_IN = re.compile(
    rf"(?<![\w'-])({'|'.join([*_SMALL][1:4])}|\d)\s+(?:in|out\s+of)\s+({'|'.join([*_SMALL][2:])}|\d\d?)(?![\w'-])"
    r"(?!\s+(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?))"
)
"""A share such as one in five."""
_OF_A_WHOLE = tuple(f"{part}{s} of" for part in _PARTS for s in ("", "s"))
_HAN = {char: at for at, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_HAN_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_HAN_TENTH = {"百": "十", "千": "百", "万": "千", "萬": "千", "亿": "千万", "億": "千万"}
_HAN_PLAIN = str.maketrans("壹贰貳叁參肆伍陆陸柒捌玖拾佰仟", "一二二三三四五六六七八九十百千")
_HAN_FORMAL = re.compile("[F]{2,}|[F](?=[万萬亿億元圆])".replace("F", "".join(map(chr, _HAN_PLAIN))))
"""A number as it is written on a cheque. One such character alone is mostly a name."""
_HAN_PART = re.compile(
    rf"(?<![百千万])([{''.join(_HAN)}\d])分之([{''.join(_HAN)}十\d])(?![百\d])|一半(?!天|路)"
)
_HAN_HALF = re.compile(
    rf"([{''.join(_HAN)}十]|\d{{1,2}})[个個]半(?=小时|小時|月|钟头|鐘頭)|半[个個]?(?:小时|小時|钟头|鐘頭)|一刻[钟鐘]|[3三]刻[钟鐘]"
    rf"|([{''.join(_HAN)}十]|\d{{1,2}})年半|(?<![上下前后後年])半年"
)
"""Numbers with a half, and parts of an hour and of a year."""
_TENTHS = re.compile("([一二三四五六七八九])成(?=[，。、；,.;)）的以左多首]|$)")
"""Tenths of a whole: 三成 is 30%."""
_SHORTENED = re.compile(
    rf"([{''.join(_HAN)}十]|\d{{1,3}})(米|块|元|斤|公斤|公里|吨|寸)([{''.join(_HAN)}半]|\d)"
    rf"(?![\d{''.join((*_HAN, *_HAN_SCALES))}个個位名条張张块元米斤角毛分])"
)
"""A number whose last digit is a tenth of the unit: 一米五 is 1.5米."""
_REDUCED = re.compile(
    rf"(?<![转百])([{''.join(_HAN)}\d])(?:\.?([{''.join(_HAN)}\d]))?折(?![叠疊腰断斷线線磨返合射扇页頁])|半价|半價"
)
"""A price in tenths: 八五折 is 15% less."""
_HAN_NUMBER = re.compile(
    rf"(?<![周期拜])百分之[{''.join(_HAN)}十百]+|(?<![周期拜])[{''.join((*_HAN, *_HAN_SCALES))}]+"
)
_LONGEST_HAN = 20
"""The most numerals of a Chinese number; a longer run of them is a word, however long it is."""
_NOT_NUMBERS = frozenset(("一", "千万", "万一", "十", "百", "千", "万", "亿", "萬", "億", "一一", "零"))
"""Runs of numerals that are more often words: 一 (a), 千万 (by all means), 万一 (in case) and parts of words."""
_COUNTED = (
    "天日月年周个個位名人次元块米克升台页頁分秒点點时時小层層号號度条條份公千英厘毫平立吨美欧斤亩畝"
    "岁楼级届期班组片粒颗顆瓶袋盒包箱杯张張件辆輛只隻匹棵朵支双雙套本艘"
)
"""Characters before which even such a run is a number."""


def _english(match: re.Match[str]) -> str:
    said = match[0]
    before = match.string[max(0, match.start() - 20) : match.start()].rstrip()
    if said == "one" or (said in _SCALES and before[-1:].isdigit()):
        return said
    if said == "second" and (before[-1:].isdigit() or before.endswith((" a", "one", "per", "every", "each"))):
        return said
    if said in _ORDINALS:
        return _ordinal(_ORDINALS[said])
    total = part = 0
    for word in re.split(r"[\s-]+", said):
        if word in _SMALL or word in _TENS:
            value = _SMALL.get(word, _TENS.get(word, 0))
            if (part % 10 and value < 10) or (part % 100 >= 20 and value >= 10):  # "five six": two numbers
                return said
            part += value
        elif word == "hundred":
            if part >= 100:  # "hundred hundred"
                return said
            part = max(part, 1) * 100
        elif word == "dozen":
            part = max(part, 1) * 12
        elif word in _SCALES:
            total, part = total + max(part, 1) * _SCALES[word], 0
        elif word in _ORDINALS:
            return _ordinal(total + part + _ORDINALS[word])
    return str(total + part)


def _and_a_half(match: re.Match[str]) -> str:
    """Return a number with a half as a decimal number."""
    whole = match[1]
    return f"{1 if whole in ('a', 'an') else _SMALL.get(whole) or int(whole)}.5"


def _one_in(match: re.Match[str]) -> str:
    """Return a share such as one in five as a fraction."""
    few, many = (_SMALL.get(word) or int(word) for word in match.groups())
    return f"{few}/{many}"


def _part(match: re.Match[str]) -> str:
    """Return a part of a whole in English as a fraction."""
    if match["six"]:
        return "6"
    return "1/2" if match["half"] else f"{_COUNTS[match['count']]}/{_PARTS[match['part']]}"


def _han_part(match: re.Match[str]) -> str:
    """Return a part of a whole in Chinese as a fraction."""
    if not match[1]:
        return "1/2"
    bottom, top = (_han_value(part) if not part.isdigit() else int(part) for part in match.groups())
    return f"{top}/{bottom}"


def _han_half(match: re.Match[str]) -> str:
    """Return a Chinese number with a half as a decimal number, or a part of an hour in minutes."""
    if count := match[1] or match[2]:
        return f"{count if count.isdigit() else _han_value(count)}.5{'个' if match[1] else '年'}"
    if match[0][-1] == "年":
        return "6个月"
    return "30分钟" if match[0][0] == "半" else "15分钟" if match[0][0] == "一" else "45分钟"


def _shortened(match: re.Match[str]) -> str:
    whole, unit, tenth = match.groups()
    digits = (
        part if part.isdigit() else str(_han_value(part)) for part in (whole, tenth.replace("半", "五"))
    )
    return f"{'.'.join(digits)}{unit}"


def _reduced(match: re.Match[str]) -> str:
    """Return how much less a price in tenths is."""
    if not match[1]:
        return "50%"
    tenths, hundredths = (part if not part or part.isdigit() else str(_HAN[part]) for part in match.groups())
    return f"{100 - int(f'{tenths}{hundredths or 0}')}%"


def _ordinal(number: int) -> str:
    last = 0 if number % 100 in (11, 12, 13) else number % 10
    return f"{number}{('th', 'st', 'nd', 'rd')[last] if last < 4 else 'th'}"


def _han_value(run: str) -> int:
    if not _HAN_SCALES.keys() & set(run):
        return int("".join(str(_HAN[char]) for char in run))
    total = section = digit = 0
    if len(run) > 2 and run[-1] in _HAN and run[-1] not in "零〇" and _HAN_SCALES.get(run[-2], 0) > 10:
        run += _HAN_TENTH[run[-2]]  # 三百二 is 320
    for char in run:
        if char in _HAN:
            digit = _HAN[char]
        elif (scale := _HAN_SCALES[char]) >= 10**4:
            total, section, digit = (total + section + digit or 1) * scale, 0, 0
        else:
            section, digit = section + (digit or 1) * scale, 0
    return total + section + digit


def _han(match: re.Match[str]) -> str:
    run = match[0]
    if len(run.removeprefix("百分之")) > _LONGEST_HAN:
        return run
    if run.startswith("百分之"):
        return f"{_han_value(run[3:])}%"
    following = match.string[match.end() : match.end() + 1]
    before = match.string[match.start() - 1 : match.start()]
    if run == "百" and following == "分":  # 个百分点
        return run
    if before and before in "第买買送":
        return str(_han_value(run))
    if run in _NOT_NUMBERS and not (following in _COUNTED and following):
        return run
    if (run == "十" and following == "分") or (run == "一" and following in "个個些点點位名人条條份次"):
        return run
    if before.isdigit() and run in _HAN_SCALES:  # 3万
        return run
    return str(_han_value(run))


# -- the patterns -------------------------------------------------------------------------------------------

_MONTHS = _list("january february march april may june july august september october november december")
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" if name != "may" else "may" for name in _MONTHS).replace(
    "sep(?:tember)?", "sept?(?:ember)?"
)
_WEEKDAYS = {
    name: at for at, name in enumerate(_list("monday tuesday wednesday thursday friday saturday sunday"), 1)
}
_HAN_DAYS = {char: at for at, char in enumerate("一二三四五六日", 1)} | {"天": 7}
_MULTIPLES = {
    "k": 10**3,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "万": 10**4,
    "萬": 10**4,
    "亿": 10**8,
}

_OF_MONEY = {"bn": 10**9, "mn": 10**6, "m": 10**6, "b": 10**9}
"""Letters for a multiple after an amount of money: elsewhere `m` is a metre."""


@cache
def _pattern() -> re.Pattern[str]:
    day, year = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:1[5-9]|20|21)\d\d"
    part = r"\s(?:in\sthe\s(?:morning|afternoon|evening)|at\snight)\b"
    half = rf"(?:\s?(?:a\.?m|p\.?m)\b\.?|{part})"
    return re.compile(
        rf"""
        (?! \s | (?<=[a-z_])[a-z_]) (?:  # no quantity starts here: spares most of the search
        (?<![a-z0-9_.]) (?P<iy>{year}) (?P<sep>[-/.]) (?P<im>\d\d?) (?P=sep) (?P<id>\d\d?) (?=[^a-z0-9_]|t\d|$)
        | (?<!\d) (?:(?P<zy>\d{{4}})年)? (?P<zm>\d\d?)月 (?:(?P<zd>\d\d?)[日号號]?)?
        | (?<![a-z0-9_.]) (?P<d1>\d\d?) (?P<dsep>[./-]) (?P<d2>\d\d?) (?P=dsep) (?P<dy>{year}) (?![a-z0-9_])
        | (?<![\w.,]) (?P<md>{day}) (?:st|nd|rd|th|\.)? \s+ (?:of\s+)? (?P<mm>{_MONTH}) \b
        | \b (?P<nm>{_MONTH}) \b \.? \s+ (?P<nd>{day}) (?:st|nd|rd|th)? (?![\w:%]) (?![.,]\d)
        | \b (?P<om>{_MONTH}) \b (?= \.? ,? \s+ {year} \b)
        | (?<![a-z0-9_.:]) (?P<th>[01]?\d|2[0-4]) [:h] (?P<tm>[0-5]\d) (?P<ts>:[0-5]\d)? (?P<ta>{half})? (?![a-z0-9_:])
        | (?<![\w.:]) (?P<ah>1[0-2]|0?[1-9]) (?: [.] (?P<am>[0-5]\d))? (?:\s?o'?\s?clock)? (?P<aa>{half})
        | (?<![\w.:]) (?P<oh>1[0-2]|0?[1-9]) \s?o'?\s?clock\b
        | (?<=\bat\s) (?P<bare>1[0-2]|[1-9]) (?= [,;!?)] | \.?\s*$ | \.?\s(?:\s|(?:on|in\sthe|every|sharp|and|to)\b))
        | \b (?P<off>half|(?:a\s)?quarter|[1-5]?\d(?=\sminutes?|\spast)
            |(?<!from\s)(?<!between\s)(?:5|10|20|25)(?=\sto\s\d\d?(?:\W|$)(?!\s?\w)))
            (?:\sminutes?)? \s (?P<way>past|to) \s (?P<fh>1[0-2]|[1-9]) \b
            (?:\s?o'?\s?clock)? (?P<fa>{half})? (?! [,.:]?\d)
        | \b (?P<word>noon|midday|midnight) \b | (?P<zword>正午|午夜)
        | (?P<ch>凌晨|清晨|上午|早上|中午|下午|傍晚|晚上)? (?<!\d) (?P<cn>[01]?\d|2[0-4]) [点點时時]
            (?: (?P<chalf>半|[1一3]刻) | (?P<cm>[0-5]?\d) 分? | [整钟鐘] )? (?![间間])
        | \b (?P<wd>{"|".join(_WEEKDAYS)}) s? \b | (?:星期|周|礼拜|禮拜) (?P<zw>[{"".join(_HAN_DAYS)}]) (?![期天年])
        | (?<![\w]) (?P<phone> (?:\+|00|\() \d [\d\ ()/-]{{6,}} \d )
        | (?<![\w.]) (?P<ord>\d+) (?:st|nd|rd|th) (?!\w) | 第 (?P<nth>\d+)
        | (?: (?P<cur>[$€£¥]|\b(?:usd|eur|gbp|cny|rmb|aud|cad|chf|jpy)\b) \s? )? (?P<sign>(?<![\w\])%])[-−])? (?<![\d])
          (?P<pre>(?<![^\W\d])[a-z_]+(?=\d))?
          (?P<num> \d{{1,3}} (?:[\ \u00a0\u202f\u2009'’]\d{{3}})+ (?!\d) (?:[.,]\d+)? | \d+ (?:[.,:/]\d+)* (?:-\d+)* )
          (?: \s? (?P<mul>{"|".join(_MULTIPLES)}|(?(cur)(?:{"|".join(_OF_MONEY)})|(?!))) (?![a-z]) )?
          (?: [\s-]? (?P<unit>{LATIN_UNITS}) (?![\w]) | \s? (?P<zunit>{OTHER_UNITS}) | (?P<tail>[a-z_]\w*) )?
        )""",
        re.VERBOSE,
    )


def quantities(text: str) -> tuple[str, list[Quantity]]:
    """Return a text in lower case with its numbers as digits, and its quantities in order.

    Compatible characters, such as full-width digits, are made equal. Number words become digits: English ones up to
    billions, and Chinese ones. "One" and 一 are articles more often than numbers, so they stay words.
    """
    if "/" in text or not text.isascii():  # here and below, what few texts have is searched for in those only
        text = _FRACTION.sub(_decimal, text)
    text = _in_one_case(unicodedata.normalize("NFKC", text)).replace("’", "'")
    if _MAY_SPAN.search(text):
        text = _SPAN.sub(_ends, text)
    if "half" in text or any(map(text.__contains__, _OF_A_WHOLE)):
        text = _OF_A_UNIT.sub(lambda match: f"{_SHARES[' '.join(match[1].split())]} ", text)
        text = _PART.sub(_part, text)
    if " a " in text or " an " in text:
        text = _BY_A.sub(lambda match: f"by 1/{_PARTS.get(match[1], 2)}", _SINGLE.sub(r"\1 1 ", text))
    if "half" in text:
        text = _AND_A_HALF.sub(_and_a_half, text)
    if _IN.search(text):
        text = _ONE_IN.sub(_one_in, text)
    text = _WORDS.sub(_english, text)
    if not text.isascii():
        text = _TENTHS.sub(lambda match: f"{_HAN[match[1]]}0%", _HAN_HALF.sub(_han_half, text))
        text = _REDUCED.sub(_reduced, _SHORTENED.sub(_shortened, text))
        text = _HAN_FORMAL.sub(lambda match: match[0].translate(_HAN_PLAIN), text)
        text = _HAN_NUMBER.sub(_han, _HAN_PART.sub(_han_part, text))
    if _MINUS.search(text):
        text = _NEGATIVE.sub(_negative, text)
    rest, often = frequencies(text)
    if "twice" in rest:
        rest = rest.replace("twice", "2 times")
    found = [
        Quantity(
            "frequency",
            f"every {plain(days)}",
            "",
            said,
            tuple((f"every {plain(day)}", "") for day in more),
        )
        for (days, *more), said in often
    ]
    if _may_have(rest):
        found += [q for match in _pattern().finditer(rest) for q in _read(match)]
    return text, found


_MILLI = {"W": "watt", "V": "volt", "A": "ampere", "Hz": "hertz", "Pa": "pascal"}
_MOLAR = {"m": "millimolar", "μ": "micromolar", "u": "micromolar", "n": "nanomolar"}
_CASED_UNIT = re.compile(
    r"(?<=\d)(?P<blank>\s?)(?:(?P<bits>[KMGTkmgt])(?:b(?:(?P<rate>ps)|(?=/s))|(?<=[KMGT])b)"
    r"|(?P<bytes>[KMGT]B)ps"
    rf"|m(?P<milli>{'|'.join(_MILLI)})|(?P<molar>[{''.join(_MOLAR)}])M)(?![A-Za-z])"
)
"""A unit that is another one in other capitals: Mb (bits) and MB, mW and MW, mM and mm."""
_ROMAN = re.compile(
    r"(?P<before>(?i:\b(?:act|annex|appendix|article|book|canto|chapter|class|figure|grade|level|paragraph|part|phase"
    r"|schedule|section|stage|step|table|tier|title|type|vol\.?|volume|war)\s|第\s?)|(?<!\w)\((?=[ivIV]+\))"
    r"|(?P<name>\b(?!(?:And|Am|Can|Could|Did|Do|Had|Have|If|May|Might|Must|Or|Shall|Should|So|Then|Was|When|Will|Would)\b)"
    r"[A-Z][a-z]+\s))(?P<numeral>(?=[IVXivx])(?:X{0,3}(?:I[XV]|V?I{0,3})|x{0,3}(?:i[xv]|v?i{0,3})))(?![A-Za-z0-9_'’-])"
    r"(?P<end>(?=\s(?:of|was|is|and the)\b|[,.;:)]|\s*$))?"
)
"""A Roman numeral: after a word for a part, in brackets, or after a name. "I" after a name is mostly a word."""
_NUMERALS = {"i": 1, "v": 5, "x": 10}
_VERSION = re.compile(r"\d+\.\d*[1-9]0+")
"""A number whose last 0 counts if it is a version: 2.10."""
_VERSIONED = re.compile(
    r"(?P<before>(?i:\b(?:version|release|ver\.?|section|sec\.?|chapter|figure|fig\.?|table|python|node|java|php|ruby"
    r"|ubuntu|django|kernel)\s)|版本\s?|§\s?|[表图]\s?|(?<=[a-z,]\s)[A-Z]\w+\s)(?P<number>\d+\.\d*[1-9]0+)(?!\.?\d|%)"
)
_MINUS = re.compile(r"-[$€£¥]|minus|negative|负|零|\(")
_NEGATIVE = re.compile(
    r"(?<![\w\])%])[-−](?P<before>[$€£¥])(?=\d)|(?:(?<!\d\s)(?<![\w)])(?:minus|negative)\s|零下|负)(?=[$€£¥]?\d)"
    r"|(?P<account>(?:[:=|]|\b(?:balance|cash|change|earnings|equity|flow|income|loss|margin|profit|result|total)\b"
    r"|利润|亏损|收入|余额|合计|总计)\s*)\((?P<currency>[$€£¥]?)(?P<amount>\d[\d,.]*)\)"
    r"(?=\s*(?:$|[|,;.\n。，；]|[万亿元]|million|billion|thousand|%))"
)
"""A negative number in words, or in the brackets of an account."""


def _in_one_case(text: str) -> str:
    """Return a text in lower case, with units, Roman numerals and versions that their case or last 0 tells apart."""
    if DIGITS.search(text):
        text = _CASED_UNIT.sub(_unit_name, text)
        if _ENDS_IN_0.search(text):
            text = _VERSIONED.sub(r"\g<before> v\g<number>", text)
    if _MAY_BE_ROMAN.search(text):
        text = _ROMAN.sub(_arabic, text)
    return text.lower()


DIGITS = re.compile(r"\d")
_MAY_BE_ROMAN = re.compile(  # a set of characters comes first, which is fast to search for
    r"[IVXivx](?<![A-Za-z'’].)(?:(?<=[IVX])[IVX]{1,5}|(?<=V)|(?<=[ivx])[ivx]{1,5}|(?<=[A-Za-z\u4e00-\u9fff] I)"
    r"|(?<=\(i))(?![A-Za-z'’])"
)
_ENDS_IN_0 = re.compile(r"\.\d*0")


def _unit_name(match: re.Match[str]) -> str:
    blank = match["blank"]
    if match["bytes"]:
        return f"{blank}{match['bytes']}/s"
    if match["bits"]:
        return f"{blank}{match['bits']}bit{'/s' if match['rate'] else ''}"
    return blank + (f"milli{_MILLI[match['milli']]}" if match["milli"] else _MOLAR[match["molar"]])


def _arabic(match: re.Match[str]) -> str:
    """Return a Roman numeral in digits."""
    numeral = match["numeral"].lower()
    if not numeral or (match["name"] and (numeral == "x" or (numeral == "i" and match["end"] is None))):
        return match[0]
    values = [_NUMERALS[letter] for letter in numeral]
    total = sum(-one if one < after else one for one, after in pairwise([*values, 0]))
    return f"{match['before']}{total}"


def _negative(match: re.Match[str]) -> str:
    """Return a negative number with a minus, behind its currency."""
    if match["account"]:
        return f"{match['account']} {match['currency']}-{match['amount']}"
    return match["before"] + "-" if match["before"] else " -"


_FRACTION = re.compile(
    r"(?:(?<![\w./])(\d{1,15})\s?)?([½¼¾⅓⅔⅕⅖⅗⅘⅛⅜⅝⅞])|(?<![\w./])(\d{1,15})\s+([1-7])/([2-8])(?![\w./])"
)


def _decimal(match: re.Match[str]) -> str:
    """Return a fraction, such as 1½ or 1 1/2, as a decimal number. It leaves 1 3/2 as it is."""
    whole, sign, before, top, bottom = match.groups()
    if sign:
        return plain(int(whole or 0) + unicodedata.numeric(sign))
    return plain(int(before) + int(top) / int(bottom)) if top < bottom else match[0]


_IN = re.compile(r" (?:in|out of) [a-z0-9]")
_AND_TO = r"\s*(?:[-–—~至到]|to|and|until|till|through)\s*"
_MAY_SPAN = re.compile(rf"\d[a-z]*(?:{_AND_TO}|\s*/\s*)\d")
_SPAN = re.compile(
    rf"(?<![\w.,/-])(?P<a>\d\d?)(?:st|nd|rd|th)?{_AND_TO}(?P<b>\d\d?)(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<after>{_MONTH})\b"
    rf"|\b(?P<before>{_MONTH})\s+(?P<c>\d\d?)(?:st|nd|rd|th)?{_AND_TO}(?P<d>\d\d?)(?:(?:st|nd|rd|th)(?!\w)|(?=\s*(?:[.,;:)!?\n]|$)))"
    r"|(?<![\w/])(?P<e>\d\d?/\d\d?)\s*[-–—~至到]\s*(?P<f>\d\d?/\d\d?)(?![\w/])"
    r"|(?P<month>\d\d?)月(?P<g>\d\d?)日?\s*[-–—~至到]\s*(?P<h>\d\d?)[日号號]"
)
"""Two days of a month, or two dates, with what joins them."""


def _ends(match: re.Match[str]) -> str:
    """Return both ends of a span of days as dates: 12 to 16 august as 12 august to 16 august."""
    if match["after"]:
        return f"{match['a']} {match['after']} to {match['b']} {match['after']}"
    if match["before"]:
        return f"{match['c']} {match['before']} to {match['d']} {match['before']}"
    if match["month"]:
        return f"{match['month']}月{match['g']}日至{match['month']}月{match['h']}日"
    return f"{match['e']} 至 {match['f']}"


_SIGNS = re.compile(rf"\d|{'|'.join(_WEEKDAYS)}|星期|周|礼拜|禮拜|noon|mid(?:day|night)|正午|午夜")


def _may_have(text: str) -> bool:
    return _SIGNS.search(text) is not None


def _read(match: re.Match[str]) -> Iterator[Quantity]:
    """Yield the quantities of one match of the pattern."""
    g, said = match.groupdict(), match[0].strip()
    if g["iy"] or g["zm"] or g["d1"] or g["md"] or g["nm"] or g["om"]:
        yield from _date(g, said)
    elif g["th"] or g["ah"] or g["cn"] or g["oh"] or g["bare"] or g["fh"] or g["word"] or g["zword"]:
        yield _time(g, said)
    elif g["wd"] or g["zw"]:
        day = _WEEKDAYS[g["wd"]] if g["wd"] else _HAN_DAYS[g["zw"]]
        yield Quantity("weekday", f"day {day}", "", said)  # not the number of a page
    elif g["phone"]:
        yield Quantity("number", re.sub(r"\D", "", said).lstrip("0"), "", said)
    elif nth := g["ord"] or g["nth"]:
        yield Quantity("ordinal", nth.lstrip("0") or "0", "", said)
    else:
        yield from _numbers(g, said)


def _date(g: dict[str, str | None], said: str) -> Iterator[Quantity]:
    year = g["iy"] or g["zy"] or g["dy"]
    others: tuple[tuple[str, str], ...] = ()
    if g["d1"]:
        day, month = int(g["d1"]), int(g["d2"] or 0)
        if month > 12 or (g["dsep"] == "/" and day <= 12):
            others = ((f"{day}-{month}", ""),)
        if month > 12:
            day, month = month, day
    else:
        name = g["mm"] or g["nm"] or g["om"]
        month = int(g["im"] or g["zm"] or 0) or 1 + [n[:3] for n in _MONTHS].index((name or "")[:3])
        day = int(g["id"] or g["zd"] or g["md"] or g["nd"] or 0)
    if day:  # a month alone agrees with any of its days
        others = (*others, (f"{month}-*", ""))
    yield Quantity("date", f"{month}-{day or '*'}", "", said, others)
    if year:
        yield Quantity("number", year, "", year)


_QUARTERS = {"半": 30, "1刻": 15, "一刻": 15, "3刻": 45}
_AFTERNOON = ("下午", "傍晚", "晚上")


def _time(g: dict[str, str | None], said: str) -> Quantity:
    """Return a time of the day. Where the half of the day is not said, either may be meant."""
    if g["word"] or g["zword"]:
        hour = 0 if g["word"] == "midnight" or g["zword"] == "午夜" else 12
        return Quantity("time", f"{hour}:00", "", said)
    hour = int(g["th"] or g["ah"] or g["cn"] or g["oh"] or g["bare"] or g["fh"] or 0)
    minute = int(g["tm"] or g["am"] or g["cm"] or _QUARTERS.get(g["chalf"] or "", 0))
    half = (g["ta"] or g["aa"] or g["fa"] or "").strip()
    if off := g["off"]:
        minute = {"half": 30, "a quarter": 15, "quarter": 15}.get(off) or int(off.split()[0])
        hour, minute = (hour, minute) if g["way"] == "past" else ((hour + 10) % 12 + 1, 60 - minute)
    if (half.startswith(("p", "in the aft", "in the eve", "at")) or g["ch"] in _AFTERNOON) and hour < 12:
        hour += 12
    elif half.startswith(("a", "in the m")) and hour == 12:
        hour = 0
    vague = g["cn"] and not g["ch"] and hour <= 12  # 晚上8点到10点
    either = (
        g["oh"] or g["bare"] or vague or (g["fh"] and not half)
    ) and f"{(hour + 12) % 24}:{minute % 60:02}"
    others = ((either, ""),) if either else ()
    if g["bare"]:
        others = (*others, (str(hour), ""))
    return Quantity("time", f"{hour}:{minute % 60:02}{g['ts'] or ''}", "", said, others)


def _numbers(g: dict[str, str | None], said: str) -> Iterator[Quantity]:
    number = g["num"] or ""
    if g["pre"] or g["tail"]:  # a name with digits in it, such as v2, ch03, 4x4
        name = f"{g['pre'] or ''}{number}{g['tail'] or ''}"
        if g["pre"] in ("v", "no", "nr", "p", "pp"):
            name = f"{number}{g['tail'] or ''}"
        if g["sign"]:
            name = f"-{name}"
        parts = re.findall(r"\d+(?:\.\d+)*", name)
        digits = tuple((part if _VERSION.fullmatch(part) else _value(part)[0], "") for part in parts)
        yield Quantity("number", name if not name.isdigit() else _value(name)[0], "", said, digits)
        return
    parts = number.split("-")
    if len(parts) > 1 and sum(map(len, parts)) >= 7:  # a telephone number, an ISBN
        yield Quantity("number", "".join(parts), "", said)
        return
    unit = UNIT.get((g["cur"] or g["unit"] or g["zunit"] or "").strip(), "")
    for at, part in enumerate(parts):
        value, *more = _value(part)
        if g["mul"] and at == len(parts) - 1:
            times = _MULTIPLES.get(g["mul"]) or _OF_MONEY[g["mul"]]
            value = plain(float(value) * times) if _is_decimal(value) else value
        if g["sign"] and at == 0:
            value = f"-{value}"
        others = [(other, unit) for other in more]
        # 3/5 is a date to some.
        if day := re.fullmatch(r"(0?[1-9]|[12]\d|3[01])/(0?[1-9]|[12]\d|3[01])", value):
            one, other = map(int, day.groups())
            others += [(f"{x}-{y}", "") for x, y in ((one, other), (other, one)) if x <= 12]
        if ratio := re.fullmatch(r"(\d)/(\d\d?)", value):
            others.append((plain(100 * int(ratio[1]) / (int(ratio[2]) or 1)), "%"))
        if unit and _is_decimal(value):
            others += in_other_units(float(value), unit)
        yield Quantity("number", value, unit, said if len(parts) == 1 else part, tuple(others))


def _is_decimal(value: str) -> bool:
    return re.fullmatch(r"-?\d{1,15}(?:\.\d+)?", value) is not None


def _value(number: str) -> list[str]:
    """Return the values that a number may have, the likeliest first: 1.000 is a thousand to some, and one to others."""
    number = re.sub(r"(?<=\d)[ \u00a0\u202f\u2009'’](?=\d)", "", number)
    if re.search("[:/]", number) or (
        number.count(".") > 1 and not re.fullmatch(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?", number)
    ):
        part = re.fullmatch(r"([1-9])/([1-9]|10)", number)
        return [number, plain(int(part[1]) / int(part[2]))] if part else [number]  # a ratio, a version
    found = []
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", number):
        found.append(number.replace(",", ""))
    elif re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?", number):
        found.append(number.replace(".", "").replace(",", "."))
    if number.count(",") + number.count(".") <= 1:
        found.append(number.replace(",", "."))
    values = list(dict.fromkeys(map(_canonical, found or [number.replace(",", ".")])))
    if clock := re.fullmatch(r"([01]?\d|2[0-4])\.([0-5]\d)", number):  # 16.30 is a time to some
        values.append(f"{int(clock[1])}:{clock[2]}")
    if _VERSION.fullmatch(number):
        values.append(number)
    return values


def _canonical(number: str) -> str:
    whole, _, fraction = number.partition(".")
    fraction = fraction.rstrip("0") if "." not in fraction else fraction
    return (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")


def agree(a: Quantity, b: Quantity) -> bool:
    """Return True if two quantities may be equal: one has a value of the other, and no other unit."""
    x, y = ((quantity.value, quantity.unit) for quantity in (a, b))
    return any(
        value == other and (unit == own or not (unit and own))
        for (value, unit), others in ((x, (y, *b.others)), (y, (x, *a.others)))
        for other, own in others
    )


def numbered(found: list[Quantity]) -> list[tuple[Quantity, int]]:
    """Return each quantity with how often its value came before, so two equal ones are told apart."""
    seen: Counter[tuple[str, str]] = Counter()
    result = []
    for quantity in found:
        key = quantity.kind, quantity.value
        result.append((quantity, seen[key]))
        seen[key] += 1
    return result
