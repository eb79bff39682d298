"""Executed notebooks as HTML that needs nothing from the network and runs nothing."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from fedlab.files import read_json, sha256_text
from fedlab.sweep.safe_html import safe_html

PAGES = 1000
"""How many notebooks a report renders by default."""
_IMAGES = ("image/png", "image/jpeg", "image/gif")
# What decides how a notebook is shown, beside the style sheet.
_MADE_BY = ("notebook_page.py", "safe_html.py")
# What papermill puts in front of a cell that failed, as HTML; the traceback stands below it.
_NOTICES = ("papermill-error-cell-tag",)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@cache
def style() -> str:
    """Return the style sheet of all pages."""
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")


@cache
def rendering() -> str:
    """Return a mark of how pages are made now: those with another mark are made again."""
    sources = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in _MADE_BY]
    return sha256_text("".join([style(), *sources]))[:12]


def page(title: str, body: str, script: str = "") -> str:
    """Return a whole HTML page with its style sheet and script in it.

    Parameters
    ----------
    title : str
        Plain text.
    body : str
        HTML.
    script : str
        JavaScript.
    """
    # The policy lets nothing be loaded and no script run but the one of this page, whatever a notebook has displayed.
    allowed = f"'sha256-{_digest(script)}'" if script else "'none'"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"
    return (
        f'<!doctype html>\n<!-- fedlab {rendering()} -->\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style()}</style>\n</head>\n<body>\n{body}"
        + (f"<script>{script}</script>\n" if script else "")
        + "</body>\n</html>\n"
    )


def _digest(script: str) -> str:
    import hashlib

    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def notebook_page(notebook: Path, title: str, about: str = "", back: str = "") -> str:
    """Return an executed notebook, code and all, as one page.

    Parameters
    ----------
    notebook : Path
        The notebook.
    title : str
        Title of the page.
    about : str
        A line of plain text below the title.
    back : str
        Where the link back leads; none where empty.

    Raises
    ------
    ValueError, KeyError
        If the file is not a notebook.
    """
    link = f'<p><a href="{escape(back)}">back to the report</a></p>\n' if back else ""
    head = f"<header>\n{link}<h1>{escape(title)}</h1>\n<p>{escape(about)}</p>\n</header>\n"
    return page(title, f"{head}<main>\n{cells_html(notebook, True, _NOTICES)}</main>\n")


def cells_html(
    notebook: Path,
    with_code: bool = False,
    hidden: Iterable[str] = (),
    image: Callable[[bytes], str | None] = lambda png: None,
    left_out: Iterable[str] = (),
    demote: int = 1,
) -> str:
    """Return the cells of an executed notebook as HTML.

    Parameters
    ----------
    notebook : Path
        The notebook.
    with_code : bool
        Show code cells too, and not only what they displayed.
    hidden : iterable of str
        Cells with one of these tags are left out.
    image : callable
        Given the bytes of a PNG that a cell displayed: HTML to put in its place, or None.
    left_out : iterable of str
        Markdown outputs that are one of these texts are not shown: captions that stand below their figures already.
    demote : int
        By how many levels headings are lowered.
    """
    parts = []
    tags, texts = set(hidden), set(left_out)
    for cell in read_json(notebook)["cells"]:
        if tags & set(cell.get("metadata", {}).get("tags", [])):
            continue
        source = _joined(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(markdown_html(source, demote))
        elif cell["cell_type"] == "code":
            if with_code and source.strip():
                parts.append(f'<pre class="code"><code>{escape(source, quote=False)}</code></pre>')
            parts += [_output(output, image, texts, demote) for output in cell.get("outputs", [])]
    return "\n".join(part for part in parts if part) + "\n"


def _output(output: dict[str, Any], image: Callable[[bytes], str | None], left_out: set[str], demote: int) -> str:
    """Return one output of a cell in its richest known form."""
    if output["output_type"] == "stream":
        return _pre(_joined(output["text"]))
    if output["output_type"] == "error":
        return _pre("\n".join(output.get("traceback", [])) or f"{output.get('ename')}: {output.get('evalue')}", "error")
    data = output.get("data", {})
    for kind in _IMAGES:
        if kind in data:
            held = base64.b64decode(_joined(data[kind]))
            shown = image(held) if kind == "image/png" else None
            alt = output.get("metadata", {}).get(kind, {}).get("alt") or _joined(data.get("text/plain", ""))
            return shown or picture(kind, held, alt)
    if "image/svg+xml" in data:
        return picture("image/svg+xml", _joined(data["image/svg+xml"]).encode(), _joined(data.get("text/plain", "")))
    if "text/html" in data:
        return f'<div class="scroll">{safe_html(_joined(data["text/html"]))}</div>'
    if "text/markdown" in data:
        text = _joined(data["text/markdown"])
        return "" if text in left_out else markdown_html(text, demote)
    return _pre(_joined(data.get("text/plain", "")))


def picture(kind: str, held: bytes, alt: str) -> str:
    """Return an image whose bytes stand in the page; as an image, even an SVG runs nothing."""
    return f'<img src="data:{kind};base64,{base64.b64encode(held).decode()}" alt="{escape(alt)}">'


def markdown_html(text: str, demote: int = 1) -> str:
    """Return Markdown as safe HTML, headings some levels lower.

    Examples
    --------
    >>> markdown_html("# A *b*")
    '<h2>A <em>b</em></h2>'
    """
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    renderer = IPythonRenderer(escape=True, exclude_anchor_links=True)
    return safe_html(str(MarkdownWithMath(renderer).render(text)), demote).strip()


def _pre(text: str, kind: str = "said") -> str:
    text = _ANSI.sub("", text).rstrip()
    return f'<pre class="{kind}">{escape(text, quote=False)}</pre>' if text else ""


def _joined(text: Any) -> str:
    return "".join(text) if isinstance(text, list) else str(text)
