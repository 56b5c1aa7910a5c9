"""CNN6 under its loss: settings and Lightning module of AA's classifier (AA §5)."""

from typing import Any, Final, Literal

import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from padam.defects.audio_artifacts.config import CLASSES
from padam.models.cnn6 import Cnn6
from padam.models.cnn6_checkpoint import AudioSetWeights
from padam.training.artifact_augmentation import AugmentationConfig
from padam.training.batches import Batch
from padam.training.callbacks import check_finite
from padam.training.fitting import FitConfig

MONITORED: Final = "validation_balanced_accuracy"


class ArtifactTraining(FitConfig):
    """AA §5; defaults are for a laptop, the paper's values stand beside them."""

    steps: int = Field(300, ge=1)  # 98 000
    validate_every: int = Field(100, ge=1)  # 100
    batch_size: int = Field(64, ge=2)  # 512
    max_lr: float = Field(5e-4, gt=0)  # 1e-4, for many more steps
    schedule: Literal["one_cycle", "constant"] = "one_cycle"  # constant
    betas: tuple[float, float] = (0.9, 0.999)
    validation_share: float = Field(0.2, gt=0, le=1)  # 0.01, of many more chunks
    # ours: each class as often as the others, where the paper takes chunks as they come
    balanced: bool = True
    # ours: the clean chunks of a batch are those that its defective ones were made of, which shows
    # the defect apart from the programme
    paired: bool = True
    # ours: 1 takes each title of a class as often as the others, 0 each chunk
    even_titles: float = Field(0.0, ge=0, le=1)
    augmentation: AugmentationConfig = AugmentationConfig()
    label_smoothing: float = Field(0.0, ge=0, lt=1)  # ours
    weight_decay: float = Field(0.0, ge=0, lt=1)  # ours, decoupled from the gradient (AdamW)
    conv_dropout: float = Field(0.0, ge=0, lt=1)  # 0.2 in PANNs, which wants more steps
    dropout: float = Field(0.2, ge=0, lt=1)  # 0.5 in PANNs
    audioset: AudioSetWeights | None = None  # published weights to start from, as in the paper


class ArtifactModule(pl.LightningModule):
    """CNN6 under the negative log-likelihood of its softmax."""

    def __init__(self, model: Cnn6, config: ArtifactTraining) -> None:
        super().__init__()
        self.config = config
        # convolutions on a CPU are a fifth faster so, and the numbers are the same
        self.model: Cnn6 = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._hits = torch.zeros(2, len(CLASSES))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch of chunks."""
        logits = self.model(batch["log_mel"].float()).float()
        loss = functional.cross_entropy(
            logits, batch["label"], label_smoothing=self.config.label_smoothing
        )
        check_finite(loss, self.global_step, self.trainer.optimizers[0].param_groups[0]["lr"])
        self.log("train_loss", loss, on_step=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._hits.zero_()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the chunks of each class, and those that are recognised."""
        label = batch["label"]
        right = self.model(batch["log_mel"].float()).argmax(dim=1) == label
        for row, of in enumerate((label[right], label)):
            self._hits[row] += torch.bincount(of, minlength=len(CLASSES)).cpu()

    def on_validation_epoch_end(self) -> None:
        """Log balanced accuracy and the recall of each class that is there."""
        right, total = self._hits
        recall = {
            f"validation_recall_{name}": float(right[number] / total[number])
            for number, name in enumerate(CLASSES)
            if total[number] > 0
        }
        self.log_dict({**recall, MONITORED: sum(recall.values()) / len(recall)})

    def configure_optimizers(self) -> Any:
        """Return Adam (AA §5), under a one-cycle schedule where it is asked for."""
        config = self.config
        optimizer = torch.optim.AdamW(  # Adam, where no weights decay
            self.parameters(),
            lr=config.max_lr,
            betas=config.betas,
            weight_decay=config.weight_decay,
        )
        if config.schedule == "constant":
            return optimizer
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.max_lr, total_steps=config.steps, cycle_momentum=False
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
