// What a browser needs at least: numbers as JSON, written into the cells whose text is another.
(() => {
  const rows = Array.from(document.querySelectorAll(".quotes tbody tr"), (row) => row.children);
  const write = (cell, text) => {
    const node = cell.firstChild.nodeType === 3 ? cell.firstChild : cell.firstChild.firstChild;
    if (node.nodeValue !== text) node.nodeValue = text;
  };
  const mark = (cell, name) => {
    if (cell.className !== name) cell.className = name;
  };
  new EventSource("/floor/stream").onmessage = (event) => {
    JSON.parse(event.data).forEach((values, index) => {
      const cells = rows[index];
      const [flash, last, change, percent, bidSize, bid, ask, askSize, , , position, volume] = values;
      const direction = change[0] === "-" ? "down" : "up";
      write(cells[1], last);
      mark(cells[1], flash ? (flash > 0 ? "c-last flash-up" : "c-last flash-down") : "c-last");
      write(cells[2], change);
      mark(cells[2], `c-change ${direction}`);
      write(cells[3], percent);
      mark(cells[3], `c-pct ${direction}`);
      write(cells[4], bidSize);
      write(cells[5], bid);
      write(cells[6], ask);
      write(cells[7], askSize);
      const x = `${position}%`;
      if (cells[9].firstChild.firstChild.getAttribute("x") !== x) cells[9].firstChild.firstChild.setAttribute("x", x);
      write(cells[11], volume);
    });
  };
})();
