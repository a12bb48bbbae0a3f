"""The documentation agrees with the code: generated pages are fresh, and links lead somewhere."""

import re
from pathlib import Path

import pytest
from docs.generate import HERE, PAGES

ROOT = Path(__file__).parents[1]
TEXTS = sorted(
    path.relative_to(ROOT) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")]
)


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_fresh(name: str) -> None:
    assert (HERE / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("text", TEXTS, ids=str)
def test_links_lead_somewhere(text: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", (ROOT / text).read_text(encoding="utf-8"))
    missing = [target for target in targets if not (ROOT / text.parent / target).exists()]
    assert not missing


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
