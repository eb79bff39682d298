"""Writes docs/hospitals.md and the README's figure from what sweeps measured; no number on them is typed by hand.

Run the sweeps first: `fedlab sweep quick` and, with the hospitals' data at hand, `fedlab sweep hospitals`.
"""

import shutil
from pathlib import Path

import pandas as pd

from fedlab.evidence import compare_with_centralised, read_results, summarise, summary_sentences
from fedlab.figures import draw_all, save

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"


def table(frame: pd.DataFrame) -> str:
    """Return a data frame as a Markdown table."""
    rows = [list(frame.columns), ["---"] * len(frame.columns), *frame.astype(str).values.tolist()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def hospitals(results: Path) -> str:
    """Return the page on the four hospitals."""
    found = read_results(results)
    keys = ["rule", "tie"]
    accuracy = summarise(found, metric="accuracy").set_index(keys)
    area = summarise(found, metric="roc_auc").set_index(keys)
    lost = compare_with_centralised(found, metric="accuracy").set_index(keys)
    rows = [
        {
            "rule": rule,
            "tie policy": tie,
            "accuracy": f"{accuracy['mean'][rule, tie]:.3f}",
            "ROC AUC": f"{area['mean'][rule, tie]:.3f}",
            "accuracy less centralised [95 %]": f"{lost['difference'][rule, tie]:+.3f} "
            f"[{lost['low'][rule, tie]:+.3f}, {lost['high'][rule, tie]:+.3f}]",
        }
        for rule, tie in accuracy.sort_values("mean", ascending=False).index
    ]
    central, best = found["centralised_accuracy"].mean(), found["organisation_accuracy_best"].mean()
    centre = {"rule": "*one model on all rows*", "tie policy": "", "accuracy": f"{central:.3f}"}
    centre["ROC AUC"] = f"{found['centralised_roc_auc'].mean():.3f}"
    alone = {"rule": "*best single hospital*", "tie policy": "", "accuracy": f"{best:.3f}"}
    rows += [centre, alone]
    sentences = "\n".join(f"- {sentence}" for sentence in summary_sentences(found))
    return f"""# Four hospitals, one vote

UCI Heart Disease: 920 patients of Cleveland, Hungary, Switzerland and Long Beach, each hospital an organisation with
its own patients, {found["n_holdout"].iloc[0]} patients held out of all training, {found["seed"].nunique()} seeds.
Made by `fedlab sweep hospitals` and `python scripts/pages.py`.

{table(pd.DataFrame(rows).fillna(""))}

{sentences}

Which single hospital is best is known only after looking at the holdout, so no one could have chosen it beforehand.

![Accuracy of each rule on the four hospitals](images/hospitals_accuracy.png)

Data: Janosi, Steinbrunn, Pfisterer and Detrano, *Heart Disease*, UCI Machine Learning Repository, CC BY 4.0.
"""


def main() -> None:
    """Write what the results at hand allow."""
    for sweep, figure in (("quick", "accuracy_by_shards"), ("hospitals", "accuracy_by_shards")):
        results = ROOT / "results" / sweep / "results.csv"
        if not results.exists():
            print(f"{results} is missing: run `fedlab sweep {sweep}` first")
            continue
        _, png = save(draw_all(read_results(results))[0][figure], IMAGES / "made", figure)
        shutil.move(png, IMAGES / f"{sweep}_accuracy.png")
        shutil.rmtree(IMAGES / "made")
        if sweep == "hospitals":
            (ROOT / "docs" / "hospitals.md").write_text(hospitals(results), encoding="utf-8")


if __name__ == "__main__":
    main()
