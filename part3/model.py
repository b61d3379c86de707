"""The model that learns to write: embedding, stacked LSTM, linear output."""

from itertools import pairwise

import torch
from torch import nn


class TextGenerationModel(nn.Module):
    """Predict the next character at every time step (assignment, section 3; Graves 2013).

        e_t = E[x_t];   h^1_t = LSTM_1(e_t),  h^2_t = LSTM_2(d(h^1_t)), ...;   p_t = W d(h^L_t) + b

    d is dropout in training (Zaremba et al. 2014: between and after the layers, not through time). It stands in modules
    of its own, one `nn.LSTM` a layer, so that a resumed run draws the same masks; the dropout inside `nn.LSTM` does not
    promise that on a GPU.

    Args:
        vocabulary_size: V.
        lstm_num_hidden: H, units of each layer.
        lstm_num_layers: L.
        dropout_keep_prob: probability, 0 < p ≤ 1, that a unit's output is kept; 1: no dropout.
        embedding_dim: numbers that a character is turned into.
    """

    def __init__(
        self, vocabulary_size, lstm_num_hidden=128, lstm_num_layers=2, dropout_keep_prob=1.0, embedding_dim=64
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        sizes = [embedding_dim] + [lstm_num_hidden] * lstm_num_layers
        self.layers = nn.ModuleList(nn.LSTM(below, above, batch_first=True) for below, above in pairwise(sizes))
        self.dropout = nn.Dropout(1 - dropout_keep_prob)
        self.output = nn.Linear(lstm_num_hidden, vocabulary_size)

    def forward(self, ids, state=None):
        """Logits (B, T, V) for ids (B, T), and the state after them, (h, c), each (L, B, H); from `state` or zeros."""
        x = self.embedding(ids)  # (B, T, E)
        states = [None] * len(self.layers) if state is None else zip(*state, strict=True)
        states_after = []
        for layer, before in zip(self.layers, states, strict=True):
            x, after = layer(x, None if before is None else (before[0][None], before[1][None]))  # (B, T, H)
            x = self.dropout(x)
            states_after.append(after)
        h, c = (torch.cat(of_layers) for of_layers in zip(*states_after, strict=True))
        return self.output(x), (h, c)
