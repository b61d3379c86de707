"""common/table.py: a table comes with its types, anything else costs one line."""

import pytest

from common.table import read_table
from tests.test_common_files import in_ascii_locale

COLUMNS = {"cell": str, "seed": int, "accuracy": lambda text: float(text) if text else None}


def test_the_wanted_columns_have_their_types(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('cell,seed,other,accuracy\n"RNN, a",0,x,0.5\nLSTM,1,,\n')
    assert read_table(path, COLUMNS, "a.py") == [
        {"cell": "RNN, a", "seed": 0, "accuracy": 0.5},
        {"cell": "LSTM", "seed": 1, "accuracy": None},
    ]


def test_a_table_is_utf_8_whatever_the_locale(tmp_path):
    (tmp_path / "a.csv").write_text("cell\nτ\n", encoding="utf-8")
    reading = f"read_table({str(tmp_path / 'a.csv')!r}, {{'cell': str}}, 'a.py')"
    printed = in_ascii_locale(f"from common.table import read_table; print(ascii({reading}))")
    assert printed == ascii([{"cell": "τ"}]) + "\n"


@pytest.mark.parametrize(
    "text, reason",
    [
        ("cell,seed\nRNN,0\n", "is not a table of a.py"),
        ("cell,seed,accuracy\nRNN,one,0.5\n", "is not a table of a.py"),
        ("cell,seed,accuracy\nRNN\n", "is not a table of a.py"),
        ("cell,seed,accuracy\n", "holds no rows"),
        ("", "holds no rows"),
    ],
)
def test_another_table_is_refused_by_name(tmp_path, text, reason):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason) as caught:
        read_table(path, COLUMNS, "a.py")
    assert str(path) in str(caught.value)
