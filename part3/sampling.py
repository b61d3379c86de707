"""Draw text from a trained model, fast: the weights joined once, then one small product a layer and character."""

import numpy as np


class Writer:
    """The model's recurrence in NumPy, on joined weights: B texts at once, their state carried from step to step.

    The first layer's input product is a table with a row for each character, the others join input and state:

        a^1 = Z[x_t] + W_hh h^1_{t-1},     a^l = [W_ih W_hh] [h^{l-1}_t ; h^l_{t-1}] + b,     l = 2 .. L
        i, f, g, o = σ(a_i), σ(a_f), tanh(a_g), σ(a_o);   c = f ⊙ c + i ⊙ g;   h = o ⊙ tanh(c)

    `nn.LSTM` would re-pack its weights at every call; the results are equal to 1e-5.

    Args:
        weights: the `state_dict` of a TextGenerationModel, on any device.
        num_texts: B.
    """

    def __init__(self, weights, num_texts=1):
        w = {name: tensor.detach().cpu().numpy().astype(np.float32) for name, tensor in weights.items()}
        layers = range(sum(name.endswith("weight_hh_l0") for name in w))
        b = [w[f"layers.{n}.bias_ih_l0"] + w[f"layers.{n}.bias_hh_l0"] for n in layers]
        # Sigmoid gates first, i, f, o, then g: one sigmoid serves three. torch's order is i, f, g, o.
        self.num_hidden = H = w["output.weight"].shape[1]
        order = np.r_[0 : 2 * H, 3 * H : 4 * H, 2 * H : 3 * H]
        self.table = (w["embedding.weight"] @ w["layers.0.weight_ih_l0"].T + b[0])[:, order]  # (V, 4H)
        joined = [w["layers.0.weight_hh_l0"]]
        joined += [np.hstack([w[f"layers.{n}.weight_ih_l0"], w[f"layers.{n}.weight_hh_l0"]]) for n in layers[1:]]
        self.W = [np.ascontiguousarray(W[order].T) for W in joined]  # (H, 4H), then (2H, 4H)
        self.b = [b_n[order] for b_n in b]
        self.W_out, self.b_out = np.ascontiguousarray(w["output.weight"].T), w["output.bias"]  # (H, V), (V,)
        self.h = [np.zeros((num_texts, H), np.float32) for _ in layers]
        self.c = [np.zeros((num_texts, H), np.float32) for _ in layers]

    def read(self, ids):
        """Take in a character for each text, ids (B,); returns the logits of the next ones, (B, V)."""
        H = self.num_hidden
        for n, W in enumerate(self.W):
            if n == 0:
                a = self.table[ids] + self.h[0] @ W  # (B, 4H)
            else:
                a = np.hstack([self.h[n - 1], self.h[n]]) @ W + self.b[n]
            ifo = 0.5 * np.tanh(0.5 * a[:, : 3 * H]) + 0.5  # σ, without overflow
            i, f, o = ifo[:, :H], ifo[:, H : 2 * H], ifo[:, 2 * H :]
            self.c[n] = f * self.c[n] + i * np.tanh(a[:, 3 * H :])
            self.h[n] = o * np.tanh(self.c[n])
        return self.h[-1] @ self.W_out + self.b_out


def choose(logits, rng, temperature=1.0, top_k=None, top_p=None):
    """Draw one character id for each row of logits (B, V), from softmax(logits / temperature); returns ids (B,).

    Args:
        rng: a NumPy Generator.
        temperature: ≥ 0 (Goodfellow et al. 2016, 17.5.1); 0: greedy, the likeliest character; 1: the model's own
            distribution; towards ∞: all alike.
        top_k: draw among the k likeliest only (Fan et al. 2018).
        top_p: draw among the fewest likeliest that hold p of the probability, 0 < p ≤ 1 (Holtzman et al. 2020).

    Raises ValueError for a value out of range.
    """
    if not 0 <= temperature < np.inf:
        raise ValueError(f"temperature {temperature} is not a finite number of at least 0")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k {top_k} is not at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p {top_p} is not above 0 and at most 1")
    if temperature == 0:
        return logits.argmax(axis=1)
    logits = logits.astype(np.float64)
    # Subtracting the largest first keeps a tiny temperature from overflowing.
    p = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    p /= p.sum(axis=1, keepdims=True)
    if top_k is not None or top_p is not None:
        order = np.argsort(-p, axis=1, kind="stable")
        likeliest = np.take_along_axis(p, order, axis=1)
        kept = np.ones_like(likeliest, dtype=bool)
        if top_k is not None:
            kept[:, top_k:] = False
        if top_p is not None:
            kept &= likeliest.cumsum(axis=1) - likeliest < top_p  # what stands before it does not hold p yet
        p = np.zeros_like(p)
        np.put_along_axis(p, order, likeliest * kept, axis=1)
    cumulated = p.cumsum(axis=1)
    drawn = rng.random((len(p), 1)) * cumulated[:, -1:]
    return (cumulated <= drawn).sum(axis=1)


def write(writer, prompt, length, rng, **how):
    """Read the prompt, ids (N ≥ 1,) the same for every text, then yield `length` times the next ids (B,).

    The state is carried all along, so the time is linear in the length and the memory constant. `how` is what `choose`
    takes. Raises ValueError if the prompt is empty.
    """
    if len(prompt) == 0:
        raise ValueError("the prompt is empty: at least one character is needed to begin with")
    num_texts = len(writer.h[0])
    for character in prompt:
        logits = writer.read(np.full(num_texts, int(character)))
    for _ in range(length):
        ids = choose(logits, rng, **how)
        yield ids
        logits = writer.read(ids)
