r"""Find the signs of a text that carry meaning: operators, options, paths and emoticons.

`if (p)` and `if (!p)` have the same words, and so have `rm -r` and `rm -R`, `a + b` and `a - b`. Marks of prose carry
none: stops, commas, quotes, dashes, brackets and the markup of Markdown and HTML. Nor does a dash, which is not told
from a minus; but `+`, `*` and `/` differ from it. Brackets count where they group or bound, and a `#` or `;` where it
makes a comment.
"""

import re
from collections import Counter
from collections.abc import Iterator

_HTML = "a abbr b blockquote body br code dd del div dl dt em font h[1-6] head hr html i img ins kbd li mark nav ol p"
_HTML += " pre q s samp section small span strike strong sub sup table tbody td th thead tr tt u ul"
_VALUE = r"""(?:yes|no|on|off|true|false|none|null|auto|/[^\s]+|"[^"\n]*")[ ]?;?$"""
_COMMENTED = rf"""(?:[\w.\[\]'"]{{1,80}}[ ]?(?:[-+*/|&]?=[ ]?[^\s=]|\([^()\n]{{0,200}}\)[ ]?;?$)
    |[A-Za-z][\w.-]{{0,80}}[ ]+{_VALUE}|[a-z]\w{{0,80}}_\w+[ ]+\d\S*$|[a-z][\w.-]{{0,80}}:[ ]?\S+$
    |(?:export|set|let|const|var|alias)[ ]\w+[ ]?=|[^\n]{{1,400}};$|\[[\w.-]{{1,80}}\]$)"""
