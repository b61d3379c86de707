"""What the report and the pages claim: every number against its file, every file, heading and link."""

import ast
import re
import shutil

import pytest

from reproduce.__main__ import TEXTS
from reproduce.results import Results
from reproduce.texts import FILTERS, digest_of, fill
from tests.scripts import ROOT

REPORT = (ROOT / "reproduce/report.md").read_text()
MADE = (ROOT / "results/report.md").read_text()


# ---- the text


@pytest.mark.parametrize("source, made", TEXTS.items())
def test_no_number_was_changed_by_hand(source, made):
    """`python reproduce --only report` makes the texts; what it makes is what is committed."""
    assert (ROOT / made).read_text() == fill((ROOT / source).read_text(), ROOT / "results")


@pytest.mark.parametrize("made", TEXTS.values())
def test_no_expression_is_left_and_rows_have_the_cells_of_their_table(made):
    page = (ROOT / made).read_text()
    assert "{{" not in page and "{%" not in page
    for table in re.findall(r"(?:^\|.*\n)+", page, flags=re.MULTILINE):
        rows = [re.sub(r"`[^`]*`|\$[^$]*\$", "", row) for row in table.splitlines()]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1, table


def test_the_pdf_is_of_this_text():
    if digest_of(ROOT / "results/report.md").encode() not in (ROOT / "results/report.pdf").read_bytes():
        if not (shutil.which("pandoc") and shutil.which("pdflatex")):
            pytest.skip("results/report.md has changed, and without pandoc and pdflatex its PDF cannot be made")
        pytest.fail("results/report.pdf is of another text: python reproduce --only report")


# What may stand in the report's text as a plain number: settings, and sizes of what is described.
LENGTHS = "8 0.2 0.167 11 14 17 25 200 400 100,000"  # starts, a baseline, and lengths that were tried
PLAIN = "0 0.0001 0.001 0.003 0.01 0.05 0.1 0.5 1 2 5 10 20 30 32 50 64 65 70 100 128 256 300 500 800 1,000 1,250 5,000"
SHARES = {f"{share} %" for share in "3 5 10 30 45 90 95 99 99.9".split()}
SETTINGS = {*PLAIN.split(), *LENGTHS.split(), "10,000", *SHARES}


def prose(text):
    """The text without expressions, formulas, code, links, headings, captions' numbers, question numbers and years."""
    text = text[: text.index("## References")]
    for pattern in (
        r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}",
        r"```.*?```",
        r"\$\$.*?\$\$",
        r"\$[^$]*\$",
        r"`[^`]*`",
        r"!\[[^\]]*\]\([^)]*\)",
        r"^#[^\n]*",
        r"Figures? \d+",
        r"[Ee]quations? \d+(?:(?: to | and |, )\d+)*",
        r"table of \d\.\d",
        r"(?:et al\.|[A-Z]\w+) \(?\d{4}(?:, 17\.5\.1)?",
        r"[Ff]all 2018|assignment 2|[Pp]art \d|2-core|float64",
    ):
        text = re.sub(pattern, " ", text, flags=re.DOTALL | re.MULTILINE)
    return text


def test_no_result_is_typed_by_hand():
    numbers = re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?: %)?(?![\w])", prose(REPORT))
    typed = {number.rstrip(",") for number in numbers} - SETTINGS
    assert len(prose(REPORT)) > 10_000, "what was left out is not all"
    assert not typed, f"neither settings nor expressions: {typed}"


def solved_by_every_seed(cell, dim):
    """The longest palindrome T that every seed of the default sweep solved, all shorter ones too."""
    longest = None
    for T in (5, 8, 11, 14, 17, 20, 25, 30):
        rows = Results(ROOT / "results").sweep(cell, T - 1, dim)
        if FILTERS["solved"](rows) < len(rows):
            return longest
        longest = T
    return longest


def test_the_lengths_that_every_seed_solved_are_those_that_the_report_tells():
    text = " ".join(MADE.split())
    assert f"solves everything up to $T = {solved_by_every_seed('RNN', 1)}$ with raw digits" in text
    assert f"up to {solved_by_every_seed('RNN', 10)} with one-hot ones" in text
    raw, one_hot = (solved_by_every_seed("LSTM", dim) for dim in (1, 10))
    assert f"every LSTM seed solves raw digits to $T = {raw}$ and one-hot ones to $T = {one_hot}$" in text


