"""What the report and the pages claim: every formula against the code, every number, file and link."""

import ast
import math
import re
import shutil

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from part1 import curriculum
from part1.lstm import LSTM
from part1.vanilla_rnn import VanillaRNN
from part2.time_gate import openness
from part2.time_gated_lstm import TimeGatedLSTM
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
LENGTHS = "8 0.2 0.167 11 14 17 25 200 400"  # starts, a baseline, and lengths that were tried
PLAIN = (
    "0 0.0001 0.001 0.003 0.01 0.05 0.1 0.5 1 2 5 10 20 30 32 50 64 65 100 128 256 300 500 800 1,000 1,250 3,125 5,000"
)
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


def test_what_part_2_says_of_its_tables_holds_there():
    """Words of results/part2/README.md and the report that are no numbers: ahead, no cell, only the gate, chance."""
    results = Results(ROOT / "results")
    waves = {
        name: results.runs("part2", f"asynchronous_{name}").accuracy.mean()
        for name in ("gated", "lstm_rate0.01", "elapsed_rate0.01", "decaying_rate0.01")
    }
    assert max(waves, key=waves.get) == "gated"
    gap = waves["gated"] - waves["lstm_rate0.01"]
    assert waves["gated"] - max(waves["elapsed_rate0.01"], waves["decaying_rate0.01"]) < gap / 2  # most of that lead

    tasks = results.table("part2/tasks").query("tested < 1000")
    alone = tasks[tasks.curriculum == "no"]
    assert alone[alone.task == "adding"].loss.min() > 0.9 / 6  # of the error without a memory
    copied = alone[alone.task == "copying"].groupby("cell").right
    assert copied.min()["time-gated LSTM"] > 0.2 and copied.max()[["LSTM", "RNN"]].max() < 0.15
    grown = tasks[(tasks.curriculum == "yes") & (tasks.task == "copying")].groupby("cell")
    assert grown.right.max()[["RNN", "time-gated LSTM"]].max() < 0.2
    assert sorted(grown.get_group("LSTM").right)[1] >= 0.99 and grown.get_group("LSTM").cpu_seconds.max() < 360
    assert (tasks[(tasks.curriculum == "yes") & (tasks.task == "adding")].groupby("cell").loss.max() < 0.05).all()


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


