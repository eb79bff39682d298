"""HTML that came from a notebook's cells, made safe: known tags and attributes stay, everything else is left out."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser

_TAGS = frozenset(
    {"a", "abbr", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del", "div", "dl", "dt", "em"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "kbd", "li", "ol", "p", "pre", "q", "s", "small", "span"}
    | {"strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "var"}
)
_EMPTY = frozenset({"br", "col", "hr", "img"})
# What stands inside these is no text to be read.
_HIDDEN = frozenset({"script", "style", "template", "iframe", "object", "noscript", "title", "textarea", "svg", "math"})
_ATTRIBUTES = frozenset({"align", "alt", "colspan", "rowspan", "scope", "title"})
# Relative links of a notebook lead nowhere from a page elsewhere.
_LINK = re.compile(r"(https?://|mailto:|#)")
_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*$")


def safe_html(html: str, demote: int = 0) -> str:
    """Return HTML without anything that could run, load or restyle.

    Parameters
    ----------
    html : str
        From a notebook: Markdown as HTML, or what a cell displayed.
    demote : int
        By how many levels headings are lowered, so that they stand below those of the page.

    Returns
    -------
    str
        Every tag closed.

    Examples
    --------
    >>> safe_html('<p onclick="x()">a <b>b<script>alert(1)</script></p>')
    '<p>a <b>b</b></p>'
    >>> safe_html('<a href="javascript:alert(1)">c</a>'), safe_html("<h1>d</h1>", demote=1)
    ('<a>c</a>', '<h2>d</h2>')
    """
    reader = _Reader(demote)
    reader.feed(html)
    reader.close()
    return "".join([*reader.out, *(f"</{tag}>" for tag in reversed(reader.open))])


class _Reader(HTMLParser):
    """Writes anew what is known, with all texts escaped."""

    def __init__(self, demote: int) -> None:
        super().__init__(convert_charrefs=True)
        self.demote = demote
        self.out: list[str] = []
        self.open: list[str] = []
        self.hidden: list[str] = []

    def _name(self, tag: str) -> str:
        return f"h{min(6, int(tag[1]) + self.demote)}" if re.fullmatch("h[1-6]", tag) else tag

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self.hidden.append(tag)
        if self.hidden or tag not in _TAGS:
            return
        kept = "".join(f' {name}="{escape(value or "")}"' for name, value in attrs if _keeps(name, value or ""))
        self.out.append(f"<{self._name(tag)}{kept}>")
        if tag not in _EMPTY:
            self.open.append(self._name(tag))

    def handle_endtag(self, tag: str) -> None:
        if self.hidden:
            if tag in self.hidden:
                del self.hidden[self.hidden.index(tag) :]
            return
        name = self._name(tag)
        if tag in _TAGS and name in self.open:
            while self.open:
                closed = self.open.pop()
                self.out.append(f"</{closed}>")
                if closed == name:
                    return

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.out.append(escape(data, quote=False))


def _keeps(name: str, value: str) -> bool:
    """Say whether an attribute may stay."""
    if name == "href":
        return _LINK.match(value) is not None
    if name == "src":
        return _IMAGE.match(value) is not None
    return name in _ATTRIBUTES
