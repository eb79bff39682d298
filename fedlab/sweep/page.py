"""The report's sections as HTML: what was run, what was found, with figures, results, failures, all runs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedlab.sweep.facts import Facts
from fedlab.sweep.manifest import FAILED, MISSING
from fedlab.sweep.notebook_page import cells_html, markdown_html, page, picture
from fedlab.sweep.results_table import anchor, results_table, text_html

if TYPE_CHECKING:
    import pandas


def report_page(facts: Facts, results: pandas.DataFrame | None, pages: dict[str, str]) -> str:
    """Return the report of a sweep.

    Parameters
    ----------
    facts : Facts
        What is stored of its runs.
    results : DataFrame or None
        The table of results, a row per cell whose vote is there, in the order of the cells; None where there is none.
    pages : dict of str to str
        ``stage/key`` of each run that has a link, and where it leads.

    Returns
    -------
    str
        One HTML page.
    """
    rows = 0 if results is None else len(results)
    sections = [
        ("run", "What was run", _what_was_run(facts, rows)),
        ("found", "What was found", _found(facts)),
        ("results-table", "Results", "" if results is None else results_table(facts, results, pages)),
        ("failures", "Failures", _failures(facts, pages)),
        ("runs", "All runs", _runs(facts, pages)),
    ]
    kept = [(name, title, html) for name, title, html in sections if html]
    links = " ".join(f'<a href="#{name}">{title}</a>' for name, title, _ in kept)
    body = "".join(f'<section id="{name}">\n<h2>{title}</h2>\n{html}</section>\n' for name, title, html in kept)
    head = (
        f"<header>\n<h1>{text_html(facts.title)}</h1>\n<p>{_summary(facts, rows)}</p>\n<nav>{links}</nav>\n</header>\n"
    )
    script = Path(__file__).with_name("page.js").read_text(encoding="utf-8") if results is not None else ""
    return page(facts.title, f"{head}<main>\n{body}</main>\n", script)


def _summary(facts: Facts, rows: int) -> str:
    """Return what was run and how it went, in one sentence."""
    cells = len(facts.manifest["cells"])
    failed, missing = len(facts.of(FAILED)), len(facts.of(MISSING))
    told = f"Sweep <b>{text_html(facts.manifest['name'])}</b>: results of {rows} of {cells} cells, "
    told += f"{len(facts.done())} runs done"
    told += f', <a href="#failures">{failed} failed</a>' if failed else ""
    told += f", {missing} not run" if missing else ""
    return told + "."


def _what_was_run(facts: Facts, rows: int) -> str:
    manifest = facts.manifest
    on = manifest["machine"]
    memory = f", {on['memory_bytes'] / 2**30:.0f} GiB of memory" if on.get("memory_bytes") else ""
    versions = ", ".join(f"{name} {' and '.join(held)}" for name, held in facts.versions().items())
    kernels = {kind: sum(run["info"].get("kernel") == kind for run in facts.done()) for kind in ("warm", "cold")}
    entries = [
        ("Cells", f"{rows} of {len(manifest['cells'])} have results"),
        ("Written", text_html(manifest["written"])),
        (
            "Machine",
            text_html(f"{on['processor']}, {on['cores']} cores{memory}; {on['system']}; Python {on['python']}"),
        ),
        ("Versions", text_html(versions)),
        ("Commit", text_html(", ".join(facts.values("git_commit")) or "not under git")),
        ("Kernels", ", ".join(f"{count} {kind}" for kind, count in kernels.items() if count)),
    ]
    for known in facts.data():
        entries.append(("Data", _data(known)))
    listed = "".join(f"<dt>{name}</dt><dd>{html}</dd>\n" for name, html in entries if html)
    params = manifest.get("params")
    shown = ""
    if params and (facts.folder / params).is_file():
        text = (facts.folder / params).read_text(encoding="utf-8")
        shown = f'<h3>Params file</h3>\n<pre class="short">{text_html(text.rstrip())}</pre>\n'
    return f"<dl>\n{listed}</dl>\n{_stages(facts)}{shown}"


def _data(known: dict[str, Any]) -> str:
    rows = f", {known['rows']:,} rows" if isinstance(known.get("rows"), int) else ""
    told = [f"<b>{text_html(known['name'] or 'unnamed')}</b>{rows}"]
    told += [text_html(known[name]) for name in ("source", "url") if name in known]
    told += [f"licence: {text_html(known['licence'])}"] if "licence" in known else []
    told += [f"SHA-256 of the source <code>{text_html(known['sha256'])}</code>"] if "sha256" in known else []
    told += [f"fingerprint <code>{text_html(known['fingerprint'])}</code>"] if known["fingerprint"] else []
    return "; ".join(told)


def _stages(facts: Facts) -> str:
    stages = facts.stages()
    total = {name: sum(stage[name] for stage in stages) for name in ("done", "failed", "not run", "seconds")}
    rows = [
        [
            stage["stage"],
            *(str(stage[name]) for name in ("done", "failed", "not run")),
            f"{stage['seconds']:.1f}",
            f"{stage['mean']:.2f}",
        ]
        for stage in stages
    ]
    rows.append(["all", *(str(total[name]) for name in ("done", "failed", "not run")), f"{total['seconds']:.1f}", ""])
    heads = ["stage", "done", "failed", "not run", "seconds of all runs", "seconds per run"]
    return _table(heads, [[text_html(value) for value in row] for row in rows], numbers=range(1, 6))


def _table(heads: list[str], rows: list[list[str]], numbers: Iterable[int] = (), texts: Iterable[int] = ()) -> str:
    """Return a table in a frame that scrolls sideways where it is too wide; cells are HTML."""
    kinds = dict.fromkeys(numbers, ' class="n"') | dict.fromkeys(texts, ' class="text"')
    head = "".join(f'<th scope="col"{kinds.get(at, "")}>{name}</th>' for at, name in enumerate(heads))
    body = "\n".join(
        "<tr>" + "".join(f"<td{kinds.get(at, '')}>{value}</td>" for at, value in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>\n'


def _found(facts: Facts) -> str:
    """Return what the figures notebook says and shows, each figure with its caption, the code left out."""
    figures = figures_html(facts.folder)
    captions = _captions(facts.folder)
    drawn = facts.done("figures")
    shown: set[str] = set()
    if not drawn:
        told = "".join(figures[name] for name in sorted(figures))
        return told or '<p class="quiet">No figures have been drawn of these results.</p>\n'
    pngs = {file.read_bytes(): file.stem for file in sorted((facts.folder / "figures").glob("*.png"))}

    def instead(png: bytes) -> str | None:
        name = pngs.get(png)
        shown.update([name] if name else [])
        return figures[name] if name else None

    html = cells_html(
        facts.folder / str(facts.notebook(drawn[0])),
        # Parameters hold this machine's folders, and links to the other notebooks lead nowhere from the page.
        hidden=("injected-parameters", "navigation"),
        image=instead,
        left_out=[str(known.get("caption", "")) for known in captions.values()],
        demote=2,
    )
    return html + "".join(figures[name] for name in sorted(figures) if name not in shown)


def _captions(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        held = json.loads((folder / "figures" / "captions.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: entry for name, entry in held.items() if isinstance(entry, dict)} if isinstance(held, dict) else {}


def figures_html(folder: Path) -> dict[str, str]:
    """Return each figure of a sweep as HTML with its picture in it, its caption and links to its files."""
    captions = _captions(folder)
    found = {}
    names = sorted({file.stem for kind in ("svg", "png") for file in (folder / "figures").glob(f"*.{kind}")})
    for name in names:
        files = {kind: folder / "figures" / f"{name}.{kind}" for kind in ("svg", "png")}
        files = {kind: file for kind, file in files.items() if file.is_file()}
        kind = next(iter(files))
        mime = {"svg": "image/svg+xml", "png": "image/png"}[kind]
        told = captions.get(name, {})
        image = picture(mime, files[kind].read_bytes(), str(told.get("alt") or name.replace("_", " ")))
        links = " ".join(f'<a href="figures/{text_html(file.name)}">{kind.upper()}</a>' for kind, file in files.items())
        caption = markdown_html(str(told.get("caption") or name.replace("_", " ")))
        found[name] = (
            f'<figure id="figure-{text_html(name)}">{image}\n<figcaption>{caption} {links}</figcaption></figure>\n'
        )
    return found


def _shown(parameters: dict[str, Any]) -> str:
    told = {name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in parameters.items()}
    return text_html(", ".join(f"{name}={value}" for name, value in told.items()))


def _failures(facts: Facts, pages: dict[str, str]) -> str:
    rows = [
        [
            text_html(run["stage"]),
            _shown(facts.whole(run)),
            text_html(run.get("error", "")),
            anchor(pages.get(f"{run['stage']}/{run['key']}"), "notebook")
            + f" <code>{text_html(run.get('traceback', 'none was left'))}</code>",
        ]
        for run in facts.of(FAILED)
    ]
    if not rows:
        return ""
    missing = len(facts.of(MISSING))
    more = f"<p>{missing} runs were not tried, since they need one that failed.</p>\n" if missing else ""
    return _table(["stage", "parameters", "exception", "notebook with the traceback"], rows, texts=(1, 2, 3)) + more


def _runs(facts: Facts, pages: dict[str, str]) -> str:
    rows = []
    for run in facts.runs:
        seconds = f"{run['info']['seconds']:.2f}" if "seconds" in run.get("info", {}) else ""
        link = anchor(pages.get(f"{run['stage']}/{run['key']}"), "notebook")
        rows.append(
            [
                text_html(run["stage"]),
                f"<code>{text_html(run['key'])}</code>",
                run["state"],
                seconds,
                link,
                _shown(run["parameters"]),
            ]
        )
    table = _table(["stage", "key", "state", "seconds", "notebook", "parameters"], rows, numbers=(3,), texts=(5,))
    return f"<details><summary>{len(rows)} runs, with their notebooks</summary>\n{table}</details>\n"
