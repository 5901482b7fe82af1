"""Check who signed a build, with nothing but a public key: for the data plane, which starts in a fifth of a second.

The bundle is the one that OpenSSF model signing writes (a Sigstore bundle with a DSSE envelope around an in-toto
statement, https://github.com/secure-systems-lab/dsse/blob/master/protocol.md). The library that writes it takes 0.3 s
and pydantic to import; checking takes one ECDSA operation.
"""

import base64
import binascii
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.artefacts.errors import BuildError
from components.artefacts.storage import digest_bytes

MANIFEST = "manifest.json"
PREDICATE = "https://model_signing/signature/v1.0"


class _Signature(msgspec.Struct):
    sig: str


class _Envelope(msgspec.Struct, rename="camel"):
    payload: str
    payload_type: str
    signatures: list[_Signature]


class _Bundle(msgspec.Struct, rename="camel"):
    dsse_envelope: _Envelope


class _Resource(msgspec.Struct):
    name: str
    algorithm: str
    digest: str


class _Predicate(msgspec.Struct):
    resources: list[_Resource]


class _Statement(msgspec.Struct, rename="camel"):
    predicate_type: str
    predicate: _Predicate


def check_signature(manifest: bytes, signature: bytes | None, public_key: Path, *, where: Path) -> None:
    """Check that the key's owner signed this manifest, which lists the digest of every other file of a build.

    Raises BuildError if there is no signature, it was made with another key, or it is for something else.
    """
    key = _read_key(public_key)
    if signature is None:
        raise BuildError(f"{where} is not signed, and {public_key} demands a signature")
    try:
        envelope = msgspec.json.decode(signature, type=_Bundle).dsse_envelope
        payload = base64.b64decode(envelope.payload, validate=True)
        signed = base64.b64decode(envelope.signatures[0].sig, validate=True)
        statement = msgspec.json.decode(payload, type=_Statement)
    except (ValueError, msgspec.MsgspecError, binascii.Error, IndexError) as error:
        raise BuildError(f"{where}: its signature is none of OpenSSF model signing: {error}") from error
    kind = envelope.payload_type.encode()
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    try:
        key.verify(signed, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise BuildError(f"{where} was not signed with the key of {public_key}: do not use this build") from None
    digests = {
        resource.name: resource.digest for resource in statement.predicate.resources if resource.algorithm == "sha256"
    }
    if statement.predicate_type != PREDICATE or digests.get(MANIFEST) != digest_bytes(manifest):
        raise BuildError(f"{where}: its signature is for another {MANIFEST}: do not use this build")


def _read_key(public_key: Path) -> ec.EllipticCurvePublicKey:
    try:
        key: Any = serialization.load_pem_public_key(public_key.read_bytes())
    except (OSError, ValueError) as error:
        raise BuildError(f"cannot read the public key {public_key}: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.key_size != 256:
        raise BuildError(f"{public_key} is not an ECDSA P-256 key, which builds are signed with")
    return key
