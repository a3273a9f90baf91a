// Keys, fingers and buttons of a chart: reading candles, zooming, moving through the history.
// With a mouse, dragging zooms and a double click shows the newest: uPlot's own.
(() => {
  const ZOOM = 1.5;
  const LEAST = 10; // candles
  const DRAG_PX = 6; // less is a tap, which reads a candle

  // Show `factor` times as many candles, keeping the one at `share` of the width in its place.
  const zoom = (chart, factor, share = 1) => {
    const { min, max } = chart.plot.scales.x;
    const span = Math.min(Math.max((max - min) * factor, LEAST), chart.count);
    show(chart, min + (max - min - span) * share, span);
  };
  const show = (chart, min, span) => {
    const begin = Math.max(-0.5, Math.min(min, chart.count - 0.5 - span));
    chart.plot.setScale("x", { min: begin, max: begin + span });
  };
  const move = (chart, candles) => {
    const { min, max } = chart.plot.scales.x;
    show(chart, min + candles, max - min);
  };

  const press = (chart, event) => {
    if (!chart.plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const { min, max } = chart.plot.scales.x;
    const last = Math.min(chart.count - 1, Math.floor(max));
    const first = Math.max(0, Math.ceil(min));
    const at = chart.plot.cursor.left >= 0 ? chart.plot.cursor.idx : last;
    const point = (index) => chart.point(Math.min(last, Math.max(first, index)));
    const keys = {
      ArrowLeft: () => point(at - 1),
      ArrowRight: () => point(at + 1),
      Home: () => point(first),
      End: () => point(last),
      Escape: () => chart.point(null),
      PageUp: () => move(chart, (min - max) * 0.8),
      PageDown: () => move(chart, (max - min) * 0.8),
      "+": () => zoom(chart, 1 / ZOOM),
      "=": () => zoom(chart, 1 / ZOOM),
      "-": () => zoom(chart, ZOOM),
      0: () => chart.reset(),
    };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  };

  const addButtons = (chart) => {
    const group = document.createElement("div");
    group.className = "zoom";
    for (const [text, label, act] of [
      ["−", "Zoom out", () => zoom(chart, ZOOM)],
      ["+", "Zoom in", () => zoom(chart, 1 / ZOOM)],
      ["↺", "Show the newest", () => chart.reset()],
    ]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.setAttribute("aria-label", label);
      button.title = label;
      button.addEventListener("click", () => chart.plot && act());
      group.append(button);
    }
    chart.canvas.append(group);
  };

  // One finger moves, two zoom; up and down goes to the page.
  const addTouch = (chart) => {
    const fingers = new Map();
    const { signal } = chart.ended;
    let isDragging = false;
    const end = (event) => {
      fingers.delete(event.pointerId);
      if (!fingers.size) isDragging = false;
    };
    chart.canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch") fingers.set(event.pointerId, event.clientX);
    }, { signal });
    chart.canvas.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (before === undefined || !chart.plot) return;
      const box = chart.plot.over.getBoundingClientRect();
      const { min, max } = chart.plot.scales.x;
      const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, x]) => x);
      if (others.length) {
        const distance = (x) => Math.max(20, Math.abs(x - others[0]));
        zoom(chart, distance(before) / distance(event.clientX), (others[0] - box.left) / box.width);
      } else if (isDragging || Math.abs(event.clientX - before) > DRAG_PX) {
        isDragging = true;
        move(chart, ((before - event.clientX) * (max - min)) / box.width);
      } else return;
      fingers.set(event.pointerId, event.clientX);
    }, { signal });
    chart.canvas.addEventListener("pointerup", end, { signal });
    chart.canvas.addEventListener("pointercancel", end, { signal });
  };

  window.addGestures = (chart) => {
    const { signal } = chart.ended;
    chart.canvas.addEventListener("keydown", (event) => press(chart, event), { signal });
    chart.canvas.addEventListener("blur", () => chart.point(null), { signal });
    addButtons(chart);
    addTouch(chart);
  };
})();
