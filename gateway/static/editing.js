// The viewer's own list: what is typed is taken at once and sent in order, one request after the
// other, because each answer brings the cookie that the next one starts from. What fails is given
// back with a word, and what was removed can be undone. Elements are looked up when they are needed:
// a page file that changes brings others.
(() => {
  const SLOW_MS = 1200; // from then on a word says that it takes its time
  const GIVE_UP_MS = 8000;
  const SAME_CLICK_MS = 700; // a click so soon after a row went away,
  const SAME_PLACE_PX = 8; // this near to the one that removed it, aims at that row
  const UNDO_MS = 12000;
  const SHORTCUT = "gateway shortcut"; // in localStorage: "off" for who wants no key for it

  const input = () => document.getElementById("add-symbol");
  const message = () => document.getElementById("add-message");
  const toast = document.getElementById("toast");
  const buttonOf = (symbol) => document.querySelector(`.quotes button[value="${CSS.escape(symbol)}"]`);
  let queue = Promise.resolve();
  let removal = { at: -Infinity, x: 0, y: 0 };
  let hiding = 0;

  const tell = (words, isWrong = false) => {
    message().textContent = words;
    input().setAttribute("aria-invalid", String(isWrong));
  };

  const send = async (form, fields) => {
    const view = form.elements.view?.value;
    const response = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(view === undefined ? fields : { ...fields, view }),
      headers: { "HX-Request": "true" },
      redirect: "error",
      signal: AbortSignal.timeout(GIVE_UP_MS),
    });
    if (!response.ok) throw new Error(response.status);
    const text = await response.text();
    await htmx.swap({ text, sourceElement: form, target: form, swap: "none" });
    return text;
  };
  // Resolves to the answer, or to null after saying why there is none.
  const enqueue = async (fields, doing, undone) => {
    const words = `${doing}…`;
    const slow = setTimeout(() => tell(words), SLOW_MS);
    const turn = queue.then(() => send(document.getElementById("add"), fields));
    queue = turn.catch(() => {});
    try {
      return await turn;
    } catch (error) {
      const isOut = ["401", "403"].includes(error.message);
      tell(`${undone}: ${isOut ? "you are signed out" : "no answer from the gateway"}.`, true);
      return null;
    } finally {
      clearTimeout(slow);
      if (message().textContent === words) tell("");
    }
  };

  const add = async (typed) => {
    const answer = await enqueue({ add: typed }, `Adding ${typed}`, `${typed} was not added`);
    const problem = message().textContent;
    if (answer === null || problem) {
      if (problem) tell(problem, true);
      if (input().value === "") input().value = typed; // not over what was typed since
    } else if (!answer.includes('"#live"')) tell(`${typed} is in the list already.`);
  };

  const hideToast = () => {
    clearTimeout(hiding);
    toast.replaceChildren();
  };
  const offerUndo = (symbol, before) => {
    const name = document.createElement("b");
    name.translate = false;
    name.textContent = symbol;
    const undo = document.createElement("button");
    undo.type = "button";
    undo.textContent = "Undo";
    undo.addEventListener("click", async () => {
      hideToast();
      await enqueue({ add: symbol, before }, `Adding ${symbol}`, `${symbol} was not added`);
      buttonOf(symbol)?.focus();
    });
    hideToast();
    toast.append("Removed ", name, undo);
    hiding = setTimeout(hideToast, UNDO_MS);
  };

  const symbolIn = (row) => row?.querySelector("button[name=remove]")?.value ?? "";
  const remove = async (button, click) => {
    const symbol = button.value;
    const row = button.closest("tr");
    const next = symbolIn(row.nextElementSibling);
    const near = next || symbolIn(row.previousElementSibling);
    row.classList.add("leaving");
    button.setAttribute("aria-disabled", "true");
    const answer = await enqueue({ remove: symbol }, `Removing ${symbol}`, `${symbol} was not removed`);
    row.classList.remove("leaving");
    buttonOf(symbol)?.removeAttribute("aria-disabled");
    if (answer === null) return;
    if (click.detail > 0) removal = { at: performance.now(), x: click.clientX, y: click.clientY };
    offerUndo(symbol, next);
    if (document.activeElement !== document.body) return;
    (buttonOf(near) ?? input()).focus({ preventScroll: true });
  };

  document.addEventListener("submit", (event) => {
    if (event.target.id !== "add") return;
    event.preventDefault();
    const typed = input().value.trim();
    input().value = "";
    tell("");
    if (typed) add(typed);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".quotes button[name=remove]");
    if (!button) return;
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    const distance = Math.hypot(event.clientX - removal.x, event.clientY - removal.y);
    const isSoon = event.timeStamp - removal.at < SAME_CLICK_MS;
    if (event.detail === 0 || !isSoon || distance > SAME_PLACE_PX) remove(button, event);
  });

  // Rows as lines and cells as columns, for a sheet: of a grid a browser copies one cell a line.
  document.addEventListener("copy", (event) => {
    const range = getSelection().rangeCount ? getSelection().getRangeAt(0) : null;
    const around = range?.commonAncestorContainer;
    const table = (around?.closest ? around : around?.parentElement)?.closest("table");
    const isCopied = (each) => each.offsetWidth > 0 && range.intersectsNode(each);
    const rows = table ? [...table.rows].map((row) => [...row.cells].filter(isCopied)) : [];
    if (rows.flat().length < 2) return;
    const lines = rows.filter((cells) => cells.length).map((cells) => cells.map((each) => each.innerText));
    event.clipboardData.setData("text/plain", lines.map((each) => each.join("\t")).join("\n"));
    event.preventDefault();
  });

  const isKeyOn = () => {
    try {
      return localStorage.getItem(SHORTCUT) !== "off";
    } catch {
      return true;
    }
  };
  const showKey = () => {
    const toggle = document.querySelector(".shortcut");
    if (!toggle) return;
    toggle.hidden = false;
    toggle.setAttribute("aria-pressed", String(isKeyOn()));
    if (isKeyOn()) input().setAttribute("aria-keyshortcuts", "/");
    else input().removeAttribute("aria-keyshortcuts");
  };
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.(".shortcut")) return;
    localStorage.setItem(SHORTCUT, isKeyOn() ? "off" : "on");
    showKey();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !input()) return;
    if (event.key === "/" && isKeyOn() && !event.target.closest("input, textarea, select")) {
      event.preventDefault();
      input().focus();
      input().select();
    } else if (event.key === "Escape" && event.target === input()) {
      input().value = "";
      input().blur();
    }
  });
  showKey();

  // The heading for those who listen follows a page file that was given another title.
  const heading = document.getElementById("heading");
  const rename = () => (heading.textContent = document.title.replace(/ · Gateway$/, ""));
  new MutationObserver(rename).observe(document.querySelector("title"), { childList: true });
})();
