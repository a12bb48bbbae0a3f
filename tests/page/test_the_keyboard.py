"""The page by the keyboard alone, which keeps its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from live import until

if TYPE_CHECKING:
    from playwright.sync_api import Route

    from page.browser import Visit


def focused(seen: Visit) -> str:
    return seen.page.evaluate(
        "(document.activeElement.id || document.activeElement.textContent.trim()).replace(/\\s+/g, ' ')"
    )


def test_the_keyboard_alone_is_enough(seen: Visit) -> None:
    page = seen.open()
    press = page.keyboard.press
    press("Tab")
    assert focused(seen) == "Skip to the report"
    press("Enter")
    assert focused(seen) == "panel"
    press("Tab")
    press("Tab")
    assert focused(seen).startswith("Starts")
    for _ in range(7):
        press("Tab")
    assert page.evaluate("document.activeElement.matches('tbody button.only')")
    first = focused(seen)
    press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('tr').rowIndex") == 2
    press("ArrowUp")
    assert focused(seen) == first
    press("ArrowRight")
    assert page.evaluate("document.activeElement.closest('td').cellIndex") == 1
    press("Enter")
    seen.settled()
    assert "customers" in seen.address
    press("f")
    assert page.locator("#picker-status").is_visible()
    page.wait_for_selector("#picker-status .option-count")
    press("Tab")
    press("Space")
    seen.settled()
    assert "status" in seen.address
    press("Escape")
    assert focused(seen) == "picker-status-button"
    press("t")
    press("Escape")
    assert focused(seen) == "timeframe-button"
    for key, tab in (("2", "pictures"), ("3", "groups"), ("1", None)):
        press(key)
        seen.settled()
        assert seen.address.get("tab") == tab
    page.focus("#tab-table")
    press("ArrowRight")
    seen.settled()
    assert seen.address["tab"] == "pictures"
    assert focused(seen) == "tab-pictures"
    press("?")
    assert page.locator("#help").is_visible()
    press("Escape")
    assert page.locator("#help").is_hidden()


def test_a_page_is_turned_by_a_key_and_not_while_writing(seen: Visit) -> None:
    page = seen.open("event_timeframe=this_year")
    page.keyboard.press("]")
    seen.settled()
    assert seen.address["at"] == "51"
    page.keyboard.press("[")
    seen.settled()
    assert "at" not in seen.address
    page.keyboard.press("/")
    page.wait_for_selector("#picker-customers input[type=search]")
    page.keyboard.type("1f?")
    assert page.locator("#picker-customers input[type=search]").input_value() == "1f?"
    assert "tab" not in seen.address


def press_on(seen: Visit, selector: str) -> str:
    """Press something by the keyboard alone, and say where the focus is afterwards."""
    seen.page.focus(selector)
    seen.page.keyboard.press("Enter")
    seen.settled()
    return seen.page.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label')")


def test_the_keyboard_keeps_its_place(seen: Visit) -> None:
    page = seen.open("event_timeframe=this_year&limit=25&status=attended,no_show")
    assert press_on(seen, "#next-page") == "next-page"
    assert press_on(seen, "#next-page") == "next-page"
    assert seen.address["at"] == "51"
    assert press_on(seen, "#first-page") == "first-page"
    assert page.get_attribute("#first-page", "aria-disabled") == "true"
    before = seen.address
    assert press_on(seen, "#first-page") == "first-page"
    assert seen.address == before
    page.click("#chooser-button")
    for name in ("Move Venue up", "Move Status down", "Move Customer up", "Move Customer up"):
        assert press_on(seen, f"[aria-label='{name}']") == name
    assert seen.address["columns"].startswith("customer.name,")
    page.keyboard.press("Escape")
    assert press_on(seen, "[aria-label='Remove filter Status: No-show']") == "Remove filter Status: Attended"
    assert press_on(seen, "#clear-filters") == "timeframe-button"
    seen.open("event_timeframe=last_30_days&customers=999999999")
    assert press_on(seen, "#empty .primary") == "panel"


def test_what_opens_leaves_the_focus_to_whoever_was_quicker(seen: Visit) -> None:
    page = seen.open()
    page.click("#chooser-button")
    page.wait_for_selector("[aria-label='Move Venue up']")
    page.keyboard.press("Escape")
    moved = page.evaluate(
        """async () => {
            const frame = () => new Promise(requestAnimationFrame);
            document.getElementById("chooser").showPopover();
            document.querySelector("[aria-label='Move Venue up']").focus();
            for (let each = 0; each < 5; each++) await frame();
            return document.activeElement.getAttribute("aria-label");
        }"""
    )
    assert moved == "Move Venue up"


def test_single_keys_can_be_switched_off(seen: Visit) -> None:
    page = seen.open()
    page.keyboard.press("?")
    page.uncheck("#single-keys")
    page.keyboard.press("Escape")
    page.reload()
    seen.settled()
    for key in "2tc?":
        page.keyboard.press(key)
    assert "tab" not in seen.address
    assert page.locator("dialog[open], [popover]:popover-open").count() == 0
    page.click("#help-button")
    page.check("#single-keys")
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    assert seen.address["tab"] == "pictures"


def test_brackets_of_other_keyboards_turn_pages(seen: Visit) -> None:
    page = seen.open("event_timeframe=this_year")
    press = """(given) => document.body.dispatchEvent(new KeyboardEvent('keydown',
        { key: ']', ctrlKey: true, altKey: true, bubbles: true, ...given }))"""
    page.evaluate(press, {})
    assert "at" not in seen.address
    page.evaluate(press, {"modifierAltGraph": True})
    seen.settled()
    assert seen.address["at"] == "51"


def test_a_picker_has_the_focus_before_its_values_come(seen: Visit) -> None:
    page = seen.open("event_timeframe=this_year")
    held: list[Route] = []
    page.route("**/values?*", lambda route: held.append(route))  # noqa: PLW0108 - the driver marks what it is given
    for filter_, inside in (("venues", "checkbox"), ("instructors", "search")):
        page.focus(f"#picker-{filter_}-button")
        page.keyboard.press("Enter")
        focus = f"document.querySelector('#picker-{filter_}').contains(document.activeElement)"
        seen.until(focus)
        for _ in until():
            if held:
                break
            page.evaluate("0")
        answer = held.pop()
        found = answer.fetch()
        answer.fulfill(response=found, json={**found.json(), **({"total": 50} if inside == "search" else {})})
        page.wait_for_selector(f"#picker-{filter_} .option-count")
        if inside == "checkbox":
            page.keyboard.press("Tab")
        seen.until(f"{focus} && document.activeElement.type === '{inside}'")
        page.keyboard.press("Escape")
        assert focused(seen) == f"picker-{filter_}-button"
