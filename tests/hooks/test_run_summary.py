"""The table at the end of a run."""

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from padam.defects.registry import DEFECT_NAMES
from padam.hooks.evaluation_summary import (
    benchmark_titles_rows,
    detection_rows,
    evaluation_rows,
)
from padam.hooks.learning_curve_rows import learning_curve_rows
from padam.hooks.listening_summary import agreement_rows
from padam.hooks.run_summary import RunSummaryHook
from padam.hooks.training_summary import ablation_rows, stage_1_rows, synthesis_rows

VERSION = "2026-01-01T00.00.00.000Z"
STAGE_3 = {
    "method": "ν-SVM with an RBF kernel",
    "nu": 0.25,
    "gamma": 0.002,
    "f1": 0.8,
    "trials": 40,
    "edges": ["gamma_max"],
}


def printed(capsys: pytest.CaptureFixture[str], saved: list[str]) -> str:
    catalog = DataCatalog()
    catalog["defect_classifier_summary"] = STAGE_3
    hook = RunSummaryHook()
    hook.after_catalog_created(save_version=VERSION)
    for name in saved:
        hook.after_dataset_saved(dataset_name=name)
    hook.after_pipeline_run(run_params={}, pipeline=Pipeline([]), catalog=catalog)
    return capsys.readouterr().out


def test_it_tells_what_this_run_made(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, ["defect_classifier_summary"])
    assert "0.2500, 0.002" in text
    assert "ν-SVM with an RBF kernel" in text
    assert "widen gamma_max" in text
    assert VERSION in text


def test_results_of_earlier_runs_are_not_shown_as_this_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = printed(capsys, [])
    assert "0.2500" not in text
    assert "nothing recomputed" in text
    assert VERSION not in text


def test_padam_stands_first_and_both_thresholds_are_shown() -> None:
    level = {"f1_from_validation": 0.4, "f1_from_test": 0.6}
    scorers = {name: {"segment": level, "title": level} for name in ("dnsmos", "padam")}
    rows = evaluation_rows({"scorers": scorers, "titles": {"defective": 5, "clean": 5}})
    assert [name for name, _ in rows] == ["padam", "dnsmos", "on"]
    assert rows[0][1].count("0.40 (tuned on test 0.60)") == 2


def test_ablations_tell_each_classifier_of_each_row_with_its_interval() -> None:
    found = {"auc_defective": 0.81234, "auc_defective_low": 0.7, "auc_defective_high": 0.9}
    found |= {"similarity_correlation": None}
    rows = {"max_pooling": {"linear_probe": found, "nu_svm": found}}
    told = ablation_rows({"rows": rows, "split": "test", "clips": 64, "sources": 8})
    assert told == [
        ("max_pooling, linear probe", "AUC 0.812 [0.700, 0.900], correlation –"),
        ("max_pooling, nu svm", "AUC 0.812 [0.700, 0.900], correlation –"),
        ("on", "64 clips of 8 test sources"),
        ("correlation", "of cosine similarity and −|Δq̂|"),
    ]


def test_draws_that_lie_outside_are_told() -> None:
    clips = {
        "total": 9,
        "clean": 1,
        "rejected": 0,
        "by_defect": {"hum": 8},
        "by_split": {"train": 9},
    }
    drawn = {"shares_checked": 57, "shares_outside": 2, "numbers_checked": 46, "numbers_outside": 1}
    rows = synthesis_rows(
        {"sources": {"accepted": 3, "rejected": 0}, "clips": clips, "drawn": drawn}
    )
    text = dict(rows)["drawn as intended"]
    assert "57 shares checked, 2 outside" in text
    assert "46 ranges checked, 1 exceeded" in text


def test_a_title_that_nobody_could_score_has_no_peak() -> None:
    titles = {"a.wav": {"verdict": "undetermined", "events": 0, "peak": None}}
    rows = detection_rows({"titles": titles, "unreadable": {"b.wav": "not media"}})
    assert "nothing could be scored" in rows[0][1]
    assert rows[1] == ("b.wav", "could not scan: not media")


TABLE_ROW = {
    "srocc": 0.6,
    "srocc_low": 0.5,
    "srocc_high": 0.7,
    "lcc": 0.55,
    "lcc_low": None,
    "lcc_high": None,
    "rmse": None,
    "rmse_low": None,
    "rmse_high": None,
    "clips": 616,
}


