// Draws the charts of a page with uPlot, from the figures that the server keeps in the page: the
// complete candles in one element, the newest in another.
(() => {
  const CANDLE_PX = 7; // as many candles are shown at first as have this much room
  const VOLUME_SHARE = 0.16;
  const TAG_PX = 18; // a label nearer than this to the price tag would stand below it
  const charts = new Map();

  const readColours = (element, isOld) => {
    const style = getComputedStyle(element);
    const read = (name) => style.getPropertyValue(name).trim();
    return {
      up: read("--up"),
      down: read("--down"),
      line: read("--line-soft"),
      text: read("--quiet"),
      accent: read(isOld ? "--quiet" : "--accent"),
      surface: read("--surface"),
    };
  };

  class Chart {
    constructor(element) {
      this.element = element;
      this.canvas = element.querySelector(".canvas");
      this.history = element.querySelector(".history");
      this.now = element.querySelector(".now");
      this.observer = new MutationObserver(() => this.update());
      const watched = { subtree: true, childList: true, characterData: true, attributes: true };
      this.observer.observe(this.history, watched);
      this.observer.observe(this.now, watched);
      this.sizes = new ResizeObserver(() => this.resize());
      this.sizes.observe(this.canvas);
      this.text = null;
      this.axis = new TimeAxis(this.isDaily);
      this.isOld = null;
      this.ended = new AbortController();
      addGestures(this);
      this.update();
    }

    get isLine() {
      return this.element.dataset.kind === "line";
    }

    get isDaily() {
      return this.element.dataset.interval === "1d";
    }

    close() {
      this.ended.abort();
      this.words?.remove();
      this.canvas.querySelector(".zoom")?.remove();
      this.observer.disconnect();
      this.sizes.disconnect();
      this.plot?.destroy();
    }

    read() {
      const text = this.history.textContent.trim();
      if (text !== this.text) {
        this.text = text;
        this.columns = JSON.parse(text || "[]");
      }
      const now = JSON.parse(this.now.querySelector("data")?.getAttribute("value") || "[]");
      // A seventh column, the trading day of each candle, is for programs.
      const columns = this.columns.length ? this.columns.slice(0, 6) : [[], [], [], [], [], []];
      if (!now.length) return columns;
      this.decimals = now[6];
      return columns.map((column, index) => [...column, now[index]]);
    }

    // Values of a connection or a feed that is not live have no colour; see old.css.
    look() {
      const isOld =
        document.body.hasAttribute("data-old") || this.now.querySelector("data.stale") !== null;
      if (isOld === this.isOld) return;
      this.isOld = isOld;
      this.element.classList.toggle("is-old", isOld);
      this.repaint();
    }

    update() {
      this.look();
      this.data = this.read();
      this.axis.times = this.data[0];
      if (!this.plot) {
        if (this.canvas.clientWidth) this.draw();
        return;
      }
      const { min, max } = this.plot.scales.x;
      const count = this.data[0].length;
      const follows = max >= this.count - 1;
      const grown = count - this.count;
      this.count = count;
      this.plot.setData([this.data[0].map((_, index) => index), this.data[4]], false);
      const shift = follows ? grown : 0;
      // Who saw all that there was sees as much of a history that has come since as there is room.
      if (follows && min < 0) this.reset();
      else this.plot.setScale("x", { min: min + shift, max: max + shift });
      if (!follows && grown <= 0) this.plot.redraw(false, true);
    }

    // In place of the drawing.
    explain(words) {
      this.words?.remove();
      this.words = null;
      if (!words) return;
      this.words = document.createElement("div");
      this.words.className = "words";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Try again";
      button.addEventListener("click", () => this.begin());
      this.words.append(words, button);
      this.canvas.append(this.words);
    }

    async begin() {
      const isThere = await library.load();
      if (this.ended.signal.aborted || this.plot) return;
      this.explain(isThere ? "" : "The chart could not be loaded.");
      if (isThere) this.draw();
    }

    draw() {
      if (!this.data[0].length) return;
      if (!window.uPlot) {
        if (library.isDue) this.begin();
        return;
      }
      this.plot?.destroy();
      this.axis = new TimeAxis(this.isDaily);
      this.axis.times = this.data[0];
      this.colours = readColours(this.element, this.isOld);
      this.count = this.data[0].length;
      const font = `12px ${getComputedStyle(document.body).fontFamily}`;
      const grid = { stroke: () => this.colours.line, width: 1 };
      const paths = this.isLine ? undefined : () => null;
      this.plot = new uPlot(
        {
          width: this.canvas.clientWidth,
          height: this.canvas.clientHeight,
          padding: [12, 0, 0, 0],
          legend: { show: false },
          cursor: { points: { show: this.isLine }, drag: { x: true, y: false }, y: true },
          scales: {
            // Noted, because the prices are ranged before the plot knows its new window itself.
            x: { time: false, range: (_, min, max) => (this.window = [min, max]) },
            y: { range: () => this.range() },
          },
          series: [
            {},
            {
              stroke: () => this.colours.accent,
              width: 1.75,
              fill: this.isLine ? () => `${this.colours.accent}1f` : undefined,
              paths,
              points: { show: false },
            },
          ],
          axes: [
            {
              stroke: () => this.colours.text,
              font,
              grid: { show: false },
              ticks: { ...grid, size: 5 },
              size: 30,
              splits: (plot, _, min, max) =>
                this.axis.split(min, max, Math.max(1, plot.bbox.width / devicePixelRatio)),
              values: (_, splits) => splits.map((index) => this.axis.label(index)),
            },
            {
              side: 1,
              stroke: () => this.colours.text,
              font,
              grid,
              ticks: { show: false },
              size: (plot, values) =>
                Math.max(56, ...(values || []).map((each) => each.length * 7.4 + 16)),
              values: (plot, splits) => splits.map((each) => this.name(plot, each)),
            },
          ],
          hooks: {
            drawAxes: [() => this.paint()],
            draw: [() => this.mark()],
            setCursor: [(plot) => this.tell(plot.cursor.left >= 0 ? plot.cursor.idx : null)],
          },
        },
        [this.data[0].map((_, index) => index), this.data[4]],
        this.canvas,
      );
      this.plot.over.addEventListener("dblclick", () => this.reset());
      this.reset();
    }

    reset() {
      const shown = Math.max(20, Math.floor((this.canvas.clientWidth - 70) / CANDLE_PX));
      const begin = Math.max(0, this.count - shown);
      this.plot.setScale("x", { min: begin - 0.5, max: this.count - 0.5 });
    }

    resize() {
      if (!this.canvas.clientWidth) return;
      if (!this.plot) {
        this.draw();
        return;
      }
      this.plot.setSize({ width: this.canvas.clientWidth, height: this.canvas.clientHeight });
      if (this.plot.scales.x.max >= this.count - 1) this.reset();
    }

    // In other colours, of the same candles.
    repaint() {
      if (!this.plot) return;
      this.colours = readColours(this.element, this.isOld);
      this.plot.redraw(false, true);
    }

    range() {
      const [min, max] = this.window;
      let low = Infinity;
      let high = -Infinity;
      const lows = this.isLine ? this.data[4] : this.data[3];
      const highs = this.isLine ? this.data[4] : this.data[2];
      for (let index = Math.max(0, Math.ceil(min)); index <= Math.min(max, this.count - 1); index++) {
        if (lows[index] != null) low = Math.min(low, lows[index]);
        if (highs[index] != null) high = Math.max(high, highs[index]);
      }
      if (low > high) return [0, 1];
      const room = (high - low || high * 0.001 || 1) * 0.08;
      return [low - room - (high - low) * VOLUME_SHARE, high + room];
    }

    // Not where the last price stands.
    name(plot, value) {
      const last = this.data[4].at(-1);
      const distance = plot.valToPos(value, "y") - plot.valToPos(last ?? value, "y");
      return last != null && Math.abs(distance) < TAG_PX ? "" : this.format(value);
    }

    format(value) {
      return value.toLocaleString("en-US", {
        minimumFractionDigits: this.decimals ?? 2,
        maximumFractionDigits: this.decimals ?? 2,
      });
    }

    // Candles and volume, below the cursor and above the grid.
    paint() {
      const { plot, data, colours } = this;
      const { ctx, bbox } = plot;
      const { min, max } = plot.scales.x;
      const [, opens, highs, lows, closes, volumes] = data;
      const first = Math.max(0, Math.floor(min));
      const last = Math.min(this.count - 1, Math.ceil(max));
      const step = bbox.width / (max - min);
      const width = Math.max(1, Math.round(step * 0.68));
      // Of the newest candle alone, as some histories have it, a bar would say nothing.
      const shown = volumes.slice(first, last + 1).map((each) => each || 0);
      const highest = Math.max(...shown);
      const known = shown.filter((each) => each > highest / 100).length;
      const most = known > shown.length / 10 ? highest : 0;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      for (let index = first; index <= last; index++) {
        const [open, close] = [opens[index], closes[index]];
        if (open == null || close == null) continue;
        const x = Math.round(plot.valToPos(index, "x", true));
        const colour = close >= open ? colours.up : colours.down;
        if (most && volumes[index]) {
          const height = (volumes[index] / most) * bbox.height * VOLUME_SHARE;
          ctx.globalAlpha = 0.22;
          ctx.fillStyle = this.isLine ? colours.text : colour;
          ctx.fillRect(x - width / 2, bbox.top + bbox.height - height, width, height);
          ctx.globalAlpha = 1;
        }
        if (this.isLine) continue;
        ctx.fillStyle = colour;
        const y = (value) => Math.round(plot.valToPos(value, "y", true));
        const thin = Math.max(1, Math.round(devicePixelRatio));
        ctx.fillRect(x - thin / 2, y(highs[index]), thin, Math.max(1, y(lows[index]) - y(highs[index])));
        const [above, below] = [y(Math.max(open, close)), y(Math.min(open, close))];
        ctx.fillRect(x - width / 2, above, width, Math.max(thin, below - above));
      }
      ctx.restore();
    }

    // The last price, on the axis, in the colour of the day's change as everywhere on the page.
    mark() {
      const { plot, data, colours } = this;
      const last = data[4].at(-1);
      if (last == null) return;
      const { ctx, bbox } = plot;
      const y = Math.round(plot.valToPos(last, "y", true));
      if (y < bbox.top || y > bbox.top + bbox.height) return;
      const base = data[4][this.axis.endOfDayBefore()] ?? data[1].find((each) => each != null);
      const isUp = last >= (base ?? last);
      const ratio = devicePixelRatio;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = isUp ? colours.up : colours.down;
      ctx.setLineDash([2 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      const text = this.format(last);
      ctx.font = `600 ${12 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
      const wide = ctx.measureText(text).width + 12 * ratio;
      const tall = 20 * ratio;
      ctx.beginPath();
      ctx.roundRect(bbox.left + bbox.width + 2 * ratio, y - tall / 2, wide, tall, 4 * ratio);
      ctx.fill();
      ctx.fillStyle = colours.surface;
      ctx.textBaseline = "middle";
      ctx.textAlign = "left";
      ctx.fillText(text, bbox.left + bbox.width + 8 * ratio, y + ratio);
      ctx.restore();
    }

    // What the cursor is on, in place of the newest candle.
    tell(index) {
      const isOn = index != null && index < this.count - 1 && this.data[4][index] != null;
      this.element.classList.toggle("is-reading", isOn);
      let reading = this.element.querySelector(".reading");
      if (!isOn) {
        reading?.replaceChildren();
        return;
      }
      if (!reading) {
        reading = document.createElement("p");
        reading.className = "reading";
        reading.setAttribute("aria-live", "polite");
        this.canvas.append(reading);
      }
      const figures = ["O", "H", "L", "C"].map((name, column) => {
        const value = this.data[column + 1][index];
        return `${name} ${value == null ? "–" : this.format(value)}`;
      });
      reading.textContent = [this.axis.name(index), ...figures].join("   ");
    }

    point(index) {
      if (!this.plot) return;
      const left = index == null ? -10 : this.plot.valToPos(index, "x");
      const top = index == null ? -10 : this.plot.valToPos(this.data[4][index], "y");
      this.plot.setCursor({ left, top });
    }

  }

  const look = () => {
    for (const [element, chart] of charts) {
      const isSame = element.isConnected && element.querySelector(".canvas") === chart.canvas;
      if (!isSame || element.querySelector(".history") !== chart.history) {
        chart.close();
        charts.delete(element);
      }
    }
    for (const element of document.querySelectorAll(".chart")) {
      if (!charts.has(element)) charts.set(element, new Chart(element));
    }
  };

  look();
  // A page file that was changed brings other charts, in the same page.
  const page = document.getElementById("page");
  if (page) {
    const isOfPage = (each) => each.target === page || !each.target.closest?.(".chart, tbody");
    new MutationObserver((changes) => changes.some(isOfPage) && look()).observe(page, {
      childList: true,
      subtree: true,
    });
    new MutationObserver(() => {
      for (const chart of charts.values()) if (chart.plot) chart.draw();
    }).observe(page, { subtree: true, attributeFilter: ["data-kind", "data-interval"] });
    new MutationObserver(() => {
      for (const chart of charts.values()) chart.look();
    }).observe(document.body, { attributeFilter: ["data-old"] });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const chart of charts.values()) chart.repaint();
  });
})();
