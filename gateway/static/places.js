// A browser gives an HTTP/1.1 origin six connections. Four windows of a browser have a stream, the
// others ask every two seconds, so that two connections stay free for pages and requests.
// Windows agree by Web Locks; without them (plain HTTP from another machine is no secure context)
// by leases in localStorage, which each holder renews and which a closed window lets expire.
(() => {
  const PLACES = 4;
  const NAME = "gateway stream";
  const LEASE_MS = 4000;
  const RENEW_MS = 1000;
  const SETTLE_MS = 60; // two windows that write at once: after so long both read who won

  const own = `${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;

  const takeLock = (name) =>
    new Promise((resolve) => {
      const hold = (lock) => lock && new Promise((release) => resolve(release));
      const fail = () => resolve(null);
      navigator.locks.request(name, { ifAvailable: true }, hold).then(fail, fail);
    });

  const readLease = (name) => {
    const [holder, until] = (localStorage.getItem(name) ?? "").split(" ");
    return +until > Date.now() ? holder : null;
  };
  const writeLease = (name) => localStorage.setItem(name, `${own} ${Date.now() + LEASE_MS}`);

  const takeLease = async (name, onLost) => {
    if (readLease(name) !== null) return null;
    writeLease(name);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS * (1 + Math.random())));
    if (readLease(name) !== own) return null;
    const release = () => {
      clearInterval(renewal);
      removeEventListener("pagehide", release);
      if (readLease(name) === own) localStorage.removeItem(name);
    };
    const renewal = setInterval(() => {
      // Suspended for longer than a lease, this window may find another in its place.
      if (![null, own].includes(readLease(name))) {
        release();
        onLost();
      } else writeLease(name);
    }, RENEW_MS);
    addEventListener("pagehide", release);
    return release;
  };

  // Resolves to a function that gives the place back, or to null when all are taken. `onLost` is
  // called when another window has taken the place.
  window.takePlace = async (onLost) => {
    try {
      for (let number = 0; number < PLACES; number += 1) {
        const name = `${NAME} ${number}`;
        const release = await (navigator.locks ? takeLock(name) : takeLease(name, onLost));
        if (release) return release;
      }
      return null;
    } catch {
      return () => {}; // no storage either: nothing to agree with
    }
  };
})();
