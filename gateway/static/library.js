// Loads uPlot when the first chart of a page wants it.
(() => {
  const script = document.currentScript;
  const RETRY_MS = 5000;
  let loading = null;
  let failedAt = -Infinity;

  // uPlot makes a number format of this when it is read; a browser whose locale is "C" has a name
  // here that is no language (WebKitGTK 2.50), and uPlot 1.6.32 would not define itself.
  const checkLanguage = () => {
    try {
      new Intl.NumberFormat(navigator.language);
    } catch {
      Object.defineProperty(navigator, "language", { value: "en-US", configurable: true });
    }
  };
  const append = (name, attributes) =>
    new Promise((resolve, reject) => {
      const element = Object.assign(document.createElement(name), attributes);
      element.onload = resolve;
      element.onerror = () => {
        element.remove();
        reject(new Error(`${name} not loaded`));
      };
      document.head.append(element);
    });
  const tryOnce = async () => {
    try {
      checkLanguage();
      await append("link", { rel: "stylesheet", href: script.dataset.style });
      await append("script", { src: script.dataset.uplot });
    } catch {
      // As with a content blocker, which answers with an empty file: it is not there.
    }
    if (!window.uPlot) {
      failedAt = performance.now();
      loading = null;
    }
    return Boolean(window.uPlot);
  };

  window.library = {
    // Resolves to whether uPlot is there.
    load: () => (loading ??= tryOnce()),
    // Whether to ask for it now, from the new figures of a chart: not too soon after a failure.
    get isDue() {
      return loading !== null || performance.now() - failedAt > RETRY_MS;
    },
  };
})();
