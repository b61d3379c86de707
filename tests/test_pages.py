"""The pages to play with, in a real browser: they compute what the scripts compute, and ask for nothing."""

import json
import string

import numpy as np
import pytest
import torch

from common.checkpoint import read_checkpoint, write_checkpoint
from part1 import playground as memory
from part1.dataset import encode as encode_digits
from part1.lstm import LSTM
from part1.train import main as train
from part2 import playground as gate
from part2.time_gate import TimeGate
from part2.time_gated_lstm import TimeGatedLSTM
from part3 import playground as writer
from part3.dataset import encode
from part3.trained import BOOK, Trained, build_model, write_trained
from part3.units import features, units_that_follow
from tests.browser import CHROMIUM, Browser, axe_script, parts_of
from tests.scripts import ROOT, call

PAGES = [ROOT / f"results/part{part}/playground.html" for part in (1, 2, 3)]
ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\0\x1b\u202eabc&amp;{{title}}\u2028<!--\n"
RARE = [chr(0x1F300 + n) for n in range(300)] + [chr(0x4E00 + n) for n in range(605)]
VOCABULARIES = {1: [*string.printable[:95], *RARE], 2: string.ascii_letters + '\n .,"“”!?', 3: ATTACK + "xyz ABC"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on this machine")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def made_checkpoint(folder, num_layers):
    """A model of random weights, from which much can be told apart, as part3/train.py writes it."""
    characters = "".join(sorted({*VOCABULARIES[num_layers]}))
    torch.manual_seed(num_layers)
    settings = {"lstm_num_layers": num_layers, "embedding_dim": 9, "dropout_keep_prob": 1.0}
    settings["lstm_num_hidden"] = 20 + 17 * num_layers
    model = build_model(len(characters), settings)
    torch.nn.init.uniform_(model.output.weight, -3, 3)
    write_trained(folder / "best.pt", model, characters, settings, 1, 2.0)
    return folder / "best.pt"


def open_writer(browser, folder, trained, held_out=""):
    """Open the page of a model, whose weights are then rounded as those of the page."""
    (folder / "page.html").write_text(writer.writer_page(trained, held_out))
    browser.open(folder / "page.html")


def quiet(browser):
    return browser.requests == [] and browser.complaints == []


@pytest.mark.parametrize("num_layers", [BOOK, 1, 2, 3])
def test_the_writer_computes_and_writes_what_torch_does(browser, tmp_path, num_layers):
    trained = Trained(num_layers if num_layers == BOOK else made_checkpoint(tmp_path, num_layers))
    open_writer(browser, tmp_path, trained)
    model, V = trained.model(), len(trained.characters)
    ids = np.random.default_rng(0).integers(V, size=500)
    browser.run(f"readThrough({json.dumps(''.join(trained.characters[i] for i in ids))})")
    browser.until("read() === 500")
    found = np.array(browser.run("states.slice(1).flatMap(state => [...logits(state)])")).reshape(500, V)
    with torch.no_grad():
        expected, state = model(torch.tensor(ids)[None])
    assert np.abs(found - expected[0].numpy()).max() < 1e-4

    greedy = []
    for _ in range(500):
        greedy.append(expected[0, -1].argmax().item())
        with torch.no_grad():
            expected, state = model(torch.tensor([[greedy[-1]]]), state)
    browser.run("setting.temperature = 0; while (ids.length < 1000) writeNext()")
    assert browser.run("ids.slice(500, 1000)") == greedy
    assert quiet(browser)


def test_with_a_seed_the_writer_repeats_itself(browser, tmp_path):
    open_writer(browser, tmp_path, Trained(made_checkpoint(tmp_path, 2)))
    texts = []
    for seed in (5, 5, 6):
        browser.run(f"$('pace').value = 'Infinity'; $('seed').value = {seed}; $('again').click()")
        browser.until("ids.length >= 300")
        texts.append(browser.run("setWriting(false); ids.slice(0, 300)"))
    assert texts[0] == texts[1] != texts[2]


def test_chances_under_temperature_top_k_and_min_p(browser, tmp_path):
    open_writer(browser, tmp_path, Trained(made_checkpoint(tmp_path, 2)))
    logits = np.random.default_rng(1).normal(0, 2, 61)
    p = np.exp(logits / 0.5)
    best = np.argsort(-p)
    for change, kept in ("topK = 7", best[:7]), (f"minP = {0.999 * p[best[9]] / p.max()}", best[:10]):
        browser.run(f"Object.assign(setting, {{temperature: 0.5, topK: V, minP: 0}}); setting.{change}")
        found = np.array(browser.run(f"[...chances(Float64Array.from({logits.tolist()}))]"))
        expected = np.where(np.isin(np.arange(61), kept), p, 0)
        assert found == pytest.approx(expected / expected.sum(), abs=1e-12)
    browser.run("Object.assign(setting, {temperature: 1, topK: V, minP: 0}); random = generator(3)")
    browser.run("var three = Float64Array.from({length: V}, (_, id) => [1, 0, 0.5][id] ?? -1e9)")
    shares = np.bincount(browser.run("Array.from({length: 4000}, () => draw(three))"), minlength=3) / 4000
    assert shares == pytest.approx([0.506, 0.186, 0.307], abs=0.04)  # softmax; five standard errors


def test_hostile_characters_are_shown_as_text(browser, tmp_path):
    open_writer(browser, tmp_path, Trained(made_checkpoint(tmp_path, 3)), held_out=ATTACK)
    page = (tmp_path / "page.html").read_text()
    assert not [c for c in page if c < " " and c != "\n"] and "\u202e" not in page
    browser.run(f"$('prompt').value = {json.dumps(ATTACK + 'é☃é')}; $('prompt').dispatchEvent(new Event('input'))")
    browser.until("cells.length === ids.length")
    shown = ATTACK.replace("\0", "␀").replace("\x1b", "␛").replace("\u202e", "�").replace("\u2028", "�")
    assert browser.run("cells.map(cell => cell.textContent).join('')") == shown
    assert browser.run("document.images.length + document.scripts.length") == 2
    assert browser.run("$('told').textContent").endswith("never seen them: é (2 times)  ☃")
    assert quiet(browser)


def test_units_are_found_in_the_page_as_by_the_script(browser, tmp_path):
    trained = Trained(made_checkpoint(tmp_path, 2))
    rng = np.random.default_rng(4)
    words = ["“Aa b", "c d.”", '"Eee', 'f!"', "g\n\n", "hij\n", "K, l?", "mnopq"]
    text = " ".join(words[n] for n in rng.integers(len(words), size=150))
    expected = units_that_follow(trained.model(), encode(text, trained.characters), text)
    open_writer(browser, tmp_path, trained)
    expected_features = {name: values.tolist() for name, values in features(text).items()}
    assert browser.run(f"features([...{json.dumps(text)}])") == expected_features
    browser.run(f"readThrough({json.dumps(text)})")
    browser.run("var kept; search = findUnits(found => { kept = found; showFound(found, 'it'); }); wake()")
    browser.until("kept")
    for name, units in browser.run("kept").items():
        assert [unit[:3] for unit in units] == [list(unit[:3]) for unit in expected[name]]
        assert [r for *_, r in units] == pytest.approx([r for *_, r in expected[name]], abs=1e-3)
    assert len(expected) == 5 and browser.run("document.querySelectorAll('#found button').length") == 15


def test_the_writer_is_used(browser, tmp_path):
    """Written by clicks, read and changed by keys: as a person would."""
    trained = Trained(made_checkpoint(tmp_path, 2))
    open_writer(browser, tmp_path, trained)

    def said(selector):
        return browser.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def until(selector, expected):
        browser.until(f"document.querySelector({json.dumps(selector)}).textContent.startsWith({json.dumps(expected)})")

    def sign(label):
        return {"⏎": "\n", "␣": " "}.get(label, label)

    until("#text", "Sleeping beauty is ")  # it is read a character at a time
    assert said("#text") == "Sleeping beauty is "
    browser.click("#one")
    until("#count", "20 characters")
    best = said("#rows .row b")
    browser.click("#rows .row")
    until("#count", "21 characters")
    assert said("#text")[20:] == sign(best), "the likeliest was taken"

    browser.click("#text span:nth-child(3)")
    until("#next-title", "Before e: ")
    browser.press("ArrowRight"), browser.press("ArrowRight")
    until("#next-title", "Before p: ")
    assert said("#rows .came b") == "p"
    other, before = said("#rows .row:not(.came) b"), said("#text")
    browser.click("#rows .row:not(.came)")
    until("#next-title", f"Before {other}: ")
    assert said("#text") == before[:4] + sign(other) + before[5:], "it stands in the other's place"

    browser.click("#edit")
    browser.run("$('editor').setSelectionRange(8, 8)")
    browser.type("XYZ")
    browser.click("#done")
    until("#count", "24 characters")
    text = said("#text")
    assert text[8:11] == "XYZ"
    browser.click("[name=colour][value=unit]")
    with torch.no_grad():
        _, (_, c) = trained.model()(encode(text, trained.characters)[None].long())
    layer, unit = int(browser.run("$('layer').value")), int(browser.run("$('unit').value"))
    browser.until("!awake")
    assert float(said("[data-n=c]").replace("−", "-")) == pytest.approx(c[layer, 0, unit].item(), abs=0.006)
    assert browser.run("[...document.querySelectorAll('#text span')].every(cell => cell.className.startsWith('u'))")
    assert quiet(browser)


def test_a_long_reading_is_stopped(browser, tmp_path):
    open_writer(browser, tmp_path, Trained(made_checkpoint(tmp_path, 2)))
    browser.click("#edit")
    browser.run("$('editor').value = 'ab, '.repeat(6000)")
    browser.click("#done")
    browser.until("!$('working').hidden && $('progress').value > 500")
    browser.click("#stop")
    browser.until("!awake")
    assert "of 20,000 characters were read" in browser.run("$('told').textContent")
    assert 500 < browser.run("cells.length") == browser.run("ids.length") < 20_000


def test_the_committed_writer_is_made_from_the_committed_model(monkeypatch):
    """Its units, which take seconds to find, are those that a long test finds again."""
    page = PAGES[2].read_text()
    monkeypatch.setattr(writer, "units_that_follow", lambda *_: parts_of(page)[1]["units"])
    trained = Trained(BOOK)
    assert writer.writer_page(trained, writer.held_out_text(trained, None)) == page


@pytest.mark.long
def test_the_units_of_the_committed_writer(browser):
    trained = Trained(BOOK)
    trained.weights = {name: tensor.half().float() for name, tensor in trained.weights.items()}
    text = writer.held_out_text(trained, None)
    found = units_that_follow(trained.model(), encode(text, trained.characters), text)
    for name, units in parts_of(PAGES[2].read_text())[1]["units"].items():
        assert [unit[:3] for unit in units] == [list(unit[:3]) for unit in found[name]]
    browser.open(PAGES[2])
    browser.run(f"readThrough({json.dumps(text[:3000])})")
    browser.until("read() === 3000")
    browser.run("var kept; search = findUnits(found => { kept = found; }); wake()")
    browser.until("kept")
    assert browser.run("kept['inside quotation marks'][0].slice(0, 3)") == [1, 73, "c"]


def test_the_memory_computes_what_torch_does(browser):
    """States over 1,000 digits, and answers; of the committed networks, each before training too."""
    paths = sorted(memory.NETWORKS.glob("*.pt"))
    assert [path.stem for path in paths] == ["LSTM_10", "LSTM_curriculum", "RNN_10", "RNN_curriculum"]
    assert all(path.stat().st_size <= 200_000 for path in paths)
    runs = [memory.read_network(path) for path in paths]
    (page, data), (made, same) = map(parts_of, (PAGES[0].read_text(), memory.memory_page(runs)))
    assert page == made, "the committed page is made by the script, of the committed networks"
    for network, other in zip(data["networks"], same["networks"], strict=True):
        assert (network["name"], network["weights"]) == (other["name"], other["weights"])
        assert np.abs(network["clusters"]) == pytest.approx(np.abs(other["clusters"]), abs=0.01)
    browser.open(PAGES[0])
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
    assert quiet(browser)


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
    browser.open(PAGES[0])
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
    assert quiet(browser)


@torch.no_grad()
def test_the_gate_computes_what_torch_does(browser):
    """Openness and states, at random parameters and random times, with the sliders set as a person would."""
    assert parts_of(PAGES[1].read_text()) == parts_of(gate.gate_page())
    browser.open(PAGES[1])
    model = TimeGatedLSTM(1, 1, 2).double()
    browser.click("[value=irregular]"), browser.click("[data-input=noise]")
    rng = np.random.default_rng(6)
    for values in rng.uniform((0.5, 0, 0.01, 0, -2), (20, 20, 0.99, 0.5, 6), (8, 5)).tolist():
        wanted = dict(zip(("tau", "s", "r_on", "leak", "b_f"), values, strict=True))
        browser.run(f"Object.entries({wanted}).forEach(([name, value]) => {{ $(name).value = value; }})")
        browser.click("#anew")
        tau, s, r_on, leak, b_f = browser.run("[...Object.values(gate), unit.b_f]")  # as the sliders' steps round them
        assert [tau, s, r_on, leak, b_f] == pytest.approx(values, abs=0.051)
        t = torch.tensor(browser.run("times"), dtype=torch.float64)
        x = torch.tensor(browser.run("times.map(inputAt)"), dtype=torch.float64)
        for name, value in {**gate.UNIT, "b_f": b_f}.items():
            getattr(model, name).fill_(value)
        model.gate = TimeGate(1, tau, s, r_on, leak, leak_in_eval=True)
        _, (h, c) = model.eval()(x[None, :, None], return_states=True, t=t)
        expected = torch.stack([model.gate(t)[:, 0], h[0, :, 0], c[0, :, 0]], dim=1)
        found = browser.run("run(true).map(step => [step.k, step.h, step.c])")
        assert np.array(found) == pytest.approx(expected.numpy(), abs=1e-6)
        _, (_, c) = LSTM.forward(model, x[None, :, None], return_states=True)
        assert browser.run("run(false).map(step => step.c)") == pytest.approx(c[0, :, 0].tolist(), abs=1e-6)
    times = [0.0, 1e-9, *rng.uniform(0, 1e6, 200).tolist()]
    expected = model.gate(torch.tensor(times, dtype=torch.float64))[:, 0].tolist()
    assert browser.run(f"{times}.map(openness)") == pytest.approx(expected, abs=1e-6)
    assert quiet(browser)


def test_the_gate_is_used(browser):
    """An input drawn with the mouse and by keys; the numbers are those of the step pointed at."""
    browser.open(PAGES[1])
    browser.click("[data-input=nothing]")
    box = browser.run("$('input').getBoundingClientRect().toJSON()")
    x, y = box["left"] + 36, box["top"] + 12  # at t = 0, near 1
    mouse = {"button": "left", "buttons": 1, "clickCount": 1}
    browser.send("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **mouse)
    browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=x + box["width"] / 2, y=y, **mouse)
    browser.send("Input.dispatchMouseEvent", type="mouseReleased", x=x + box["width"] / 2, y=y, **mouse)
    drawn = browser.run("times.map(inputAt)")
    assert min(drawn[:19]) > 0.9 and drawn[25:] == [0] * 15
    browser.run("$('input').focus()")
    before = browser.run("current")
    browser.press("ArrowRight"), browser.press("ArrowDown")
    assert browser.run("current") == before + 1
    assert browser.run("inputAt(times[current - 1])") == pytest.approx(drawn[before] - 0.1, abs=0.11)
    step = browser.run("run(true)[current - 1]")
    for name in ("phi", "k", "c", "h"):
        shown = browser.run(f"document.querySelector('[data-n={name}]').textContent").replace("−", "-")
        assert float(shown) == pytest.approx(step[name], abs=0.0051)
    assert quiet(browser)


BAD = (
    *((script, "", "--output") for script in (memory, gate, writer)),
    *((script, "--output {tmp}", "is a folder") for script in (memory, gate, writer)),
    (writer, "--output {tmp}/page.html --checkpoint {tmp}/none.pt", "none.pt"),
    (writer, "--output {tmp}/page.html --checkpoint {tmp}/cut.pt", "cut.pt is damaged"),
    (writer, "--output {tmp}/best.pt --checkpoint {tmp}/best.pt", "would overwrite"),
    (writer, "--output {tmp}/page.html --checkpoint {tmp}/best.pt --txt_file {tmp}/none.txt", "none.txt"),
    (memory, "--output {tmp}/page.html {tmp}/none.pt", "none.pt"),
    (memory, "--output {tmp}/page.html {tmp}/cut.pt", "cut.pt is damaged"),
    (memory, "--output {tmp}/page.html {tmp}/best.pt", "it has no model_type"),
    (memory, "--output {tmp}/run.pt {tmp}/run.pt", "would overwrite"),
    (memory, "--output {tmp}/page.html {tmp}/wide.pt", "wide.pt has 5000 units"),
    (memory, "--output {tmp}/page.html {tmp}/other.pt", "other.pt is no network of part1/train.py"),
)


@pytest.mark.parametrize("script, flags, said", BAD)
def test_bad_input_is_one_line_and_writes_nothing(tmp_path, capsys, script, flags, said):
    (tmp_path / "cut.pt").write_bytes(made_checkpoint(tmp_path, 2).read_bytes()[:-900])
    state = read_checkpoint(memory.NETWORKS / "RNN_10.pt")
    for name, change in {"run": {}, "wide": {"num_hidden": 5000}, "other": {"model_type": "GRU"}}.items():
        write_checkpoint(tmp_path / f"{name}.pt", {**state, "settings": {**state["settings"], **change}})
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    status, out, err = call(script.main, *flags.format(tmp=tmp_path).split(), capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and said in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.long
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("path", PAGES, ids=("memory", "gate", "writer"))
def test_no_serious_fault_for_people_with_disabilities(browser, path, width, dark):
    browser.open(path, width=width, dark=dark)
    browser.run(axe_script())
    found = browser.run("axe.run().then(found => found.violations)")
    told = [(fault["id"], node["target"], node["failureSummary"]) for fault in found for node in fault["nodes"]]
    assert [fault["id"] for fault in found if fault["impact"] in ("serious", "critical")] == [], told
    assert browser.run("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    assert quiet(browser)
