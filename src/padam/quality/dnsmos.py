"""DNSMOS P.835, the overall score (Reddy et al., ICASSP 2022)."""

from functools import cache

import numpy as np
import onnxruntime

from padam.quality.base import MetricScore, Signal
from padam.quality.guards import unscorable_pair
from padam.quality.installed_weights import read_installed_weights

WINDOW_S = 9.01
HOP_S = 1.0
WEIGHTS_SHA256 = "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd"

# raw network output -> MOS, highest power first (Microsoft DNS-Challenge, not personalised)
_TO_MOS = {
    "sig": (-0.08397278, 1.22083953, 0.0052439),
    "bak": (-0.13166888, 1.60915514, -0.39604546),
    "ovrl": (-0.06766283, 1.11546468, 0.04602535),
}


class Dnsmos:
    """DNSMOS P.835 OVRL, about 1 (bad) to 5; judges the degraded channel alone (PADAM §3.2)."""

    name = "dnsmos"
    sample_rate = 16000
    higher_is_better = True
    needs_reference = False

    def score(self, reference: Signal, degraded: Signal) -> MetricScore:
        """Score one channel at 16 kHz; the reference is not used."""
        if reason := unscorable_pair(self, reference, degraded):
            return MetricScore.missing(reason)
        return MetricScore(rate_speech(degraded)["ovrl"])


def rate_speech(signal: Signal) -> dict[str, float]:
    """DNSMOS P.835 of a channel at 16 kHz: MOS `sig`, `bak` and `ovrl`.

    The mean over windows of 9.01 s every second. A shorter signal is repeated by doubling, as the
    published recipe does. Raises ValueError for an empty signal.
    """
    if not signal.size:
        raise ValueError("DNSMOS cannot rate an empty signal")
    rate = Dnsmos.sample_rate
    window, hop = int(WINDOW_S * rate), int(HOP_S * rate)
    while signal.size < window:
        signal = np.concatenate([signal, signal])
    # the published recipe counts its windows in whole seconds
    windows = int(signal.size // rate - WINDOW_S) + 1
    session = _session()
    raw = [
        session.run(None, {"input_1": signal[start : start + window].astype(np.float32)[None]})[0][
            0
        ]
        for start in range(0, windows * hop, hop)
    ]
    mos = {
        name: np.polyval(_TO_MOS[name], column)
        for name, column in zip(("sig", "bak", "ovrl"), np.array(raw).T, strict=True)
    }
    return {name: float(values.mean()) for name, values in mos.items()}


@cache
def _session() -> onnxruntime.InferenceSession:
    # without a limit every worker process starts as many threads as there are cores
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    weights = read_installed_weights(
        "speechmos", "speechmos/dnsmos_models/sig_bak_ovr.onnx", WEIGHTS_SHA256
    )
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
