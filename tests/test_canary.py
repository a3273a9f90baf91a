"""A canary in every secret: none of them is in a log, an answer, a stream or a command line."""

import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest

from gateway.settings import StoreSettings
from gateway.store.database import open_database
from gateway.store.keys import read_keys
from gateway.web.auth.cookies import COOKIE
from gateway.web.auth.viewers import add_viewer
from tests.faults.trial import Trial
from tests.processes import clean_environment
from tests.simulation import Simulator, open_simulator
from tests.waiting import eventually_sync, scaled
from tests.web.running import TLS

OWNER_TOKEN = "canary-owner-7d1f0a"
KEPT_SECRET = "canary-kept-5e2b91"


class Wiretap:
    """A TCP proxy on loopback that keeps what passes: where the broker's tokens are seen."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard = bytearray()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def tokens(self) -> set[str]:
        """The access tokens and quote tokens that were issued."""
        found = re.findall(rb'"(?:access_token|token)": ?"([^"]{20,})"', bytes(self.heard))
        return {each.decode() for each in found}

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._target) as broker:
            peers = {client: broker, broker: client}
            while True:
                readable, _, _ = select.select(list(peers), [], [])
                for each in readable:
                    chunk = each.recv(65536)
                    if not chunk:
                        return
                    self.heard += chunk
                    peers[each].sendall(chunk)


@dataclass(slots=True)
class Scene:
    """A gateway that runs, and everything that it let out."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path
    heard: list[bytes] = field(default_factory=list)

    def ask(self, method: str, path: str, **options: object) -> httpx.Response:
        """An answer, kept with its headers; a cookie that we are to have is not in them."""
        answer = httpx.request(
            method,
            self.url + path,
            verify=TLS,
            trust_env=False,
            timeout=scaled(10),
            **options,  # type: ignore[arg-type]
        )
        headers = [
            value for name, value in answer.headers.multi_items() if name.lower() != "set-cookie"
        ]
        self.heard += [answer.content, "\n".join(headers).encode()]
        return answer

    def listen(self, path: str, headers: dict[str, str], seconds: float) -> None:
        """What a stream says for a while."""
        deadline_s = time.monotonic() + seconds
        with (
            suppress(httpx.ReadTimeout),
            httpx.stream(
                "GET",
                self.url + path,
                headers=headers,
                verify=TLS,
                trust_env=False,
                timeout=httpx.Timeout(scaled(5), read=0.5),
            ) as answer,
        ):
            for chunk in answer.iter_raw():
                self.heard.append(chunk)
                if time.monotonic() > deadline_s:
                    return


@contextmanager
def open_scene(folder: Path, **environment: str) -> Iterator[Scene]:
    log = folder / "log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--port", "0"],
            stdout=out,
            stderr=out,
            cwd=folder,
            env=clean_environment(**environment),
        ) as process,
    ):
        try:

            def find_url() -> str:
                found = re.search(r"^live on (\S+)$", log.read_text(), re.MULTILINE)
                assert found, log.read_text()
                return found[1]

            yield Scene(eventually_sync(find_url, 15), process, log)
            process.send_signal(signal.SIGTERM)
            assert process.wait(scaled(10)) == 0
        finally:
            process.kill()


def read_command_lines(pid: int) -> bytes:
    """Of a process and those that it started (Linux)."""
    found = Path(f"/proc/{pid}/cmdline").read_bytes()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += b"\n" + read_command_lines(int(child))
    return found


def excite(simulator: Simulator, wiretap: Wiretap) -> None:
    """Make the gateway renew, be refused, reconnect and fail."""
    simulator.control_sync("tokens", expire=True)
    simulator.control_sync("quote_tokens", expire=True)
    simulator.control_sync("cut")
    simulator.control_sync("rest", path="/accounts", status=500, count=2)
    simulator.control_sync("oauth", status=503, count=1)
    simulator.control_sync("deauth")
    seen = wiretap.tokens()
    eventually_sync(lambda: len(wiretap.tokens() - seen) >= 2, 20)


