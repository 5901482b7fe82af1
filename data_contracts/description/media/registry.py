"""Media types of which a contract can say more than their size, by the part before the slash: a module for each."""

from types import ModuleType

from data_contracts.description.media import images

READERS: dict[str, ModuleType] = {"image": images}


def reader_of(media_type: str | None) -> ModuleType | None:
    """Return what reads bytes of a media type, None if nothing is known of it."""
    return READERS.get(str(media_type).partition("/")[0])