def anchors(page):
    """What a link may have after # to lead to a heading of a page, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"(?s)```.*?```", "", page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_or_a_heading(page):
    text = re.sub(r"(?s)```.*?```|`[^`\n]*`", "", (ROOT / page).read_text())
    links = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text)
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


# ---- 1.1 and clipping

B, T, D, H, K = 3, 7, 4, 5, 6


def rnn_and_batch():
    torch.manual_seed(2)
    model = VanillaRNN(D, H, K).double()
    torch.nn.init.normal_(model.b_h)
    return model, torch.randn(1, T, D).double(), torch.tensor([4])


def test_question_1_1_the_gradients_as_the_report_writes_them():
    """The ordered product, k = t + 1 leftmost, beside automatic differentiation."""
    model, x, target = rnn_and_batch()
    p, h = model(x, return_states=True)
    F.cross_entropy(p, target).backward()

    h = torch.cat([torch.zeros(1, H), h[0]]).detach()  # h[t], t = 0 … T
    error = (p.softmax(dim=1)[0] - F.one_hot(target, K)[0]).detach()
    W_hh, W_ph, D_k = model.W_hh.detach(), model.W_ph.detach(), [torch.diag(1 - h_t * h_t) for h_t in h]
    dW_hh, dW_hx = torch.zeros_like(W_hh), torch.zeros_like(model.W_hx)
    for t in range(1, T + 1):
        product = torch.eye(H).double()
        for k in range(t + 1, T + 1):
            product = product @ W_hh.T @ D_k[k]
        delta_t = product @ W_ph.T @ error
        dW_hh += torch.outer(D_k[t] @ delta_t, h[t - 1])
        dW_hx += torch.outer(D_k[t] @ delta_t, x[0, t - 1])
    for found, expected in (
        (torch.outer(error, h[T]), model.W_ph.grad),
        (dW_hh, model.W_hh.grad),
        (dW_hx, model.W_hx.grad),
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.2, 3))
def test_question_1_1_the_bound_of_the_gradient_at_each_step(seed, scale):
    torch.manual_seed(seed)
    model = VanillaRNN(D, H, K).double()
    with torch.no_grad():
        model.W_hh.mul_(scale * math.sqrt(H))
    _, h = model(torch.randn(1, T, D).double(), return_states=True)
    sigma = torch.linalg.matrix_norm(model.W_hh, 2).item()
    delta = [torch.randn(H).double()]  # δ_T, δ_{T-1}, …
    for t in reversed(range(1, T)):
        delta.append(model.W_hh.T @ ((1 - h[0, t] ** 2) * delta[-1]))
    for distance, delta_t in enumerate(delta):
        assert delta_t.norm().item() <= sigma**distance * delta[0].norm().item() * (1 + 1e-9)


# ---- 1.4


def steps_of(optimizer, gradients):
    """The weight after each of the gradients, from 0."""
    w, path = torch.nn.Parameter(torch.zeros(1).double()), []
    optimizer = optimizer([w])
    for g in gradients:
        w.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
        path.append(w.item())
    return path


GRADIENTS = [0.3, -2.0, 5.0, 0.01, 0.01]


def test_question_1_4_momentum():
    beta, rate, v, w, path = 0.9, 0.1, 0.0, 0.0, []
    for g in GRADIENTS:
        v = beta * v + g
        w -= rate * v
        path.append(w)
    assert steps_of(lambda p: torch.optim.SGD(p, lr=rate, momentum=beta), GRADIENTS) == pytest.approx(path, rel=1e-12)
    long = steps_of(lambda p: torch.optim.SGD(p, lr=rate, momentum=beta), [1.0] * 400)
    assert long[-2] - long[-1] == pytest.approx(rate / (1 - beta)), "a constant gradient adds up to 1 / (1 - β) times"


def test_question_1_4_rmsprop():
    alpha, rate, eps, s, w, path = 0.99, 0.1, 1e-8, 0.0, 0.0, []
    for g in GRADIENTS:
        s = alpha * s + (1 - alpha) * g * g
        w -= rate * g / (math.sqrt(s) + eps)
        path.append(w)
    found = steps_of(lambda p: torch.optim.RMSprop(p, lr=rate, alpha=alpha, eps=eps), GRADIENTS)
    assert found == pytest.approx(path, rel=1e-12)
    large = steps_of(lambda p: torch.optim.RMSprop(p, lr=rate), [1e6 * g for g in GRADIENTS])
    assert large == pytest.approx(found, rel=1e-4), "steps do not depend on the gradient's scale"


def test_question_1_4_adam():
    (b1, b2), rate, eps, m, s, w, path = (0.9, 0.999), 0.1, 1e-8, 0.0, 0.0, 0.0, []
    for n, g in enumerate(GRADIENTS, start=1):
        m, s = b1 * m + (1 - b1) * g, b2 * s + (1 - b2) * g * g
        w -= rate * m / (1 - b1**n) / (math.sqrt(s / (1 - b2**n)) + eps)
        path.append(w)
    assert steps_of(lambda p: torch.optim.Adam(p, lr=rate, betas=(b1, b2), eps=eps), GRADIENTS) == pytest.approx(path)
    assert path[0] == pytest.approx(-rate), "the first step is as long as the rate"
    same, alternating = (
        steps_of(lambda p: torch.optim.Adam(p, lr=rate), [sign**n for n in range(400)]) for sign in (1.0, -1.0)
    )
    assert same[-2] - same[-1] == pytest.approx(rate) and abs(alternating[-2] - alternating[-1]) < 0.1 * rate


# ---- 1.5 and 1.6


def count(parameters):
    return sum(W.numel() for W in parameters)


@pytest.mark.parametrize("n, d", [(128, 1), (128, 10), (7, 3), (1, 1)])
def test_question_1_5_b_the_parameters_of_the_cell(n, d):
    model = LSTM(d, n, 10)
    cell = [W for name, W in model.named_parameters() if not name.endswith("p") and "_p" not in name]
    assert count(cell) == 4 * (n * d + n**2 + n) == 4 * n * (d + n + 1)
    assert count(model.parameters()) - count(cell) == 10 * n + 10
    assert count(torch.nn.LSTM(d, n).parameters()) - count(cell) == 4 * n
    assert count(TimeGatedLSTM(d, n, 10).parameters()) - count(model.parameters()) == 3 * n


def test_question_1_5_b_the_numbers_in_the_report():
    said = [int(number.replace("{,}", "")) for number in re.findall(r"\d+\{,\}\d+", MADE)]
    assert said == [4 * (128 * 1 + 128**2 + 128), 128 * 10 + 10]


def test_question_1_5_a_the_forget_gate_is_the_derivative_along_the_cell_and_its_half_life():
    torch.manual_seed(0)
    model = LSTM(D, H, K).double()
    x_t, h, c = torch.randn(D, 1).double(), torch.randn(H, 1).double(), torch.randn(H, 1).double()
    _, _, f, _ = model.gates(*model.sums(x_t, h, model.joined()))
    derivative = torch.autograd.functional.jacobian(lambda c: model.step(x_t, h, c, model.joined())[1][:, 0], c)
    torch.testing.assert_close(derivative[:, :, 0], torch.diag(f[:, 0]))
    steps = math.log(2) / -f.log()
    torch.testing.assert_close(f**steps, torch.full_like(f, 0.5))


def test_question_1_6_the_forget_gate_at_the_start():
    said = float(re.search(r"\\sigma\(1\) \\approx ([\d.]+)", MADE)[1])
    assert round(torch.ones(1).sigmoid().item(), 2) == said and LSTM(D, H, K).b_f.eq(1).all()


def test_the_rules_of_the_curriculum_are_those_that_the_report_tells():
    assert (curriculum.SHORT, curriculum.RIGHT, curriculum.GROWTH) == (5, 0.01, 1.1)


# ---- part 2


def test_question_2_2_the_derivative_along_the_cell_is_one_where_the_gate_is_closed():
    torch.manual_seed(0)
    model = TimeGatedLSTM(D, H, K).double()
    x_t, h, c, k_t = (
        torch.randn(D, 1),
        torch.randn(H, 1),
        torch.randn(H, 1),
        torch.tensor([[0.0, 1.0, 0.3, 0.5, 0.9]]).T,
    )
    x_t, h, c, k_t = (tensor.double() for tensor in (x_t, h, c, k_t))
    _, _, f, _ = model.gates(*model.sums(x_t, h, model.joined()))
    derivative = torch.autograd.functional.jacobian(lambda c: model.step(x_t, h, c, model.joined(), k_t)[1][:, 0], c)
    torch.testing.assert_close(derivative[:, :, 0], torch.diag((1 - k_t * (1 - f))[:, 0]))
    assert derivative[0, 0, 0] == 1


@settings(max_examples=50, deadline=None)
@given(u=st.floats(0.02, 0.98), n=st.integers(-3, 40), rise=st.booleans())
def test_question_2_2_b_the_derivatives_of_the_open_gate(u, n, rise):
    tau, s, r_on = (torch.tensor(value, requires_grad=True, dtype=torch.float64) for value in (7.0, 1.3, 0.3))
    phi = (u / 2 if rise else (1 + u) / 2) * r_on.item()
    t = (n + phi) * tau.item() + s.item()
    openness(torch.tensor(t, dtype=torch.float64), tau, s, r_on).backward()
    up = 1 if rise else -1
    assert s.grad.item() == pytest.approx(up * 2 / r_on.item() * -1 / tau.item(), rel=1e-9)
    assert tau.grad.item() == pytest.approx(up * 2 / r_on.item() * -(t - s.item()) / tau.item() ** 2, rel=1e-9)
    assert r_on.grad.item() == pytest.approx(-up * 2 * phi / r_on.item() ** 2, rel=1e-9)


# ---- part 3


def test_question_a_nats_and_bits():
    characters = len(set((ROOT / "assets/book.txt").read_text()))
    said, bits = re.search(r"\\log_2 (\d+) \\approx ([\d.]+)", MADE).groups()
    assert int(said) == characters and round(math.log(characters) / math.log(2), 2) == float(bits)
    uniform = F.cross_entropy(torch.zeros(1, characters), torch.tensor([3])).item()  # nats of a guess
    assert uniform / math.log(2) == pytest.approx(math.log2(characters))