"""A line of code or a setting, which a `#` before it makes a comment, not a heading."""
_PROSE = r"(?:[^\n;(){}=<>\[\]_$&|+*/\\^%#]++|(?<=[ ])\([^\n;(){}=<>]*+\))++$"
"""A line without the signs of code, which an arrow or `//` before it decorates."""
_HAN = r"\u3040-\u30ff\u3400-\u9fff"
_EAST_ASIAN = re.compile(f"[{_HAN}]")
_LOGIC = "非且或和与"
_MARKUP = re.compile(
    rf"""
      <?\b[a-z][a-z0-9+.-]{{1,20}}://[^\s<>]*>?             # addresses
    | (?<=<!--).{{0,2000}}?-->
    | </?(?:{"|".join(_HTML.split())})(?:\s[^<>]{{0,400}})?/?>
    | &\#?\w{{1,20}};                                       # entities of HTML
    | <[^\s<>@]{{1,80}}@[^\s<>@]{{1,80}}>                   # addresses of mail
    | ^[ ]?([-+*=_~#>|:.^"`])[-+*=_~#>|:.^"`\s]*$           # rules, underlines and borders of tables
    | ^[ ]?(?:>[ ]?)+ | ^[ ]?[-*+•][ ]+(?!\[[xX]\]) | ^[ ]?\#{{1,6}}[ ](?!{_COMMENTED})
    | ^[ ]?\|[^\n]*+ | ^(?=[^\n]*\|[ ]?$)[^\n]*+            # rows of tables
    | (?<=[\w.:;,)`*_]\ )\*[ ](?=[A-Z][a-z]+[ ]|[*_`])        # items of a list in one line
    | !?\[(?=[^\[\]\n]{{0,400}}\]\() | \]\([^()\s]{{0,400}}(?:[ ]"[^"\n]{{0,200}}")?\)
    | ^[ ]?(?:(?:[-=]{{1,2}}>|//|<<|>>)[ ]+(?={_PROSE})|\*{{1,3}}(?=[{_HAN}])(?![^\n*]*\*)) # decoration of a line
    | (?<![^\s(])<<(?=[^\s<>=][^\n<>]{{0,200}}>>) | (?<=[^\s<>])>>(?![\w<>=])  # quotes
    | (?<=[A-Za-z]{{3}})\^\d{{1,2}}(?![\w.^])                  # a note
    | \[\^\d{{1,3}}\]:? | \[\[|\]\]
    | \\(?=[\W_])\S                                         # what Markdown escapes
    """,
    re.VERBOSE | re.MULTILINE,
)
_EMPHASIS = re.compile(
    r"(?<![A-Za-z0-9*_~=`$/\\])(\*{1,3}|_{1,3}|==|\$|`{1,3})(?![\s*_=~`$])([^\n]{1,200}?)(?<![\s*_=~`$])\1(?![A-Za-z0-9*_~=`$])"
)
_SAD = "👎😞😟😠😡😢😣😭💔❌🚫⛔🔴✗✘☹🙁"
_WORD = r"[A-Za-z0-9_\u00c0-\uffff]"
_HINT = re.compile(
    rf"""
    [-+*=<>|^~\\$\#%&!/:;?\[{{≠≤≥→⇒×÷−{_SAD}] (?:
        (?<= [+*=<>|^~\\{{≠≤≥→⇒×÷−{_SAD}] )
      | (?<= [$\#%] ) (?!\d) (?<! \d% )
      | (?<= & ) (?=[\w&])
      | (?<= \[ ) (?:(?<=\w\[)|(?<=\)\[)|(?<=\]\[)|[xX]\])
      | (?<= (?<![\w!?.)"'”’]) ! )
      | (?<= (?<!\w) / ) | (?<= / ) (?!\w) | (?<= :: )
      | (?<= [:;] ) ['’]?[-o]?[(/\\|\[{{]
      | (?<= \? ) [\w(\[.?]
      | (?<= (?<!\w) - ) [A-Za-z]
      | (?<= ^[;-] ) (?:\w|[ ]\w|-[ ])
    )""",
    re.VERBOSE | re.MULTILINE,
)
"""The beginnings of signs, which little prose has. Without any, the search is spared."""
_SIGN = re.compile(
    rf"""
      (?P<face>(?<![A-Za-z0-9:;])(?:[:;=]['’]?[-^o]?[()\[\]{{}}DPp/\\|*](?![A-Za-z0-9/])|<3(?!\d)|\^_*\^))
    | (?P<option>(?:(?<![^\s(\[,;|=:`/])|(?<=[\s(]["'“‘]))
        (?:--[A-Za-z][\w-]*+|-[A-Za-z](?:[A-Za-z]?(?![\w-])|(?<=[^\n]-.)[\w-]*+))(?<!-))
    | (?P<path>(?<![^\s(\[,=:'"`|>])(?:~|\.\.?)?/+(?=[\w.*~-]|\s|$)|(?<=[A-Za-z0-9_*.])/+(?=[\s)\],;'"`|]|$))
    | (?P<done>^[ ]?[-*+•][ ]\[[xX]\])
    | (?P<directive>\#[ ]?(?:define|undef|include|if|ifdef|ifndef|elif|else|endif|pragma|error)\b)
    | (?P<comment>^[ ]?(?:\#(?:[ ]?(?={_COMMENTED})|(?=[A-Za-z]\w*[ ]\d+$))
        |;(?=[ ]?\w)|--[ ]?(?=(?i:select|insert|update|delete|create|drop|alter)\b|[^\n]{{1,400}};$)))
    | (?P<escape>\\[A-Za-z0-9])
    | (?P<struck>(?<!~)~~(?=[^\s~][^\n~]{{0,200}}(?<!\s)~~(?!~)))
    | (?P<not>(?<![^\s(\[{{,=&|;:])!++(?=[\w($~]))
    | (?P<prefix>(?<!{_WORD})(?:&(?=[A-Za-z_])|\$(?=[A-Za-z_{{(@*?])|%(?=[A-Za-z(])|~(?=[A-Za-z_(]))|(?<=\[)\^)
    | (?P<slice>(?<=[A-Za-z0-9_)\]])\[[^\s\[\]]{{0,40}}:[^\s\[\]]{{0,40}}\](?!\())
    | (?P<index>(?<=[A-Za-z0-9_)\]])[\[{{](?!\d{{1,3}}(?:\s?[,–-]\s?\d{{1,3}})*\])(?=[^\s\]}}]))
    | (?P<tail>(?<=[A-Za-z])(?:\+\+|\#|\+)(?![A-Za-z0-9+\#]))
    | (?P<maybe>(?<=[A-Za-z0-9)\]])\?\??\.?(?=[A-Za-z0-9(\[]))
    | (?P<run>(?:-{{1,3}}|[!.?])?[+*/%=<>&|^~:][-+*/%=<>!&|^~:.?]*+)
    | (?P<sad>[{_SAD}])
    """,
    re.VERBOSE | re.MULTILINE,
)
_GROUP = re.compile(
    rf"""(?P<lead>[-+*/%^!&|]|\b(?:not|and|or)\b|[{_LOGIC}])?[ ]?\((?=(?P<body>[^()\n]{{1,160}})\)
        [ ]?(?P<trail>[-+*/%^&|]|(?:and|or)\b|[{_LOGIC}])?)""",
    re.VERBOSE,
)
"""Brackets, with the operators around them."""
_SUM = re.compile(r"[^\s][ ]?[+*^][ ]?[^\s]")
_OPERATION = re.compile(
    rf"[ ]?[\w.\[\]]+(?:[ ]?[-+*/%^][ ]?[\w.\[\]]+)+[ ]?|.*(?:&&|\|\||\b(?:and|or)\b|[{_LOGIC}]).*"
)
_EXPRESSION = re.compile(r"(?:^|[=:,!]|\b(?:if|elif|while|return|assert|where|when|unless))[ ]?$")
"""The beginning of an expression, where a bracket does not enclose an aside."""
_OPERAND = re.compile(r"[\w.]+")
_INTERVAL = re.compile(
    r"(?P<said>(?:∈|\b(?:interval|range|domain)|区间|范围)[ ]?)?(?P<open>[\[(])"
    r"(?=[^\[\]()\n]{1,40},)[^\[\]()\n]{1,80}(?P<close>[\])])"
)
_SAME = str.maketrans({"≠": "!=", "≤": "<=", "≥": ">=", "→": "->", "⇒": "=>", "×": "*", "÷": "/", "−": "-"})
_ARROW = re.compile(r"-+>|==+>")
_CLOSING = frozenset(")]}\"'`,;.!?:")
_COMPARED = frozenset(("<", ">", "<=", ">="))
_AMOUNT = re.compile(r"[$€£¥]?-?\d")


