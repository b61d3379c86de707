"""Which units of a trained model follow something that a person can name, such as the inside of quotation marks?"""

import unicodedata

import torch

SIGNALS = ("i", "f", "g", "o", "c", "h")  # of every unit, in torch's order of the gates
BEST = 3  # units named for each feature


def features(text):
    """{name: numbers (N - 1,)} of a text (N ≥ 2), a value after each character but the last, whose next is unknown."""
    quoted, in_line, in_word = [False], [0], [0]
    for character, before in zip(text, "\n" + text, strict=False):
        paragraph_ends = character == before == "\n"  # and with it a quotation that was not closed
        turns = {'"': not quoted[-1], "“": True, "”": False}
        quoted.append(turns.get(character, quoted[-1]) and not paragraph_ends)
        in_line.append(0 if character == "\n" else in_line[-1] + 1)
        in_word.append(0 if character in " \n" else in_word[-1] + 1)
    after = text[1:]
    found = {
        "inside quotation marks": quoted[1:-1],
        "how far into the line": in_line[1:-1],
        "how far into the word": in_word[1:-1],
        "a capital letter comes next": [unicodedata.category(character) == "Lu" for character in after],
        "the sentence ends next": [character in ".!?" for character in after],
    }
    return {name: torch.tensor(values, dtype=torch.float32) for name, values in found.items()}


@torch.no_grad()
def signals(model, ids):
    """Of each layer in turn all SIGNALS (6, N, H) of a TextGenerationModel while it reads ids (N,)."""
    x = model.embedding(ids.long())[None]  # (1, N, E)
    for layer in model.layers:
        h, _ = layer(x)  # (1, N, H)
        before = torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], dim=1)
        a = x @ layer.weight_ih_l0.T + before @ layer.weight_hh_l0.T + layer.bias_ih_l0 + layer.bias_hh_l0
        i, f, g, o = a[0].chunk(4, dim=1)  # (N, H)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c, cells = torch.zeros_like(i[0]), []
        for f_t, new in zip(f, i * g, strict=True):
            c = f_t * c + new
            cells.append(c)
        yield torch.stack([i, f, g, o, torch.stack(cells), h[0]])
        x = h


def correlations(values, features):
    """Pearson's r of signals (6, N, H) with features (N, K): (6, H, K); 0 where one of the two does not change."""
    values, features = values - values.mean(dim=1, keepdim=True), features - features.mean(dim=0)
    sizes = values.norm(dim=1)[..., None] * features.norm(dim=0)  # (6, H, K)
    return torch.where(sizes > 0, values.transpose(1, 2) @ features / sizes, 0.0)


def units_that_follow(model, ids, text):
    """{feature: [(layer, unit, signal, r)]} of a text (N ≥ 4), whose ids are (N,): BEST units, each by its best signal.

    They are chosen by |r| in the first half; the r given is that of the second half, which had no part in the choice. A
    feature that does not change in one of the halves is left out.
    """
    named = features(text)
    table = torch.stack([*named.values()], dim=1)  # (N - 1, K)
    parts = slice(len(table) // 2), slice(len(table) // 2, None)
    candidates = {name: [] for name, values in named.items() if all(values[part].std() > 0 for part in parts)}
    for layer, values in enumerate(signals(model, ids[:-1])):
        first, second = (correlations(values[:, part], table[part]) for part in parts)
        rank, best = first.abs().max(dim=0)  # of each unit's signals the one that follows most (H, K)
        r = second.gather(0, best[None])[0]
        for k, name in enumerate(named):
            found = zip(rank[:, k].tolist(), best[:, k].tolist(), r[:, k].tolist(), strict=True)
            units = [(rank, layer, unit, SIGNALS[best], r) for unit, (rank, best, r) in enumerate(found)]
            if name in candidates:
                candidates[name] += units
    return {name: [unit[1:] for unit in sorted(units, reverse=True)[:BEST]] for name, units in candidates.items()}
