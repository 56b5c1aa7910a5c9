"""What was drawn for the clips of a manifest."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd
from pydantic import ValidationError

from padam.defects.base import DefectParams
from padam.defects.workflow import ClipParams
from padam.defects.workflow_config import WorkflowConfig

P = TypeVar("P", bound=DefectParams)


@dataclass(frozen=True)
class DrawnClip:
    """What was drawn for one clip, its duration, and how many channels it has."""

    params: ClipParams
    duration_s: float
    channels: int

    def of(self, kind: type[P]) -> list[P]:
        """Its defects of one kind."""
        return [defect for defect in self.params.defects if isinstance(defect, kind)]


def drawn_clips(manifest: pd.DataFrame, config: WorkflowConfig) -> Iterator[DrawnClip]:
    """Clips of a manifest (`clip_id`, `params`, `duration_s`, `channels`), one at a time.

    Without a column `channels` the configuration's number holds. Raises ValueError for parameters
    that this workflow does not know.
    """
    if manifest.empty:
        return
    if "channels" not in manifest and config.channels is None:
        raise ValueError(
            "the manifest has no column 'channels', and workflow.channels leaves them to the file; "
            "make the manifest again"
        )
    channels: Iterable[int] = manifest.get("channels", [config.channels or 0] * len(manifest))
    columns = (manifest[name] for name in ("clip_id", "params", "duration_s"))
    for clip_id, text, duration_s, count in zip(*columns, channels, strict=True):
        yield DrawnClip(read_params(clip_id, text), float(duration_s), int(count))


def read_params(clip_id: str, text: str) -> ClipParams:
    """Parameters of one clip from the JSON of the manifest; raises ValueError, naming the clip."""
    try:
        return ClipParams.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(
            f"clip {clip_id}: its parameters are not those of this workflow "
            f"({error.error_count()} errors, the first: {error.errors()[0]['msg']}); "
            "run the synthesis again"
        ) from error
