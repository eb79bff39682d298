"""RO-Crate: the musts of the specification 1.1 and of Process Run Crate 0.5, hashes, privacy, the same bytes."""

import hashlib
import json
import zipfile
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner
from tests_sweep_stored import SECRET, measured, stored

from fedlab.cli import main
from fedlab.errors import FedlabError
from fedlab.files import canonical_json, read_json, sha256_file, sha256_text, write_json
from fedlab.sweep.report import write_report
from fedlab.sweep.ro_crate import export_crate

NOTEBOOKS = ("1_partition.ipynb", "2_train.ipynb", "3_vote.ipynb")


@pytest.fixture
def folder(tmp_path, stubs):
    """Give a sweep's folder with report, one failed vote and a recorded array."""
    import numpy as np

    made = stored(
        tmp_path / "stored",
        stubs,
        results=lambda cell: measured(cell) | {"votes": np.arange(3)},
        failed=lambda cell: cell.n_shards == 3 and cell.rule == "soft" and cell.seed == 1,
    )
    write_report(made)
    return made


def read(crate: Path) -> dict[str, dict]:
    """Return the entities of a crate by their names; no two have one name."""
    content = read_json(crate / "ro-crate-metadata.json")
    assert content["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    names = [entity["@id"] for entity in content["@graph"]]
    assert len(names) == len(set(names))
    return dict(zip(names, content["@graph"], strict=True))


def many(value) -> list:
    """Return a property's values: one stands alone."""
    return value if isinstance(value, list) else [] if value is None else [value]


def references(value) -> list[str]:
    """Return every name that a value refers to."""
    if isinstance(value, dict):
        inner = [name for item in value.values() for name in references(item)]
        return [*([value["@id"]] if set(value) == {"@id"} else []), *inner]
    return [name for item in value for name in references(item)] if isinstance(value, list) else []


def test_descriptor_and_root_have_what_the_specification_demands(folder, tmp_path):
    """The descriptor is about the root, which has type, name, description, date and licence, and names the profile."""
    export_crate(folder, tmp_path / "crate", "CC-BY-4.0", ("Ada Lovelace <https://orcid.org/0000-0001-2345-6789>",))
    held = read(tmp_path / "crate")
    descriptor, root = held["ro-crate-metadata.json"], held["./"]
    assert descriptor["@type"] == "CreativeWork" and descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert root["@type"] == "Dataset" and root["name"] == "Is it stored?" and "8 cells" in root["description"]
    assert datetime.fromisoformat(root["datePublished"]).tzinfo is not None
    assert held[root["license"]["@id"]]["name"] == "CC-BY-4.0"
    assert held[root["conformsTo"]["@id"]]["@type"] == "CreativeWork"
    assert held[root["author"]["@id"]] == {
        "@id": "https://orcid.org/0000-0001-2345-6789", "@type": "Person", "name": "Ada Lovelace",
    }  # fmt: skip


def test_every_name_resolves_and_every_file_is_there_with_its_hash(folder, tmp_path):
    """All that is referred to is described; all parts are files of the crate; no file of the crate is left untold."""
    export_crate(folder, tmp_path / "crate", with_records=True, with_notebooks=True)
    held = read(tmp_path / "crate")
    for entity in held.values():
        for name in references({key: value for key, value in entity.items() if key != "@id"}):
            assert name in held or name == "https://w3id.org/ro/crate/1.1", (entity["@id"], name)
    parts = [part["@id"] for part in held["./"]["hasPart"]]
    files = {path for path in (tmp_path / "crate").rglob("*") if path.is_file()}
    assert {tmp_path / "crate" / unquote(part) for part in parts} == files - {
        tmp_path / "crate" / "ro-crate-metadata.json"
    }
    for part in parts:
        path = tmp_path / "crate" / unquote(part)
        entity = held[part]
        assert "File" in many(entity["@type"]) and "/" in entity["encodingFormat"] and entity["name"]
        assert entity["sha256"] == sha256_file(path) and entity["contentSize"] == str(path.stat().st_size)
    assert {part for part in held if "File" in many(held[part]["@type"])} == set(parts)
    assert {"results.csv", "results.parquet", "params.yaml", "report.html"} <= set(parts)


def test_every_run_is_an_action_with_its_parts(folder, tmp_path):
    """Instrument, objects, results, status; parameters as they were; a failed run says why."""
    export_crate(folder, tmp_path / "crate", authors=("Ada",))
    held = read(tmp_path / "crate")
    runs = read_json(folder / "sweep.json")["runs"]
    actions = {name: entity for name, entity in held.items() if entity["@type"] == "CreateAction"}
    assert set(actions) == {f"#run/{run['stage']}/{run['key']}" for run in runs}
    assert {mention["@id"] for mention in held["./"]["mentions"]} == set(actions)
    for run in runs:
        action = actions[f"#run/{run['stage']}/{run['key']}"]
        tool = held[action["instrument"]["@id"]]
        assert "SoftwareSourceCode" in tool["@type"] and tool["name"] == run["notebook"]
        objects = [held[entry["@id"]] for entry in many(action.get("object"))]
        values = {entity["name"]: entity["value"] for entity in objects if entity["@type"] == "PropertyValue"}
        assert values == run["parameters"]
        assert "params.yaml" in [entity["@id"] for entity in objects]
        for source in run["inputs"].values():
            assert f"runs/{source}/run.json" in [entity["@id"] for entity in objects]
        failed = run["state"] == "failed"
        assert action["actionStatus"] == f"http://schema.org/{'Failed' if failed else 'Completed'}ActionStatus"
        assert (action.get("error") == "ValueError: three <b>is</b> too many") == failed
        assert "startTime" not in action and held[action["agent"]["@id"]]["name"] == "Ada"
        if run["stage"] == "vote":
            assert tool["@id"] == "code/3_vote.ipynb", "of the failed run too"
            code = read_json(next((folder / "runs" / "vote").iterdir()) / "run.json")["key_parts"]["code"]
            assert tool["version"] == f"code {sha256_text(canonical_json(code))[:12]}"
        if not failed:
            requirements = {held[need["@id"]]["name"] for need in tool["softwareRequirements"]}
            assert {"Python", "fedlab", "numpy", "scikit-learn"} <= requirements
    first = next(run for run in runs if run["stage"] == "partition")
    objects = [held[entry["@id"]] for entry in actions[f"#run/partition/{first['key']}"]["object"]]
    assert any(entity["name"] == "tiny, 40 rows" and entity["description"] == "made up" for entity in objects)


def test_times_are_told_where_a_run_has_recorded_them(folder, tmp_path):
    """startTime and endTime come from run.json alone."""
    run = next((folder / "runs" / "vote").iterdir())
    info = read_json(run / "run.json")
    moment = {"started": "2026-11-24T10:00:00+00:00", "ended": "2026-11-24T10:00:01+00:00"}
    (run / "run.json").write_text(json.dumps(info | moment))
    export_crate(folder, tmp_path / "crate")
    action = read(tmp_path / "crate")[f"#run/vote/{run.name}"]
    assert (action["startTime"], action["endTime"]) == tuple(moment.values())


def test_records_and_models_stay_at_home_unless_asked_for(folder, tmp_path):
    """Shards and recorded files are listed with their hashes and not packed; nor are notebooks where so asked."""
    export_crate(folder, tmp_path / "crate.zip")
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        names = archive.namelist()
        assert not any(SECRET.encode() in archive.read(name) for name in names)
        graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    assert not [name for name in names if name.endswith((".npy", "data_part1.csv")) or "notebooks/" in name]
    assert [name for name in names if name.endswith(".ipynb")] == [f"code/{name}" for name in NOTEBOOKS]
    shard = next(entity for entity in graph if entity["@id"].endswith("data_part1.csv"))
    assert shard["@id"].startswith("#left-out/") and shard["@type"] == "CreativeWork"
    assert shard["sha256"] == hashlib.sha256(f"id\n{SECRET}\n".encode()).hexdigest()
    export_crate(folder, tmp_path / "all", with_records=True)
    assert list((tmp_path / "all").rglob("data_part1.csv")) and list((tmp_path / "all").rglob("votes.npy"))


def test_the_notebooks_that_ran_are_packed_without_what_they_showed(folder, tmp_path):
    """Outputs, counts and the parameters of one run are gone; code, prose and tags stay; the notebook is valid."""
    import nbformat

    for run in (folder / "runs").glob("vote/*"):
        book = read_json(run / "notebook.ipynb")
        given = book["cells"][0] | {
            "id": "1",
            "metadata": {"tags": ["injected-parameters"]},
            "source": "x = '/home/me'",
        }
        book["cells"].append(given)
        book["cells"].append({"cell_type": "markdown", "id": "2", "metadata": {"tags": ["t"]}, "source": "prose"})
        (run / "notebook.ipynb").write_text(json.dumps(book))
        info = read_json(run / "run.json")
        info["outputs"]["notebook.ipynb"]["sha256"] = sha256_file(run / "notebook.ipynb")
        (run / "run.json").write_text(json.dumps(info))
    export_crate(folder, tmp_path / "crate")
    book = nbformat.read(tmp_path / "crate" / "code" / "3_vote.ipynb", 4)
    nbformat.validate(book)
    assert [cell.source for cell in book.cells] == ["print('vote')", "prose"] and book.cells[0].outputs == []
    assert book.cells[1].metadata.tags == ["t"] and "/home/me" not in json.dumps(book)


def test_no_packed_file_holds_a_path_of_this_machine(tmp_path, stubs):
    """Neither the sweep's folder nor that of a data file of one's own; what names it is listed, packed if asked for."""
    data = tmp_path / "private" / "own.csv"
    data.parent.mkdir()
    data.write_text("i,a,y\n" + "".join(f"{n},{n % 7},{n % 2}\n" for n in range(40)))
    text = "name: stored\ndata: {path: private/own.csv, id: i, target: y}\nn_shards: 2\n"
    folder = stored(tmp_path / "stored", stubs, text)
    noted = {"made_from.json": "partition", "partition.json": "partition", "trained.json": "train", "vote.json": "vote"}
    said = {"made_from": {"data": {"path": str(data)}}, "groups": None, "options": {"path": str(data)}}
    for name, stage in noted.items():
        for run in (folder / "runs" / stage).iterdir():
            write_json(run / name, said)
            info = read_json(run / "run.json")
            size, mark = (run / name).stat().st_size, sha256_file(run / name)
            write_json(run / "run.json", info | {"outputs": info["outputs"] | {name: {"bytes": size, "sha256": mark}}})
    write_report(folder)
    export_crate(folder, tmp_path / "crate")
    packed = [path for path in (tmp_path / "crate").rglob("*") if path.is_file()]
    assert packed and not [path for path in packed if str(tmp_path).encode() in path.read_bytes()]
    left_out = {name.rpartition("/")[2] for name in read(tmp_path / "crate") if name.startswith("#left-out/")}
    assert set(noted) <= left_out
    export_crate(folder, tmp_path / "all", with_records=True)
    assert set(noted) <= {path.name for path in (tmp_path / "all").rglob("*.json")}


def test_verdicts_and_recorded_pictures_stay_at_home():
    """A verdict names patients, and a picture that a notebook recorded may show one."""
    from fedlab.sweep.crate_files import _is_plain

    assert not _is_plain(Path("verdicts.csv.gz"), "verdicts.csv.gz")
    assert not _is_plain(Path("scan.png"), "recorded/scan.png")


def test_equal_results_are_equal_bytes(folder, tmp_path):
    """Two archives of one folder, at two moments; the files in it carry no time."""
    for name in ("one.zip", "two.zip"):
        export_crate(folder, tmp_path / name, "CC0-1.0")
        for path in folder.rglob("*.json"):
            path.touch()
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.testzip() is None and {entry.date_time[0] for entry in archive.infolist()} == {1980}
        archive.extractall(tmp_path / "out")
    export_crate(folder, tmp_path / "crate", "CC0-1.0")
    files = [path.relative_to(tmp_path / "crate") for path in (tmp_path / "crate").rglob("*") if path.is_file()]
    assert all((tmp_path / "crate" / path).read_bytes() == (tmp_path / "out" / path).read_bytes() for path in files)


def test_a_name_with_a_space_is_a_uri(folder, tmp_path):
    """`my figure 50%.svg` is listed as the specification writes it, and found."""
    (folder / "figures").mkdir()
    (folder / "figures" / "my figure 50%.svg").write_text("<svg/>")
    export_crate(folder, tmp_path / "crate")
    assert "figures/my%20figure%2050%25.svg" in read(tmp_path / "crate")
    assert (tmp_path / "crate" / "figures" / "my figure 50%.svg").is_file()


def test_what_cannot_be_exported_is_said(folder, tmp_path):
    """A file changed since its run, a place taken, a licence or author that is none: a sentence, nothing written."""
    for more, said in (({"licence": "do what you like"}, "neither an SPDX"), ({"authors": ("<a>",)}, "not understood")):
        with pytest.raises(FedlabError, match=said):
            export_crate(folder, tmp_path / "crate", **more)
    (tmp_path / "taken.zip").write_text("x")
    with pytest.raises(FedlabError, match="is there already"):
        export_crate(folder, tmp_path / "taken.zip")
    run = next((folder / "runs" / "vote").iterdir())
    (run / "record.json").write_text("{}")
    with pytest.raises(FedlabError, match=r"not as run\.json says"):
        export_crate(folder, tmp_path / "crate")
    assert not (tmp_path / "crate").exists() and not list(tmp_path.glob(".crate-*"))


def test_the_command_exports(folder, tmp_path):
    """As the documents say it; without a licence the crate says that none was given."""
    out = tmp_path / "quick.zip"
    done = CliRunner().invoke(main, ["export", "--ro-crate", str(folder), str(out), "--author", "Ada"])
    assert done.exit_code == 0 and "more only listed" in done.output, done.output
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist()[0] == "ro-crate-metadata.json"
        assert "No licence was given" in archive.read("ro-crate-metadata.json").decode()
    assert CliRunner().invoke(main, ["export", str(folder), str(out)]).exit_code == 2
