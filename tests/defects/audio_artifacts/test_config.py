"""The simulator's constants: the paper's, and what is refused."""

import pytest
from pydantic import ValidationError

from padam.defects.audio_artifacts.config import CLASS_OF, CLASSES, METHODS, SimulationConfig


def test_five_classes_of_which_two_methods_make_clicks():
    assert CLASSES == ("no_defect", "hum", "hiss", "distortion", "click")
    assert [CLASSES[CLASS_OF[method]] for method in METHODS] == [
        *CLASSES[1:4],
        "click",
        "click",
    ]


def test_the_defaults_are_the_papers():
    config = SimulationConfig()
    assert (config.min_interval_s, config.gamma_shape, config.gamma_scale_s) == (0.5, 1, 10)
    assert (config.hum_hz, config.amplitude_above) == ((20, 1220), 60)
    assert config.distortion_ratios == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    assert (config.click_cutoff, config.min_step) == ((0.05, 0.45), 3277)


@pytest.mark.parametrize(
    "wrong",
    [
        {"distortion_ratios": (0.5, 1.0)},
        {"distortion_ratios": ()},
        {"click_cutoff": (0.05, 0.5)},
        {"hum_hz": (1220, 20)},
        {"min_step": 0},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        SimulationConfig(**wrong)
