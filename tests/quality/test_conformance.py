"""Each metric against the published value of its own documentation."""

import pytest

from padam.audio.channels import to_mono
from padam.audio.resampling import resample
from padam.quality.cdpam import Cdpam
from padam.quality.dnsmos import Dnsmos, rate_speech
from padam.quality.visqol_v3 import VisqolV3
from padam.quality.wideband_pesq import WidebandPesq
from tests.conftest import ReadConformance

CLEAN, TRANSCODED = "visqol_CA01_01.wav", "visqol_transcoded_CA01_01.wav"


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 5e-5), ("bfloat16", 5e-3)])
def test_cdpam_documented_example(
    conformance: ReadConformance, precision: str, tolerance: float
) -> None:
    reference, rate = conformance("cdpam_ref.wav")
    degraded, _ = conformance("cdpam_2.wav")
    assert rate == Cdpam.sample_rate
    score = Cdpam(crop_s=None, precision=precision).score(reference[0], degraded[0])
    assert score.value == pytest.approx(0.16963, abs=tolerance)


def test_visqol_audio_guitar(conformance: ReadConformance) -> None:
    # Google's tool mixes stereo files to mono by the mean of the channels
    reference, rate = conformance("visqol_guitar48_stereo.wav")
    degraded, _ = conformance("visqol_guitar48_stereo_64kbps_aac.wav")
    assert rate == VisqolV3.sample_rate
    assert reference.shape[0] == 2
    score = VisqolV3().score(to_mono(reference)[0], to_mono(degraded)[0])
    assert score.value == pytest.approx(4.34972, abs=5e-4)


def test_visqol_speech(conformance: ReadConformance) -> None:
    (reference, _), (degraded, _) = conformance(CLEAN), conformance(TRANSCODED)
    score = VisqolV3("speech").score(reference[0], degraded[0])
    assert score.value == pytest.approx(3.3129, abs=5e-3)


def test_pesq_speech(conformance: ReadConformance) -> None:
    reference, degraded = (
        resample(*conformance(name), WidebandPesq.sample_rate)[0] for name in (CLEAN, TRANSCODED)
    )
    score = WidebandPesq().score(reference, degraded)
    assert score.value == pytest.approx(2.5082, abs=5e-3)


@pytest.mark.parametrize(
    ("name", "ovrl", "sig", "bak"),
    [(CLEAN, 3.2058, 3.5576, 3.9283), (TRANSCODED, 2.9428, 3.3223, 3.9732)],
)
def test_dnsmos_speech(
    conformance: ReadConformance, name: str, ovrl: float, sig: float, bak: float
) -> None:
    signal = resample(*conformance(name), Dnsmos.sample_rate)[0]
    assert rate_speech(signal) == pytest.approx({"ovrl": ovrl, "sig": sig, "bak": bak}, abs=0.01)
    assert Dnsmos().score(signal, signal).value == pytest.approx(ovrl, abs=0.01)
