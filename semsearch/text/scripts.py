"""Name the scripts that are written without blanks. It is cheap to import: what shows a hit needs it."""

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao; Burmese; Khmer
    "\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana, Han
    "\uac00-\ud7af"  # Hangul, whose blanks are often left out
)
"""Scripts that are written without blanks. This is the inside of a character class."""
