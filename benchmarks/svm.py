"""Stage 3 on representations of 512 dimensions: seconds to fit, microseconds to predict.

Run `python benchmarks/svm.py [--quick] [--json PATH]`. Rows are a half clean, a half defective,
overlapping so far that about one in ten is called wrong, as real representations do. Ours is the
ν-SVM as it is by default: fitted by scikit-learn-intelex where that is installed. It stands beside
a plain pipeline of scikit-learn and beside the Nyström approximation. Seconds are CPU seconds of
the process, which other work on the machine does not lengthen.
"""

import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import sklearn
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import NuSVC
from threadpoolctl import threadpool_limits

from padam.models.defect_classifier import DefectClassifier
from padam.models.nystroem_classifier import NystroemClassifier
from padam.models.search import SvmSearchConfig, search_classifier
from report import Row, parser, publish, row

WIDTH = 512
NU = 0.3
GAMMA = 1 / WIDTH
COMPARED_ROWS = 1000
TRIAL_ROWS = 2000
NOTE = f"nu {NU}, gamma 1/{WIDTH}; scores of the training rows included"
Decisions = np.ndarray


def main() -> None:
    arguments = parser("Fit and prediction cost of stage 3.").parse_args()
    sizes = (1000, 2000, 4000) if arguments.quick else (4000, 8000, 16000, 32000)
    largest_repeated = 1000 if arguments.quick else 4000
    with threadpool_limits(limits=1):
        # The first fit of a library loads it.
        DefectClassifier(NU, GAMMA).fit(*representations(100, seed=3))
        rows = [
            each
            for size in sizes
            for each in compare(size, rounds=3 if size <= largest_repeated else 1)
        ]
        rows += prediction_cost(sizes[0])
        rows.append(search_cost(trials=4 if arguments.quick else 100))
    publish(rows, arguments.json, sklearn=sklearn.__version__, intelex=intelex())


def intelex() -> str:
    try:
        return version("scikit-learn-intelex")
    except PackageNotFoundError:
        return "not installed"


def representations(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows in 32 factors mixed into 512 dimensions, the defective ones moved along 4."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(32, WIDTH))
    y = np.arange(rows) % 2
    factors = rng.normal(size=(rows, 32))
    factors[:, :4] += 1.3 * y[:, None]
    return factors @ mixing + rng.normal(size=(rows, WIDTH)), y


def plain_pipeline() -> Pipeline:
    return make_pipeline(StandardScaler(), NuSVC(nu=NU, gamma=GAMMA, cache_size=500))


def compare(size: int, rounds: int) -> list[Row]:
    """Fit ours, scikit-learn's and the approximation in turn, and compare the medians."""
    r, y = representations(size, seed=1)
    ours, theirs = DefectClassifier(NU, GAMMA), plain_pipeline()
    approximate = NystroemClassifier(NU, GAMMA)
    fits = {
        # σ needs the decisions on the training rows: the same work on all sides.
        "ours": lambda: ours.fit(r, y),
        "sklearn": lambda: theirs.fit(r, y).decision_function(r),
        "nystroem": lambda: approximate.fit(r, y),
    }
    spent: dict[str, list[float]] = {name: [] for name in fits}
    for _ in range(rounds):
        for name, fit in fits.items():
            spent[name].append(seconds(fit))
    median = {name: statistics.median(values) for name, values in spent.items()}
    unseen, _ = representations(COMPARED_ROWS, seed=2)
    exact = theirs.decision_function(unseen)
    components = min(approximate.n_components, size)
    return [
        row(f"fit_s_{size}", median["ours"], "s", f"{NOTE}; fitted by {ours.fitted_by}"),
        row(
            f"ratio_sklearn_over_ours_{size}",
            median["sklearn"] / median["ours"],
            "x",
            agreement(ours.decision_function(unseen), exact),
        ),
        row(f"nystroem_fit_s_{size}", median["nystroem"], "s", f"{components} components"),
        row(
            f"ratio_sklearn_over_nystroem_{size}",
            median["sklearn"] / median["nystroem"],
            "x",
            agreement(approximate.decision_function(unseen), exact),
        ),
        row(
            f"nystroem_equal_decisions_{size}",
            equal_signs(approximate.decision_function(unseen), exact),
            "share",
            f"of {COMPARED_ROWS} unseen rows, with sklearn's NuSVC",
        ),
        row(
            f"equal_decisions_{size}",
            equal_signs(ours.decision_function(unseen), exact),
            "share",
            f"of {COMPARED_ROWS} unseen rows, with sklearn's NuSVC",
        ),
    ]


def equal_signs(found: Decisions, exact: Decisions) -> float:
    return float(np.mean((found > 0) == (exact > 0)))


def agreement(found: Decisions, exact: Decisions) -> str:
    largest = np.abs(found - exact).max()
    return f"decisions differ by at most {largest:.1e}, their RMS is {rms(exact):.2g}"


def rms(values: Decisions) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def prediction_cost(size: int) -> list[Row]:
    """Score rows with ours, scikit-learn's and the approximation in turn."""
    r, y = representations(size, seed=1)
    ours, theirs = DefectClassifier(NU, GAMMA).fit(r, y), plain_pipeline().fit(r, y)
    approximate = NystroemClassifier(NU, GAMMA).fit(r, y)
    unseen, _ = representations(COMPARED_ROWS, seed=2)
    spent: list[tuple[float, ...]] = [
        tuple(
            seconds(lambda score=score: score(unseen))
            for score in (ours.score, theirs.decision_function, approximate.score)
        )
        for _ in range(5)
    ]
    mine, plain, nystroem = (
        1e6 * statistics.median(values) / COMPARED_ROWS for values in zip(*spent, strict=True)
    )
    note = f"{COMPARED_ROWS} rows at once, trained on {size}"
    return [
        row("predict_us_per_row", mine, "us", note),
        row("predict_ratio_sklearn_over_ours", plain / mine, "x", note),
        row("nystroem_predict_us_per_row", nystroem, "us", note),
    ]


def search_cost(trials: int) -> Row:
    """Search with the default ranges, on one worker."""
    config = SvmSearchConfig(trials=trials)
    train, validation = representations(TRIAL_ROWS, seed=1), representations(500, seed=2)
    spent = seconds(lambda: search_classifier(*train, *validation, config))
    note = f"mean of {trials} trials on {TRIAL_ROWS} rows, scored on 500"
    return row("search_s_per_trial", spent / trials, "s", note)


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
