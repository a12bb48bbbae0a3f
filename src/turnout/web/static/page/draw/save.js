// Saving a drawing: as it looks now, with its heading, as SVG or PNG.

const NAMES = ["fill", "stroke", "fill-opacity", "stroke-opacity", "stroke-width", "opacity", "font-family", "font-size", "font-weight", "text-anchor", "white-space"];
const SPACE = 20;
const HEAD = 56;
const SVG = "http://www.w3.org/2000/svg";

function made(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

/** A copy that needs no style sheet. */
function standalone(svg, heading, words) {
  const { width, height } = svg.viewBox.baseVal;
  const copy = svg.cloneNode(true);
  const originals = [svg, ...svg.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((element, at) => {
    const style = getComputedStyle(originals[at]);
    NAMES.forEach((name) => style.getPropertyValue(name) && element.setAttribute(name, style.getPropertyValue(name)));
    element.removeAttribute("class");
  });
  const page = getComputedStyle(document.body);
  const outer = made("svg", { xmlns: SVG, width: width + 2 * SPACE, height: height + HEAD + SPACE, viewBox: `0 0 ${width + 2 * SPACE} ${height + HEAD + SPACE}`, "font-family": page.fontFamily });
  outer.append(
    made("rect", { width: "100%", height: "100%", fill: getComputedStyle(document.querySelector(".figure")).backgroundColor }),
    made("text", { x: SPACE, y: 28, fill: page.color, "font-size": 16, "font-weight": 600 }, heading),
    made("text", { x: SPACE, y: 47, fill: page.color, "font-size": 12, opacity: 0.7 }, words),
  );
  Object.entries({ x: SPACE, y: HEAD, width, height }).forEach(([name, value]) => copy.setAttribute(name, value));
  outer.append(copy);
  return { text: new XMLSerializer().serializeToString(outer), width: width + 2 * SPACE, height: height + HEAD + SPACE };
}

function handOver(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export async function save(svg, form, heading, words) {
  const { text, width, height } = standalone(svg, heading, words);
  const name = `${heading.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "-")}.${form}`;
  const drawing = new Blob([text], { type: "image/svg+xml" });
  if (form === "svg") return handOver(drawing, name);
  const image = new Image();
  image.src = URL.createObjectURL(drawing);
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: width * 2, height: height * 2 });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  return handOver(await new Promise((done) => canvas.toBlob(done, "image/png")), name);
}
