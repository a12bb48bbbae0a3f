"""The page's modules as one: what is put where, and what is refused."""

from __future__ import annotations

import re

import pytest

from turnout.web.page_joined import joined

STYLES = {"page.css": b'@import "./look/a.css";\n@import "./look/b.css" print;\nbody {}\n', "look/a.css": b"a {}\n"}
STYLES |= {"look/b.css": b"b { src: url(../b.svg); }\n"}


def script(**modules: str) -> str:
    """The joined module, of `page` and others in a folder `in`."""
    return files(**modules)["page.js"]


def files(**modules: str) -> dict[str, str]:
    paths = {name: "page.js" if name == "page" else f"in/{name}.js" for name in modules}
    raw = {paths[name]: text.encode() for name, text in modules.items()}
    return {path: body.decode() for path, body in joined({**STYLES, **raw}).items()}


def bare(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def test_a_module_is_a_function_that_is_called_before_those_that_import_it() -> None:
    found = script(
        page="""// The page.\nimport { a } from "./in/one.js";\nimport * as All from './in/two.js';\nawait a(All.b);\n""",
        two="""import { a as other } from "./one.js";\nexport const b = other;\n""",
        one="""/* First. */\nexport async function a() {}\nexport class C {}\nexport function d() {}\nconst own = 1;\n""",
    )
    assert bare(found) == (
        "const $in_one = (() => { /* First. */ async function a() {} class C {} function d() {} const own = 1; "
        "return { a: a, C: C, d: d }; })(); "
        "const $in_two = (() => { const { a: other } = $in_one; const b = other; return { b: b }; })(); "
        "{ const { a } = $in_one; const All = $in_two; await a(All.b); } "
        "export { $in_one, $in_two };"
    )


def test_published_modules_are_joined_as_they_are() -> None:
    """Minified, with names in braces and exports of another's."""
    found = script(
        page='import{x as y}from"./in/lib.js";y();',
        lib='import{t as e}from"./base.js";export{t}from"./base.js";\n/** @license */\nconst s=e;export{s as x,s};\n'
        "//# sourceMappingURL=lib.js.map\n",
        base="const q=1;export{q as t};\n",
    )
    assert "const {t: e} = $in_base;\nconst {t} = $in_base;\n\n/** @license */\nconst s=e;" in found
    assert "return { t: t, x: s, s: s };" in found
    assert "return { t: q };" in found
    assert "sourceMapping" not in found


def test_what_comes_later_has_what_it_shares_from_the_joined_one() -> None:
    found = files(
        page='import { T } from "./in/texts.js";\nconst later = () => import("./in/late.js");\n',
        texts="export const T = {};\nexport const later = () => import('./late.js');\n",
        late='// Late.\nimport "./lib.js";\nimport { T as words } from "./texts.js";\nexport const drawn = words;\n',
        lib="!function(){}();\n",
    )
    assert set(found) == {"page.js", "page.css", "in/late.js", "in/lib.js"}
    assert bare(found["in/late.js"]) == (
        'import "./lib.js"; import { $in_texts } from "./../page.js"; const { T: words } = $in_texts; '
        "export const drawn = words;"
    )
    assert found["in/lib.js"] == "!function(){}();\n"
    assert found["page.js"].count("./in/late.js") == 2, "both by the path from the joined one"


@pytest.mark.parametrize(
    "text",
    [
        "export default 1;",
        "export let a = 1;",
        "export * from './two.js';",
        "const a = 1;\nimport { b } from './two.js';",
        "export { a };\nconst a = 1;",
        "import a from './two.js';",
        "export const { a, b } = {};",
    ],
)
def test_forms_that_are_not_known_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"in/one\.js has a form that cannot be joined"):
        script(page='import "./in/one.js";', one=text, two="export const b = 1;")


def test_modules_that_import_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match=r"in/one\.js -> in/two\.js -> in/one\.js"):
        script(
            page='import { a } from "./in/one.js";',
            one='import { b } from "./two.js";\nexport const a = 1;',
            two='import { a } from "./one.js";\nexport const b = 1;',
        )


def test_styles_stand_where_they_are_imported() -> None:
    found = files(page="")
    assert found["page.css"] == "a {}\n\n@media print {\nb { src: url(./b.svg); }\n}\n\nbody {}\n"
    assert not [path for path in found if path.startswith("look/")]
