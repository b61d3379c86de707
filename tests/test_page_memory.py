"""The page of the memory, in a real browser: it computes what torch does, and asks for nothing."""

import numpy as np
import pytest
import torch

from part1 import playground as memory
from part1.dataset import encode as encode_digits
from part1.train import main as train
from tests.browser import parts_of
from tests.scripts import ROOT

PAGE = ROOT / "results/part1/playground.html"


def test_the_memory_computes_what_torch_does(browser):
    """States over 1,000 digits, and answers; of the committed networks, each before training too."""
    paths = sorted(memory.NETWORKS.glob("*.pt"))
    assert [path.stem for path in paths] == ["LSTM_10", "LSTM_curriculum", "RNN_10", "RNN_curriculum"]
    assert all(path.stat().st_size <= 200_000 for path in paths)
    runs = [memory.read_network(path) for path in paths]
    (page, data), (made, same) = map(parts_of, (PAGE.read_text(), memory.memory_page(runs)))
    assert page == made, "the committed page is made by the script, of the committed networks"
    for network, other in zip(data["networks"], same["networks"], strict=True):
        assert (network["name"], network["weights"]) == (other["name"], other["weights"])
        assert np.abs(network["clusters"]) == pytest.approx(np.abs(other["clusters"]), abs=0.01)
    browser.open(PAGE)
    digits = np.random.default_rng(2).integers(10, size=1000)
    x = encode_digits(torch.tensor(digits)[None], 10).double()
    for settings, *models in runs:
        for step, model in enumerate(models):
            n = [network["name"] for network in data["networks"]].index(memory.told(settings, step))
            with torch.no_grad():
                _, states = model.double()(x, return_states=True)
            h = (states if torch.is_tensor(states) else states[0])[0]
            answers = (h @ model.W_ph.T + model.b_p).argmax(dim=1)
            script = f"""(digits => {{
                const network = networks[{n}], state = network.start();
                return digits.map(digit => {{
                    network.step(digit, state);
                    return [best(network.answer(state)), ...state.slice(0, network.hidden)];
                }});
            }})({digits.tolist()})"""
            found = np.array(browser.run(script))
            assert np.abs(found[:, 1:] - h.numpy(force=True)).max() < 1e-4
            assert (found[:, 0] == answers.numpy()).all()
    assert browser.is_quiet()


@pytest.mark.parametrize("cell", ["RNN", "LSTM"])
def test_a_small_change_grows_as_the_jacobian_says(browser, tmp_path, cell):
    """Raw digits, and a network that was kept: the derivative in the page is that of autograd."""
    flags = ["--model_type", cell, "--num_hidden", 7, "--train_steps", 2, "--input_length", 5, "--seed", 3]
    train([*map(str, flags), "--output_dir", str(tmp_path / "run")])
    memory.main([str(tmp_path / "run"), "--output", str(tmp_path / "page.html"), "--keep", str(tmp_path / "kept")])
    run, kept = (memory.read_network(tmp_path / path) for path in ("run", f"kept/{cell}_5.pt"))
    assert memory.memory_page([run]) == memory.memory_page([kept])
    browser.open(tmp_path / "page.html")
    browser.run("$('again').click(); [4, 0, 9, 1, 1, 3].forEach(readOne)")
    browser.run("var side = sides.find(side => !side.network.name.endsWith('untrained'))")
    grown, size = browser.run("[side.past.map(step => step.grown), side.network.size]")
    random = browser.run(f"(random => Array.from({{length: {size}}}, () => random() - 0.5))(generator(7))")
    direction = torch.tensor(random, dtype=torch.float64)
    model, x = kept[2].double(), torch.tensor([[[4.0], [0], [9], [1], [1], [3]]], dtype=torch.float64)

    def after(x, state=None):  # h, for the LSTM h and c side by side, from such a state
        parts = state if state is None or cell == "RNN" else state.chunk(2, dim=1)
        _, states = model(x, parts, return_states=True)
        return states[:, -1] if cell == "RNN" else torch.cat([s[:, -1] for s in states], dim=1)

    state = after(x[:, :1]).detach()
    change = torch.autograd.functional.jvp(lambda h: after(x[:, 1:], h), state, direction[None] / direction.norm())[1]
    assert grown[0] == pytest.approx(0) and grown[-1] == pytest.approx(change.norm().log10().item(), abs=1e-6)


def test_the_memory_is_used(browser):
    """In half a minute: ten more digits, and one of the two has lost what the other still knows."""
    browser.open(PAGE)
    says = "[...document.querySelectorAll('.says')].map(told => told.textContent)"
    assert all(told.endswith("right.") and "says 7" in told for told in browser.run(says))
    browser.click("#ten"), browser.click("#ten")
    browser.until("!awake && digits.length === 30")
    assert [told.split(": ")[1] for told in browser.run(says)] == ["wrong.", "right."]
    wrong = "[...document.querySelectorAll('.side')].map(side => side.querySelectorAll('.wrong').length)"
    assert browser.run(wrong)[0] >= 8 and browser.run(wrong)[1] == 0
    browser.click("#again")
    assert "Type the digit" in browser.run("$('sequence').textContent")
    browser.press("3", text="3"), browser.click("#keys button:nth-child(5)")
    browser.until("digits.length === 2")
    assert browser.run("$('sequence').textContent") == "First 3, then 4  (2 digits)"
    browser.run("var chosen = document.querySelector('select'); chosen.value = 0")
    browser.run("chosen.dispatchEvent(new Event('change'))")
    assert browser.run("sides[0].past.length === 2 && sides[0].network === networks[0]")
    assert browser.is_quiet()
