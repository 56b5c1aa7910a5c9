"""Stage 3's ν-SVM on representations of 512 dimensions: seconds to fit, microseconds to predict.

Run `python benchmarks/svm.py [--quick] [--json PATH]`. Rows are a half clean, a half defective,
overlapping so far that about one in ten is called wrong, as real representations do. Seconds are
the process's own on one thread, which other work on the machine does not lengthen.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import sklearn
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import NuSVC
from threadpoolctl import threadpool_limits

from padam.models.defect_classifier import DefectClassifier
from report import Row, parser, publish, row

WIDTH = 512
NU = 0.3
GAMMA = 1 / WIDTH
PREDICTED_ROWS = 1000
NOTE = f"nu {NU}, gamma 1/{WIDTH}, one thread"
SAME_ENGINE = "ours runs sklearn's NuSVC, so near 1 is what it should be"


def main() -> None:
    arguments = parser("Fit and prediction cost of the ν-SVM.").parse_args()
    sizes = (1000, 2000, 4000) if arguments.quick else (4000, 8000, 16000)
    largest_repeated = 2000 if arguments.quick else 4000
    with threadpool_limits(limits=1):
        rows = [
            each
            for size in sizes
            for each in compare(size, rounds=3 if size <= largest_repeated else 1)
        ]
        rows.append(prediction_cost(sizes[0]))
    publish(rows, arguments.json, sklearn=sklearn.__version__)


def representations(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows in 32 factors mixed into 512 dimensions, the defective ones moved along 4."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(32, WIDTH))
    y = np.arange(rows) % 2
    factors = rng.normal(size=(rows, 32))
    factors[:, :4] += 1.3 * y[:, None]
    return factors @ mixing + rng.normal(size=(rows, WIDTH)), y


def compare(size: int, rounds: int) -> list[Row]:
    """Fit ours and sklearn's in turn and compare the medians."""
    r, y = representations(size, seed=1)
    ours = DefectClassifier(NU, GAMMA)
    theirs = make_pipeline(StandardScaler(), NuSVC(nu=NU, gamma=GAMMA, cache_size=500))

    def fit_theirs() -> None:
        # σ needs the decisions on the training rows: the same work on both sides.
        theirs.fit(r, y).decision_function(r)

    seconds_ours, seconds_theirs = [], []
    for _ in range(rounds):
        seconds_ours.append(seconds(lambda: ours.fit(r, y)))
        seconds_theirs.append(seconds(fit_theirs))
    median, alternative = statistics.median(seconds_ours), statistics.median(seconds_theirs)
    largest = np.abs(ours.decision_function(r[:500]) - theirs.decision_function(r[:500])).max()
    return [
        row(f"fit_s_{size}", median, "s", f"{NOTE}; scores of the training rows included"),
        row(
            f"ratio_sklearn_over_ours_{size}",
            alternative / median,
            "x",
            f"{SAME_ENGINE}; decisions differ by at most {largest:.1e}",
        ),
    ]


def prediction_cost(size: int) -> Row:
    r, y = representations(size, seed=1)
    classifier = DefectClassifier(NU, GAMMA).fit(r, y)
    unseen, _ = representations(PREDICTED_ROWS, seed=2)
    median = statistics.median(seconds(lambda: classifier.score(unseen)) for _ in range(5))
    note = f"{PREDICTED_ROWS} rows at once, trained on {size}"
    return row("predict_us_per_row", 1e6 * median / PREDICTED_ROWS, "us", note)


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
