"""The configuration of every environment is valid, and `paper` holds the paper's constants."""

from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
from kedro.validation.parameter_validator import ParameterValidator

from padam.cli import RUN_PARAMETERS
from padam.models.quality_head import QualityHeadConfig
from padam.settings import CONFIG_LOADER_ARGS
from padam.training.ablation_variants import varied
from padam.training.artifact_augmentation import AugmentationConfig


def parameters(project: Path, env: str) -> dict[str, Any]:
    """Return the parameters of an environment as the nodes get them: no run, nothing written."""
    bootstrap_project(project)
    loader = OmegaConfigLoader(str(project / "conf"), env=env, **CONFIG_LOADER_ARGS)
    return ParameterValidator(dict(pipelines)).validate_raw_params(loader["parameters"])


@pytest.mark.parametrize("env", ["local", "paper", "test", "dask", "gpu", "open"])
def test_every_environment_is_valid(project: Path, env: str) -> None:
    assert parameters(project, env)["synthesis"]["plan"].clip_duration_s == 10.0


def test_paper_holds_the_papers_constants(project: Path) -> None:
    paper = parameters(project, "paper")
    synthesis = paper["synthesis"]
    assert synthesis["plan"].clips == 250_000
    assert synthesis["plan"].mix_probability == 0.0
    fractions = synthesis["split"].fractions
    clips = fractions["train"] + fractions["validation"]
    assert fractions["train"] / clips == pytest.approx(0.75)
    workflow = synthesis["workflow"]
    assert (
        workflow.single_probability,
        workflow.several_probability,
        workflow.clean_probability,
    ) == (0.65, 0.25, 0.10)
    assert workflow.source_encode_probability == workflow.transcode_probability == 0.5
    assert workflow.transcode.loudness_probability == workflow.transcode.lowpass_probability == 0.1
    assert workflow.transcode.loudness_lufs == -23.0
    assert workflow.placement.whole_probability == 1.0
    assert workflow.ranges["clipping"].percent == (7.0, 35.0)
    assert workflow.ranges["clipping"].min_gap_s == 0.4
    assert workflow.ranges["packet_loss"].amount == (1000, 9000)
    assert workflow.ranges["packet_loss"].packet_drop_probability == 0.0
    assert workflow.ranges["hum"].snr_db == workflow.ranges["hiss"].snr_db == (0.0, 15.0)
    assert paper["detection"]["scan"].event_gap_s is None
    weights = paper["metric_fusion"]["weights"]
    assert (weights.cdpam, weights.dnsmos, weights.pesq, weights.visqol) == (0.40, 0.23, 0.19, 0.18)
    scoring = paper["metric_fusion"]["scoring"]
    assert (scoring.channel_policy, scoring.cdpam_crop_s) == ("worst", None)
    rated = paper["listening_test"]["sample"]
    assert (rated.clips, rated.sampling) == (616, "random")
    stage_1 = paper["feature_extractor"]["training"]
    assert (stage_1.audio_encoder, stage_1.video_encoder) == ("paper", "paper")
    assert (stage_1.temperature, stage_1.max_lr, stage_1.clip_s) == (0.1, 1e-4, 10.0)
    stage_2 = paper["quality_head"]["training"]
    assert (stage_2.temperature, stage_2.max_lr, stage_2.batch_size) == (0.2, 2e-4, 256)
    assert (stage_2.weight_decay, stage_2.defect_weight) == (1e-5, 0.5)
    assert (stage_2.optimizer, stage_2.mask, stage_2.identity) == ("sgd", "soft", "source")
    assert stage_2.head == QualityHeadConfig()
    assert stage_2.early_stopping_checks is None
    assert synthesis["plan"].degradations_per_clip == 1
    artifacts = paper["audio_artifacts"]
    assert artifacts["plan"].chunk_s == 1.0
    assert artifacts["plan"].peak_db is None
    assert artifacts["simulation"].draw_per == "title"
    cnn6 = artifacts["training"]
    assert (cnn6.max_lr, cnn6.betas, cnn6.schedule) == (1e-4, (0.9, 0.999), "constant")
    assert (cnn6.batch_size, cnn6.steps) == (512, 98_000)
    assert not cnn6.balanced
    assert not cnn6.paired
    assert (cnn6.even_titles, cnn6.label_smoothing, cnn6.weight_decay) == (0, 0, 0)
    assert cnn6.augmentation == AugmentationConfig()
    assert artifacts["split"].left_out == ()
    assert (cnn6.validate_every, cnn6.validation_share) == (100, 0.01)
    assert (cnn6.conv_dropout, cnn6.dropout) == (0.2, 0.5)


def test_each_ablation_is_a_difference_to_the_configured_training(project: Path) -> None:
    found = parameters(project, "local")
    training = found["quality_head"]["training"]
    changed = {
        name: {
            key: value
            for key, value in varied(training, difference).model_dump().items()
            if value != training.model_dump()[key]
        }
        for name, difference in found["ablations"].variants.items()
    }
    assert changed.pop("plus_content") == {}
    assert changed["defects_only"] == {"quality_weight": 0.0, "content_weight": 0.0}
    assert changed["plus_quality"] == {"content_weight": 0.0}
    assert all(len(difference) in (1, 2) for difference in changed.values())
    heads = [changed[f"{kind}_pooling"]["head"] for kind in ("max", "attentive")]
    assert [head["pooling"] for head in heads] == ["max", "attentive"]


def test_every_parameter_can_be_given_to_a_run(project: Path) -> None:
    loader = OmegaConfigLoader(str(project / "conf"), base_env="base", default_run_env="base")
    assert set(loader["parameters"]) <= RUN_PARAMETERS
