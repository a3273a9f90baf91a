"""Two viewers, the clock that their sessions live by, and what their cookies let in."""

from gateway.clock import Clock
from gateway.web.auth.authenticator import AuthContext, Authenticator
from gateway.web.auth.viewers import HASHER, Viewer

SECRET = "s" * 32
ALICE_ID, BOB_ID = "a" * 16, "b" * 16
ALICE_TOKEN, BOB_TOKEN = f"gw_{ALICE_ID}_{SECRET}", f"gw_{BOB_ID}_{SECRET}"
ALICE = Viewer("alice", frozenset({"5WX00001"}), ALICE_ID, HASHER.hash(ALICE_TOKEN))
BOB = Viewer("bob", frozenset({"5WX00002"}), BOB_ID, HASHER.hash(BOB_TOKEN))
VIEWERS = {"alice": ALICE, "bob": BOB}


class SteppedClock:
    """A clock that goes on only when a test moves it."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def as_clock(self) -> Clock:
        """Return the clock to hand in; the date may be set apart from the rest."""
        return Clock(monotonic_s=self, wall_s=self, steady_s=self)


def read(authenticator: Authenticator, cookie: str) -> AuthContext:
    auth_context = authenticator.read_cookie(cookie)
    assert auth_context is not None
    return auth_context
