"""Web pages to text: the author's words are kept wherever they stand, and menus, notices and machinery are not."""

import pytest
from timing import seconds_of

from semsearch.readers.parsing import parse


def text_of(markup: str) -> str:
    """Return the text of a page."""
    (page,) = parse(".html", markup.encode())
    return page.text


MENU = '<ul><li><a href="/">Home</a><li><a href="/tools">Toolshed</a></ul>'

PAGES = {
    # name: (markup, words that must be found, words that must not)
    "heading in the header of a page": (
        f'<body><header class="site"><h1>Sharpening a scythe</h1><p>By Wren Ablett</p>{MENU}</header>'
        "<div><p>Hold the stone flat.</p></div><footer><p>Imprint</p></footer>",
        ["# Sharpening a scythe", "By Wren Ablett", "Hold the stone flat."],
        ["Toolshed", "Imprint"],
    ),
    "role instead of element": (
        f'<div role="banner"><h2>Bread oven</h2>{MENU}</div><div role="navigation">{MENU}</div>'
        '<div>Heat it slowly.</div><div role="contentinfo">Imprint</div>',
        ["## Bread oven", "Heat it slowly."],
        ["Toolshed", "Imprint"],
    ),
    "nav that is never closed": (
        f"<body><nav>{MENU}<main><h1>Rota</h1><p>Ash sweeps on Monday.</p></main></body>",
        ["# Rota", "Ash sweeps on Monday."],
        ["Toolshed"],
    ),
    "nav that is never closed, and only divs": (
        f'<div class="page"><nav>{MENU}<div class="text">Ash sweeps on Monday.</div></div>',
        ["Ash sweeps on Monday."],
        ["Toolshed"],
    ),
    "nav opened again instead of closed": (
        f"<nav>{MENU}<nav><p>Ash sweeps on Monday.</p><p>Elm on Friday.</p>",
        ["Ash sweeps on Monday.", "Elm on Friday."],
        ["Toolshed"],
    ),
    "footer that is never closed": (
        "<p>Before.</p><footer>Imprint<article><h2>Postscript</h2>The kiln is out of order.</article>",
        ["Before.", "## Postscript", "The kiln is out of order."],
        ["Imprint"],
    ),
    "header and aside that are never closed": (
        f"<header>{MENU}<h1>Clay</h1><aside>A tip: wedge it.<p>Store it wet.</p>",
        ["# Clay", "A tip: wedge it.", "Store it wet."],
        ["Toolshed"],
    ),
    "noscript, template and svg that are never closed": (
        "<noscript>Enable scripts<p>One.</p><template>t<p>Two.</p><svg><text>icon</text><p>Three.</p>",
        ["One.", "Two.", "Three."],
        ["Enable scripts", "icon"],
    ),
    "everything in the header": (
        f"<body><header>{MENU}<div>The shed is closed in March.</div></header></body>",
        ["The shed is closed in March."],
        [],
    ),
    "cookie notice": (
        '<div id="cookie-banner"><p>We value your privacy.</p></div><div class="gdpr_popup">Agree?</div>'
        '<article class="cookies"><p>Bake the cookies for nine minutes.</p></article>'
        '<div role="dialog">Subscribe now</div><dialog>Sign in</dialog>',
        ["Bake the cookies for nine minutes."],
        ["privacy", "Agree", "Subscribe", "Sign in"],
    ),
    "hidden text": (
        '<p hidden>Secret.</p><p style="color:red; display : none">Unseen.</p><p>Shown.</p>'
        '<div role="tabpanel" hidden>Second tab.</div><div hidden="until-found">Folded.</div>',
        ["Shown.", "Second tab.", "Folded."],
        ["Secret", "Unseen"],
    ),
    "folded details and definitions": (
        "<details><summary>Why?</summary>Since it rusts.</details><dl><dt>Tang<dd>The end in the handle.</dl>",
        ["Why?", "Since it rusts.", "Tang\nThe end in the handle."],
        [],
    ),
    "forum thread": (
        "".join(
            f'<div class="post"><div class="author">{who}</div><div class="body">{what}</div></div>'
            for who, what in (("Ash", "My plane chatters."), ("Elm", "Lower the cap iron."), ("Oak", "+1"))
        ),
        ["Ash", "My plane chatters.", "Lower the cap iron.", "+1"],
        [],
    ),
    "CDATA in XHTML": (
        '<?xml version="1.0"?><html><p><![CDATA[Screws < 4 & nails]]> are free.</p></html>',
        ["Screws < 4 & nails are free."],
        ["CDATA", "]]"],
    ),
    "ruby": (
        "<p>彼は<ruby>東<rp>(</rp><rt>とう</rt><rp>)</rp>京<rt>きょう</rt></ruby>に住む。</p>",
        ["東京(とうきょう)に住む"],
        [],
    ),
    "alternative text": (
        '<p>See <img src="a.png" alt="a dovetail joint">.<img src="b.png" alt=""></p>',
        ["See a dovetail joint ."],
        [],
    ),
    "Chinese page with a menu": (
        "<header><nav><a>首页</a></nav><h1>修理单车</h1></header><div>先检查刹车。</div>",
        ["# 修理单车", "先检查刹车。"],
        ["首页"],
    ),
    "paragraph that is never closed before a list": (
        f"<header><p>Slogan{MENU}</header><p>Text",
        ["Slogan", "Text"],
        ["Toolshed"],
    ),
    "word broken by elements within the line": ("<p>un<b>break</b>able<wbr>ness", ["unbreakableness"], []),
    "template that is shown": (
        '<my-post><template shadowrootmode="open"><p>Declared in the shadow.</p></template></my-post><p>Light.',
        ["Declared in the shadow.", "Light."],
        [],
    ),
    "code with its indentation": (
        "<pre><code><b>def</b> f():\n    if x:\n\n        <i>return</i> 1\n</code></pre>",
        ["def f():\n    if x:\n\n        return 1"],
        [],
    ),
    "deleted words": ("<p>It costs <del>5</del><ins>7</ins> euros.", ["It costs 7 euros."], []),
    "buttons next to each other": ("<select><option>Red</select><button>Send</button>", ["Red Send"], []),
    "table inside a form": (
        "<form><table><tr><td>Saw<td>4</table></form>",
        ["Saw | 4"],
        [],
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_page_keeps_its_text_and_drops_the_rest(name: str) -> None:
    markup, kept, dropped = PAGES[name]
    text = text_of(markup)
    assert [words for words in kept if words not in text] == []
    assert [words for words in dropped if words in text] == []


def test_lines_stay_those_of_the_file_after_a_menu() -> None:
    (page,) = parse(".html", b"<nav>\n<ul><li>Home\n</ul>\n<h1>Rota</h1>\n<p>Ash,\nElm.</p>")
    numbered = list(zip(page.numbers, page.text.split("\n"), strict=True))
    assert [(number, line) for number, line in numbered if line] == [(4, "# Rota"), (5, "Ash,"), (6, "Elm.")]


@pytest.mark.parametrize("markup", ["<nav>", "<nav>a", "<div hidden><p>", "<header><p><b>", "<![CDATA["])
def test_deeply_nested_page_is_read_in_time(markup: str) -> None:
    assert seconds_of(lambda: text_of(markup * 5_000 + "<p>The end."), bound=10) < 10
