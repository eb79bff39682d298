"""Writes the pages of docs/ and the README's figure that hold what sweeps measured.

No number on them is typed by hand. Run the sweeps first: `fedlab sweep quick`, `fedlab sweep skew`, `fedlab sweep
bandwidth` and, with the hospitals' data at hand, `fedlab sweep hospitals` and `fedlab sweep rules`.
"""

import shutil
from pathlib import Path

import pandas as pd

from fedlab.evidence import (
    BREAKS,
    MEASURES,
    bandwidth,
    bandwidth_sentences,
    compare_with_centralised,
    decision_guide,
    rank_rules,
    read_results,
    rule_table,
    skew_effect,
    skew_sentences,
    summarise,
    summary_sentences,
)
from fedlab.figures import FIGURES, save

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


def rules_compared(results: Path) -> str:
    """Return the page on all rules."""
    found = read_results(results)
    ranks = rank_rules(found, missing="drop")
    by_data = rank_rules(found, missing="drop", blocks=["data"])
    rows = [
        {
            "rule": f"`{row['rule']}`",
            "needs": row["needs"],
            "mean rank": f"{row['mean_rank']:.1f}",
            "accuracy": f"{row['accuracy']:.3f}",
            "less `majority`": f"{row['difference']:+.3f}",
            "better / worse": f"{row['better']} / {row['worse']}",
            "p": f"{row['p_value']:.3f}",
            "answered": f"{100 * row['coverage']:.0f} %",
            "rank by data set": f"{by_data.mean[row['rule']]:.1f}",
        }
        for row in rule_table(found, ranks).to_dict("records")
    ]
    blocks = ranks.scores.T.map(lambda value: f"{value:.3f}").reset_index(names="rule")
    blocks["rule"] = "`" + blocks["rule"] + "`"
    guide = "\n".join(f"- {sentence}" for sentence in decision_guide(found))
    drawing = FIGURES.get("critical_difference")(found)
    learned = found["validation"].max() if "validation" in found else 0.0
    rows_for = f" (of which {100 * learned:.0f} % are the rows that some rules learn from, and count for none)"
    close = int((by_data.mean - by_data.mean.iloc[0] < by_data.critical_difference).sum()) - 1
    least, n_pairs = 2.0 ** (1 - ranks.n_blocks), ranks.n_rules * (ranks.n_rules - 1) // 2
    among_all = "could find some" if least * n_pairs <= 0.05 else "can find nothing"
    return f"""# Which rule? All of them, compared

{ranks.n_rules} rules on the same models (`{found["model"].iloc[0]}`): {ranks.n_blocks} settings of
{found["data"].nunique()} data sets, seeds {found["seed"].min()} to {found["seed"].max()}. Measured on
{100 * found["holdout"].iloc[0]:.0f} % of the records, which no organisation saw{rows_for if learned else ""}.
To make it again: `fedlab sweep rules`, then `python scripts/pages.py`. What each rule is: [rules.md](rules.md).

## In words

Every sentence is computed from the results.

{guide}
- Stricter still: with each data set one block, its settings averaged, {by_data.n_blocks} blocks are left and the
  critical difference is {by_data.critical_difference:.1f}, of {by_data.n_rules} ranks; the best mean rank is that of
  '{by_data.mean.index[0]}', and {close} others are not told apart from it.

## How it was compared

- A block is a data set in one setting. Seeds are averaged before ranking: they share their patients, and as blocks of
  their own would count one finding several times. Settings of one data set share patients as well; the last column of
  the table makes one block of each data set.
- Ranks within a block, 1 the best, equal results sharing theirs; Friedman's test with correction for ties; Nemenyi's
  critical difference for the figure (Demšar 2006).
- `p` is of the exact Wilcoxon signed-rank test against `majority`, corrected by Holm for all rules. Unlike mean ranks,
  it does not depend on which other rules are in the table (Benavoli, Corani and Mangili 2016). Its least value with
  {ranks.n_blocks} blocks is {least:.2g}: among all {n_pairs} pairs it {among_all} after correction;
  here one rule is the reference.
- An abstention counts as wrong in accuracy; `answered` says how often a rule answers.

## Mean ranks

{table(pd.DataFrame(rows))}

![{drawing.alt}](images/rules_critical_difference.png)

{drawing.caption}

## Setting by setting

Mean accuracy over seeds.

{table(blocks)}
"""


