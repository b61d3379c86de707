"""The exercise of tests/exercise: blank, each of its tests fails; written, question by question, its tests pass."""

import os
import sys
from xml.etree import ElementTree

import pytest
import torch

from part1.lstm import LSTM
from part1.vanilla_rnn import VanillaRNN
from part2.time_gated_lstm import TimeGatedLSTM
from tests.exercise import make, test_questions
from tests.scripts import ROOT, call, run, warm

QUESTIONS = [*make.BLANKS]


def grade(folder):
    """In a process of its own: the autograder of a copy, as `python -m pytest tests/exercise` in it."""
    for name in [*sys.modules]:
        if name.split(".")[0] in ("part1", "part2", "part3", "common", "tests", "submit"):
            del sys.modules[name]
    os.chdir(folder)
    sys.path[:] = [str(folder), *(path for path in sys.path if path not in ("", str(ROOT)))]
    sys.stdout = sys.stderr = open(os.devnull, "w")
    torch.set_num_threads(1)
    pytest.main(
        ["tests/exercise", "--junitxml=grades.xml", *"-p no:cacheprovider -p no:xdist -p no:hypothesispytest".split()]
    )


def graded(folder):
    """{question: whether its tests pass} in a copy; all the tests of a question pass, or all fail."""
    process = warm.Process(target=grade, args=(folder,))
    process.start()
    process.join()
    grades = {}
    for test in ElementTree.parse(folder / "grades.xml").iter("testcase"):
        (question,) = [q for q in QUESTIONS if test.get("name").startswith(f"test_question_{q.replace('.', '_')}_")]
        grades.setdefault(question, []).append(len(test) == 0)
    assert all(len({*passed}) == 1 for passed in grades.values()), grades
    return {question: passed[0] for question, passed in grades.items()}


def test_each_test_fails_until_its_question_is_written_and_then_passes(tmp_path):
    folder = tmp_path / "copy"
    make.copy_checkout(folder, QUESTIONS)
    for written in (0, 2, len(QUESTIONS)):
        for question in QUESTIONS[:written]:
            for path in make.BLANKS[question]:
                (folder / path).write_bytes((ROOT / path).read_bytes())
        assert graded(folder) == {question: question in QUESTIONS[:written] for question in QUESTIONS}


def test_the_copy_has_no_answers_and_no_tests_that_hold_them(tmp_path, capsys):
    assert call(make.main, "--output", tmp_path, "--questions", "1.6", capsys=capsys)[0] == 0
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"README.md", "part3/generate.py", "assets/book.txt", "tests/exercise/test_questions.py"} <= made
    assert not [path for path in made if "report" in path or path.startswith(("reproduce", "tests/fast"))]
    lstm, rnn = ((tmp_path / f"part1/{name}.py").read_text() for name in ("lstm", "vanilla_rnn"))
    assert lstm.count("raise NotImplementedError") == 3 and "# (8)" not in lstm and "(8)" in lstm
    assert rnn == (ROOT / "part1/vanilla_rnn.py").read_text(), "questions that are not named are given"


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "mine").write_text("mine")
    status, out, err = run("tests/exercise/make.py", "--output", tmp_path)
    assert (status, out) == (2, "") and err.count("\n") == 1 and "new or an empty folder" in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def swapped_gates(self, a_g, a_i, a_f, a_o):
    return a_g.tanh(), a_f.sigmoid(), a_i.sigmoid(), a_o.sigmoid()


def state_not_squashed(self, x_t, h, c, joined):
    g, i, f, o = self.gates(*self.sums(x_t, h, joined))
    return (g * i + c * f) * o, g * i + c * f


def gate_upside_down(self, x_t, h, c, joined, k_t=1.0):
    g, i, f, o = self.gates(*self.sums(x_t, h, joined))
    c = torch.lerp(g * i + c * f, c, k_t)
    return torch.lerp(c.tanh() * o, h, k_t), c


def first_step_read_out(self, x, state=None, return_states=False):
    p, states = written_forward(self, x, state, return_states=True)
    p = states[:, 0] @ self.W_ph.T + self.b_p
    return (p, states) if return_states else p


def gradient_kept(model, optimizer, loss, max_norm):
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return norm


def fmod_gate(t, tau, s, r_on, leak=0.0, dtype=None):
    phi = torch.fmod(t - s, tau) / tau
    return torch.where(phi < r_on / 2, 2 * phi / r_on, torch.where(phi < r_on, 2 - 2 * phi / r_on, leak * phi))


def times_temperature(logits, rng, temperature=1.0):
    return written_choose(logits, rng, 1 / temperature if temperature else 0)


written_forward, written_choose = VanillaRNN.forward, test_questions.choose
WRONG = {  # an answer that a student may give: where, and the test that finds it
    swapped_gates: (LSTM, "gates", "1_6_equations_4_to_7"),
    state_not_squashed: (LSTM, "step", "1_6_equations_8_and_9"),
    gate_upside_down: (TimeGatedLSTM, "step", "2_2_equations_13_to_16"),
    first_step_read_out: (VanillaRNN, "forward", "1_2_equation_2"),
    gradient_kept: (test_questions, "update", "1_2_an_update"),
    fmod_gate: (test_questions, "openness", "2_1_equation_12_rises"),
    times_temperature: (test_questions, "choose", "3c_draws_follow"),
}


@pytest.mark.parametrize("answer", WRONG, ids=lambda answer: answer.__name__)
def test_a_wrong_answer_is_found(answer, monkeypatch):
    where, name, question = WRONG[answer]
    (test,) = [value for key, value in vars(test_questions).items() if key.startswith(f"test_question_{question}")]
    test()
    monkeypatch.setattr(where, name, answer)
    with pytest.raises(AssertionError):
        test()
