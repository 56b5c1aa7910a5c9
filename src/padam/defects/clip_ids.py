"""What a clip is called, what seeds it, and that tables of clips belong together."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

_DIGITS = 6
_SHOWN = 3


def clip_rng(seed: int, source: str, start_s: float) -> np.random.Generator:
    """Generator of one clip: the same whatever the worker, the order, a restart or the plan."""
    digest = hashlib.sha256(json.dumps([source, float(start_s)]).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def clip_ids(rows: Iterable[Mapping[str, Any]], workflow: str) -> list[str]:
    """Names of the clips of a plan, `<number>-<digest>`, in the order of the plan when sorted.

    The digest is of everything in the row but a `clip_id`, and of `workflow`, a fingerprint of the
    configuration that the clip is rendered with. It does not depend on the other rows.
    """
    digests = [_digest(row, workflow) for row in rows]
    digits = max(_DIGITS, len(str(len(digests) - 1)))
    return [f"{number:0{digits}d}-{digest}" for number, digest in enumerate(digests)]


def clips_of(names: Iterable[str]) -> set[str]:
    """Clip ids of names `<clip id>.<part>`, as those of embeddings are."""
    return {name.rpartition(".")[0] for name in names}


def check_same_clips(clips: Mapping[str, Iterable[str]]) -> None:
    """Raise ValueError unless all datasets, given by name with their clip ids, hold the same clips.

    Tables of different plans would be joined in part, or mix clips that have a number in common.
    """
    (first, expected), *others = ((name, set(ids)) for name, ids in clips.items())
    for name, found in others:
        if found != expected:
            versions = ",".join(f"{dataset}:VERSION" for dataset in clips)
            raise ValueError(
                f"'{first}' and '{name}' do not hold the same clips: "
                f"{_only(first, expected - found)}, {_only(name, found - expected)}. "
                "They come from different clip plans. Run the chain (`kedro run`) or the pipelines "
                "that make the older of them, or load versions that belong together: "
                f"`--load-versions {versions}`."
            )


def _only(name: str, ids: set[str]) -> str:
    shown = ", ".join([*sorted(ids)[:_SHOWN], *(["…"] if len(ids) > _SHOWN else [])])
    return f"{len(ids)} are only in '{name}'" + (f" ({shown})" if ids else "")


def _digest(row: Mapping[str, Any], workflow: str) -> str:
    content = {name: value for name, value in row.items() if name != "clip_id"}
    text = json.dumps([content, workflow], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
