"""Sign a build, so that whoever serves it knows who made it: OpenSSF model signing with a key of one's own.

The one door to model-signing, for the pipeline; it is imported when something is signed. The data plane checks the
same bundle without it, in signature.py.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.builds.build import SIGNATURE
from components.errors import BuildError, HostError

if TYPE_CHECKING:
    from model_signing import hashing


def public_key_path(private_key: Path) -> Path:
    """Return where the public half of a key lies."""
    return private_key.with_suffix(".pub")


def ensure_key(private_key: Path) -> Path:
    """Return the path of a signing key, made on first use (ECDSA P-256, readable by its owner alone)."""
    if private_key.is_file():
        return private_key
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        private_key.parent.mkdir(parents=True, exist_ok=True)
        # Created with these rights, not changed to them: at no moment can anybody else read it.
        handle = os.open(private_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return private_key
    except OSError as error:
        raise HostError(f"cannot make a signing key at {private_key}: {error.strerror}") from None
    with os.fdopen(handle, "wb") as file:
        file.write(secret)
    public_key_path(private_key).write_bytes(public)
    return private_key


def sign_build(build: Path, private_key: Path) -> Path:
    """Sign every file of a sealed build; returns the signature, which lies in the build."""
    from model_signing import signing

    signature = build / SIGNATURE
    signing.Config().use_elliptic_key_signer(private_key=private_key).set_hashing_config(_hashing()).sign(  # type: ignore[no-untyped-call]
        build, signature
    )
    return signature


def verify_build(build: Path, public_key: Path) -> None:
    """Check a build with the library itself; BuildError says what differs."""
    from model_signing import verifying

    config = verifying.Config().use_elliptic_key_verifier(public_key=public_key).set_hashing_config(_hashing())  # type: ignore[no-untyped-call]
    try:
        config.verify(build, build / SIGNATURE)
    except (ValueError, OSError) as error:
        raise BuildError(f"{build}: its signature does not hold: {' '.join(str(error).split())}") from error


def _hashing() -> "hashing.Config":
    from model_signing import hashing

    return hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)  # type: ignore[no-untyped-call]
