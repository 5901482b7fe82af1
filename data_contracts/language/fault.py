"""The error of a field that is declared in a way which not every judge of a row would keep."""


def fault(field: str, text: str) -> TypeError:
    """Return the error of a field."""
    return TypeError(f"field {field}: {text}")
