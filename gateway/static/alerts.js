// Alerts that fired: a toast each, and a mark in the title while nobody looks. The server says the
// newest firings in #told; the same one may be said many times, and in several windows.
(() => {
  const SHOWN_MS = 15000;
  const FRESH_MS = 60000; // what fired before this page was open is shown only if it is newer
  const MARK = "(!) ";
  const told = document.getElementById("told");
  const place = document.querySelector(".notices");
  if (!told || !place) return;
  const seen = new Set();

  const show = (text) => {
    const toast = document.createElement("div");
    toast.className = "toast";
    toast.setAttribute("role", "alert");
    toast.textContent = text;
    place.append(toast);
    setTimeout(() => toast.remove(), SHOWN_MS);
    if (!document.hasFocus() && !document.title.startsWith(MARK)) {
      document.title = MARK + document.title;
    }
  };
  const openedAt = Date.now();
  const read = () => {
    for (const each of told.querySelectorAll("[data-key]")) {
      if (seen.has(each.dataset.key)) continue;
      seen.add(each.dataset.key);
      if (Date.parse(each.dataset.at) > openedAt - FRESH_MS) show(each.textContent);
    }
  };
  new MutationObserver(read).observe(told, { childList: true, subtree: true, characterData: true });
  read();
  window.addEventListener("focus", () => {
    if (document.title.startsWith(MARK)) document.title = document.title.slice(MARK.length);
  });
})();