QUESTIONS = [
    *("1.1", "1.2", "1.3", "1.4", "1.5 (a)", "1.5 (b)", "1.6", "2.1", "2.2", "2.2 b"),
    *("Part 3, question 2.1 (a)", "Part 3, question 2.1 (b)", "Part 3, question 2.1 (c)", "Part 3, bonus question 2.3"),
]


def test_what_part_1_says_of_its_tables_holds_there():
    """Words of results/part1/README.md and the report that are no numbers: the order of ways, hardly, above chance."""
    results = Results(ROOT / "results")
    for dim in (1, 10):
        accuracy = results.sweep("RNN", 19, dim).accuracy
        assert (accuracy[accuracy < 0.999] > 0.15).all() and (accuracy < 0.999).any()  # a seed that fails: above chance

    for way in ("LSTM, raw digits", "RNN, raw digits"):
        assert not results.tested(way, 30).solved.any()
    for length in (1_000, 10_000):  # the curriculum mends the LSTM's bad seeds
        alone, grown = (results.tested(way, length) for way in ("LSTM", "LSTM, curriculum"))
        assert alone.accuracy.min() < 0.9 and grown.accuracy.min() > 0.999 and grown.solved.sum() > alone.solved.sum()
    gate = {length: results.tested("time gate", length) for length in (30, 100, 300)}  # it learns a length
    assert gate[100].solved.sum() >= 9 * len(gate[100]) / 10 and gate[100].taught.unique() == [100]
    assert max(gate[length].solved.sum() for length in (30, 300)) <= len(gate[100]) / 2

    rules = results.table("part1/curriculum_rules").groupby("rule")
    waiting, short = "all long, grows at loss 0.01", "half short, grows at loss 0.1"
    both, neither = "half short, grows at loss 0.01", "all long, grows at loss 0.1"
    solved, updates = rules.solved.sum(), rules.updates.median()
    assert solved[both] >= solved[waiting] > solved[short] and updates[both] < updates[waiting]  # faster and surer
    assert solved[waiting] - solved[neither] > solved[short] - solved[neither]  # waiting is what mends it

    best = results.table("part1/optimizers").groupby(["optimizer", "learning_rate"]).accuracy.min()
    enough = best[best >= 0.99].groupby("optimizer").size()
    assert enough.to_dict() == {"adam": 2, "rmsprop": 1} and len(best) == 4 * 9

    gates = results.table("part1/gates_ablation").groupby(["input_length", "variant"]).solved.sum()
    assert gates[10].idxmin() == "g sigmoid" and gates[10].drop("g sigmoid").min() >= 4
    assert gates[20]["f = 1"] > gates[20]["LSTM"]

    noise = results.table("part1/noise").groupby(["way", "noise", "tested"]).accuracy.median()
    for way, some in (("LSTM", 0.1), ("RNN, curriculum", 0.3)):  # noise spoils the writing, hardly the holding
        assert abs(noise[way][some][30] - noise[way][some][3000]) < 0.03 < 1 - noise[way][some][30]
    assert noise["RNN, curriculum"][1.0][30] > 2 * noise["RNN, curriculum"][1.0][3000]  # it forgets


