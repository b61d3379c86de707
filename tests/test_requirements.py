"""requirements*.txt pin what pyproject.toml bounds: the same packages, each within its bounds."""

import pytest
from packaging.requirements import Requirement

from tests.scripts import ROOT

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "file, bounds",
    [
        ("requirements.txt", PROJECT["project"]["dependencies"]),
        ("requirements-dev.txt", PROJECT["dependency-groups"]["dev"]),
    ],
)
def test_the_pins_are_of_the_same_packages_and_within_the_bounds(file, bounds):
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith(("#", "-r "))]
    bounds = {requirement.name: requirement.specifier for requirement in map(Requirement, bounds)}
    assert {pin.name for pin in pins} == bounds.keys()
    for pin in pins:
        (exact,) = pin.specifier
        assert exact.operator == "==" and exact.version in bounds[pin.name], pin
