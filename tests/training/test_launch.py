"""Two processes on the CPU do what one does."""

import contextlib
import faulthandler
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
import torch
import torch.multiprocessing
from pydantic import ValidationError

from padam.training.audio_visual import AudioVisualModule
from padam.training.callbacks import TrainingDivergedError
from padam.training.fitting import seeded
from padam.training.launch import LaunchConfig, launch_audio_visual
from tests.training.conftest import TINY_STAGE_1

TINY = TINY_STAGE_1.model_copy(update={"validate_every": 3, "accelerator": "cpu"})
TWO = LaunchConfig(processes=2)


def global_batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "audio": 0.1 * torch.randn(6, 6400, generator=generator),
        "frames": torch.randint(0, 255, (6, 10, 48, 80, 3), generator=generator).byte(),
        "replaced": torch.zeros(6),
    }


class World:
    """As much of a trainer as a training step asks for."""

    def __init__(self, size: int) -> None:
        self.world_size = size
        self.global_step = 0
        self.optimizers = [SimpleNamespace(param_groups=[{"lr": 0.0}])]


def gradients(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in module.parameters()])


def module_of(size: int) -> AudioVisualModule:
    with seeded(0):
        module = AudioVisualModule(TINY.model_copy(update={"recompute_clips": 2}))
    module.__dict__["_trainer"] = World(size)
    module.log = module.log_dict = lambda *_, **__: None
    return module


def work_as_rank(rank: int, folder: str) -> None:
    # a rank that hangs says where, instead of keeping the test until it is ended from outside
    faulthandler.dump_traceback_later(150, exit=True)
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    module = module_of(2)
    batch = {name: value[rank * 3 : rank * 3 + 3] for name, value in global_batch().items()}

    class Step(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self) -> torch.Tensor:
            return self.inner.training_step(batch, 0)

    parallel = torch.nn.parallel.DistributedDataParallel(Step(), static_graph=True)
    for _ in range(2):
        module.zero_grad()
        parallel().backward()
    if rank == 0:
        torch.save(gradients(module), f"{folder}/gradient.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    faulthandler.cancel_dump_traceback_later()


def test_gradient_of_two_processes_is_that_of_one(tmp_path):
    # in one of some hundred runs the processes never met; what is tested is what they compute
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        with contextlib.suppress(torch.multiprocessing.ProcessExitedException):
            torch.multiprocessing.spawn(work_as_rank, args=(str(folder),), nprocs=2)
            break
    else:
        pytest.fail("twice, the two processes hung; their stacks are in the captured output")
    module = module_of(1)
    module.training_step(global_batch(), 0).backward()
    expected = gradients(module)
    found = torch.load(folder / "gradient.pt", weights_only=True)
    assert (found - expected).norm() / expected.norm() < 1e-5


def test_two_processes_train_as_one_does_and_log_into_one_run(films, tmp_path):
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_experiment("test")
    with mlflow.start_run() as run:
        # three batches of two held-out clips, of which one is taken by both processes
        pieces = TINY.model_copy(update={"recompute_clips": 2})
        two = launch_audio_visual(films[:2], films[2:], pieces, tmp_path / "two", TWO)
    one = launch_audio_visual(films[:2], films[2:], TINY, tmp_path / "one")
    # float sums of another order, carried through six steps of Adam
    np.testing.assert_allclose(two.history["value"], one.history["value"], rtol=2e-3, atol=2e-3)
    assert two.history[["step", "metric"]].equals(one.history[["step", "metric"]])
    for (name, ours), theirs in zip(
        two.encoder.state_dict().items(), one.encoder.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-2, msg=name)
    assert two.summary["processes"] == 2
    assert [each.query.name for each in two.retrievals] == [
        each.query.name for each in one.retrievals
    ]
    np.testing.assert_array_equal(two.retrievals[0].query.picture, one.retrievals[0].query.picture)
    assert two.films["film"].tolist() == one.films["film"].tolist()
    # the checkpoint stays until whoever asked for the training has saved its result
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["last.ckpt"]
    client = mlflow.MlflowClient()
    logged = client.get_metric_history(run.info.run_id, "feature_extractor/train_loss")
    rows = two.history[two.history["metric"] == "train_loss"]
    assert [metric.value for metric in logged] == pytest.approx(rows["value"].tolist())
    assert client.get_run(run.info.run_id).info.status == "FINISHED"


@pytest.mark.slow
def test_errors_of_the_processes_come_back_as_they_were(films, tmp_path):
    with pytest.raises(ValueError, match="None of 1 films can be used"):
        launch_audio_visual([tmp_path / "gone.mkv"], [], TINY, tmp_path, TWO)
    wild = TINY.model_copy(update={"max_lr": 1e30, "steps": 40, "validate_every": 40})
    with pytest.raises(TrainingDivergedError, match="lower max_lr"):
        launch_audio_visual(films[:2], [], wild, tmp_path, TWO)


def group_lives(group: int) -> bool:
    """Whether any process of a group is more than a zombie that nobody waits for."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, member = stat.read_text().rpartition(")")[2].split()[:3]
            if int(member) == group and state != "Z":
                return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ending_the_parent_ends_the_processes_and_a_rerun_goes_on(films, tmp_path, ending):
    config = TINY.model_copy(update={"steps": 400, "validate_every": 20})
    script = (
        "import json, sys, pathlib; from padam.training.launch import *;"
        "from padam.training.audio_visual import AudioVisualConfig;"
        "films, config, folder = json.loads(sys.argv[1]);"
        "launch_audio_visual(films[:2], films[2:], AudioVisualConfig.model_validate(config),"
        "pathlib.Path(folder), LaunchConfig(processes=2))"
    )
    told = json.dumps([list(map(str, films)), config.model_dump(mode="json"), str(tmp_path)])
    with subprocess.Popen([sys.executable, "-c", script, told], start_new_session=True) as parent:
        deadline = time.monotonic() + 120
        while not (tmp_path / "last.ckpt").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        parent.send_signal(ending)
        parent.wait(timeout=60)
        deadline = time.monotonic() + 60
        while group_lives(parent.pid) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not group_lives(parent.pid)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert 20 <= checkpoint["global_step"] < 400
    resumed = launch_audio_visual(films[:2], films[2:], config, tmp_path, TWO)
    steps = resumed.history.loc[resumed.history["metric"] == "train_loss", "step"]
    assert steps.tolist() == list(range(1, 401))


@pytest.mark.parametrize(
    ("launch", "message"),
    [
        ({"processes": 0}, "greater than or equal to 1"),
        ({"machines": 2}, "need a rendezvous"),
        ({"gpus": 4}, "not permitted"),
    ],
)
def test_impossible_launches_are_refused_with_the_parameters(launch, message):
    with pytest.raises(ValidationError, match=message):
        LaunchConfig.model_validate(launch)


def test_a_batch_that_cannot_be_shared_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(ValueError, match="batch_size a multiple of 3"):
        launch_audio_visual(["film"], [], TINY, tmp_path, LaunchConfig(processes=3))
    assert not list(Path(tmp_path).iterdir())