def signs(text: str) -> tuple[str, ...]:
    """Return the signs of a cleaned text that carry meaning, sorted, each as often as it occurs.

    Equal signs are equal whatever their form: `≠` and `!=`, `→` and `->`, `:-(` and `:(`. A sign of comparison before a
    number is left to `semsearch.text.facts`, where "at least 5" is the same. A smile is decoration.
    """
    found = []
    if _HINT.search(text):
        plain = _MARKUP.sub(" ", _in_one_form(text))
        for _ in range(2):  # bold in italics
            plain = _EMPHASIS.sub(r" \2 ", plain)
        found = list(filter(None, map(_sign, _SIGN.finditer(plain))))
    if "(" in text or "[" in text:
        found += _brackets(_in_one_form(text))
    return tuple(sorted(found)) if found else ()


def _in_one_form(text: str) -> str:
    return text if text.isascii() else text.translate(_SAME)


def _brackets(text: str) -> Iterator[str]:
    """Yield the brackets that group an expression, with the operators around them, and the ends of intervals."""
    for match in _GROUP.finditer(text):
        lead, trail = match["lead"] or "", match["trail"] or ""
        grouped = (
            lead or (trail and _EXPRESSION.search(text[max(0, match.start() - 8) : match.start()]))
        ) and _OPERATION.fullmatch(match["body"])
        if grouped or _SUM.search(match["body"]):
            yield f"{lead}(){trail}"
    for match in _INTERVAL.finditer(text):
        ends = match["open"] + match["close"]
        if match["said"] or ends in ("[)", "(]"):
            yield ends


def _sign(match: re.Match[str]) -> str:
    """Return the sign that the pattern found, in the form that equal signs have; "" for one that says nothing."""
    kind, said = match.lastgroup, match[0]
    if kind == "face":
        return ":(" if said[-1] in "([{" else f":{said[-1]}" if said[-1] in "/\\|" else ""
    if kind == "run":
        start, end = match.span()
        return _operator(said, match.string[max(0, start - 2) : start], match.string[end : end + 2])
    if kind == "slice":
        return _OPERAND.sub("x", said)
    return {"comment": "#", "done": "[x]"}.get(kind or "", said)


def _operator(run: str, before: str, after: str) -> str:
    """Return a run of signs if it is an operator; "" for marks of prose. The other two are the characters around it."""
    left, right = before[-1:].strip(), after[:1].strip()
    number, counted = before.strip()[-1:].isdigit(), after.strip()[:1].isdigit()
    if not right or right in _CLOSING:
        run = run.rstrip(".!?:")
    if run == "//" or (run == "/" and not (left or right)):
        return run if not left else ""
    if run == "++" and not left and right.isalnum():
        return "++x"
    if run == "::":
        return run if left.isalnum() or right.isalnum() else ""
    prose = (
        not run.strip("-.:?!/")
        or (run in _COMPARED and _AMOUNT.match(after.strip()) is not None)
        or (run == "+" and ((not left and right.isdigit()) or (left.isdigit() and not right.isalnum())))
        or (run == "%" and number)
        or (run == "*" and number and counted)
        or (run.lstrip(".!?") == "&" and bool(left) == bool(right))
        or (not run.strip("~") and (not right.isalpha() or _EAST_ASIAN.search(left + right) is not None))
        or (not run.strip("*") and (len(run) > 2 or (left and (not right or right in _CLOSING))))
    )
    return "" if prose else "->" if _ARROW.fullmatch(run) else run


def sign_difference(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, str]:
    """Return the signs that only each of two texts has, or has more often."""
    x, y = Counter(a), Counter(b)
    return " ".join((x - y).elements()), " ".join((y - x).elements())
