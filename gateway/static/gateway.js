// What htmx cannot say in attributes: the state of the page's own connection, a watchdog for a
// stream that fell silent, how many windows have a stream, texts of cells, and two keys. Values come
// from the server only; nothing is computed here.
(() => {
  const SILENCE_MS = 5000; // the server sends a message every second
  // A browser gives an HTTP/1.1 origin six connections. Four of its windows have a stream, counted
  // by locks that they share; the others ask every two seconds, and hidden ones do nothing.
  const STREAMS = 4;
  const POLL_MS = 2000;
  const WORDS = {
    connecting: "Connecting",
    syncing: "Syncing",
    live: "Live",
    connected: "Connected",
    polling: "Live, every 2 s",
    reconnecting: "Reconnecting",
    stale: "No answer",
    "signed-out": "Signed out",
    offline: "Offline",
  };
  const pill = document.getElementById("connection");
  let connection = null;
  let heardAt = performance.now();
  let hasBegun = false; // the stream: its first message was read

  const show = (state) => {
    document.body.dataset.connection = state;
    if (pill.dataset.state === state) return;
    pill.dataset.state = state;
    pill.textContent = WORDS[state];
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

  let giveBack = null; // ends our place among the streams; null while we have none
  let opening = null; // the request that is to become our stream
  let isAsking = false;

  const takeLock = (name) =>
    new Promise((resolve) => {
      const hold = (lock) => lock && new Promise((end) => resolve(end));
      navigator.locks.request(name, { ifAvailable: true }, hold).then(() => resolve(null), () => resolve(null));
    });
  const takePlace = async () => {
    if (!navigator.locks) return () => {}; // plain HTTP from another machine: nothing to count with
    for (let number = 0; number < STREAMS; number += 1) {
      const end = await takeLock(`gateway stream ${number}`);
      if (end) return end;
    }
    return null;
  };
  const leavePlace = () => {
    giveBack?.();
    giveBack = null;
  };
  const connect = async () => {
    if (isAsking || document.hidden) return;
    isAsking = true;
    giveBack ??= await takePlace();
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
  on("htmx:after:swap", () => {
    heardAt = performance.now();
    if (!giveBack) show(isFeedLive() ? "polling" : "connected");
  }, "poll");
  on("htmx:error", () => lose(), "poll");
  on("htmx:response:error", (detail) => lose(detail.ctx.response.status), "poll");
  setInterval(() => {
    if (!giveBack) connect();
  }, POLL_MS);

  on("htmx:sse:before:connection", (detail, event) => {
    if (!giveBack) {
      event.preventDefault(); // we were hidden, and others may have our place now
      return;
    }
    connection = detail.connection;
    // Who was silent or signed out stays so until an answer says otherwise.
    if (connection.attempt > 0 && !["signed-out", "stale"].includes(pill.dataset.state)) lose();
  });
  on("htmx:sse:after:connection", () => {
    heardAt = performance.now();
    hasBegun = false;
    show("syncing");
  });
  on("htmx:sse:after:message", (detail) => {
    heardAt = performance.now();
    if (detail.message.event) return;
    // A stream begins with the notice; the values are in the second message.
    if (hasBegun) show(isFeedLive() ? "live" : "connected");
    hasBegun = true;
  });
  // The cells of rows that changed: see gateway/pages/parts.py. Only what is another is sent, and a
  // text node that stays keeps its selection.
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
        if (!cell) break; // of a list that was changed meanwhile; the next stream begins anew
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
    if (!giveBack || document.hidden || !["live", "connected", "syncing"].includes(pill.dataset.state)) return;
    if (performance.now() - heardAt < SILENCE_MS) return;
    show("stale");
    connection?.reader?.cancel(); // ends the read; hx-sse then connects again
  }, 500);

  document.addEventListener("visibilitychange", () => {
    heardAt = performance.now();
    // Nothing is heard while hidden: what was live then is old when somebody looks again.
    if (["live", "connected", "polling", "syncing"].includes(pill.dataset.state)) show("reconnecting");
    if (document.hidden) leavePlace();
    else connect();
  });
  window.addEventListener("offline", () => show("offline"));
  window.addEventListener("online", () => {
    if (pill.dataset.state === "offline") lose();
    connection?.reader?.cancel();
    connection?.delayCanceller?.();
  });

  const input = document.getElementById("add-symbol");
  if (input) {
    document.addEventListener("symbolAdded", (event) => {
      if (input.value === event.detail.typed) input.value = ""; // not what was typed since
    });
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "/" && !event.target.closest("input, textarea, select")) {
        event.preventDefault();
        input.focus();
        input.select();
      } else if (event.key === "Escape" && event.target === input) {
        input.value = "";
        input.blur();
      }
    });
  }
})();
