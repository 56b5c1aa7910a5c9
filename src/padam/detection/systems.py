"""The systems of an evaluation by name: PADAM with its ablations, and the baselines (PADAM §5.1).

A system whose weights, model or extra are absent is told with the reason; it stops no run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from padam import __version__
from padam.detection.padam_model import PadamModel
from padam.detection.scorers.audio_artifacts import AudioArtifactsScorer
from padam.detection.scorers.base import Scorer
from padam.detection.scorers.dnsmos import DnsmosScorer
from padam.detection.scorers.essentia_detectors import EssentiaScorer
from padam.detection.scorers.nisqa import NisqaScorer
from padam.detection.scorers.padam import FEATURE_EXTRACTOR, NATIVE_EVIDENCE, QUALITY_HEAD
from padam.detection.scorers.scoreq import ScoreqScorer
from padam.detection.scorers.srmr import SrmrScorer
from padam.models.cnn6 import Cnn6
from padam.quality.installed_weights import (
    ExtraMissingError,
    WeightsAbsentError,
    WeightsError,
)
from padam.weights.known import expected_sha256, weights_path

SystemName = Literal["padam", "dnsmos", "nisqa", "srmr", "scoreq", "audio_artifacts", "essentia"]
SYSTEM_NAMES: Final[tuple[str, ...]] = get_args(SystemName)
PADAM: Final = "padam"


class ScoringConfig(BaseModel):
    """Which systems score the titles, and with what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    systems: tuple[SystemName, ...] = Field(default=("padam", "dnsmos"), min_length=1)
    # None: where `padam weights fetch` puts them
    nisqa_weights: str | None = None
    scoreq_weights: str | None = None
    srmr_normalised: bool = False
    # None: as the model was trained
    audio_artifacts_chunk_s: float | None = Field(default=None, gt=0)

    @field_validator("systems")
    @classmethod
    def _each_once(cls, systems: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(systems)) != len(systems):
            raise ValueError(f"a system is named twice: {', '.join(systems)}")
        return systems


def ablations(model: PadamModel) -> tuple[str, ...]:
    """Return the names of the ablations that a model has."""
    evidence = (NATIVE_EVIDENCE,) if model.native_evidence else ()
    return (FEATURE_EXTRACTOR, QUALITY_HEAD, *evidence)


@dataclass(frozen=True)
class System:
    """A baseline that can score: its version, all that its scores depend on, and its scorer.

    `scorer` can be sent to another process, where it loads once what it needs.
    """

    name: str
    version: str
    identity: str
    sample_rate: int
    scorer: Callable[[], Scorer]


def baselines(
    config: ScoringConfig, audio_artifacts: Cnn6 | None
) -> tuple[list[System], dict[str, str]]:
    """Return the baselines of the configuration that can score, and why the others cannot.

    PADAM is none of them: it scores embeddings. Raises ValueError for a setting that does not fit.
    """
    found: list[System] = []
    absent: dict[str, str] = {}
    for name in config.systems:
        if name == PADAM:
            continue
        if name == "audio_artifacts" and audio_artifacts is None:
            absent[name] = "model absent: run the pipeline audio_artifacts first"
            continue
        load = _loaders(config, audio_artifacts)[name]
        try:
            scorer = load()
        except WeightsError as error:
            absent[name] = _reason(name, error)
            continue
        identity = f"{__version__} {name} {scorer.version} {_weights_of(scorer)}"
        found.append(System(name, scorer.version, identity, scorer.sample_rate, load))
    return found, absent


def _loaders(
    config: ScoringConfig, audio_artifacts: Cnn6 | None
) -> dict[str, Callable[[], Scorer]]:
    nisqa = config.nisqa_weights or str(weights_path("nisqa"))
    scoreq = config.scoreq_weights or str(weights_path("scoreq"))
    return {
        "dnsmos": _dnsmos,
        "nisqa": partial(_nisqa, nisqa),
        "srmr": partial(SrmrScorer, normalised=config.srmr_normalised),
        "scoreq": partial(_scoreq, scoreq, fetched=config.scoreq_weights is None),
        "audio_artifacts": partial(
            AudioArtifactsScorer,
            audio_artifacts,  # type: ignore[arg-type]  # asked for only where there is one
            chunk_s=config.audio_artifacts_chunk_s,
        ),
        "essentia": EssentiaScorer,
    }


# A process scores many titles: what it has loaded it keeps.
@cache
def _dnsmos() -> DnsmosScorer:
    return DnsmosScorer()


@cache
def _nisqa(weights: str) -> NisqaScorer:
    return NisqaScorer(weights)


@cache
def _scoreq(weights: str, *, fetched: bool) -> ScoreqScorer:
    digest = expected_sha256("scoreq", weights_path("scoreq")) if fetched else None
    return ScoreqScorer(weights, sha256=digest)


def _reason(name: str, error: WeightsError) -> str:
    if isinstance(error, ExtraMissingError):
        return f"extra {error.extra} not installed"
    if isinstance(error, WeightsAbsentError):
        return f"weights absent: padam weights fetch {name}"
    return f"weights unusable: {error}"


def _weights_of(scorer: Scorer) -> str:
    """Digest of what a scorer's version does not tell: AA's trained weights."""
    if not isinstance(scorer, AudioArtifactsScorer):
        return ""
    digest = hashlib.sha256(str(scorer.chunk_s).encode())
    for name, tensor in scorer.model.state_dict().items():
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
