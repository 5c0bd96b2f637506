"""List units in English and Chinese, and what a quantity is in other units of its dimension."""

import re
from collections.abc import Iterator

_UNIT_WORDS = """
aud 澳元|cad 加元|nzd|sgd 新元|inr rupee rupees 卢比|thb baht 泰铢|percentage_point percentage_points 个百分点 個百分點
mcg microgram micrograms μg ug 微克|ng nanogram nanograms 纳克
lb lbs 磅|oz ounce ounces 盎司|mi mile miles 英里|inch inches 英寸|ft foot feet 英尺|yd yard yards|acre acres 英亩
ha hectare hectares 公顷|mu 亩 畝|jin 斤 市斤|‰ permille per_mille|ppm|ppb|nautical_mile nautical_miles 海里|li 华里
mph miles_per_hour miles_an_hour|km/h km/hr kph kmh kilometres_per_hour kilometers_per_hour
m/s metres_per_second meters_per_second
tablet tablets pill pills 片|capsule capsules 粒|sachet sachets|puff puffs|bottle bottles 瓶|box boxes 盒|bag bags 袋
gal gallon gallons 加仑|pint pints 品脱|quart quarts 夸脱|fl_oz fluid_ounce fluid_ounces|drop drops 滴|cup cups 杯
spoonful spoonfuls 勺 匙|slice slices|jar jars 罐|packet packets 包|crate crates 箱|bucket buckets 桶|roll rolls 卷
basket baskets 篮 筐|bowl bowls 碗|pot pots 锅|sack sacks|barrel barrels|pallet pallets|dozen 打|pack packs|tin tins
page pages 页 頁|chapter chapters 章|episode episodes 集
knot knots|dose doses|rpm|db decibel decibels 分贝|newton newtons 牛顿|joule joules 焦耳|lux|lumen lumens 流明
kcal calorie calories 大卡 千卡|kj kilojoule kilojoules 千焦|tbsp tablespoon tablespoons|tsp teaspoon teaspoons
night nights 晚|cent cents 美分|jiao 角|chf franc francs|jpy yen 日元|decade decades|century centuries 世纪
kg kilogram kilograms kilo kilos 公斤 千克|g gram grams 克|mg milligram milligrams 毫克|t tonne tonnes ton tons 吨
km kilometre kilometres kilometer kilometers 公里 千米|m metre metres meter meters 米|dm decimetre decimetres 分米
cm centimetre centimetres centimeter centimeters 厘米 公分|mm millimetre millimetres millimeter millimeters 毫米
μm micrometre micrometres micrometer micrometers micron microns 微米|nm nanometre nanometres nanometer nanometers 纳米
ms millisecond milliseconds 毫秒|μs microsecond microseconds 微秒|ns nanosecond nanoseconds 纳秒
l litre litres liter liters 升|ml millilitre millilitres milliliter milliliters cc cm3 毫升 立方厘米
hl hectolitre hectolitres|dl decilitre decilitres deciliter deciliters 分升|cl centilitre centilitres centiliter
centiliters 厘升|μl ul microlitre microlitres microliter microliters 微升|m3 cubic_metre cubic_metres cubic_meter
cubic_meters 立方米|m2 square_metre square_metres square_meter square_meters 平方米 平米 平方
km2 square_kilometre square_kilometres 平方公里|cm2 square_centimetre square_centimetres 平方厘米
ft2 sq_ft square_foot square_feet 平方英尺|square_mile square_miles 平方英里
h hour hours hr hrs 小时 小時|min minute minutes mins 分钟 分鐘|s second seconds sec secs 秒
day days 天|week weeks 周 星期|fortnight fortnights|month months 个月 個月|year years yr yrs 年|quarter 季度
kb kilobyte kilobytes|mb megabyte megabytes|gb gigabyte gigabytes|tb terabyte terabytes|px pixel pixels 像素|dpi|fps
kbit kilobit kilobits|mbit megabit megabits|gbit gigabit gigabits|tbit terabit terabits
v volt volts 伏|kv kilovolt kilovolts 千伏|millivolt millivolts 毫伏|mv megavolt megavolts
w watt watts 瓦|kw kilowatt kilowatts 千瓦|milliwatt milliwatts 毫瓦|mw megawatt megawatts 兆瓦|gw gigawatt gigawatts
wh watt_hour watt_hours 瓦时|kwh kilowatt_hour kilowatt_hours 千瓦时|mwh megawatt_hour megawatt_hours
mah 毫安时|ah amp_hour amp_hours 安时|amp amps ampere amperes 安培|milliampere milliamperes ma 毫安|ohm ohms ω 欧姆
hz hertz 赫兹|millihertz|khz kilohertz 千赫|mhz megahertz 兆赫|ghz gigahertz 吉赫
pa pascal pascals 帕|hpa hectopascal hectopascals 百帕|kpa kilopascal kilopascals 千帕|mpa megapascal megapascals 兆帕
millipascal millipascals|bar bars|psi|atm|mmhg 毫米汞柱|millimolar|micromolar|nanomolar
°c celsius degrees_celsius 摄氏度|°f fahrenheit degrees_fahrenheit 华氏度|hkd 港元 港币|krw 韩元|rub 卢布
% percent per_cent|usd $ dollar dollars 美元|eur € euro euros 欧元|gbp £ pound pounds 英镑|cny ¥ yuan rmb 元 圆 块
"""
UNIT = {
    word.replace("_", " "): group.split()[0]
    for group in re.sub(r"\n(?=centiliters|cubic_meters)", " ", _UNIT_WORDS)
    .strip()
    .replace("\n", "|")
    .split("|")
    for word in group.split()
}
_FACTORS = (
    {"t": 10**6, "kg": 1000, "jin": 500, "g": 1, "mg": 0.001, "mcg": 1e-6, "ng": 1e-9},
    {"km": 1000, "li": 500, "m": 1, "dm": 0.1, "cm": 0.01, "mm": 0.001, "μm": 1e-06, "nm": 1e-9},
    {"km2": 3000, "ha": 30, "mu": 2, "m2": 0.003, "cm2": 3e-7},
    {"m3": 1000, "hl": 100, "l": 1, "dl": 0.1, "cl": 0.01, "ml": 0.001, "μl": 1e-6},
    {"mpa": 10, "bar": 1, "kpa": 0.01, "hpa": 0.001, "pa": 1e-5},
    {"mi": 63_360, "yd": 36, "ft": 12, "inch": 1},
    {"lb": 16, "gbp": 16, "oz": 1},  # both are pounds
    {"gal": 8, "quart": 2, "pint": 1},
    {"tbsp": 3, "tsp": 1},
    {"usd": 100, "cent": 1},
    {"cny": 10, "jiao": 1},
    {
        "week": 604_800,
        "fortnight": 1_209_600,
        "day": 86_400,
        "h": 3600,
        "min": 60,
        "s": 1,
        "ms": 0.001,
        "μs": 1e-06,
    }
    | {"ns": 1e-9},
    {"tb": 10**12, "gb": 10**9, "mb": 10**6, "kb": 1000},
    {"tbit": 10**12, "gbit": 10**9, "mbit": 10**6, "kbit": 1000},
    {"gw": 10**9, "mw": 10**6, "kw": 1000, "w": 1, "milliwatt": 0.001},
    {"mwh": 10**6, "kwh": 1000, "wh": 1},
    {"ah": 1000, "mah": 1},
    {"mv": 10**6, "kv": 1000, "v": 1, "millivolt": 0.001},
    {"amp": 1000, "milliampere": 1},
    {"ghz": 10**9, "mhz": 10**6, "khz": 1000, "hz": 1},
    {"kj": 1000, "joule": 1},
    {"century": 1200, "decade": 120, "year": 12, "quarter": 3, "month": 1},
)
"""Units of one dimension, and the size of each in the same unit."""
_ABOUT = {
    ("mi", "km"): 1.609344, ("mi", "m"): 1609.344, ("yd", "m"): 0.9144, ("ft", "m"): 0.3048, ("ft", "cm"): 30.48,
    ("inch", "cm"): 2.54, ("inch", "mm"): 25.4, ("lb", "kg"): 0.45359237, ("lb", "g"): 453.59237,
    ("oz", "g"): 28.349523, ("gal", "l"): 3.785412, ("pint", "ml"): 473.176, ("acre", "ha"): 0.404686,
    ("mph", "km/h"): 1.609344, ("nautical_mile", "km"): 1.852, ("ft2", "m2"): 0.092903, ("kcal", "kj"): 4.184,
}  # fmt: skip
"""Units of two systems, of which texts say rounded multiples, and the size of one in the other."""
_ROUNDED = 0.03
"""The largest error of a number that is rounded to another system."""
_OTHER_SYSTEM: dict[str, list[tuple[float, str]]] = {}
for (_one, _other), _size in _ABOUT.items():
    _OTHER_SYSTEM.setdefault(_one, []).append((_size, _other))
    _OTHER_SYSTEM.setdefault(_other, []).append((1 / _size, _one))
