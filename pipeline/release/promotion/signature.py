"""Who made a model: an Ed25519 signature over its card, which pins all files by their SHA-256.

Keys and signature are those of OpenSSL, which makes and checks them without this code:

    openssl genpkey -algorithm ed25519 -out signing.pem
    openssl pkey -in signing.pem -pubout -out signing.pub
    openssl pkeyutl -verify -pubin -inkey signing.pub -rawin -in card.json -sigfile card.sig

Only who has the private key makes one; a version's signature is a tag in the registry.
"""

import base64
import binascii
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kdsharp.errors import UserError
from kdsharp.files import atomic_file
from kdsharp.runtime.card import CARD
from pipeline.release.promotion.whole import SIGNATURE, require_whole
from pipeline.release.registry.versions import Registry, Version, fetch_files

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

__all__ = [
    "KEY",
    "TAG",
    "read_signing_key",
    "require_signed",
    "sign_folder",
    "sign_version",
    "write_signature",
]

KEY = "KDSHARP_SIGNING_KEY"
"""The environment variable that names the file of the private key."""

TAG = "kdsharp.signature"
"""A version's tag: the signature of its card, in base64."""

_LARGEST = 16 * 1024  # bytes of a key's file
_MAKE = "openssl genpkey -algorithm ed25519 -out FILE makes one"


def read_signing_key() -> "Ed25519PrivateKey | None":
    """The key that $KDSHARP_SIGNING_KEY names; None if the variable is not set.

    Raises `UserError` for a file that holds none, before anything is signed.
    """
    named = os.environ.get(KEY)
    if not named:
        return None
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _read_key(Path(named), f"{KEY}: {named}")
    try:
        key = load_pem_private_key(content, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        key = None  # a key with a password, too: nobody is there to type it
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(
            f"{KEY}: {named} is not a private Ed25519 key in PEM without a password: {_MAKE}"
        )
    return key


def sign_version(registry: Registry, version: Version) -> bool:
    """Sign the card of a student's `version`, if there is a key; whether its tag says so now.

    Its files are fetched and checked first: a key does not vouch for what nobody has looked at.
    """
    key = read_signing_key()
    if key is None or version.role != "student":
        return False
    with tempfile.TemporaryDirectory() as scratch:
        fetch_files(registry, version, Path(scratch))
        card = (Path(scratch) / CARD).read_bytes()
    text = base64.b64encode(key.sign(card)).decode()
    registry.client.set_model_version_tag(version.name, str(version.number), TAG, text)
    return True


def sign_folder(folder: Path) -> None:
    """Write the signature of the card in `folder`, if there is a key."""
    if (key := read_signing_key()) is not None:
        require_whole(folder)
        (folder / SIGNATURE).write_bytes(key.sign((folder / CARD).read_bytes()))


def write_signature(version: Version, folder: Path) -> None:
    """Put the signature that the registry has of `version` into its `folder`, if it has one."""
    if text := version.tags.get(TAG):
        try:
            signature = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise UserError(
                f"{version}: its tag {TAG} is not a signature: promote signs it again"
            ) from None
        with atomic_file(folder / SIGNATURE) as temporary:
            temporary.write_bytes(signature)


def require_signed(folder: Path, public_key: Path, shown: Path | None = None) -> None:
    """The model in `folder` is whole, and signed by the private half of `public_key`.

    Raises `UserError`, one line that names `shown` in place of `folder`, where it is not.
    """
    from cryptography.exceptions import InvalidSignature

    shown = folder if shown is None else shown
    key = _read_public_key(public_key)
    require_whole(folder, shown)
    if not (folder / SIGNATURE).is_file():
        raise UserError(
            f"{shown}: is not signed: promote or publish with {KEY} signs it, or leave out "
            "--verify-key"
        )
    try:
        key.verify((folder / SIGNATURE).read_bytes(), (folder / CARD).read_bytes())
    except InvalidSignature:
        raise UserError(
            f"{shown}: {SIGNATURE} is not that of this card by the key {public_key}: the card was "
            "changed, or somebody else signed it"
        ) from None


def _read_public_key(path: Path) -> "Ed25519PublicKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = _read_key(path, str(path))
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise UserError(
            f"{path}: is not a public Ed25519 key in PEM: openssl pkey -in PRIVATE -pubout -out "
            f"{path.name} writes it"
        )
    return key


def _read_key(path: Path, shown: str) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.read(_LARGEST)
    except OSError as error:
        raise UserError(f"{shown}: cannot be read: {error.strerror}") from error
