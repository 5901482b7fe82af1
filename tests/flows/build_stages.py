"""The stages of a build whose results are kept, in their order."""

BUILD_STAGES = [
    "ingest",
    "validate",
    "prepare",
    "expect",
    "audit",
    "train",
    "compress",
    "evaluate",
    "rehearse",
    "gate",
    "package",
]
