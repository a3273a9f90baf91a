// The search in the bar: what the broker lists under a name, as one types. Enter opens the page of
// what is chosen, Alt and Enter adds it to the list of this page. Without this script the form opens
// the page of what was typed.
(() => {
  const WAIT_MS = 250;
  const LEAST = 2; // letters; the broker answers a single one with a thousand names
  const MOST = 10;

  const form = document.getElementById("search");
  const field = document.getElementById("search-text");
  const list = document.getElementById("search-results");
  if (!form) return;
  let asked = 0;
  let waiting = 0;
  let chosen = -1;

  const options = () => [...list.querySelectorAll("[role=option]")];
  const close = () => {
    asked += 1; // an answer that is on its way comes too late
    clearTimeout(waiting);
    list.replaceChildren();
    list.hidden = true;
    chosen = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };
  const choose = (index) => {
    const all = options();
    if (!all.length) return;
    chosen = (index + all.length) % all.length;
    all.forEach((each, place) => each.setAttribute("aria-selected", String(place === chosen)));
    all[chosen].scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", all[chosen].id);
  };
  const open = (children) => {
    list.replaceChildren(...children);
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
  };
  const tell = (words) => {
    const line = document.createElement("li");
    line.className = "note";
    line.textContent = words;
    open([line]);
  };
  const show = (results) => {
    if (!results.length) return tell("Nothing is listed under this name");
    chosen = -1;
    open(
      results.slice(0, MOST).map(({ symbol, description }, index) => {
        const line = document.createElement("li");
        const name = document.createElement("b");
        line.id = `search-${index}`;
        line.dataset.symbol = symbol;
        line.setAttribute("role", "option");
        name.textContent = symbol;
        line.append(name, description ?? "");
        return line;
      }),
    );
  };

  const ask = async () => {
    const number = (asked += 1);
    const text = field.value.trim();
    try {
      const url = `${form.dataset.api}?${new URLSearchParams({ q: text })}`;
      const response = await fetch(url, { redirect: "error" });
      const answer = response.ok ? await response.json() : null;
      if (number !== asked) return;
      if (answer) show(answer.results);
      else tell(response.status === 401 ? "You are signed out" : "The broker cannot be asked now");
    } catch {
      if (number === asked) tell("No answer from the gateway");
    }
  };
  const go = (symbol) => {
    field.value = symbol;
    close();
    form.submit();
  };
  const addToList = (symbol) => {
    const add = document.getElementById("add");
    if (!add) return false;
    add.elements.add.value = symbol;
    add.requestSubmit();
    field.value = "";
    close();
    return true;
  };

  field.addEventListener("input", () => {
    clearTimeout(waiting);
    if (field.value.trim().length < LEAST) close();
    else waiting = setTimeout(ask, WAIT_MS);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose(chosen + (event.key === "ArrowDown" ? 1 : chosen < 0 ? 0 : -1));
    } else if (event.key === "Escape") {
      field.value = "";
      close();
      field.blur();
    } else if (event.key === "Enter") {
      const symbol = options()[chosen]?.dataset.symbol ?? field.value.trim();
      event.preventDefault();
      if (symbol && !(event.altKey && addToList(symbol))) go(symbol);
    }
  });
  // Before the field loses the focus, which closes the list.
  list.addEventListener("mousedown", (event) => {
    const symbol = event.target.closest("[role=option]")?.dataset.symbol;
    event.preventDefault();
    if (symbol) go(symbol);
  });
  field.addEventListener("blur", close);

  // On pages with a list of one's own the key moves to its field: see editing.js.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.getElementById("add") || event.target.closest("input, textarea, select")) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
})();
