"""What others wrote is here byte for byte, with its licence, and named."""

import hashlib
from pathlib import Path

import pytest
from tools.vendor import ROOT, packages, place

PACKAGES = packages()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package["name"])
def test_the_files_are_those_of_the_package(package):
    assert "LICENSE" in package["files"]
    assert package["integrity"].startswith("sha512-")
    for name, expected in package["files"].items():
        assert hashlib.sha256(place(package, name).read_bytes()).hexdigest() == expected, name


@pytest.mark.parametrize("folder", ["src/turnout/web/static/page/vendor", "tests/page/axe"])
def test_there_are_no_others(folder):
    listed = {place(package, name) for package in PACKAGES for name in package["files"]}
    assert {path for path in Path(ROOT / folder).rglob("*") if path.is_file()} == {
        path for path in listed if ROOT / folder in path.parents
    }


def test_what_is_shipped_is_named_with_its_licence():
    notes = (ROOT / "src/turnout/web/static/THIRD_PARTY.md").read_text("utf-8")
    for package in PACKAGES:
        if package["into"].startswith("src/"):
            assert f"| {package['version']} | {package['licence']}" in notes, package["name"]
            assert f"`{package['name']}`" in notes
