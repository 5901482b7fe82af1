import gc

from components.imports import without_garbage


def test_garbage_is_looked_for_again_after_an_import_unless_somebody_around_it_forbids_it() -> None:
    assert gc.isenabled()
    with without_garbage():
        assert not gc.isenabled()
        with without_garbage():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.unfreeze()
