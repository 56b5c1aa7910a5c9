"""PESQ, wide band (ITU-T P.862.2)."""

import math

from pesq import PesqError, pesq

from padam.quality.base import MetricScore, Signal
from padam.quality.guards import unscorable_pair


class WidebandPesq:
    """PESQ wb, MOS-LQO from 1.04 (bad) to 4.64; made for speech (PADAM §3.2)."""

    name = "pesq"
    sample_rate = 16000
    higher_is_better = True
    needs_reference = True

    def score(self, reference: Signal, degraded: Signal) -> MetricScore:
        """Score one channel at 16 kHz; missing where PESQ finds no utterance in it."""
        if reason := unscorable_pair(self, reference, degraded):
            return MetricScore.missing(reason)
        value = float(
            pesq(self.sample_rate, reference, degraded, "wb", on_error=PesqError.RETURN_VALUES)
        )
        # errors come back as negative codes
        if math.isnan(value) or value < 0:
            return MetricScore.missing("PESQ found no utterance")
        return MetricScore(value)
