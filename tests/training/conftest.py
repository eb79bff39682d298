"""Tables that several tests of training share."""

import numpy as np
import pandas as pd
import pytest

from fedlab.records import Records, Schema


@pytest.fixture(scope="session")
def three_classes() -> Records:
    """Give 150 rows with numbers, text and booleans, missing values, and three classes named by words."""
    rng = np.random.default_rng(11)
    n = 150
    frame = pd.DataFrame(
        {
            "id": np.arange(1000, 1000 + n),
            "age": rng.integers(20, 90, n),
            "sbp": rng.normal(130, 15, n),
            "ward": rng.choice(["A", "B", "C"], n),
            "smoker": rng.random(n) < 0.4,
        }
    )
    risk = frame.age / 20 + (frame.sbp - 130) / 15 + (frame.ward == "A")
    frame["state"] = np.array(["ill", "mild", "well"])[np.digitize(-risk, [-3.5, -2.0])]
    frame.loc[::9, "sbp"] = np.nan
    frame.loc[::13, "ward"] = None
    return Records(frame, Schema("id", ["age", "sbp", "ward", "smoker"], "state"), "three classes")
