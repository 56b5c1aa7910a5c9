"""Stage 1 on several GPUs or machines: torchrun processes that this one starts and waits for.

The parent writes what to train into `launch.json` beside the checkpoints, starts
``python -m torch.distributed.run … -m padam.training.launch launch.json`` and reads the trained
encoder back. Rank 0 logs into the parent's MLflow run.
"""

import json
import logging
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import pandas as pd
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from padam.audio.storage import Location, written_whole
from padam.models.audio_encoder import AudioEncoder, AudioEncoderConfig
from padam.training.audio_visual import AudioVisualConfig
from padam.training.batches import Share
from padam.training.callbacks import TrainingDivergedError
from padam.training.degradation_aware import train_degradation_aware
from padam.training.logger import MlflowRun, active_mlflow_run
from padam.training.stage_1 import Clip, Retrieval, Stage1, train_audio_visual

logger = logging.getLogger(__name__)

SPEC: Final = "launch.json"
RESULT: Final = "result.pt"
ERROR: Final = "error.json"
WATCH_S: Final = 2.0


class LaunchConfig(BaseModel):
    """On how many processes a training runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # of a machine; auto: one for each GPU
    processes: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    machines: int = Field(1, ge=1)
    # host:port at which the machines find each other; needed for several
    rendezvous: str = ""
    # what starts the command on every machine, such as ["srun", "--ntasks-per-node=1"]
    prefix: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _machines_can_meet(self) -> "LaunchConfig":
        if self.machines > 1 and not self.rendezvous:
            raise ValueError(
                f"{self.machines} machines need a rendezvous, host:port of one of them, to meet at"
            )
        return self

    def resolved(self) -> int:
        """Return the processes of a machine."""
        if self.processes == "auto":
            return max(1, torch.cuda.device_count())
        return self.processes


class _Spec(BaseModel):
    films: list[str]
    validation: list[str]
    config: AudioVisualConfig
    run: MlflowRun | None
    host: str
    process: int


def launch_audio_visual(
    films: Sequence[Location],
    validation: Sequence[Location],
    config: AudioVisualConfig,
    checkpoint_dir: Path,
    launch: LaunchConfig | None = None,
) -> Stage1:
    """Train stage 1 in this process, or on as many as configured.

    With several machines `checkpoint_dir` must be a folder that all of them see. An interrupted
    training goes on from its last checkpoint.

    Raises:
        ValueError: as `train_audio_visual`; a batch that the processes cannot share.
        TrainingDivergedError: the loss is not finite, or has run away.
        RuntimeError: a process ended with an error of another kind, which is on the screen.
    """
    launch = launch or LaunchConfig()
    count = launch.resolved()
    if count == 1 and launch.machines == 1:
        return _trainer_of(config)(films, validation, config, checkpoint_dir)
    Share(0, count * launch.machines).of(config.batch_size)
    spec = _Spec(
        films=[str(film) for film in films],
        validation=[str(film) for film in validation],
        config=config,
        run=active_mlflow_run(),
        host=platform.node(),
        process=os.getpid(),
    )
    checkpoint_dir.mkdir(parents=True, exist_ok=True)
    for name in (RESULT, ERROR):
        (checkpoint_dir / name).unlink(missing_ok=True)
    path = checkpoint_dir / SPEC
    with written_whole(path) as partial:
        partial.write_text(spec.model_dump_json(indent=2), encoding="utf-8")
    status = _run(_command(launch, count, path), count)
    if status != 0:
        _raise_as_told(checkpoint_dir / ERROR, status)
    result = _read_result(checkpoint_dir / RESULT)
    for name in (RESULT, SPEC):
        (checkpoint_dir / name).unlink()
    return result


def _trainer_of(config: AudioVisualConfig) -> Callable[..., Stage1]:
    return train_degradation_aware if config.degrades else train_audio_visual


def _command(launch: LaunchConfig, count: int, spec: Path) -> list[str]:
    meet = (
        ["--standalone"]
        if launch.machines == 1
        else ["--rdzv-backend", "c10d", "--rdzv-endpoint", launch.rendezvous]
    )
    return [
        *launch.prefix,
        sys.executable,
        "-m",
        "torch.distributed.run",
        *meet,
        *("--nnodes", str(launch.machines), "--nproc-per-node", str(count)),
        *("-m", "padam.training.launch", str(spec)),
    ]


def _run(command: list[str], count: int) -> int:
    """Run torchrun to its end, and end it where this process is interrupted."""
    threads = max(1, (os.cpu_count() or 1) // count)
    environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
    logger.info("Stage 1 runs on %d processes of this machine.", count)
    with _terminable(), subprocess.Popen(command, env=environment) as process:
        try:
            return process.wait()
        except BaseException:
            # torchrun ends its workers when it is asked to end
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            raise


@contextmanager
def _terminable() -> Iterator[None]:
    """Leave by an exception when this process is asked to end, so that its children end too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_with(parent: int) -> None:
    """End this process soon after its parent's parent has gone, however that ended."""

    def watch() -> None:
        while True:
            time.sleep(WATCH_S)
            try:
                os.kill(parent, 0)
            except ProcessLookupError:
                os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _raise_as_told(path: Path, status: int) -> None:
    if not path.is_file():
        raise RuntimeError(
            f"The processes of stage 1 ended with status {status}; their errors are above."
        )
    told = json.loads(path.read_text(encoding="utf-8"))
    kinds: dict[str, type[Exception]] = {
        "ValueError": ValueError,
        "TrainingDivergedError": TrainingDivergedError,
    }
    raise kinds.get(told["kind"], RuntimeError)(told["message"])


