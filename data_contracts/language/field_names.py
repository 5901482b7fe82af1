"""What a field may be called: nearly any text, for a column is called what it is called.

Refused is what another part of the pipeline would take for something else than a name.
"""

MOST_CHARACTERS = 200
# How names of ours begin: of columns beside those of a contract, and of tensors inside a graph.
OURS = ("slipway:", "recipe/", "model/", "fused.")
RENAME = "give the column another name with source.rename in the workload file"


def name_fault(name: object) -> str | None:
    """Return what is wrong with a field's name, None if every part of the pipeline takes it for one."""
    if not isinstance(name, str):
        return "source_name is text: what the column is called in the source"
    if not name.strip():
        return f"a name of blanks names nothing: {RENAME}"
    if len(name) > MOST_CHARACTERS:
        return f"a name has at most {MOST_CHARACTERS} characters, not {len(name)}: {RENAME}"
    if not name.isprintable():
        return f"a name has no line ends, tabs or other signs that cannot be seen: {RENAME}"
    if '"' in name or "\\" in name:
        return f"a name has no quote sign and no backslash, which no request could hold plainly: {RENAME}"
    if name == "*" or (name.startswith("^") and name.endswith("$")):
        return f"Polars takes it for a pattern of several columns: {RENAME}"
    if name.startswith(OURS) or name.endswith(":raw"):
        return f"columns and tensors of ours are called so: {RENAME}"
    return None
