"""A model folder is whole, and signed by the one who should have: else one line, and nothing."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from kdsharp.runtime.card import CARD
from pipeline.release.promotion import whole
from pipeline.release.promotion.pull import pull
from pipeline.release.promotion.signature import (
    KEY,
    TAG,
    read_signing_key,
    require_signed,
    sign_folder,
    sign_version,
)
from pipeline.release.promotion.whole import SIGNATURE, require_whole
from pipeline.release.registry.versions import find_version, open_registry
from tests.models import make_model
from tests.pipeline.release.promotion.registered import make_trained, register_student

NAME = "kdsharp-student-nano-x2"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Files of two pairs of keys: `ann`, `ann.pub`, `bob` and `bob.pub`."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ann", "bob"):
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / name).write_bytes(private)
        (folder / f"{name}.pub").write_bytes(public)
    return folder


@pytest.fixture
def signed(tmp_path, monkeypatch, keys):
    """A model folder that Ann has signed."""
    folder = make_model(tmp_path / "model", int8=True)
    monkeypatch.setenv(KEY, str(keys / "ann"))
    sign_folder(folder)
    return folder


def refused(words, folder, key=None):
    with pytest.raises(UserError, match=words) as caught:
        require_signed(folder, key) if key else require_whole(folder)
    assert "\n" not in str(caught.value)


def test_a_signed_folder_passes_by_its_own_key_alone(signed, keys):
    require_signed(signed, keys / "ann.pub")
    refused("not that of this card by the key .*bob.pub", signed, keys / "bob.pub")
    (signed / SIGNATURE).write_bytes(b"short")
    refused("not that of this card", signed, keys / "ann.pub")
    (signed / SIGNATURE).unlink()
    refused("is not signed", signed, keys / "ann.pub")


def test_a_changed_card_is_seen(signed, keys):
    card = json.loads((signed / CARD).read_text())
    (signed / CARD).write_text(json.dumps({**card, "name": "another"}))
    require_whole(signed)
    refused("the card was changed", signed, keys / "ann.pub")


def test_a_changed_file_is_seen_even_with_its_hash_on_the_card(signed, keys):
    file = signed / "student_int8.onnx"
    file.write_bytes(file.read_bytes() + b" ")
    refused("its SHA-256 differs", signed)
    card = json.loads((signed / CARD).read_text())
    card["int8"]["sha256"] = sha256_file(file)
    (signed / CARD).write_text(json.dumps(card))
    require_whole(signed)
    refused("the card was changed", signed, keys / "ann.pub")


@pytest.mark.parametrize("key", ["file", "sha256"])
def test_a_file_without_a_hash_is_refused(signed, key):
    card = json.loads((signed / CARD).read_text())
    del card["int8"][key]
    (signed / CARD).write_text(json.dumps(card))
    refused(f"int8.{key} is missing", signed)


def test_what_the_card_does_not_name_is_refused(signed, monkeypatch):
    (signed / "extra.onnx").write_bytes(b"")
    refused("extra.onnx: the card does not name", signed)
    (signed / "extra.onnx").unlink()
    (signed / "folder").mkdir()
    refused("folder: is not a plain file", signed)
    (signed / "folder").rmdir()
    real = signed.parent / "elsewhere.onnx"
    shutil.move(signed / "student.onnx", real)
    (signed / "student.onnx").symlink_to(real)
    refused("student.onnx: is not a plain file", signed)
    (signed / "student.onnx").unlink()
    refused("student.onnx: the model file that the card names is missing", signed)
    monkeypatch.setattr(whole, "LARGEST", 10)
    refused("has more than 0 MiB", signed)


def test_keys_that_are_none_are_told_in_one_line(signed, keys, monkeypatch):
    refused("is not a public Ed25519 key", signed, keys / "ann")
    refused("cannot be read", signed, keys / "none")
    monkeypatch.setenv(KEY, str(keys / "ann.pub"))
    with pytest.raises(UserError, match="is not a private Ed25519 key in PEM"):
        read_signing_key()
    monkeypatch.delenv(KEY)
    assert read_signing_key() is None


@pytest.fixture
def registry(tmp_path, monkeypatch):
    root = tmp_path / "checkout"
    root.mkdir()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with contextlib.chdir(root):
        make_trained(root)
        with open_registry() as opened:
            register_student(opened, NAME)
            yield opened


@pytest.mark.integration
def test_pull_takes_what_is_signed_and_leaves_the_folder_alone_otherwise(
    registry, keys, monkeypatch
):
    to, version = Path("served"), find_version(registry, NAME, 1)
    with pytest.raises(UserError, match=r"served: is not signed"):
        pull(NAME, 1, to=to, verify_key=keys / "ann.pub")
    assert not to.exists()
    pull(NAME, 1, to=to)
    assert not (to / SIGNATURE).exists()
    assert not sign_version(registry, version)
    monkeypatch.setenv(KEY, str(keys / "ann"))
    assert sign_version(registry, version)
    with pytest.raises(UserError, match=r"served: card.sig is not that of this card"):
        pull(NAME, 1, to=to, verify_key=keys / "bob.pub")
    assert not (to / SIGNATURE).exists()
    pull(NAME, 1, to=to, verify_key=keys / "ann.pub")
    require_signed(to, keys / "ann.pub")
    registry.client.set_model_version_tag(NAME, "1", TAG, "no base64!")
    with pytest.raises(UserError, match="promote signs it again"):
        pull(NAME, 1, to=to)
