"""Sign a build, so that whoever serves it knows who made it: OpenSSF model signing with a key of one's own.

The one door to model-signing, for the pipeline; it is imported when something is signed. The data plane checks the
same bundle without it, in signature.py.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.artefacts.build import SIGNATURE
from components.artefacts.errors import BuildError, HostError
from components.artefacts.storage import write_atomically, write_once

if TYPE_CHECKING:
    from model_signing import hashing


def public_key_path(private_key: Path) -> Path:
    """Return where the public half of a key lies."""
    return private_key.with_suffix(".pub")


def ensure_key(private_key: Path) -> Path:
    """Return the path of a signing key, made on first use (ECDSA P-256, readable by its owner alone)."""
    try:
        if not private_key.is_file():
            _make_key(private_key)
        if not public_key_path(private_key).is_file():
            # A key of the user's own, or a process that was killed in between.
            write_atomically(public_key_path(private_key), _public_half(private_key))
    except OSError as error:
        raise HostError(f"cannot make a signing key at {private_key}: {error.strerror}") from None
    return private_key


def _make_key(private_key: Path) -> None:
    """Make a key, unless another process does at the same moment: then its key is the one."""
    secret = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_once(private_key, secret, mode=0o600)


def _public_half(private_key: Path) -> bytes:
    try:
        key = serialization.load_pem_private_key(private_key.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise BuildError(f"{private_key} is not a private key (PEM, without a password): {error}") from error
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def sign_build(build: Path, private_key: Path) -> Path:
    """Sign every file of a sealed build; returns the signature, which lies in the build."""
    from model_signing import signing

    signature = build / SIGNATURE
    signing.Config().use_elliptic_key_signer(private_key=private_key).set_hashing_config(_hashing()).sign(  # type: ignore[no-untyped-call]
        build, signature
    )
    return signature


def _hashing() -> "hashing.Config":
    from model_signing import hashing

    return hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)  # type: ignore[no-untyped-call]
