"""A page for people: what the service takes and gives, with a form to try it. Nothing is loaded from elsewhere."""

from html import escape
from string import Template

import msgspec

from data_contracts.description.spec import FieldSpec
from data_contracts.description.types.registry import value_type
from deployments.data_plane.documents.openapi_schemas import example_row
from deployments.data_plane.model import Model

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$workload</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884}
textarea,pre{width:100%;box-sizing:border-box;font:13px/1.4 ui-monospace,monospace;padding:.6rem}
pre{background:#8882;overflow:auto;white-space:pre-wrap}button{font:inherit;padding:.3rem 1rem;margin:.5rem 0}
code{font-family:ui-monospace,monospace}
</style></head><body>
<h1>$workload</h1><p>$description</p>
<p>Build <code>$build</code>. Machine-readable:
<a href="openapi.json">openapi.json</a>, <a href="metrics">metrics</a>.</p>
<h2>Try it</h2>
<p><code>POST v1/predict</code> with one row, or a list of at most $max_rows rows.</p>
<textarea id="body" rows="22" aria-label="request body">$example</textarea>
<button id="send">Send</button>
<button id="explain" title="What each field had to do with the answer; costs $cost answers a row">Explain</button>
<pre id="answer" aria-live="polite">The answer appears here.</pre>
<h2>Fields of a row</h2>
<table><thead><tr><th>Field</th><th>Type</th><th>Allowed</th><th>Meaning</th></tr></thead><tbody>$fields</tbody></table>
<h2>From a shell</h2><pre>$curl</pre>
<script>
const ask = (path) => async () => {
  const answer = document.getElementById("answer");
  try {
    const reply = await fetch(path, {method: "POST", body: document.getElementById("body").value,
      headers: {"content-type": "application/json"}});
    answer.textContent = reply.status + "\\n" + JSON.stringify(await reply.json(), null, 2);
  } catch (error) { answer.textContent = String(error); }
};
document.getElementById("send").addEventListener("click", ask("v1/predict"));
document.getElementById("explain").addEventListener("click", ask("v1/explain"));
</script></body></html>
""")


def page(model: Model) -> bytes:
    """Return the page of a service that answers with this build."""
    example = msgspec.json.encode(example_row(model.contract))
    text = _PAGE.substitute(
        workload=escape(model.serving.workload),
        cost=len(model.contract.inputs) + 1,
        description=escape(model.contract.description),
        build=escape(model.build_id),
        max_rows=model.serving.max_rows,
        example=escape(msgspec.json.format(example, indent=2).decode()),
        fields="".join(_field(field) for field in model.contract.inputs),
        curl=escape(f"curl -s $URL/v1/predict -H 'content-type: application/json' -d '{example.decode()}'"),
    )
    return text.encode()


def _field(field: FieldSpec) -> str:
    kind = field.dtype + (" or null" if field.nullable else "")
    cells = (f"<code>{escape(field.name)}</code>", escape(kind), escape(_allowed(field)), escape(_meaning(field)))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _meaning(field: FieldSpec) -> str:
    return field.description + (f" ({field.unit})" if field.unit else "")


def _allowed(field: FieldSpec) -> str:
    if field.allowed:
        return ", ".join(str(value) for value in field.allowed)
    return ", ".join(value_type(field.dtype).told_limits(field))