_OTHER_SYSTEM["gbp"] = _OTHER_SYSTEM["lb"]
UNITS = frozenset(UNIT)
"""The words and signs of units, in lower case."""
LATIN_UNITS = "|".join(
    sorted((re.escape(u) for u in UNIT if u.isascii() or u[0] in "°μ‰ω"), key=len, reverse=True)
)
OTHER_UNITS = "|".join(sorted((u for u in UNIT if "\u3400" <= u[0] <= "\u9fff"), key=len, reverse=True))


def plain(value: float) -> str:
    """Return a number in its canonical form."""
    return f"{value:.12g}"


def in_other_units(value: float, unit: str) -> Iterator[tuple[str, str]]:
    """Yield a quantity in the other units of its dimension: exactly, and rounded in those of another system."""
    for scale in _FACTORS:
        if unit in scale:
            yield from (
                (plain(value * scale[unit] / size), other) for other, size in scale.items() if other != unit
            )
    for size, other in _OTHER_SYSTEM.get(unit, ()):
        yield from ((rounded, other) for rounded in _rounded(value * size))
    if unit in ("°c", "°f"):
        turned = value * 1.8 + 32 if unit == "°c" else (value - 32) / 1.8
        yield from ((rounded, "°f" if unit == "°c" else "°c") for rounded in _rounded(turned))


def _rounded(value: float) -> set[str]:
    """Return a value as people round it."""
    near = (round(value, digits) for digits in (-1, 0, 1, 2))
    return {plain(number) for number in near if abs(number - value) <= _ROUNDED * abs(value)}
