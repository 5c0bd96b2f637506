"""Find how often something happens: `twice a week`, `every other day`, 每半年一次. `Weekly` is `every week`."""

import re
from typing import NamedTuple


class Frequency(NamedTuple):
    """Hold how often something happens: the days from one time to the next, as some or others count, and the words."""

    days: tuple[float, ...]
    said: str


_ADVERBS = {
    "hourly": "hour", "daily": "day", "nightly": "night", "weekly": "week", "fortnightly": "fortnight",
    "monthly": "month", "quarterly": "quarter", "yearly": "year", "annually": "year", "annual": "year",
}  # fmt: skip
_DAYS = {
    "minute": 1 / 1440, "hour": 1 / 24, "day": 1, "morning": 1, "evening": 1, "night": 1, "week": 7, "fortnight": 14,
    "month": 30, "quarter": 90, "year": 360, "小时": 1 / 24, "天": 1, "日": 1, "晚": 1, "夜": 1, "周": 7, "星期": 7,
    "礼拜": 7, "月": 30, "季度": 90, "季": 90, "年": 360,
}  # fmt: skip
"""Days of a period. Months have 30 and years 12 months, so that every 6 months is twice a year."""
_COUNTS = {
    "once": 1,
    "twice": 2,
    "other": 2,
    "second": 2,
    "一": 1,
    "两": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
}
_PERIOD = "|".join(word for word in _DAYS if word.isascii())
_ADVERB = "|".join(_ADVERBS)
_NTH = r"(?:\d{1,2}(?:nd|rd|th)?|other|second)"
_ENGLISH = re.compile(
    rf"(?<![\w-])(?:(?P<times>once|twice|\d{{1,2}}(?=x | times ))(?:x| times)? (?:(?P<daily>{_ADVERB})"
    rf"|(?:an?|each|every|per) (?:every )?(?:(?P<few>{_NTH}) )?(?P<period>{_PERIOD})s?)"
    rf"|(?:every|each) (?:(?P<every>{_NTH}) )?(?P<unit>{_PERIOD})s?|(?P<adverb>{_ADVERB}))(?![\w-])"
)
_HAN_PERIOD = "|".join(sorted((word for word in _DAYS if not word.isascii()), key=len, reverse=True))
_TIMES = r"[^，。；、,;.]{0,4}?(?:\d{1,2}|[一两三四五六])[次回遍]"
_CHINESE = re.compile(
    rf"(?:每(?P<apart>间?隔)?(?P<every>\d{{1,2}}|一)?个?(?P<unit>{_HAN_PERIOD})(?!(?<=[周期拜])(?:[一二三四五六日天末]|[1-6](?!\d))(?![次回遍]))"
    rf"|(?P<skip>隔)(?P<next>[天日周月年])|[一1]个?(?P<one>{_HAN_PERIOD})(?={_TIMES}))"
    rf"(?:[^，。；、,;.]{{0,4}}?(?P<times>\d{{1,2}}|[一两三四五六])[次回遍])?"
)
_COUNTED = re.compile("[次回遍]")
_RECURRING = (*_ADVERBS, "every", "each", "once", "twice", "times", *"每隔")
"""The words of which each frequency has one, but for 一天三次."""


def frequencies(low: str) -> tuple[str, list[Frequency]]:
    """Return a text in lower case without its frequencies, and these. The 6 of `every 6 months` is not an amount."""
    found: list[Frequency] = []
    if not any(map(low.__contains__, _RECURRING)) and (low.isascii() or not _COUNTED.search(low)):
        return low, found

    def take(match: re.Match[str]) -> str:
        g = match.groupdict()
        period = g.get("period") or g["unit"] or _ADVERBS.get(g.get("daily") or g.get("adverb") or "")
        period = period or g.get("next") or g.get("one") or ""
        times = _count(g["times"])
        if period in ("小时", "hour", "minute") and match[0].startswith("每") and not g["times"]:
            return match[0]  # 每小时 is mostly a speed
        every = _count(g.get("few") or g["every"])
        days = _DAYS[period] * every / times
        if g.get("skip") or g.get("apart"):  # some say 每隔2天 for every second day, others for every third
            found.append(Frequency((2 * days,) if g.get("skip") else (days, days + _DAYS[period]), match[0]))
        else:
            found.append(Frequency((days,), match[0]))
        return " " * len(match[0])

    low = _ENGLISH.sub(take, low)
    return (low if low.isascii() else _CHINESE.sub(take, low)), found


def _count(said: str | None) -> int:
    if not said:
        return 1
    return _COUNTS.get(said) or int(re.sub(r"\D", "", said)) or 1
