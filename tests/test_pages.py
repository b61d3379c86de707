"""The pages to play with, in a real browser: they compute what the scripts compute, and ask for nothing."""

import json
import re
import string
import subprocess

import numpy as np
import pytest
import torch

from common.checkpoint import read_checkpoint, write_checkpoint
from part1 import playground as memory
from part1.dataset import encode as encode_digits
from part1.train import main as train
from part3 import playground as writer
from part3.dataset import encode
from part3.trained import BOOK, Trained, build_model, write_trained
from part3.units import features, units_that_follow
from tests.browser import CHROMIUM, Browser, is_closed
from tests.scripts import ROOT, call

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome here")
PAGES = [f"results/part{part}/playground.html" for part in (1, 3)]
ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\0\x1b\u202eabc&amp;{{title}}\u2028<!--\n"
RARE = [chr(0x1F300 + n) for n in range(300)] + [chr(0x4E00 + n) for n in range(605)]
VOCABULARIES = {1: [*string.printable[:95], *RARE], 2: string.ascii_letters + '\n .,"“”!?', 3: ATTACK + "xyz ABC"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def made_checkpoint(folder, num_layers):
    """A model of random weights, from which much can be told apart, as part3/train.py writes it."""
    characters = "".join(sorted({*VOCABULARIES[num_layers]}))
    torch.manual_seed(num_layers)
    settings = {"lstm_num_hidden": 20 + 17 * num_layers, "lstm_num_layers": num_layers, "embedding_dim": 9}
    settings["dropout_keep_prob"] = 1.0
    model = build_model(len(characters), settings)
    torch.nn.init.uniform_(model.output.weight, -3, 3)
    write_trained(folder / "best.pt", model, characters, settings, 1, 2.0)
    return folder / "best.pt"


def open_page(browser, folder, page, **window):
    (folder / "page.html").write_text(page)
    browser.open(folder / "page.html", **window)


def quiet(browser):
    return browser.requests == [] and browser.complaints == []


@pytest.mark.parametrize("num_layers", [BOOK, 1, 2, 3])
def test_the_writer_computes_and_writes_what_torch_does(browser, tmp_path, num_layers):
    trained = Trained(num_layers if num_layers == BOOK else made_checkpoint(tmp_path, num_layers))
    open_page(browser, tmp_path, writer.writer_page(trained, ""))  # its weights are now those of the page
    model, V = trained.model(), len(trained.characters)
    ids = np.random.default_rng(0).integers(V, size=500)
    text = "".join(trained.characters[i] for i in ids)
    browser.run(f"readThrough({json.dumps(text)})")
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
    trained = Trained(made_checkpoint(tmp_path, 2))
    open_page(browser, tmp_path, writer.writer_page(trained, ""))
    texts = []
    for seed in (5, 5, 6):
        browser.run(f"$('pace').value = 'Infinity'; $('seed').value = {seed}; $('again').click()")
        browser.until("ids.length >= 300")
        texts.append(browser.run("setWriting(false); ids.slice(0, 300)"))
    assert texts[0] == texts[1] != texts[2]


def test_chances_under_temperature_top_k_and_min_p(browser, tmp_path):
    open_page(browser, tmp_path, writer.writer_page(Trained(made_checkpoint(tmp_path, 2)), ""))
    logits = np.random.default_rng(1).normal(0, 2, 61)
    p = np.exp(logits / 0.5)
    order = np.argsort(-p)
    for change, kept in {"topK = 7": order[:7], "minP = 0.2": np.flatnonzero(p >= 0.2 * p.max())}.items():
        browser.run(f"Object.assign(setting, {{temperature: 0.5, topK: V, minP: 0}}); setting.{change}")
        found = np.array(browser.run(f"[...chances(Float64Array.from({logits.tolist()}))]"))
        expected = np.where(np.isin(np.arange(61), kept), p, 0)
        assert found == pytest.approx(expected / expected.sum(), abs=1e-12)
    browser.run("Object.assign(setting, {temperature: 1, topK: V, minP: 0}); random = generator(3)")
    browser.run("var three = Float64Array.from({length: V}, (_, id) => [1, 0, 0.5][id] ?? -1e9)")
    shares = np.bincount(browser.run("Array.from({length: 4000}, () => draw(three))"), minlength=3) / 4000
    expected = np.exp([1, 0, 0.5])
    assert shares == pytest.approx(expected / expected.sum(), abs=0.04)  # five standard errors


def test_hostile_characters_are_shown_as_text(browser, tmp_path):
    trained = Trained(made_checkpoint(tmp_path, 3))
    page = writer.writer_page(trained, "")
    assert not [c for c in page if c < " " and c != "\n"] and "\u202e" not in page
    open_page(browser, tmp_path, page)
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
    open_page(browser, tmp_path, writer.writer_page(trained, ""))
    found = browser.run(f"features([...{json.dumps(text)}])")
    assert found == {name: values.tolist() for name, values in features(text).items()}
    browser.run(f"readThrough({json.dumps(text)}); $('find').disabled = false; $('find').click()")
    browser.run("var kept; search = findUnits(found => { kept = found; showFound(found, 'it'); }); wake()")
    browser.until("kept")
    for name, units in browser.run("kept").items():
        assert [unit[:3] for unit in units] == [list(unit[:3]) for unit in expected[name]]
        assert [r for *_, r in units] == pytest.approx([r for *_, r in expected[name]], abs=1e-3)
    assert len(expected) == 5 and browser.run("document.querySelectorAll('#found button').length") == 15


def test_correlations_of_the_halves(monkeypatch):
    """A unit that knows what is asked for is found; its r is that of the second half, which did not choose it."""
    text = 'He said "no". ' * 40 + 'He said "no" ' * 40
    values = torch.randn(6, len(text) - 1, 5, generator=torch.manual_seed(0))
    quoted = features(text)["inside quotation marks"]
    values[4, :, 3] = quoted * torch.where(torch.arange(len(quoted)) < len(quoted) // 2, 1.0, -2.0) + 3
    monkeypatch.setattr("part3.units.signals", lambda model, ids: [values])
    found = units_that_follow(None, encode(text, "".join(sorted({*text}))), text)
    assert found["inside quotation marks"][0] == (0, 3, "c", pytest.approx(-1.0, abs=1e-4))
    assert "how far into the line" in found and "a capital letter comes next" in found


def test_the_writer_is_used(browser, tmp_path):
    """Written by clicks, read and changed by keys: as a person would."""
    trained = Trained(made_checkpoint(tmp_path, 2))
    open_page(browser, tmp_path, writer.writer_page(trained, ""))

    def said(selector):
        return browser.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def until(selector, expected):
        browser.until(f"document.querySelector({json.dumps(selector)}).textContent.startsWith({json.dumps(expected)})")

    def sign(label):
        return {"⏎": "\n", "␣": " "}.get(label, label)

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
    classes = browser.run("[...document.querySelectorAll('#text span')].map(cell => cell.className)")
    assert all(name.startswith("u") for name in classes)
    assert quiet(browser)


def test_a_long_reading_is_stopped(browser, tmp_path):
    open_page(browser, tmp_path, writer.writer_page(Trained(made_checkpoint(tmp_path, 2)), ""))
    browser.click("#edit")
    browser.run("$('editor').value = 'ab, '.repeat(6000)")
    browser.click("#done")
    browser.until("!$('working').hidden && $('progress').value > 500")
    browser.click("#stop")
    browser.until("!awake")
    told = browser.run("$('told').textContent")
    assert "of 20,000 characters were read" in told
    assert 500 < browser.run("cells.length") == browser.run("ids.length") < 20_000


COMMITTED = ROOT / "results/part3/playground.html"


def data_of(page):
    """The data that a page holds."""
    return json.loads(re.search('id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_the_committed_writer_is_made_from_the_committed_model(browser, monkeypatch):
    """Its units, which take seconds to find, are those that a long test finds again."""
    page = COMMITTED.read_text()
    monkeypatch.setattr(writer, "units_that_follow", lambda *_: data_of(page)["units"])
    trained = Trained(BOOK)
    assert writer.writer_page(trained, writer.held_out_text(trained, None)) == page
    assert len(page.encode()) < 3e6 and is_closed(page)


@pytest.mark.long
def test_the_units_of_the_committed_writer(browser):
    trained = Trained(BOOK)
    trained.weights = {name: tensor.half().float() for name, tensor in trained.weights.items()}
    text = writer.held_out_text(trained, None)
    found = units_that_follow(trained.model(), encode(text, trained.characters), text)
    for name, units in data_of(COMMITTED.read_text())["units"].items():
        assert [unit[:3] for unit in units] == [list(unit[:3]) for unit in found[name]]
    browser.open(COMMITTED)
    browser.run(f"readThrough({json.dumps(text[:3000])})")
    browser.until("read() === 3000")
    browser.run("var kept; search = findUnits(found => { kept = found; }); wake()")
    browser.until("kept")
    assert browser.run("kept['inside quotation marks'][0].slice(0, 3)") == [1, 73, "c"]


@pytest.mark.parametrize(
    "flags, said",
    [
        ("", "--output"),
        ("--output {tmp}", "is a folder"),
        ("--output {tmp}/page.html --checkpoint {tmp}/none.pt", "none.pt"),
        ("--output {tmp}/page.html --checkpoint {tmp}/damaged.pt", "damaged.pt is damaged"),
        ("--output {tmp}/best.pt --checkpoint {tmp}/best.pt", "would overwrite"),
        ("--output {tmp}/page.html --checkpoint {tmp}/best.pt --txt_file {tmp}/none.txt", "none.txt"),
    ],
)
def test_bad_input_to_the_writer_is_one_line(tmp_path, capsys, flags, said):
    content = made_checkpoint(tmp_path, 2).read_bytes()
    (tmp_path / "damaged.pt").write_bytes(content[:-900])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    status, out, err = call(writer.main, *flags.format(tmp=tmp_path).split(), capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and said in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The script of axe-core, which finds what keeps people from using a page."""
    folder = tmp_path_factory.mktemp("axe")
    try:
        install = ["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "axe-core@4.14.1"]
        subprocess.run(install, capture_output=True, timeout=120, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"npm cannot install axe-core: {error}")
    return (folder / "node_modules/axe-core/axe.min.js").read_text()


@pytest.mark.long
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("path", PAGES)
def test_no_serious_fault_for_people_with_disabilities(browser, axe, path, width, dark):
    browser.open(ROOT / path, width=width, dark=dark)
    browser.run(axe)
    found = browser.run("axe.run().then(found => found.violations)")
    told = [(fault["id"], node["target"], node["failureSummary"]) for fault in found for node in fault["nodes"]]
    assert [fault["id"] for fault in found if fault["impact"] in ("serious", "critical")] == [], told
    assert browser.run("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    assert quiet(browser)


def test_the_memory_computes_what_torch_does(browser, tmp_path):
    """States over 1,000 digits, and answers; of the committed networks, each before training too."""
    runs = [memory.read_network(path) for path in sorted(memory.NETWORKS.glob("*.pt"))]
    page = memory.memory_page(runs)
    assert page == (ROOT / PAGES[0]).read_text(), "the committed page is of the committed networks"
    assert len(page.encode()) < 3e6 and is_closed(page)
    open_page(browser, tmp_path, page)
    digits = np.random.default_rng(2).integers(10, size=1000)
    x = encode_digits(torch.tensor(digits)[None], 10).double()
    for settings, *models in runs:
        for step, model in enumerate(models):
            n = [network["name"] for network in data_of(page)["networks"]].index(memory.told(settings, step))
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
    model = kept[2]
    browser.open(tmp_path / "page.html")
    browser.run("$('again').click(); [4, 0, 9, 1, 1, 3].forEach(readOne); show()")
    browser.run("var side = sides.find(side => !side.network.name.endsWith('untrained'))")
    grown, size = browser.run("[side.past.map(step => step.grown), side.network.size]")
    random = browser.run(f"(random => Array.from({{length: {size}}}, () => random() - 0.5))(generator(7))")
    direction = torch.tensor(random).double()
    direction /= direction.norm()
    model.double()
    first = encode_digits(torch.tensor([[4]]), 1).double()
    rest = encode_digits(torch.tensor([[0, 9, 1, 1, 3]]), 1).double()

    def after(state):  # h, or h and c side by side
        parts = state[None] if cell == "RNN" else tuple(state[None].chunk(2, dim=1))
        _, states = model(rest, parts, return_states=True)
        return states[0, -1] if cell == "RNN" else torch.cat([s[0, -1] for s in states])

    _, states = model(first, return_states=True)
    state = states[0, 0] if cell == "RNN" else torch.cat([s[0, 0] for s in states])
    change = torch.autograd.functional.jvp(after, state.detach(), direction)[1]
    assert grown[0] == pytest.approx(0) and grown[-1] == pytest.approx(change.norm().log10().item(), abs=1e-6)


def test_the_memory_is_used(browser, tmp_path):
    """In half a minute: ten more digits, and one of the two has lost what the other still knows."""
    browser.open(ROOT / PAGES[0])
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


def test_committed_networks_are_small():
    networks = sorted(memory.NETWORKS.glob("*.pt"))
    assert [path.stem for path in networks] == ["LSTM_10", "LSTM_curriculum", "RNN_10", "RNN_curriculum"]
    assert all(path.stat().st_size <= 200_000 for path in networks)


@pytest.mark.parametrize(
    "flags, said",
    [
        ("", "--output"),
        ("--output {tmp}", "is a folder"),
        ("--output {tmp}/page.html {tmp}/none.pt", "none.pt"),
        ("--output {tmp}/page.html {tmp}/damaged.pt", "damaged.pt is damaged"),
        ("--output {tmp}/page.html {tmp}/best.pt", "it has no model_type"),
        ("--output {tmp}/run.pt {tmp}/run.pt", "would overwrite"),
        ("--output {tmp}/page.html {tmp}/wide.pt", "wide.pt has 5000 units"),
        ("--output {tmp}/page.html {tmp}/other.pt", "other.pt is no network of part1/train.py"),
    ],
)
def test_bad_input_to_the_memory_is_one_line(tmp_path, capsys, flags, said):
    made_checkpoint(tmp_path, 2)
    content = (memory.NETWORKS / "RNN_10.pt").read_bytes()
    (tmp_path / "run.pt").write_bytes(content)
    (tmp_path / "damaged.pt").write_bytes(content[:-900])
    state = read_checkpoint(tmp_path / "run.pt")
    write_checkpoint(tmp_path / "wide.pt", {**state, "settings": {**state["settings"], "num_hidden": 5000}})
    write_checkpoint(tmp_path / "other.pt", {**state, "settings": {**state["settings"], "model_type": "GRU"}})
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    status, out, err = call(memory.main, *flags.format(tmp=tmp_path).split(), capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and said in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
