// The page's own connection: its state, a watchdog for what fell silent or behind, and the texts of
// cells. htmx and hx-sse connect, reconnect and swap; values come from the server only.
(() => {
  const SILENT_MS = 5000; // without a byte; the server sends a message every second
  const BEHIND_MS = 3500; // the values' age, which is known to about a second
  const GIVE_UP_MS = 20000; // so far behind, what is under way is dropped for a new beginning,
  const PAUSE_MS = 60000; // but not more often than this
  const POLL_MS = 2000;
  const WATCH_MS = 500;
  const WORDS = {
    connecting: "Connecting",
    syncing: "Syncing",
    live: "Live",
    connected: "Connected",
    polling: "Live, every 2 s",
    reconnecting: "Reconnecting",
    behind: "Behind",
    stale: "No answer",
    "signed-out": "Signed out",
    offline: "Offline",
  };
  const REASONS = {
    connecting: "Connecting",
    syncing: "Loading values",
    reconnecting: "Connection lost, reconnecting",
    behind: "Slow connection",
    stale: "No answer from the gateway",
    "signed-out": "Signed out",
    offline: "This device is offline",
  };
  // In every other state the page marks all its values as old.
  const CURRENT = new Set(["live", "connected", "polling"]);
  const WAITING = new Set(["live", "connected", "syncing", "behind", "polling"]);
  const pill = document.getElementById("connection");
  let connection = null;
  let heardAt = performance.now();
  let hasBegun = false; // the stream: its first message was read
  let givenUpAt = -Infinity;

  const show = (state) => {
    if (pill.dataset.state === state) return;
    pill.dataset.state = document.body.dataset.connection = state;
    pill.textContent = WORDS[state];
    document.body.toggleAttribute("data-old", !CURRENT.has(state));
    age.write(REASONS[state]);
    document.getElementById("signed-out").hidden = state !== "signed-out";
  };
  const lose = (status) => {
    if (status === 401 || status === 403) show("signed-out");
    else show(navigator.onLine ? "reconnecting" : "offline");
  };
  const on = (name, listener, id = "stream") =>
    document.addEventListener(name, (event) => {
      if (event.target.id === id) listener(event.detail, event);
    });
  // Green is for both halves of the way: broker to gateway, gateway to page.
  const isFeedLive = () => document.querySelector('#status [data-state="live"]') !== null;
  const showValues = (state) => {
    if (age.ms > BEHIND_MS) show("behind");
    else show(isFeedLive() ? state : "connected");
  };

  let giveBack = null; // ends our place among the streams; null while we have none
  let opening = null; // the request that is to become our stream
  let isAsking = false;
  let askedAt = 0;

  const leavePlace = () => {
    giveBack?.();
    giveBack = null;
  };
  const losePlace = () => {
    giveBack = null;
    connection?.reader?.cancel();
  };
  const connect = async () => {
    if (isAsking || document.hidden) return;
    isAsking = true;
    giveBack ??= await takePlace(losePlace);
    isAsking = false;
    if (document.hidden) leavePlace();
    else if (giveBack) htmx.trigger("#stream", "connect");
    else htmx.trigger("#poll", "poll");
  };

  on("htmx:before:request", (detail, event) => {
    if (giveBack && !opening) {
      opening = detail.ctx;
      return;
    }
    event.preventDefault();
    if (!giveBack) connect();
  });
  on("htmx:finally:request", (detail) => {
    if (detail.ctx === opening) opening = null;
  });
  on("htmx:before:request", () => (askedAt = performance.now()), "poll");
  on("htmx:after:swap", () => {
    heardAt = performance.now();
    age.note(askedAt);
    if (!giveBack) showValues("polling");
  }, "poll");
  on("htmx:error", () => lose(), "poll");
  on("htmx:response:error", (detail) => lose(detail.ctx.response.status), "poll");
  setInterval(() => {
    if (!giveBack) connect();
  }, POLL_MS);

  // hx-sse hands on whole messages only; on a slow link one may take longer than a silence lasts.
  const hearBytes = (each) => {
    let reader = each.reader;
    Object.defineProperty(each, "reader", {
      get: () => reader,
      set: (value) => {
        reader = value;
        if (!reader) return;
        const read = reader.read.bind(reader);
        reader.read = async () => {
          const chunk = await read();
          heardAt = performance.now();
          return chunk;
        };
      },
    });
  };
  on("htmx:sse:before:connection", (detail, event) => {
    if (!giveBack) {
      event.preventDefault(); // we were hidden, and others may have our place now
      return;
    }
    if (connection !== detail.connection) hearBytes(detail.connection);
    connection = detail.connection;
    // Who was silent or signed out stays so until an answer says otherwise.
    if (connection.attempt > 0 && !["signed-out", "stale"].includes(pill.dataset.state)) lose();
  });
  on("htmx:sse:after:connection", () => {
    heardAt = performance.now();
    age.begin(heardAt);
    hasBegun = false;
    show("syncing");
  });
  on("htmx:sse:after:message", (detail) => {
    if (detail.message.event) return;
    // A stream begins with the notice; the values are in the second message.
    if (hasBegun) {
      age.note();
      showValues("live");
    }
    hasBegun = true;
  });
  // The cells of rows that changed: see gateway/pages/rendering/cache.py. Only what is another is
  // sent, and a text node that stays keeps its selection.
  const writeCell = (cell, content) => {
    const text = cell.firstChild;
    if (content.includes("<") || content.includes("&")) cell.innerHTML = content;
    else if (text?.nodeType === Node.TEXT_NODE && !text.nextSibling) text.nodeValue = content;
    else cell.textContent = content;
  };
  on("cells", (detail) => {
    for (const [id, ...changes] of JSON.parse(detail.data)) {
      const row = document.getElementById(id);
      for (let index = 0; index < changes.length; index += 2) {
        const cell = row?.children[Math.abs(changes[index]) - 1];
        if (!cell) break; // of a list that was changed meanwhile; the next stream begins with all
        if (changes[index] < 0) cell.className = changes[index + 1];
        else writeCell(cell, changes[index + 1]);
      }
    }
  });
  on("bye", () => lose());
  on("htmx:sse:error", (detail) => lose(detail.status));
  on("htmx:sse:close", (detail) => {
    if (detail.reason === "ended" && giveBack) lose();
  });
  on("htmx:error", () => lose()); // the first connection failed; "every 5s" tries again
  on("htmx:response:error", (detail) => lose(detail.ctx.response.status));

  setInterval(() => {
    if (document.hidden) return;
    const now = performance.now();
    const state = pill.dataset.state;
    if (WAITING.has(state) && now - heardAt >= SILENT_MS) {
      show("stale");
      if (giveBack) connection?.reader?.cancel(); // ends the read; hx-sse then connects again
    } else if (CURRENT.has(state) && age.ms > BEHIND_MS) show("behind");
    else if (state === "behind" && age.ms > GIVE_UP_MS && now - givenUpAt > PAUSE_MS) {
      givenUpAt = now;
      connection?.reader?.cancel();
    } else age.write(REASONS[state]);
  }, WATCH_MS);

  document.addEventListener("visibilitychange", () => {
    heardAt = performance.now();
    // Nothing is heard while hidden: what was live then is old when somebody looks again.
    if (WAITING.has(pill.dataset.state)) show("reconnecting");
    if (document.hidden) leavePlace();
    else connect();
  });
  window.addEventListener("offline", () => show("offline"));
  window.addEventListener("online", () => {
    if (pill.dataset.state === "offline") lose();
    connection?.reader?.cancel();
    connection?.delayCanceller?.();
  });
})();