def skew(results: Path) -> str:
    """Return the page on which kind of skew breaks a vote."""
    found = read_results(results)
    drawing = FIGURES.get("accuracy_by_skew")(found)
    rows = [
        {
            "data": row["data"],
            "kind": row["kind"],
            "rule": f"`{row['rule']}`",
            "skew: label, feature, quantity, quality": ", ".join(f"{row[f'skew_{name}']:.2f}" for name in MEASURES),
            "accuracy": f"{row['mean']:.3f}",
            "centralised": f"{row['centralised']:.3f}",
            "alone": f"{row['alone']:.3f}",
            "change [95 %]": ""
            if pd.isna(row["change"])
            else f"{row['change']:+.3f} [{row['change_low']:+.3f}, {row['change_high']:+.3f}]",
        }
        for row in skew_effect(found).to_dict("records")
    ]
    sentences = "\n".join(f"- {sentence}" for sentence in skew_sentences(found))
    return f"""# Which kind of skew breaks a vote?

{found["n_shards"].iloc[0]} organisations, {found["seed"].nunique()} seeds, forests of the reference recipe, measured on
the {100 * found["holdout"].iloc[0]:.0f} % of records that no organisation saw. Each kind of skew is turned up by
itself, and its effect is told against the skew *measured* in the shards. To make it again: `fedlab sweep skew`, then
`python scripts/pages.py`; the notebook is [experiments/skew.ipynb](../notebooks/experiments/skew.ipynb).

## In words

At the strongest setting of each kind. A rule *breaks* where it falls beyond chance (95 % t interval over seeds) and by
more than {BREAKS:.2f} further below the centralised model than on even shards; both bounds were set before the results
were seen. The centralised model is trained on the same rows, faults included. Every sentence is computed from the
results.

{sentences}

## In a picture

![{drawing.alt}](images/skew_accuracy_by_skew.png)

{drawing.caption}

## In numbers

Each setting's skew by all four measures: label (Jensen-Shannon), feature (Kolmogorov-Smirnov), quantity (Gini), quality
(share of records with a fault). Clusters of patients differ in their classes too, and Dirichlet shards in their sizes.
`change` is how much further below the centralised model the vote is than on even shards, paired by seed; `alone` is an
organisation's own model, mean over organisations. A vote that falls to `alone` has gained nothing by voting.

{table(pd.DataFrame(rows))}
"""


def bandwidth_page(results: Path) -> str:
    """Return the page on what travelling costs."""
    found = read_results(results)
    told = bandwidth(found)
    drawings = [FIGURES.get(name)(found) for name in ("bandwidth", "bytes_by_accuracy")]
    rows = [
        {
            "data": row["setting"],
            "organisations": f"{row['n_shards']:g}",
            "what travels": row["way"],
            "kB": f"{row['bytes'] / 1000:,.1f}",
            "times the data": f"{row['per_data_byte']:.3g}",
            "accuracy": "" if pd.isna(row["accuracy"]) else f"{row['accuracy']:.3f}",
            "ROC AUC": "" if pd.isna(row["roc_auc"]) else f"{row['roc_auc']:.3f}",
        }
        for row in told.sort_values(["setting", "n_shards"], kind="stable").to_dict("records")
    ]
    sentences = "\n".join(f"- {sentence}" for sentence in bandwidth_sentences(found))
    return f"""# Does sharing models instead of data save bandwidth?

Not as models are usually written. {found["seed"].nunique()} seeds, forests of the reference recipe. To make it again:
`fedlab sweep bandwidth`, then `python scripts/pages.py`; the notebook is
[experiments/bandwidth.ipynb](../notebooks/experiments/bandwidth.ipynb), the forms of models are told in
[compact.md](compact.md).

## In words

Every sentence is computed from the results. Bytes are those of all organisations together. Ballots count with the
questions, which go to every organisation: the records' features as compressed CSV.

{sentences}

So whoever wants to save bytes should look at the form of the model before the protocol: written as tables the same
models are smaller than the CSV they came from while organisations are few, and larger when they are many; against the
same CSV compressed, which is what a thrifty sender would send, only pruned models win, and only on shards of more
than a thousand records. What sharing models is for is that rows stay at home.

## In pictures

![{drawings[0].alt}](images/bandwidth_bandwidth.png)

{drawings[0].caption}

![{drawings[1].alt}](images/bandwidth_bytes_by_accuracy.png)

{drawings[1].caption}

## In numbers

{table(pd.DataFrame(rows))}
"""


PAGES = (
    ("quick", "accuracy_by_shards", None, None),
    ("hospitals", "accuracy_by_shards", "hospitals.md", hospitals),
    ("skew", "accuracy_by_skew", "skew.md", skew),
    ("rules", "critical_difference", "rules_compared.md", rules_compared),
    ("bandwidth", "bytes_by_accuracy", None, None),
    ("bandwidth", "bandwidth", "bandwidth.md", bandwidth_page),
)


def main() -> None:
    """Write what the results at hand allow."""
    for sweep, figure, page, write in PAGES:
        results = ROOT / "results" / sweep / "results.csv"
        if not results.exists():
            print(f"{results} is missing: run `fedlab sweep {sweep}` first")
            continue
        _, png = save(FIGURES.get(figure)(read_results(results)), IMAGES / "made", figure)
        kept = "accuracy" if figure == "accuracy_by_shards" else figure
        shutil.move(png, IMAGES / f"{sweep}_{kept}.png")
        shutil.rmtree(IMAGES / "made")
        if write:
            (ROOT / "docs" / page).write_text(write(results), encoding="utf-8")


if __name__ == "__main__":
    main()
