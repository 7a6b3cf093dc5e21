"""Write what the locked packages are as a software bill of materials: CycloneDX, in JSON.

    python scripts/sbom.py                  # sbom.cdx.json
    python scripts/sbom.py -o FILE

It is made of requirements.lock alone and needs no network: name, version, the SHA-256 of every
archive that may be installed, and for which Python. The same lock gives the same bytes. These are
the packages of a checkout, with training and tests; `pip install kdsharp` takes a few of them.
"""

import argparse
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom

__all__ = ["Locked", "main", "read_lock", "sbom_json"]

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
TARGET = Path("sbom.cdx.json")

_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+))?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Locked:
    """A package of the lock file: where `marker` holds, one of the archives `sha256`."""

    name: str
    version: str
    marker: str
    sha256: tuple[str, ...]


def read_lock(text: str) -> Iterator[Locked]:
    """The packages in the text of a lock file. Raises `ValueError` for a line that is none."""
    for entry in text.replace("\\\n", " ").splitlines():
        if not entry.strip() or entry.startswith("#"):
            continue
        pin, hashes = _PIN.match(entry), tuple(_HASH.findall(entry))
        if pin is None or not hashes:
            raise ValueError(f"not a package with its hashes: {entry[:60]}")
        marker = (pin["marker"] or "").split(" --hash")[0].strip()
        yield Locked(pin["name"], pin["version"], marker, hashes)


def sbom_json(lock: str, project: str) -> str:
    """The bill for the text of a lock file and of pyproject.toml, indented, with a newline."""
    from cyclonedx.output.json import JsonV1Dot6

    return JsonV1Dot6(_bom(lock, project)).output_as_string(indent=2) + "\n"


def main(words: list[str] | None = None) -> int:
    """Write it, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=TARGET, metavar="FILE")
    chosen = parser.parse_args(words)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    try:
        text = sbom_json(LOCK.read_text(encoding="utf-8"), project)
        chosen.output.write_text(text, encoding="utf-8", newline="\n")
    except (OSError, ValueError) as error:
        print(f"sbom: {error}", file=sys.stderr)
        return 2
    print(f"{chosen.output}: {text.count('pkg:pypi/')} packages")
    return 0


def _bom(lock: str, project: str) -> "Bom":
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import LicenseExpression
    from packageurl import PackageURL

    about = tomllib.loads(project)["project"]
    parts = [
        Component(
            name=package.name,
            version=package.version,
            bom_ref=f"{package.name}=={package.version}",
            type=ComponentType.LIBRARY,
            purl=PackageURL("pypi", None, package.name.lower(), package.version),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in package.sha256],
            properties=[Property(name="marker", value=package.marker)] if package.marker else (),
        )
        for package in read_lock(lock)
    ]
    own = Component(
        name=about["name"],
        version=about["version"],
        bom_ref=about["name"],
        type=ComponentType.APPLICATION,
        licenses=[LicenseExpression(about["license"])],
    )
    # Neither the time nor chance is in it, so that two of one lock can be compared.
    number = uuid.UUID(bytes=sha256(f"{project}{lock}".encode()).digest()[:16], version=4)
    metadata = BomMetaData(component=own)
    metadata.timestamp = None  # type: ignore[assignment]
    made = Bom(components=parts, metadata=metadata, serial_number=number)
    made.register_dependency(own, parts)
    return made


if __name__ == "__main__":
    sys.exit(main())
