"""Pictures of the pages at desk and phone width in both schemes: `make screenshots`.

They are for looking at, and for the README; nothing compares them.
"""

import sys
from pathlib import Path

from tests.browser.driving import Gateway, Screen, find_chromium, open_chromium
from tests.simulation import open_simulator

SIZES = {"desk": (1280, 760), "phone": (390, 844)}
SCHEMES = ("light", "dark")
SYMBOLS = "SPY,QQQ,IWM,SPX,VIX,AAPL,MSFT,NVDA,TSLA,AMD,/ESZ26:XCME,BTC/USD:CXTALP"
MOVED = "() => document.querySelectorAll('[class^=flash]').length > 1"


def main(folder: Path) -> int:
    """The exit status; the pictures are in `folder`."""
    path = find_chromium()
    if path is None:
        print("chromium is not installed", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    with open_simulator("--rate", "4") as simulator, open_chromium(path) as browser:
        gateway = Gateway(simulator, GATEWAY_SYMBOLS=SYMBOLS)
        gateway.start()
        try:
            for name, (width, height) in SIZES.items():
                for scheme in SCHEMES:
                    with browser.new_context(
                        viewport={"width": width, "height": height},
                        color_scheme="dark" if scheme == "dark" else "light",
                    ) as context:
                        screen = Screen(context.new_page(), gateway.url)
                        screen.open()
                        screen.wait_for(MOVED)
                        picture = folder / f"home-{name}-{scheme}.png"
                        screen.page.screenshot(path=picture)
                        print(picture)
        finally:
            gateway.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".screenshots")))
