// How old the values on the page are, and the one way in which every panel says so.
// The stream carries the server's clock every second. What a message takes longer than the quickest
// one before it is time that it waited on the way, so a slow link shows as age even while bytes come.
(() => {
  const SHOWN_FROM_MS = 2000;
  const root = document.documentElement;
  const strip = document.getElementById("age");
  const marked = document.getElementsByClassName("age"); // live, and empty while nothing is stale

  let clock = readClock();
  let asOf = performance.getEntriesByType("navigation")[0]?.responseStart || performance.now();
  let offset = asOf - clock; // of the page's time to the server's, with the quickest way
  let shown = "";

  function readClock() {
    return Date.parse(document.querySelector("#status .clock time")?.dateTime ?? "");
  }

  const say = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    if (s < 60) return `${s} s old`;
    if (s < 3600) return `${Math.floor(s / 60)} min old`;
    return s < 48 * 3600 ? `${Math.floor(s / 3600)} h old` : `${Math.floor(s / 86400)} days old`;
  };

  const age = {
    // In ms, of the newest values on the page.
    get ms() {
      return performance.now() - asOf;
    },
    // A stream began at this time of the page: its first clock reading is of that moment.
    begin(time) {
      offset = null;
      clock = NaN;
      age.begun = time;
    },
    // Values were written; `since` is when they were asked for, if they were.
    note(since) {
      const read = readClock();
      if (since !== undefined) [asOf, offset] = [since, since - read];
      if (read === clock || Number.isNaN(read)) return;
      clock = read;
      offset = Math.min(offset ?? age.begun - clock, performance.now() - clock);
      asOf = clock + offset;
    },
    // Write the ages; `words` say why the values of the whole page are old, if they are.
    write(words) {
      const whole = words && age.ms >= SHOWN_FROM_MS ? say(age.ms) : "";
      if (whole !== shown) {
        shown = whole;
        root.style.setProperty("--age", whole ? `"${whole}"` : "none");
      }
      const text = words ? `${words}${whole && `: values are ${whole}`}` : "";
      if (strip.textContent !== text) strip.textContent = text;
      const now = performance.now() - (offset ?? 0);
      for (const each of marked) {
        const since = Date.parse(each.dataset.since);
        if (offset !== null && since) {
          const text = say(now - since);
          if (each.textContent !== text) each.textContent = text;
        }
      }
    },
  };
  window.age = age;
})();