@pytest.mark.fault(3)
@pytest.mark.timeout(scaled(120))
@pytest.mark.parametrize("from_files", [False, True], ids=["environment", "files"])
def test_no_secret_gets_out(tmp_path: Path, from_files: bool, trial: Trial) -> None:
    """
    1. `gateway serve` runs at DEBUG against a simulator, with a token of its own and a viewer's;
       once with all secrets in its environment, once with all in files.
    2. People and scripts come in, are refused, guess, sign out; pages and streams are read.
    3. The broker's tokens expire, connections are cut, requests fail; then the grant is revoked.
    Result: no secret in the log, in an answer or a stream, on a command line.
    """
    viewers = tmp_path / "viewers.toml"
    viewer_token = add_viewer(viewers, "alice", frozenset({"5WX00001"}))
    with open_simulator("--rate", "3") as simulator:
        address = urlsplit(simulator.hello["rest"])
        assert address.port is not None
        wiretap = Wiretap(address.port)
        secrets = {
            "TT_SECRET": str(simulator.hello["secret"]),
            "TT_REFRESH": str(simulator.hello["refresh"]),
            "GATEWAY_TOKEN": OWNER_TOKEN,
        }
        assert all(len(each) > 8 for each in secrets.values()), "too short to search for"
        environment = dict(secrets)
        if from_files:
            environment = {}
            for name, value in secrets.items():
                file = tmp_path / name.lower()
                file.write_text(value + "\n")
                file.chmod(0o600)
                environment[f"{name}_FILE"] = str(file)
        cookies: set[str] = set()
        with open_scene(
            tmp_path,
            **environment,
            SIMULATOR_REST=f"http://127.0.0.1:{wiretap.port}",
            SIMULATOR_ACCOUNT_WS=simulator.hello["account_ws"],
            GATEWAY_VIEWERS=str(viewers),
            GATEWAY_STATE_DIR=str(tmp_path / "state"),
            GATEWAY_LOG_LEVEL="DEBUG",
            GATEWAY_REFRESH_S="1",
            GATEWAY_BALANCE_POLL_S="1",
            GATEWAY_MARKET="open",
            GATEWAY_SYMBOLS="SPY,QQQ",
        ) as scene:
            eventually_sync(lambda: scene.ask("GET", "/readyz").status_code == 200, 20)
            ways = []
            for token in (OWNER_TOKEN, viewer_token):
                ways.append({"Authorization": f"Bearer {token}"})
                answer = scene.ask("POST", "/login", data={"token": token, "next": "/"})
                cookies.add(answer.cookies[COOKIE])
                ways.append({"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"})
            read_everything(scene, ways)
            for token in (OWNER_TOKEN[:-1], f"{viewer_token}x", viewer_token[:-1] + "é"):
                headers = {"Authorization": f"Bearer {token}".encode()}
                scene.ask("GET", "/events", headers=headers)
                scene.ask("POST", "/login", data={"token": token})
            for path in ("/events?token=", "/nothing?token="):
                scene.ask("GET", f"{path}{quote(OWNER_TOKEN)}")
            kept = keep_secret(tmp_path / "state")
            excite(simulator, wiretap)
            command_lines = read_command_lines(scene.process.pid)
            read_everything(scene, ways)
            files = read_store(tmp_path / "state")
            simulator.control_sync("tokens", told_s=100, honoured_s=100, expire=True)
            simulator.control_sync("oauth", revoked=True)
            time.sleep(2)
            read_everything(scene, ways)
            scene.ask("POST", "/logout", headers=ways[1])
            scene.ask("GET", "/status", headers=ways[1])
        wiretap.close()
    broker_tokens = wiretap.tokens()
    assert len(broker_tokens) >= 4
    log = scene.log.read_bytes()
    for words in (b"market data connected", b"disconnected", b"failed"):
        assert words in log, "something happened"
    heard = b"\n".join(scene.heard)
    assert b"quote_update" in heard
    assert b"balance_update" in heard
    every = {*secrets.values(), viewer_token, *cookies, *broker_tokens, *kept}
    every |= {viewer_token.split("_", 2)[2], *(each.rpartition(".")[2] for each in cookies)}
    assert b"serve" in command_lines
    for place, content in (
        ("log", log),
        ("answers", heard),
        ("command lines", command_lines),
        ("store", files),
    ):
        for secret in every:
            hits = content.count(secret.encode())
            assert not hits, f"{place}: {hits} times {secret[:3]}…, {len(secret)} letters"
    amounts = set(re.findall(rb'"(?:balance|buying_power|cash)":(\d{4,}\.\d+)', heard))
    assert amounts
    assert not [each for each in amounts if each in log], "nor a balance in the log"
    where = "files" if from_files else "the environment"
    assert b"IWM" in files, "something was kept"
    searched = (len(log) + len(heard) + len(command_lines) + len(files)) / 1e6
    trial.tell(f"0 hits for {len(every)} secrets from {where} in {searched:.1f} MB")


def keep_secret(folder: Path) -> set[str]:
    """Keep a secret beside the gateway that runs; return it, and the keys that seal it."""
    settings = StoreSettings(folder, file_name="demo.db")
    database = open_database(settings)
    with database.begin(writes=True) as rows:
        rows.secrets.write("owner", "refresh token", KEPT_SECRET)
        assert rows.secrets.read("owner", "refresh token") == KEPT_SECRET
    database.close()
    return {KEPT_SECRET, *read_keys(settings)}


def read_store(folder: Path) -> bytes:
    """All files of the store but the keys, and a backup."""
    database = open_database(StoreSettings(folder, file_name="demo.db"))
    database.back_up(folder / "backup.db")
    names = {each.name for each in folder.iterdir()} - {"keys"}
    assert names >= {"demo.db", "demo.db-wal", "backup.db"}
    content = b"\n".join((folder / each).read_bytes() for each in sorted(names))
    database.close()
    return content


def read_everything(scene: Scene, ways: list[dict[str, str]]) -> None:
    """All that a viewer can read, as each of these."""
    for headers in ways:
        for path in ("/", "/status", "/metrics", "/api/snapshot", "/healthz", "/readyz", "/login"):
            scene.ask("GET", path, headers=headers)
        scene.ask("GET", "/events?symbols=%7B", headers=headers)
        scene.ask("POST", "/watchlist", headers=headers, data={"add": "IWM"})
    types = "quote_update,balance_update,trade_update,greeks_update"
    paths = (f"/events?types={types}", "/live/home")
    listening = [
        threading.Thread(target=scene.listen, args=(path, headers, 1.0))
        for path in paths
        for headers in ways
    ]
    for each in listening:
        each.start()
    for each in listening:
        each.join()
