"""The benchmarks keep their form: rows with known names, and a page rendered from them."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from padam.defects.registry import DEFECT_NAMES

MEASURES = {
    "synthesis": {"cpu_s_per_pair", "two_worker_speedup", "core_hours_250k"},
    "metric_fusion": {
        "cpu_s_per_pair",
        "cdpam_ratio_package_over_ours",
        "cdpam_max_abs_difference",
        "cdpam_spearman",
        "cdpam_max_abs_difference_to_float32",
        "cdpam_spearman_crop_to_float32",
        "pesq_ratio_package_over_ours",
        "visqol_ratio_package_over_ours",
        "dnsmos_ratio_package_over_ours",
        "two_worker_speedup",
    },
    "embedding": {
        "x_realtime",
        "ratio_over_fp32_eager",
        "ratio_over_dnsmos",
        "cosine_to_fp32_min",
        "share_of_gemm_peak",
    },
    "severity": {f"{kind}_{name}" for kind in ("spearman", "sign_right") for name in DEFECT_NAMES},
    "stage_1": {"r1_over_chance", "clips_per_s", "cpu_min", "data_wait_share"},
    "quality_head": {
        "clips_per_s_float32",
        "clips_per_s_bfloat16",
        "share_of_gemm_rate_float32",
        "share_of_gemm_rate_bfloat16",
    },
    "audio_artifacts": {
        "x_realtime",
        "ratio_over_padam_encoder",
        "training_clips_per_s",
        "simulated_chunks_per_cpu_s",
    },
    "svm": {"predict_us_per_row"},
    "native_evidence": {
        "x_realtime",
        "x_realtime_decoding",
        "share_of_encoder_paper",
        "ms_per_s_prediction",
    },
    "paper_training": {"tflop_per_clip", "s_per_clip", "share_of_gemm_peak"},
    "model": {"first_score_s", "first_score_cpu_s", "ratio_skops_over_ours"},
    "detection": {
        "x_realtime",
        "x_realtime_cpu",
        "x_realtime_laptop",
        "ratio_over_dnsmos",
        "ratio_over_srmr",
        "ratio_over_decoding",
        "ratio_total_over_scoring",
        "peak_rss_mb_20min",
        "peak_rss_mb_2h",
        "peak_rss_ratio_2h_over_20min",
    },
}


def test_kept_results_have_the_form_the_page_is_rendered_from(project: Path) -> None:
    page = (project / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for part, measures in MEASURES.items():
        path = project / "benchmarks" / "results" / f"{part}.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        assert set(document["machine"]) >= {"processor", "cores", "threads", "python"}
        assert measures <= {row["measure"] for row in document["rows"]}, part
        for row in document["rows"]:
            assert set(row) == {"measure", "value", "unit", "note"}
            assert f"`{row['measure']}`" in page


def test_a_part_that_needs_a_model_is_left_out_without_one(project: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "onsets"]
    page = project / "docs" / "benchmarks.md"
    before = page.stat().st_mtime_ns
    answer = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    assert "left out, since there is no --model: onsets" in answer.stdout
    assert page.stat().st_mtime_ns == before


def test_an_unknown_part_is_refused(project: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "nothing"]
    answer = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert answer.returncode == 2
    assert "synthesis" in answer.stderr


def test_scripts_import_from_each_other_what_is_there(project: Path) -> None:
    trees = {
        path.stem: ast.parse(path.read_text(encoding="utf-8"))
        for path in (project / "benchmarks").glob("*.py")
    }
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in trees:
                there = defined(trees[node.module])
                assert {alias.name for alias in node.names} <= there, f"{name} from {node.module}"


def defined(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.slow
@pytest.mark.parametrize("part", sorted(MEASURES))
def test_each_part_runs_alone(project: Path, part: str, tmp_path: Path) -> None:
    script = project / "benchmarks" / f"{part}.py"
    results = tmp_path / "rows.json"
    command = [sys.executable, str(script), "--quick", "--json", str(results)]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=600)
    rows = json.loads(results.read_text(encoding="utf-8"))["rows"]
    assert MEASURES[part] <= {row["measure"] for row in rows}
