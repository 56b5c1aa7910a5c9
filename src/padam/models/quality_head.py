"""Quality head: a GRU over frozen audio embeddings, and what its losses look at (PADAM §4.2)."""

from typing import Final, Literal

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

CONTENT_VIEWS: Final = 3

Pooling = Literal["mean", "max", "attentive"]


class QualityHeadConfig(BaseModel):
    """Layers of the quality head; every default is the paper's, other choices are extensions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding_width: int = Field(384, ge=1, le=4096)
    hidden_width: int = Field(512, ge=1, le=4096)
    projection_width: int = Field(128, ge=1, le=4096)
    predictor_width: int = Field(128, ge=1, le=4096)
    labels: int = Field(7, ge=1, le=64)
    dropout: float = Field(0.25, ge=0, lt=1)
    pooling: Pooling = "mean"
    attention_width: int = Field(128, ge=1, le=4096)
    temporal_predictor: bool = True


class QualityHead(nn.Module):
    """MLP 384→384→512 and GRU 512; at inference only r, the hidden states pooled, is used.

    The projector 512→512→128, the temporal predictor 512→128→512 and the auxiliary classifier
    512→7 serve the three training losses; the classifier also names the defect afterwards.
    """

    def __init__(self, config: QualityHeadConfig | None = None) -> None:
        super().__init__()
        self.config = config or QualityHeadConfig()
        embedding, hidden = self.config.embedding_width, self.config.hidden_width
        dropout = self.config.dropout
        self.head = _mlp(embedding, embedding, hidden, dropout)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.projector = _mlp(hidden, hidden, self.config.projection_width, dropout)
        self.predictor = (
            _mlp(hidden, self.config.predictor_width, hidden, dropout)
            if self.config.temporal_predictor
            else None
        )
        self.classifier = nn.Linear(hidden, self.config.labels)
        self.attention = (
            nn.Sequential(
                nn.Linear(hidden, self.config.attention_width),
                nn.Tanh(),
                nn.Linear(self.config.attention_width, 1),
            )
            if self.config.pooling == "attentive"
            else None
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return hidden states h (B, T, 512) of embeddings (B, T, 384).

        Raises ValueError for another width or an empty sequence.
        """
        width = self.config.embedding_width
        if embeddings.ndim != 3 or embeddings.shape[1] == 0 or embeddings.shape[2] != width:
            raise ValueError(
                f"Embeddings have shape {tuple(embeddings.shape)}; expected (batch, steps, {width})"
                " with at least one step: were they made by another audio encoder?"
            )
        hidden: Tensor = self.gru(self.head(embeddings))[0]
        return hidden

    def represent(self, embeddings: Tensor) -> Tensor:
        """Return the clip representation r (B, 512) of embeddings (B, T, 384)."""
        return self.pool(self(embeddings))

    def pool(self, hidden: Tensor) -> Tensor:
        """Return r (B, 512) of hidden states (B, T, 512): their mean over time, as in the paper.

        ``max`` takes the maximum of each dimension; ``attentive`` a weighted mean whose weights
        over time are a softmax of a learned score of each state (Okabe et al., Interspeech 2018,
        without the deviation). A defect that fills a part of a segment weighs more in both.
        """
        if self.config.pooling == "max":
            return hidden.amax(dim=1)
        if self.attention is not None:
            weights: Tensor = self.attention(hidden).softmax(dim=1)
            return (weights * hidden).sum(dim=1)
        return hidden.mean(dim=1)

    def classify(self, representation: Tensor) -> Tensor:
        """Return logits (B, 7) of the defects, in the order of the defect registry."""
        logits: Tensor = self.classifier(representation)
        return logits

    def project(self, representation: Tensor) -> Tensor:
        """Return unit vectors z (N, 128) of representations or content views (N, 512)."""
        return F.normalize(self.projector(representation), dim=-1)

    def predict(self, hidden_state: Tensor) -> Tensor:
        """Return the temporal prediction (N, 512) from hidden states (N, 512).

        Raises ValueError where the head has no temporal predictor.
        """
        if self.predictor is None:
            raise ValueError("This head has no temporal predictor: set temporal_predictor to true.")
        prediction: Tensor = self.predictor(hidden_state)
        return prediction

    @property
    def views(self) -> int:
        """Number of content views: 3, or 2 without the temporal predictor."""
        return CONTENT_VIEWS if self.predictor is not None else CONTENT_VIEWS - 1

    def content_views(self, hidden: Tensor) -> Tensor:
        """Return the three views of eq. (2), stacked: (3·B, 512) from hidden (B, T ≥ 2, 512).

        Rows 0…B-1 are the means of h¹…hᵀ⁻¹, B…2B-1 are f_pred(hᵀ), the last B rows are hᵀ⁻¹.
        The paper's concat runs over views: the only reading whose shapes fit its projector.
        Without the temporal predictor the second view is left out.
        """
        if hidden.shape[1] < 2:
            raise ValueError(f"Content views need at least 2 time steps, got {hidden.shape[1]}.")
        views = [hidden[:, :-1].mean(dim=1), hidden[:, -2]]
        if self.predictor is not None:
            views.insert(1, self.predict(hidden[:, -1]))
        return torch.cat(views, dim=0)


def _mlp(inputs: int, middle: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, middle), nn.GELU(), nn.Dropout(dropout), nn.Linear(middle, outputs)
    )
