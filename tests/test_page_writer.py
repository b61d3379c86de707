"""The page that writes, in a real browser: it computes what torch does, and asks for nothing."""

import json
import string

import numpy as np
import pytest
import torch

from part3 import playground as writer
from part3.dataset import encode
from part3.trained import BOOK, Trained, build_model, write_trained
from part3.units import features, units_that_follow
from tests.browser import parts_of
from tests.scripts import ROOT

PAGE = ROOT / "results/part3/playground.html"
ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\0\x1b\u202eabc&amp;{{title}}\u2028<!--\n"
RARE = [chr(0x1F300 + n) for n in range(300)] + [chr(0x4E00 + n) for n in range(605)]
VOCABULARIES = {1: [*string.printable[:95], *RARE], 2: string.ascii_letters + '\n .,"“”!?', 3: ATTACK + "xyz ABC"}


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
    assert browser.is_quiet()


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
    assert browser.is_quiet()


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
    assert browser.is_quiet()


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
    page = PAGE.read_text()
    monkeypatch.setattr(writer, "units_that_follow", lambda *_: parts_of(page)[1]["units"])
    trained = Trained(BOOK)
    assert writer.writer_page(trained, writer.held_out_text(trained, None)) == page


@pytest.mark.long
def test_the_units_of_the_committed_writer(browser):
    trained = Trained(BOOK)
    trained.weights = {name: tensor.half().float() for name, tensor in trained.weights.items()}
    text = writer.held_out_text(trained, None)
    found = units_that_follow(trained.model(), encode(text, trained.characters), text)
    for name, units in parts_of(PAGE.read_text())[1]["units"].items():
        assert [unit[:3] for unit in units] == [list(unit[:3]) for unit in found[name]]
    browser.open(PAGE)
    short = text[:3000]
    browser.run(f"readThrough({json.dumps(short)})")
    browser.until("read() === 3000")
    browser.run("var kept; search = findUnits(found => { kept = found; }); wake()")
    browser.until("kept")
    found = units_that_follow(trained.model(), encode(short, trained.characters), short)
    for name, units in browser.run("kept").items():
        assert units[0][:3] == list(found[name][0][:3])