def _write_result(path: Path, result: Stage1) -> None:
    """Write plain values and tensors, which are read back without running any code."""
    content = {
        "config": result.encoder.config.model_dump(mode="json"),
        "weights": result.encoder.state_dict(),
        "history": result.history.to_dict("list"),
        "summary": result.summary,
        "films": result.films.to_dict("list"),
        "retrievals": [
            {
                "query": _plain(each.query),
                "rank": each.rank,
                "answers": [_plain(answer) for answer in each.answers],
                "similarities": list(each.similarities),
            }
            for each in result.retrievals
        ],
    }
    with written_whole(path) as partial:
        torch.save(content, partial)


def _read_result(path: Path) -> Stage1:
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    encoder = AudioEncoder(AudioEncoderConfig.model_validate(content["config"]))
    encoder.load_state_dict(content["weights"])
    retrievals = tuple(
        Retrieval(
            _clip(each["query"]),
            each["rank"],
            tuple(_clip(answer) for answer in each["answers"]),
            tuple(each["similarities"]),
        )
        for each in content["retrievals"]
    )
    history, films = (pd.DataFrame(content[name]) for name in ("history", "films"))
    return Stage1(encoder.eval(), history, content["summary"], films, retrievals)


def _plain(clip: Clip) -> dict[str, Any]:
    picture = None if clip.picture is None else torch.from_numpy(clip.picture.copy())
    return {"name": clip.name, "picture": picture}


def _clip(plain: dict[str, Any]) -> Clip:
    picture = plain["picture"]
    return Clip(plain["name"], None if picture is None else picture.numpy())


def main(path: Path) -> None:
    """Train as one of the processes that torchrun started."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    share = Share(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")))
    if share.rank > 0:
        logging.getLogger().setLevel(logging.WARNING)
    spec = _Spec.model_validate_json(path.read_text(encoding="utf-8"))
    if spec.host == platform.node():
        _end_with(spec.process)
    try:
        result = _trainer_of(spec.config)(
            spec.films, spec.validation, spec.config, path.parent, share=share, run=spec.run
        )
    except (ValueError, TrainingDivergedError) as error:
        told = {"kind": type(error).__name__, "message": str(error)}
        with written_whole(path.parent / ERROR) as partial:
            partial.write_text(json.dumps(told), encoding="utf-8")
        raise
    if share.rank == 0:
        _write_result(path.parent / RESULT, result)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
