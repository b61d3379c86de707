"""What holds for each of the pages to play with: bad input writes none, and everybody can use them."""

import pytest

from common.checkpoint import read_checkpoint, write_checkpoint
from part1 import playground as memory
from part2 import playground as gate
from part3 import playground as writer
from part3.trained import BOOK
from tests.browser import axe_script
from tests.scripts import ROOT, call

PAGES = [ROOT / f"results/part{part}/playground.html" for part in (1, 2, 3)]


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
    (tmp_path / "best.pt").write_bytes(BOOK.read_bytes())
    (tmp_path / "cut.pt").write_bytes(BOOK.read_bytes()[:-900])
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
    assert browser.is_quiet()