def test_what_part_2_says_of_its_tables_holds_there():
    """Words of results/part2/README.md and the report that are no numbers: ahead, no cell, only the gate, chance."""
    results = Results(ROOT / "results")
    to = {
        name: results.updates_to(0.99, f"palindromes100_{name}")
        for name in ("gated", "gated_fixed", "chrono_rate0.01", "chrono")
    }
    middle = {name: updates.median() for name, updates in to.items()}
    assert middle["gated"] < middle["gated_fixed"] < middle["chrono_rate0.01"]
    gain = middle["chrono_rate0.01"] - middle["gated"]  # most of it: the gate is there
    assert middle["chrono_rate0.01"] - middle["gated_fixed"] > gain / 2
    assert to["chrono_rate0.01"].max() < to["chrono"].min() and len(to["gated"]) == 10  # a higher rate makes it faster
    assert len(to["chrono"]) == len(to["chrono_rate0.01"])
    for name in ("lstm", "lstm_rate0.01"):  # at chance
        assert (rows := results.runs("part2", f"palindromes100_{name}")).accuracy.max() < 0.12
        assert {*rows.steps} == {2000}

    gate, *rivals = (
        results.runs("part2", f"asynchronous70_{name}").accuracy for name in ("gated", "elapsed", "decaying")
    )
    for rival in rivals:  # as good as the gate
        assert abs(gate.mean() - rival.mean()) < rival.std() and len(rival) == len(gate) == 5
    early = [results.metrics("part2", f"asynchronous70_{name}") for name in ("gated", "elapsed", "decaying")]
    early = [rows[rows.step == 1094].heldout_accuracy for rows in early]  # after 7 epochs
    assert early[0].min() > max(early[1].max(), early[2].max())
    assert gate.mean() >= 0.979

    tasks = results.table("part2/tasks").query("tested < 1000")
    alone = tasks[tasks.curriculum == "no"]
    assert alone[alone.task == "adding"].loss.min() > 0.9 / 6  # of the error without a memory
    copied = alone[alone.task == "copying"].groupby("cell").right
    assert copied.min()["time-gated LSTM"] > 0.2 and copied.max()[["LSTM", "RNN"]].max() < 0.15
    grown = tasks[(tasks.curriculum == "yes") & (tasks.task == "copying")].groupby("cell")
    assert grown.right.max()[["RNN", "time-gated LSTM"]].max() < 0.2
    assert sorted(grown.get_group("LSTM").right)[1] >= 0.99 and grown.get_group("LSTM").cpu_seconds.max() < 360
    assert (tasks[(tasks.curriculum == "yes") & (tasks.task == "adding")].groupby("cell").loss.max() < 0.05).all()


def test_what_part_3_says_of_its_tables_holds_there():
    """Words of results/part3, README and docs/results.md that are no numbers: the order of rows, alike, at most."""
    results = Results(ROOT / "results")
    names = [f"shakespeare_200s_{name}" for name in ("bfloat16", "float32", "default")]
    ours, float32, course, book = (results.runs("part3", name, "leaderboard") for name in (*names, "book_best"))
    longer = results.runs("part3", "shakespeare_300s_bfloat16", "leaderboard")
    for protocol in ("carried", "blocks", "dynamic"):
        assert ours[protocol].mean() < float32[protocol].mean() < course[protocol].mean()
    tales, tales_course = (
        results.runs("part3", f"tales_200s_{name}", "leaderboard") for name in ("bfloat16", "default")
    )
    assert tales.carried.max() < tales_course.carried.min() and book.carried.max() < tales.carried.min()
    for rows in (longer, ours, float32, course):
        assert rows.carried.max() < results.runs("part3", "5gram_tinyshakespeare", "leaderboard").carried.item()
    for rows in (book, tales, tales_course):
        assert rows.carried.max() < results.runs("part3", "5gram_book", "leaderboard").carried.item()
    for rows in (longer, ours, float32, course, book, tales, tales_course):
        assert (rows.dynamic < rows.carried).all() and (rows.carried < rows.blocks).all() and len(rows) == 3
    assert longer.blocks.mean() < 1.4697 < ours.blocks.mean()  # nanoGPT's README
    assert longer.train_cpu_seconds.max() < 300  # five minutes
    budget = results.table("part3/runs/leaderboard")
    assert budget[budget.run.str.contains("_200s_")].train_cpu_seconds.max() <= 200

    tuning = results.table("part3/runs/runs")
    tuning = tuning[tuning.run.str.startswith("60s_")]
    assert tuning.cpu_seconds.max() <= 60 and len(tuning) == 30
    ways = {
        way: tuning[tuning.run.str.contains(way)].groupby("learning_rate").heldout_loss for way in ("scratch", "tuned")
    }
    assert (ways["tuned"].max() < ways["scratch"].min()).all()  # at every rate
    assert ways["tuned"].max().min() < ways["scratch"].min().min()  # each at its best

    best, default, streams = (results.runs("part3", f"book_{name}") for name in ("best", "default", "streams"))
    assert best.heldout_loss.max() < default.heldout_loss.min() and default.cpu_seconds.min() > 240  # four minutes
    assert results.runs("part3", "grimm_default").cpu_seconds.max() < 540  # nine
    assert streams.heldout_loss.mean() > default.heldout_loss.mean()
    curves = [results.metrics("part3", f"book_{name}").query("step == 600") for name in ("streams", "default")]
    assert curves[0].heldout_loss.mean() < curves[1].heldout_loss.mean()
    texts = results.table("part3/temperatures").groupby("temperature")
    assert texts.repeated.max()[0.25] < 0.1 < texts.repeated.min()[0] and texts.copied.max().max() < 0.05


