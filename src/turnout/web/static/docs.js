// Shows the server's OpenAPI document with Swagger UI. The page needs nothing from outside this server.

const METHODS = ["get", "head", "post", "put", "patch", "delete"];

// Swagger UI fills in every default and example when a request is tried, and so would send filters that nobody chose,
// and `offset` together with `page`. Here they are shown as words instead, and the fields start empty. Alternative
// formats of a text become words as well.
function describeInsteadOfFillIn(parameter) {
  const notes = [];
  const schema = parameter.schema;
  const forms = (schema.anyOf ?? []).map((form) => form.format).filter(Boolean);
  if (schema.default !== undefined) {
    notes.push(`Default: \`${schema.default}\`.`);
    delete schema.default;
  }
  for (const example of Object.values(parameter.examples ?? {})) {
    notes.push(`Example: \`${[].concat(example.value).join(",")}\`.`);
  }
  if (schema.anyOf && forms.length === schema.anyOf.length) {
    parameter.schema = { type: "string" };
    notes.push(`Form: ${forms.join(", ")}.`);
  }
  delete parameter.examples;
  delete parameter.allowEmptyValue;
  parameter.description = [parameter.description, ...notes].join(" ");
}

function prepare(spec) {
  // Requests go to where the page came from, also behind a proxy that adds a prefix.
  const base = new URL(".", document.baseURI).pathname;
  spec.servers = [{ url: base === "/" ? base : base.replace(/\/$/, ""), description: "This server" }];
  for (const path of Object.values(spec.paths)) {
    const own = METHODS.flatMap((method) => path[method]?.parameters ?? []);
    for (const parameter of [...(path.parameters ?? []), ...own]) {
      if (!parameter.required && parameter.in !== "path") {
        describeInsteadOfFillIn(parameter);
      }
    }
  }
  return spec;
}

function followColorScheme() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", apply);
  apply();
}

async function show() {
  const answer = await fetch("openapi.json");
  if (!answer.ok) {
    throw new Error(`openapi.json was answered with ${answer.status}`);
  }
  SwaggerUIBundle({
    spec: prepare(await answer.json()),
    dom_id: "#reference",
    deepLinking: true,
    displayRequestDuration: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    layout: "BaseLayout",
    presets: [SwaggerUIBundle.presets.apis],
    validatorUrl: null,
  });
}

followColorScheme();
show().catch((error) => {
  const notice = document.createElement("p");
  notice.className = "notice";
  notice.textContent = `The reference could not be shown: ${error.message}.`;
  document.getElementById("reference").replaceChildren(notice);
});
