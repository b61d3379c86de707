"""Draw text from a trained model, fast: the weights joined once, then one small product a layer and character."""

import numpy as np


class Writer:
    """The model's recurrence in NumPy, on joined weights: B texts at once, their state carried from step to step.

    The first layer's input product is a table with a row for each character, the others join input and state:

        a^1 = Z[x_t] + W_hh h^1_{t-1},     a^l = [W_ih W_hh] [h^{l-1}_t ; h^l_{t-1}] + b,     l = 2 .. L
        i, f, o, g = σ(a_i), σ(a_f), σ(a_o), tanh(a_g);   c = f ⊙ c + i ⊙ g;   h = o ⊙ tanh(c)

    σ(a) = (1 + tanh(a / 2)) / 2, so one tanh serves all four gates; the factor 1/2 is folded into the weights.
    `nn.LSTM` would re-pack its weights at every call; the results are equal to 1e-5.

    Args:
        weights: the `state_dict` of a TextGenerationModel, on any device.
    """

    def __init__(self, weights):
        w = {name: tensor.detach().cpu().numpy().astype(np.float32) for name, tensor in weights.items()}
        layers = range(sum(name.endswith("weight_hh_l0") for name in w))
        self.W_out, self.b_out = np.ascontiguousarray(w["output.weight"].T), w["output.bias"]  # (H, V), (V,)
        self.num_hidden = H = len(self.W_out)
        order = np.r_[0 : 2 * H, 3 * H : 4 * H, 2 * H : 3 * H]  # i, f, o, g; torch's order is i, f, g, o
        half = np.repeat(np.float32([0.5, 1.0]), [3 * H, H])
        self.W, self.b = [], []
        for n in layers:
            W_ih, W_hh = (w[f"layers.{n}.weight_{kind}_l0"][order] * half[:, None] for kind in ("ih", "hh"))
            b_ih, b_hh = (w[f"layers.{n}.bias_{kind}_l0"] for kind in ("ih", "hh"))
            W = np.hstack([W_ih, W_hh]) if n else W_hh
            self.W.append(np.ascontiguousarray(W.T))  # (H, 4H), then (2H, 4H): rows times it are faster than columns
            self.b.append((b_ih + b_hh)[order] * half)
            if n == 0:
                self.table = w["embedding.weight"] @ W_ih.T + self.b[0]  # (V, 4H)
        self.begin()

    def begin(self):
        """Begin one text: its state is zero."""
        layers, H = len(self.W), self.num_hidden
        self.h = np.zeros((1, layers * H), np.float32)  # of all layers side by side
        self.c = [np.zeros((1, H), np.float32) for _ in range(layers)]

    def copy(self, num_texts):
        """Make `num_texts` texts of the one that was read, each with its state."""
        self.h = self.h.repeat(num_texts, axis=0)  # (B, LH)
        self.c = [c.repeat(num_texts, axis=0) for c in self.c]  # (B, H) each

    def read(self, ids):
        """Take in a character for each text, ids (B,); returns the logits of the next ones, (B, V)."""
        H = self.num_hidden
        for n, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
            h = self.h[:, n * H : (n + 1) * H]
            joined = self.h[:, max(0, n - 1) * H : (n + 1) * H]  # of the layer below, if there is one, and of this one
            gates = np.tanh(joined @ W + (b if n else self.table[ids]))  # (B, 4H)
            ifo = 0.5 * gates[:, : 3 * H] + 0.5
            self.c[n] = c = ifo[:, H : 2 * H] * self.c[n] + ifo[:, :H] * gates[:, 3 * H :]
            h[:] = ifo[:, 2 * H :] * np.tanh(c)
        return h @ self.W_out + self.b_out


def choose(logits, rng, temperature=1.0, top_k=None, top_p=None, min_p=None):
    """Draw one character id for each row of logits (B, V), from softmax(logits / temperature); returns ids (B,).

    Args:
        rng: a NumPy Generator.
        temperature: ≥ 0 (Goodfellow et al. 2016, 17.5.1); 0: greedy, the likeliest character; 1: the model's own
            distribution; towards ∞: all alike.
        top_k: draw among the k likeliest only (Fan et al. 2018).
        top_p: draw among the fewest likeliest that hold p of the probability, 0 < p ≤ 1 (Holtzman et al. 2020).
        min_p: draw among those that have p of the likeliest's probability, 0 < p ≤ 1 (Nguyen et al. 2024).

    All three are of the tempered distribution. Raises ValueError for a value out of range.
    """
    if not (
        0 <= temperature < np.inf
        and (top_k is None or top_k >= 1)
        and all(share is None or 0 < share <= 1 for share in (top_p, min_p))
    ):
        raise ValueError(f"temperature {temperature}, top_k {top_k}, top_p {top_p} or min_p {min_p} is out of range")
    if temperature == 0:
        return logits.argmax(axis=1)
    logits = logits.astype(np.float64)
    with np.errstate(over="ignore"):  # a tiny temperature makes -∞ of all but the largest, which is 0
        p = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    if min_p is not None:
        p *= p >= min_p  # the likeliest has 1
    if top_k is not None or top_p is not None:
        p /= p.sum(axis=1, keepdims=True)
        order = np.argsort(-p, axis=1, kind="stable")
        likeliest = np.take_along_axis(p, order, axis=1)
        before = likeliest.cumsum(axis=1) - likeliest  # a character is kept while those before it do not hold p yet
        kept = (np.arange(p.shape[1]) < (top_k or np.inf)) & (before < (top_p or np.inf))
        p = np.zeros_like(p)
        np.put_along_axis(p, order, likeliest * kept, axis=1)
    cumulated = p.cumsum(axis=1)
    drawn = rng.random((len(p), 1)) * cumulated[:, -1:]
    return (cumulated <= drawn).sum(axis=1)


def write(writer, prompt, length, rng, num_texts=1, stop=(), **how):
    """Read the prompt, ids (N ≥ 1,), then yield `length` times the next ids (B,) of B = `num_texts` texts.

    With ids `stop` (K ≥ 1,) it ends sooner: once every text has had them after the prompt. What a text has after its
    own is to be cut off.

    The prompt is read once, however many texts follow it. The state is carried all along, so the time is linear in the
    length and the memory constant. `how` is what `choose` takes. Raises ValueError if the prompt is empty.
    """
    if len(prompt) == 0:
        raise ValueError("the prompt is empty: at least one character is needed to begin with")
    writer.begin()
    for character in prompt:
        logits = writer.read([int(character)])  # (1, V)
    writer.copy(num_texts)
    logits = logits.repeat(num_texts, axis=0)  # (B, V)
    last, ended = np.full((num_texts, len(stop)), -1), np.zeros(num_texts, dtype=bool)  # ids (B, K); who had `stop`
    for _ in range(length):
        ids = choose(logits, rng, **how)
        yield ids
        if len(stop):
            last = np.column_stack([last[:, 1:], ids])
            ended |= (last == stop).all(axis=1)
            if ended.all():
                return
        logits = writer.read(ids)
