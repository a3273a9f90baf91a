// What htmx cannot say in attributes: the state of the page's own connection, a watchdog for a
// stream that fell silent, and two keys. Values come from the server only; nothing is computed here.
(() => {
  const SILENCE_MS = 5000; // the server sends a message every second
  const WORDS = {
    connecting: "Connecting",
    syncing: "Syncing",
    live: "Live",
    connected: "Connected",
    reconnecting: "Reconnecting",
    stale: "No answer",
    "signed-out": "Signed out",
    offline: "Offline",
  };
  const pill = document.getElementById("connection");
  let connection = null;
  let heardAt = performance.now();

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
  const on = (name, listener) =>
    document.addEventListener(name, (event) => {
      if (event.target.id === "stream") listener(event.detail);
    });

  on("htmx:sse:before:connection", (detail) => {
    connection = detail.connection;
    // Who was silent or signed out stays so until an answer says otherwise.
    if (connection.attempt > 0 && !["signed-out", "stale"].includes(pill.dataset.state)) lose();
  });
  on("htmx:sse:after:connection", () => {
    heardAt = performance.now();
    show("syncing");
  });
  on("htmx:sse:after:message", (detail) => {
    heardAt = performance.now();
    if (detail.message.event) return;
    // Green is for both halves of the way: broker to gateway, gateway to page.
    show(document.querySelector('#status [data-state="live"]') ? "live" : "connected");
  });
  on("bye", () => lose());
  on("htmx:sse:error", (detail) => lose(detail.status));
  on("htmx:sse:close", (detail) => {
    if (detail.reason === "ended") lose();
  });
  on("htmx:error", () => lose()); // the first connection failed; "every 5s" tries again
  on("htmx:response:error", (detail) => lose(detail.ctx.response.status));

  setInterval(() => {
    if (document.hidden || !["live", "connected", "syncing"].includes(pill.dataset.state)) return;
    if (performance.now() - heardAt < SILENCE_MS) return;
    show("stale");
    connection?.reader?.cancel(); // ends the read; hx-sse then connects again
  }, 500);

  document.addEventListener("visibilitychange", () => {
    heardAt = performance.now();
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
