"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const rows = data.rows;
  const LINE = 44; // pixels of a line of the list, as in view.css
  const AHEAD = 8; // lines drawn beyond the visible ones
  const KEY = "judgeloop-view:" + data.title;
  const FILTERS = [
    ["changed", "changed since the base", (row) => row.changed],
    ["fixed", "right now, wrong in the base", (row) => row.baseRight === false && row.right],
    ["broken", "wrong now, right in the base", (row) => row.baseRight === true && !row.right],
    ["wrong", "wrong, undecided or dropped", (row) => !row.right],
    ["right", "right or kept", (row) => row.right],
    ["marked", "marked by me", (row) => marks[keyOf(row)] !== undefined],
    ["all", "all", () => true],
  ];
  const byId = (id) => document.getElementById(id);
  const list = byId("list"), space = byId("space"), pair = byId("pair");
  const filter = byId("filter"), group = byId("group"), why = byId("why"), search = byId("search");
  let marks = load(), shown = [], now = 0;

  function keyOf(row) { return row.group + "/" + row.id; }
  function load() {
    try { return JSON.parse(localStorage.getItem(KEY)) || {}; } catch (_) { return {}; }
  }
  function save() {
    try { localStorage.setItem(KEY, JSON.stringify(marks)); } catch (_) { /* kept until closed */ }
  }
  // Texts enter the page by textContent alone, so that none of them is read as markup.
  function make(tag, text, name) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (name) made.className = name;
    return made;
  }
  function plain(parts) { return parts.map((part) => part[0]).join(""); }
  function found(row, words) {
    const text = [row.id, row.question, row.category, row.outcome, plain(row.chosen),
      plain(row.rejected)].join("\n").toLowerCase();
    return words.every((word) => text.includes(word));
  }

  function refresh() {
    const test = FILTERS.find((each) => each[0] === filter.value)[2];
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = rows.filter((row) => test(row) && (!group.value || row.group === group.value)
      && (!why.value || row.outcome === why.value)
      && (!words.length || found(row, words)));
    byId("count").textContent = shown.length + " of " + rows.length + " pairs";
    space.style.height = shown.length * LINE + "px";
    list.scrollTop = 0;
    go(0);
  }
  function draw() {
    const first = Math.max(0, Math.floor(list.scrollTop / LINE) - AHEAD);
    const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / LINE) + 2 * AHEAD);
    const lines = [];
    for (let at = first; at < last; at += 1) {
      const row = shown[at], mark = marks[keyOf(row)];
      const sign = mark ? (mark.thumb === "up" ? "↑ " : mark.thumb === "down" ? "↓ " : "✎ ") : "";
      const line = make("div", sign + (row.right ? "✓ " : "✗ ") + row.question, "line");
      line.append(make("small", row.outcome + " · " + row.category + " · " + row.id));
      line.style.top = at * LINE + "px";
      line.setAttribute("role", "option");
      if (at === now) { line.classList.add("now"); line.setAttribute("aria-selected", "true"); }
      line.addEventListener("click", () => go(at));
      lines.push(line);
    }
    space.replaceChildren(...lines);
  }
  function go(at) {
    now = Math.max(0, Math.min(shown.length - 1, at));
    const top = now * LINE;
    if (top < list.scrollTop) list.scrollTop = top;
    if (top + LINE > list.scrollTop + list.clientHeight) list.scrollTop = top + LINE - list.clientHeight;
    draw();
    show();
  }

  function show() {
    const row = shown[now];
    pair.scrollTop = 0;
    if (!row) { pair.replaceChildren(make("p", "No pair matches.")); return; }
    const parts = [make("p", row.group + " · " + row.kind + " · " + row.category, "kicker"),
      make("h2", row.question)];
    row.images.forEach((place, number) => {
      if (!place) { parts.push(make("p", "image " + (number + 1) + " cannot be read", "muted")); return; }
      const image = make("img");
      image.alt = "image " + (number + 1) + " of " + row.images.length;
      image.addEventListener("load", () => {
        if (image.naturalWidth < 128) { image.classList.add("pixels"); image.width = 256; }
      });
      image.src = place;
      parts.push(image);
    });
    if (row.choices.length) parts.push(make("p", "options: " + row.choices.join(" · ")));
    const answers = make("div", undefined, "answers");
    answers.append(answer("better", row.chosen), answer("worse", row.rejected));
    parts.push(answers, make("p", row.origin, "muted"), make("h3", "The judge: " + row.outcome),
      verdicts(row.judged));
    if (row.base.length) {
      parts.push(make("h3", "The base: " + (row.baseRight ? "right" : "not right") + " in both orders"
        + (row.changed ? "; the verdict has changed" : "; the same verdicts")), verdicts(row.base));
    }
    parts.push(thumbs(row));
    pair.replaceChildren(...parts);
  }
  function answer(name, pieces) {
    const made = make("div", undefined, name), text = make("p");
    pieces.forEach((piece) => text.append(make(piece[1] ? "mark" : "span", piece[0])));
    made.append(make("h3", name), text);
    return made;
  }
  function verdicts(judged) {
    const made = make("div", undefined, "verdicts");
    judged.forEach((one) => {
      const box = make("div", undefined, one.right ? "reading right" : "reading");
      const head = make("div");
      head.append(make("span", (one.right ? "✓ " : "✗ ") + one.verdict, "mark"),
        make("span", " (" + one.order + ")", "muted"));
      box.append(head, make("p", one.text || "no text"));
      made.append(box);
    });
    return made;
  }
  function thumbs(row) {
    const made = make("div", undefined, "thumbs"), mark = marks[keyOf(row)] || {};
    [["up", "↑ the better answer is better"], ["down", "↓ the other one is"]].forEach((each) => {
      const button = make("button", each[1]);
      button.setAttribute("aria-pressed", String(mark.thumb === each[0]));
      button.addEventListener("click", () => thumb(each[0]));
      made.append(button);
    });
    const note = make("textarea");
    note.id = "note";
    note.placeholder = "note (n)";
    note.value = mark.note || "";
    note.addEventListener("input", () => change(row, { note: note.value }));
    made.append(note);
    return made;
  }
  function change(row, fields) {
    const mark = Object.assign({}, marks[keyOf(row)], fields);
    if (mark.thumb || mark.note) marks[keyOf(row)] = mark; else delete marks[keyOf(row)];
    save();
    draw();
  }
  function thumb(which) {
    const row = shown[now];
    if (!row) return;
    const mark = marks[keyOf(row)] || {};
    change(row, { thumb: mark.thumb === which ? undefined : which });
    show();
  }
  // Gold pairs as `evaluation.gold` reads them; images are named from this folder.
  function gold() {
    return rows.filter((row) => (marks[keyOf(row)] || {}).thumb).map((row) => {
      const mark = marks[keyOf(row)], up = mark.thumb === "up";
      const made = { id: keyOf(row), images: row.images, question: row.question, kind: row.kind,
        category: row.category, chosen: plain(up ? row.chosen : row.rejected),
        rejected: plain(up ? row.rejected : row.chosen) };
      if (row.choices.length) made.choices = row.choices;
      made.meta = { marked: mark.thumb, note: mark.note || "", judged: row.outcome };
      return JSON.stringify(made) + "\n";
    }).join("");
  }
  function download() {
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([gold()], { type: "application/x-ndjson" }));
    link.download = "gold.jsonl";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  const keys = {
    j: () => go(now + 1), ArrowDown: () => go(now + 1), k: () => go(now - 1),
    ArrowUp: () => go(now - 1), PageDown: () => go(now + 20), PageUp: () => go(now - 20),
    Home: () => go(0), End: () => go(shown.length - 1), u: () => thumb("up"),
    d: () => thumb("down"), n: () => byId("note") && byId("note").focus(),
    "/": () => search.focus(), e: download,
    f: () => { filter.selectedIndex = (filter.selectedIndex + 1) % FILTERS.length; refresh(); },
  };
  document.addEventListener("keydown", (event) => {
    const typing = ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName);
    if (event.key === "Escape" && typing) { event.target.blur(); return; }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  FILTERS.forEach((each) => filter.append(new Option(each[1], each[0])));
  group.append(new Option("all pairs", ""));
  [...new Set(rows.map((row) => row.group))].forEach((name) => group.append(new Option(name, name)));
  const outcomes = new Map();
  rows.forEach((row) => outcomes.set(row.outcome, (outcomes.get(row.outcome) || 0) + 1));
  why.append(new Option("any outcome", ""));
  [...outcomes].sort((a, b) => b[1] - a[1]).forEach((each) =>
    why.append(new Option(each[0] + " (" + each[1] + ")", each[0])));
  filter.addEventListener("change", refresh);
  why.addEventListener("change", () => { if (why.value) filter.value = "all"; refresh(); });
  group.addEventListener("change", refresh);
  search.addEventListener("input", refresh);
  byId("export").addEventListener("click", download);
  list.addEventListener("scroll", () => requestAnimationFrame(draw));
  window.addEventListener("resize", draw);
  if (!rows.some((row) => row.changed)) filter.value = "all";
  refresh();
  window.judgeloopView = { gold, count: () => shown.length };
})();