def test_agreement_with_people_tells_the_table_and_what_could_not_be_estimated() -> None:
    study = {"clips": 616, "listeners": 12, "listeners_kept": 11, "ratings": 6776}
    study |= {"dropped": {"unknown_clip": 3, "training": 0}, "limits": ["one thing"]}
    best = {"metric": "cdpam", "srocc_difference": 0.004, "srocc_difference_low": -0.02}
    best |= {"srocc_difference_high": 0.03, "bootstrap_p": 0.7, "lcc_difference": 0.044}
    best |= {"williams_p": None}
    summary = {"study": study, "table": {"q_hat": TABLE_ROW}, "best_metric": best}
    rows = dict(agreement_rows({**summary, "refit": {"requested": False}}))
    assert rows["q_hat"] == "SROCC 0.600 [0.500, 0.700], LCC 0.550, RMSE –; 616 clips"
    assert rows["listeners"] == "11 of 12 kept, 6776 ratings of 616 clips"
    assert rows["ratings dropped"] == "3 unknown clip"
    assert rows["not possible"] == "one thing"
    assert "0.004 [-0.020, 0.030], bootstrap p 0.700" in rows["q_hat over cdpam"]
    assert "refitted weights" not in rows


def test_the_benchmarks_prevalence_is_shown_beside_the_target() -> None:
    held = {"defective_titles": 100, "clean_titles": 200, "hours": 10.04}
    summary = {
        "target_segment_prevalence": 0.0075,
        "splits": {
            "test": {**held, "segment_prevalence": 0.0412},
            "validation": {**held, "segment_prevalence": None},
        },
        "look_alikes_refused": 2,
    }
    assert benchmark_titles_rows(summary) == [
        (
            "test titles",
            "100 defective, 200 clean, 10.0 h; defective segments: 4.1 % (target 0.75 %)",
        ),
        ("validation titles", "100 defective, 200 clean, 10.0 h; defective segments: none"),
        ("look-alikes", "2 refused"),
    ]


def test_stage_1_tells_retrieval_or_how_well_it_hears_degradations() -> None:
    losses = {"loss_first": 5.0, "loss_last": 3.25}
    assert stage_1_rows(losses)[0] == ("InfoNCE loss", "5.000 → 3.250")
    held_out = {"same_degradation_r1": 0.214, "auc_clips": 0.79, "auc_mean": 0.82}
    found = stage_1_rows(losses | {f"validation_{name}": value for name, value in held_out.items()})
    assert found == [
        ("loss of contrast and labels", "5.000 → 3.250"),
        ("AUC on held-out sound", "clips 0.79, windows 0.82"),
        ("same degradation R@1", "0.21"),
    ]


def test_the_learning_curve_tells_both_of_its_ranges() -> None:
    ranges = {"low": 0.8, "high": 0.9, "draws_low": 0.84, "draws_high": 0.86}
    all_sources = {"median": 0.88, "low": None, "high": None, "draws_low": 0.88, "draws_high": 0.88}
    gain = {"median": 0.03, "low": -0.01, "high": 0.05, "draws_low": 0.02, "draws_high": 0.04}
    gains = {f"auc_{name}": {**gain, "median": None} for name in DEFECT_NAMES}
    told = learning_curve_rows(
        {
            "parts": {
                "1_of_2": {"auc_defective": {"median": 0.85, **ranges}},
                "all": {"auc_defective": all_sources},
            },
            "gain_of_last_doubling": {**gains, "auc_defective": gain, "auc_hum": gain},
            "fits": 3,
            "fits_failed": 1,
            "reasons": ["one class"],
            "sources": 40,
            "validation_rows": 90,
            "validation_sources": 9,
        }
    )
    assert told == [
        ("AUC on 1 of 2", "0.850 [0.800, 0.900]; draws 0.840 to 0.860"),
        ("AUC on all", "0.880 [–, –]"),
        ("gain of the last doubling", "+0.030 [-0.010, +0.050]; draws +0.020 to +0.040"),
        ("by defect", "hum +0.030"),
        ("not fitted", "1 of 3: one class"),
        ("of", "40 training sources, judged on 90 rows of 9 others"),
    ]
