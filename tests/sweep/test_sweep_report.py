"""The report: made from what is stored, readable and safe whatever names and texts a sweep holds."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests_sweep_stored import SECRET, executed, measured, stored

from fedlab.cli import main
from fedlab.errors import FedlabError
from fedlab.evidence import read_results
from fedlab.files import read_json
from fedlab.sweep.notebook_page import cells_html, markdown_html, rendering, style
from fedlab.sweep.report import write_report
from fedlab.sweep.safe_html import safe_html

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """What a page holds, as a browser's parser would see it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "input", "br", "wbr", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Note whether it closes the last one."""
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        """Note a text."""
        self.texts.append(data)

    def named(self, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of each tag of a name."""
        return [attributes for tag, attributes in self.tags if tag == name]


def read(folder) -> tuple[str, Page]:
    """Return a report as text and as parsed."""
    html = (folder / "report.html").read_text(encoding="utf-8")
    return html, Page(html)


def check_safe(page: Page, scripts: int) -> None:
    """Check that nothing in a page can run but its own scripts, and nothing is loaded."""
    assert len(page.named("script")) == scripts and all(not found for found in page.named("script"))
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert not re.match(r"\s*(javascript|vbscript|data):", attributes.get("href") or "", re.I)
        assert tag not in ("iframe", "object", "embed", "link", "form", "base")
        if "src" in attributes:
            assert attributes["src"].startswith("data:image/")
    assert page.unbalanced == [] and page.open == []


def test_the_report_tells_what_was_run(tmp_path, stubs):
    """Title, params file, counts, seconds, machine, versions, commit, data; every link leads somewhere."""
    folder = stored(tmp_path / "stored", stubs)
    page_file, made = write_report(folder)
    html, page = read(folder)
    text = " ".join(" ".join(page.texts).split())
    assert page_file == folder / "report.html" and made == 20
    check_safe(page, scripts=1)
    assert page.texts[page.texts.index("Is it stored?")] and "results of 8 of 8 cells, 20 runs done." in text
    assert "n_shards: [2, 3]" in text and "c0ffee" in text and "made up" in text and "40 rows" in text
    versions = read_json(next((folder / "runs" / "vote").iterdir()) / "run.json")["key_parts"]["versions"]
    assert f"numpy {versions['numpy']}" in text and read_json(folder / "sweep.json")["machine"]["system"] in text
    seconds = sum(number / 8 for number in range(20))
    assert re.search(rf"all 20 0 0 {seconds:.1f}", text)
    links = [attributes["href"] for attributes in page.named("a") if not attributes["href"].startswith("#")]
    assert len([link for link in links if link.startswith("notebooks/vote-")]) == 16
    assert all((folder / link).is_file() for link in links)
    assert "://" not in html, "nothing is on the network"


def test_the_table_holds_every_row_and_can_be_read_without_scripts(tmp_path, stubs):
    """Parameters that vary come first, then main metrics; the values are those of the results, in their order."""
    folder = stored(tmp_path / "stored", stubs, results=lambda cell: measured(cell) | {"mine": cell.seed * 1000.25})
    write_report(folder)
    html = (folder / "report.html").read_text()
    table = re.search(r'id="results" tabindex="0"><table>(.*?)</table>', html, re.S)[1]
    names = re.findall(r'<th[^>]* data-name="([^"]*)"', table)
    assert names[:6] == ["", "n_shards", "rule", "seed", "accuracy", "mine"]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", table.split("<tbody>")[1])]
    results = read_results(folder)
    assert len(rows) == 8 and [row[4] for row in rows] == [f"{value:.4f}" for value in results["accuracy"]]
    assert [row[2] for row in rows] == results["rule"].tolist() and [row[5] for row in rows][:2] == [
        "0.0000",
        "1000.2500",
    ]
    keys = read_json(folder / "sweep.json")["cells"]
    assert [re.search(r"vote-(\w+)\.html", row[0])[1] for row in rows] == keys
    assert '<div class="controls" hidden>' in html and "The same in all cells: sweep <b>stored</b>" in html


def test_a_recorded_file_is_a_link_and_short_lists_are_shown(tmp_path, stubs):
    """An array leads to its file, a short list stands there; a long one, and what only figures need, do not."""
    import numpy as np

    more = {"margins": np.zeros(2), "cuts": [0.25, 0.5], "long": list(range(100)), "classes": [0, 1]}
    folder = stored(tmp_path / "stored", stubs, results=lambda cell: measured(cell) | more)
    write_report(folder)
    html, page = read(folder)
    links = [attributes["href"] for attributes in page.named("a") if attributes["href"].endswith(".npy")]
    assert len(links) == 8 and all((folder / link).is_file() for link in links) and ">margins.npy</a>" in html
    names = [attributes.get("data-name") for attributes in page.named("th")]
    assert "cuts" in names and "[0.25,0.5]" in page.texts and not {"long", "classes"} & set(names)


def test_failures_are_a_table_and_their_notebooks_are_pages(tmp_path, stubs):
    """Stage, parameters, exception, path; what a failed run printed is text, not HTML."""
    folder = stored(tmp_path / "stored", stubs, failed=lambda cell: cell.rule == "soft" and cell.seed == 1)
    write_report(folder)
    html, page = read(folder)
    check_safe(page, scripts=1)
    section = html.split('<section id="failures">')[1].split("</section>")[0]
    assert section.count("ValueError: three &lt;b&gt;is&lt;/b&gt; too many") == 2 and section.count("rule=soft") == 2
    assert section.count("n_shards=2") == 1 and section.count("n_shards=3") == 1, "what tells the two apart"
    assert "results of 6 of 8 cells" in html and '<a href="#failures">2 failed</a>' in html
    path = re.search(r"<code>(failed/vote-\w+\.ipynb)</code>", section)[1]
    shown = (folder / re.search(r'href="(notebooks/vote-\w+\.html)"', section)[1]).read_text()
    assert (folder / path).is_file() and "three &lt;b&gt;is&lt;/b&gt; too many" in shown
    check_safe(Page(shown), scripts=0)


def test_a_sweep_without_any_result_has_a_report(tmp_path, stubs):
    """All votes failed: no table, no script, the failures."""
    folder = stored(tmp_path / "stored", stubs, failed=lambda cell: True)
    write_report(folder)
    html, page = read(folder)
    check_safe(page, scripts=0)
    assert "results of 0 of 8 cells" in html and "8 failed" in html and 'id="results"' not in html


def test_hostile_names_and_texts_run_nothing(tmp_path, stubs):
    """In a recorded name, a recorded text, the title, the params file, a caption, and what notebooks displayed."""
    text = f"# {ATTACK}\nname: stored\ntitle: '{ATTACK}'\nn_shards: 2\nrule: [any, soft]\n"
    name = f"x\"'>{ATTACK}"
    folder = stored(
        tmp_path / "stored", stubs, text, results=lambda cell: measured(cell) | {name: f"{ATTACK}{cell.rule}"}
    )
    (folder / "figures").mkdir()
    (folder / "figures" / "one.svg").write_text(f"<svg xmlns='http://www.w3.org/2000/svg'>{ATTACK}</svg>")
    said = {"caption": f"see [x](javascript:alert(3)) {ATTACK}", "alt": f'">{ATTACK}'}
    (folder / "figures" / "captions.json").write_text(json.dumps({"one": said}))
    bad = executed(ATTACK, said=ATTACK, error=("E", ATTACK))
    shown = {"text/html": f"<table onclick='a()'><tr><td>1{ATTACK}</td></tr></table><a href=' javascript:b()'>c</a>"}
    bad["cells"][0]["outputs"] += [
        {"output_type": "display_data", "metadata": {}, "data": shown},
        {"output_type": "display_data", "metadata": {}, "data": {"text/markdown": f"{ATTACK} ![i](http://a.b/c.png)"}},
        {"output_type": "display_data", "metadata": {}, "data": {"application/javascript": "alert(4)"}},
        {"output_type": "display_data", "metadata": {}, "data": {"image/svg+xml": f"<svg>{ATTACK}</svg>"}},
    ]
    bad["cells"].append({"cell_type": "markdown", "id": "1", "metadata": {}, "source": f"{ATTACK} <b onclick=a>b</b>"})
    run = next((folder / "runs" / "vote").iterdir())
    (run / "notebook.ipynb").write_text(json.dumps(bad))
    write_report(folder)
    _, page = read(folder)
    check_safe(page, scripts=1)
    assert "alert(1)" in " ".join(page.texts), "the names are shown, as texts"
    assert [attributes for attributes in page.named("th") if attributes.get("data-name") == name]
    for file in (folder / "notebooks").iterdir():
        check_safe(Page(file.read_text()), scripts=0)
    policy = page.named("meta")[1]["content"]
    assert "default-src 'none'" in policy and re.search(r"script-src 'sha256-[\w+/=]+'$", policy)


def test_the_policy_allows_the_very_script_of_the_page(tmp_path, stubs):
    """The hash in the policy is that of the script's text, or the table could not be sorted."""
    import base64
    import hashlib

    folder = stored(tmp_path / "stored", stubs)
    write_report(folder)
    html = (folder / "report.html").read_text(encoding="utf-8")
    script = re.search(r"<script>(.*?)</script>", html, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html


def test_figures_stand_where_the_notebook_showed_them_with_their_captions(tmp_path, stubs):
    """A picture that is a published figure gets caption and alt text, once; the notebook's words stay."""
    import base64

    from fedlab.sweep.page import figures_html

    figures = tmp_path / "figures"
    figures.mkdir()
    (figures / "one.png").write_bytes(base64.b64decode(PIXEL))
    (figures / "captions.json").write_text(json.dumps({"one": {"caption": "What *one* shows", "alt": "A dot"}}))
    made = figures_html(tmp_path)["one"]
    assert 'alt="A dot"' in made and "<figcaption><p>What <em>one</em> shows</p>" in made
    book = executed("draw()")
    book["cells"][0]["outputs"] = [
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": PIXEL}},
        {"output_type": "display_data", "metadata": {}, "data": {"text/markdown": "What *one* shows"}},
        {"output_type": "display_data", "metadata": {}, "data": {"text/markdown": "- a finding"}},
    ]
    (tmp_path / "a.ipynb").write_text(json.dumps(book))
    png = base64.b64decode(PIXEL)
    html = cells_html(
        tmp_path / "a.ipynb", image=lambda held: made if held == png else None, left_out=["What *one* shows"]
    )
    assert html.count("<figure") == 1 and html.count("What <em>one</em>") == 1 and "<li>a finding</li>" in html
    assert "draw()" not in html and "draw()" in cells_html(tmp_path / "a.ipynb", with_code=True)


def test_only_what_was_asked_for_is_rendered_and_nothing_twice(tmp_path, stubs):
    """none, a number, all: failed ones first, then votes; rendered pages are kept, those of other sweeps removed."""
    folder = stored(tmp_path / "stored", stubs, failed=lambda cell: cell.n_shards == 3 and cell.rule == "soft")
    assert write_report(folder, 0)[1] == 0 and not (folder / "notebooks").exists()
    _, page = read(folder)
    links = [attributes["href"] for attributes in page.named("a") if "ipynb" in (attributes["href"] or "")]
    assert links and all((folder / link).is_file() for link in links)
    assert write_report(folder, 3)[1] == 3
    failed = {f"{path.stem}.html" for path in (folder / "failed").iterdir()}
    names = {path.name for path in (folder / "notebooks").iterdir()}
    assert failed < names and all(name.startswith("vote-") for name in names) and len(names) == 3
    (folder / "notebooks" / "vote-old.html").write_text("of another sweep")
    assert write_report(folder, None)[1] == 19, "18 others for the first time, and failed ones anew"
    assert len(list((folder / "notebooks").iterdir())) == 20
    assert write_report(folder, None)[1] == 2


@pytest.mark.parametrize("changed", ["page.css", "notebook_page.py", "safe_html.py"])
def test_pages_are_made_again_when_what_makes_them_has_changed(tmp_path, stubs, monkeypatch, changed):
    """The style sheet, the page, and what keeps scripts out of it: a page made before a mend is not kept."""
    folder = stored(tmp_path / "stored", stubs)
    assert write_report(folder, None)[1] == 20 and write_report(folder, None)[1] == 0
    read_text = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda path, *a, **k: read_text(path, *a, **k) + "#" * (path.name == changed)
    )
    for kept in (rendering, style):
        kept.cache_clear()
    try:
        assert write_report(folder, None)[1] == 20
    finally:
        for kept in (rendering, style):
            kept.cache_clear()


def test_the_command_makes_it_and_says_what_is_wrong(tmp_path, stubs):
    """A folder that is none of a sweep, a count that is none: exit status 2 and a sentence."""
    folder = stored(tmp_path / "stored", stubs)
    runner = CliRunner()
    done = runner.invoke(main, ["report", str(folder), "--notebooks", "2"])
    assert done.exit_code == 0 and "report.html" in done.output and "2 rendered now" in done.output
    wrong = runner.invoke(main, ["report", str(tmp_path)])
    assert wrong.exit_code == 2 and "holds no sweep.json" in wrong.output and "results/quick" in wrong.output
    assert "give all, none, or a number" in runner.invoke(main, ["report", str(folder), "--notebooks", "x"]).output
    (folder / "sweep.json").write_text("{")
    with pytest.raises(FedlabError, match="cannot be read"):
        write_report(folder)


def test_a_run_that_was_removed_is_no_longer_told_as_done(tmp_path, stubs):
    """The store counts, not what the manifest remembers; the page is still whole."""
    import shutil

    folder = stored(tmp_path / "stored", stubs)
    shutil.rmtree(next((folder / "runs" / "vote").iterdir()))
    write_report(folder)
    html, page = read(folder)
    check_safe(page, scripts=1)
    assert "19 runs done, 1 not run" in html


@pytest.mark.parametrize(
    ("html", "safe"),
    [
        ("<p>a<script>b</script>c", "<p>ac</p>"),
        ("<svg><script>a</script></svg>b", "b"),
        ("<b>a</i></b>", "<b>a</b>"),
        ("<table><tr><th scope='row' style='x'>&lt;b&gt;", '<table><tr><th scope="row">&lt;b&gt;</th></tr></table>'),
        ("<a href='https://a.b/c'>d</a>", '<a href="https://a.b/c">d</a>'),
        ("<a href='JaVaScRiPt:a()'>d</a>", "<a>d</a>"),
        ("<a href='&#106;avascript:a()'>d</a>", "<a>d</a>"),
        ("<a href='java\nscript:a()'>d</a>", "<a>d</a>"),
        ("<a href='2_train.ipynb'>d</a>", "<a>d</a>"),
        ("<img src='http://a.b/c.png' alt='d'>", '<img alt="d">'),
        ("<img src='data:image/svg+xml;base64,AAAA'>", "<img>"),
        ("<img src='data:image/png;base64,AAAA'>", '<img src="data:image/png;base64,AAAA">'),
        ("<h6>a</h6>", "<h6>a</h6>"),
        ("<style>b{}</style><iframe src=x>c</iframe>d", "d"),
        ("a < b & c", "a &lt; b &amp; c"),
    ],
)
def test_known_tags_stay_and_everything_else_goes(html, safe):
    """Each case worked by hand."""
    assert safe_html(html, demote=1 if html.startswith("<h") else 0) == safe


def test_markdown_is_rendered_and_html_in_it_is_text():
    """Tables, emphasis and links stay; tags in the text are shown as text."""
    html = markdown_html("## A\n\n|a|b|\n|-|-|\n|1|*2*|\n\n<u onclick=a>c</u> [d](https://e.f)", demote=2)
    assert "<h4>A</h4>" in html and "<td><em>2</em></td>" in html and '<a href="https://e.f">d</a>' in html
    assert "&lt;u onclick=a&gt;c&lt;/u&gt;" in html


def test_no_record_of_a_patient_is_in_the_report(tmp_path, stubs):
    """Shards are not shown."""
    folder = stored(tmp_path / "stored", stubs)
    write_report(folder)
    assert SECRET not in (folder / "report.html").read_text()
