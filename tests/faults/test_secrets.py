"""A canary in every secret while feed and web are processes of their own, joined by a server."""

import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.web.auth.cookies import COOKIE
from gateway.web.auth.viewers import add_viewer
from tests.faults.trial import Trial
from tests.processes import Process
from tests.simulation import open_simulator
from tests.test_canary import (
    OWNER_TOKEN,
    Wiretap,
    excite,
    open_scene,
    read_command_lines,
    read_everything,
)
from tests.valkey import open_valkey
from tests.waiting import eventually_sync, scaled


@pytest.mark.fault(3)
@pytest.mark.long
@pytest.mark.timeout(scaled(180))
def test_no_secret_passes_through_the_server(tmp_path: Path, trial: Trial) -> None:
    """
    1. `gateway feed` and `gateway serve` run at DEBUG, joined by a server; what passes between
       them and the server is heard, and so is what passes to the broker.
    2. The owner and a viewer come in, read everything, and guess; tokens expire, connections are
       cut, requests fail; then the grant is revoked.
    Result: no secret of the broker's, of viewers, of cookies in what the server was told, in what
    it holds, in either log, in an answer or a stream, on a command line.
    """
    viewers = tmp_path / "viewers.toml"
    viewer_token = add_viewer(viewers, "alice", frozenset({"5WX00001"}))
    with open_simulator("--rate", "3") as simulator, open_valkey() as valkey:
        hello = simulator.hello
        broker = Wiretap(urlsplit(hello["rest"]).port or 0)
        server = Wiretap(valkey.port)
        shared = {"GATEWAY_LOG_LEVEL": "DEBUG", "REDIS_URL": f"redis://127.0.0.1:{server.port}"}
        feed = Process(
            "feed",
            **shared,
            TT_SECRET=hello["secret"],
            TT_REFRESH=hello["refresh"],
            SIMULATOR_REST=f"http://127.0.0.1:{broker.port}",
            SIMULATOR_ACCOUNT_WS=hello["account_ws"],
            GATEWAY_REFRESH_S="1",
            GATEWAY_BALANCE_POLL_S="1",
            GATEWAY_MARKET="open",
            GATEWAY_SYMBOLS="SPY,QQQ",
        )
        try:
            feed.wait_for("publishing, epoch", 20)
            given = {"GATEWAY_TOKEN": OWNER_TOKEN, "GATEWAY_VIEWERS": str(viewers)}
            with open_scene(tmp_path, **shared, **given) as scene:
                eventually_sync(lambda: scene.ask("GET", "/readyz").status_code == 200, 20)
                cookies, ways = set(), []
                for token in (OWNER_TOKEN, viewer_token):
                    ways.append({"Authorization": f"Bearer {token}"})
                    answer = scene.ask("POST", "/login", data={"token": token})
                    cookies.add(answer.cookies[COOKIE])
                    ways.append({"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"})
                for token in (OWNER_TOKEN[:-1], f"{viewer_token}x"):
                    scene.ask("POST", "/login", data={"token": token})
                read_everything(scene, ways)
                excite(simulator, broker)
                read_everything(scene, ways)
                command_lines = read_command_lines(scene.process.pid)
                command_lines += read_command_lines(feed.popen.pid)
                simulator.control_sync("tokens", told_s=100, honoured_s=100, expire=True)
                simulator.control_sync("oauth", revoked=True)
                time.sleep(2)
                read_everything(scene, ways)
                scene.ask("POST", "/logout", headers=ways[1])
                held = valkey.dump()
            assert feed.stop() == 0
        finally:
            feed.kill()
            broker.close()
            server.close()
    every = {OWNER_TOKEN, viewer_token, str(hello["secret"]), str(hello["refresh"])}
    every |= cookies | {each.rpartition(".")[2] for each in cookies}
    every |= {viewer_token.split("_", 2)[2], *broker.tokens()}
    assert len(broker.tokens()) >= 4
    places = {
        "what the server was told": bytes(server.heard),
        "what the server holds": held,
        "the feed's log": "".join(feed.log).encode(),
        "the web's log": scene.log.read_bytes(),
        "answers": b"\n".join(scene.heard),
        "command lines": command_lines,
    }
    for words, place in (
        (b"balance_update", "what the server was told"),
        (b"quote_update", "what the server holds"),
        (b"market data connected", "the feed's log"),
        (b"balance_update", "answers"),
        (b"serve", "command lines"),
    ):
        assert words in places[place], (words, place)
    for place, content in places.items():
        assert not [each[:3] for each in every if each.encode() in content], place
    searched = sum(map(len, places.values())) / 1e6
    trial.tell(f"0 hits for {len(every)} secrets with a Valkey between, in {searched:.1f} MB")