def test_every_question_has_its_heading_and_its_answer():
    parts = re.split(r"^### (.*)$", MADE, flags=re.MULTILINE)
    answers = dict(zip(parts[1::2], parts[2::2], strict=True))
    for question in QUESTIONS:
        (heading,) = [h for h in answers if h.startswith((f"{question}:", f"Question {question}:"))]
        assert len(answers[heading].split()) > 40, heading
    assert "**The template's question: what does clipping do?**" in MADE


def test_every_figure_has_a_number_a_caption_and_its_command():
    figures = re.findall(r"^!\[(.+)\]\((.+)\)\\\n\*\*Figure (\d+)\.\*\* ((?:.+\n)+)", MADE, flags=re.MULTILINE)
    assert [int(number) for _, _, number, _ in figures] == list(range(1, MADE.count("](part") + 1)) and len(figures) > 9
    for _, path, number, caption in figures:
        assert (ROOT / "results" / path).is_file(), path
        scripts = re.findall(r"python (part\d/[\w/]+\.py)", caption)
        assert scripts or "Same command" in caption, f"Figure {number} has no command"
        assert f"Figure {number}" in MADE.replace(f"**Figure {number}.**", ""), (
            f"the text never speaks of Figure {number}"
        )


def test_every_work_that_is_cited_is_listed_and_every_one_listed_is_cited():
    text, listed = MADE.split("## References")
    works = re.findall(r"^(\w+).*? \((\d{4})\)\. ", listed, flags=re.MULTILINE)
    cited = re.findall(r"(?<!& )\b([A-Z]\w+)(?: & \w+| et al\.)? \(?(\d{4})\b", text)
    cited += re.findall(r"\b([A-Z]\w+), [A-Z]\w+ & \w+ \(?(\d{4})\b", text)
    assert {*works} == {*cited} - {("University", "2018")} and len(works) == len({*works}) > 10


def test_the_report_has_at_most_12_pages():
    assert (ROOT / "results/report.pdf").read_bytes().count(b"/Type /Page\n") <= 12


PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
PAGES += ["results/report.md", *(f"results/part{part}/README.md" for part in (1, 2, 3)), "assets/README.md"]
PAGES += ["results/part3/leaderboard.md", "results/part3/book.md"]


def anchors(page):
    """What a link may have after # to lead to a heading of a page, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"(?s)```.*?```", "", page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_or_a_heading(page):
    text = re.sub(r"(?s)```.*?```|`[^`\n]*`", "", (ROOT / page).read_text())
    links = re.findall(r"\]\(([^)\n]+)\)|src=\"([^\"]+)\"", text)
    for link in filter(None, sum(links, ())):
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        if not link.startswith("https://"):
            assert target.exists() and target.is_relative_to(ROOT), link
            assert not anchor or anchor in anchors(target.read_text()), link


def test_the_front_page_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= 1_500


@pytest.mark.parametrize("text", ["README.md", "results/report.md"])
def test_every_file_and_definition_that_is_named_is_there(text):
    text = re.sub(r"<!--.*?-->", "", (ROOT / text).read_text())
    named = set(re.findall(r"(?<![\w/])((?:part\d|common|tests|assets|reproduce)/[\w/]+\.(?:py|txt|md|sbatch))", text))
    missing = [path for path in named if not (ROOT / path).exists() and path not in MADE_BY_THE_READER]
    assert len(named) > 15 and not missing, missing
    assert not re.search(r"\.py(:|#L)\d", text), "a line's number is another one after the next change"
    in_words = re.findall(r"`(\w+)` (?:in|of)\s`(part\d/[\w/]+\.py)`", text)
    in_links = [
        (name, path)
        for path, names in re.findall(r"\]\(((?:part\d|tests)/[\w/]+\.py)\) ((?:`\w+`(?:: |, )?)+)", text)
        for name in re.findall(r"\w+", names)
    ]
    assert in_words or len(in_links) > 10
    for name, path in in_words + in_links:
        tree = ast.parse((ROOT / path).read_text())
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}, name


MADE_BY_THE_READER = {"assets/tinyshakespeare.txt", "assets/grimm.txt"}


def test_each_equation_of_the_assignment_is_found_by_its_number():
    code = "".join(path.read_text() for part in ("part1", "part2", "part3") for path in (ROOT / part).glob("*.py"))
    assert [n for n in range(1, 19) if f"({n})" not in code] == []
