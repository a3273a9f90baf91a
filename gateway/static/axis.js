// The time axis of a chart: what a candle's time is called, and where labels stand.
(() => {
  const LABEL_PX = 84;
  const HALF_LABEL_PX = 26; // nearer to the left edge a label would be cut off
  const MINUTES = [5, 10, 15, 30, 60, 120, 240, 390, 720];
  const KEPT = 20000;

  // An intraday candle begins at an instant, told in the exchange's time. A daily one has a date,
  // sent as midnight UTC; in any zone west of it that instant is the day before.
  const createReader = (timeZone) => {
    const format = new Intl.DateTimeFormat("en-GB", {
      timeZone,
      year: "numeric",
      month: "short",
      day: "numeric",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    const cache = new Map();
    return (time) => {
      let found = cache.get(time);
      if (!found) {
        const named = Object.fromEntries(
          format.formatToParts(time * 1000).map((each) => [each.type, each.value]),
        );
        found = {
          day: `${named.day} ${named.month}`,
          month: `${named.month} ${named.year}`,
          clock: `${named.hour}:${named.minute}`,
          minutes: +named.hour * 60 + +named.minute,
        };
        if (cache.size > KEPT) cache.clear();
        cache.set(time, found);
      }
      return found;
    };
  };
  const readInstant = createReader("America/New_York");
  const readDate = createReader("UTC");

  window.TimeAxis = class {
    constructor(isDaily) {
      this.isDaily = isDaily;
      this.read = isDaily ? readDate : readInstant;
      this.times = [];
    }

    // Whether a day begins here, or a month on a daily chart.
    isBoundary(index) {
      if (index === 0) return false;
      const name = this.isDaily ? "month" : "day";
      return this.read(this.times[index])[name] !== this.read(this.times[index - 1])[name];
    }

    label(index) {
      const time = this.read(this.times[index]);
      if (this.isDaily) return this.isBoundary(index) ? time.month : time.day;
      return this.isBoundary(index) ? time.day : time.clock;
    }

    name(index) {
      const time = this.read(this.times[index]);
      return this.isDaily ? time.day : `${time.day} ${time.clock}`;
    }

    // The last candle of the day before that of the newest; on a daily chart the one before.
    endOfDayBefore() {
      const last = this.times.length - 1;
      if (this.isDaily) return last - 1;
      const day = last >= 0 && this.read(this.times[last]).day;
      let index = last;
      while (index >= 0 && this.read(this.times[index]).day === day) index -= 1;
      return index;
    }

    // Where labels stand: days or months begin, and round times between them.
    split(min, max, widthPx) {
      const { times } = this;
      const first = Math.max(0, Math.ceil(min + ((max - min) * HALF_LABEL_PX) / widthPx));
      const last = Math.min(times.length - 1, Math.floor(max));
      const room = (LABEL_PX * (max - min)) / Math.max(1, widthPx);
      const period = Math.max(1, (times[last] - times[first]) / Math.max(1, last - first) / 60);
      const every = MINUTES.find((minutes) => minutes / period >= room) ?? 1440;
      const found = [];
      for (let index = first; index <= last; index++) {
        const gap = index - (found.at(-1) ?? -Infinity);
        if (this.isBoundary(index)) {
          if (gap < room) found.pop();
          if (index - (found.at(-1) ?? -Infinity) >= room * 0.6) found.push(index);
        } else if (!this.isDaily && gap >= room * 0.8 && this.read(times[index]).minutes % every === 0) {
          found.push(index);
        } else if (this.isDaily && gap >= room && last - first < 45) {
          found.push(index);
        }
      }
      return found;
    }
  };
})();
