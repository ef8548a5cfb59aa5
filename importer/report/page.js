"use strict";
// The table of the rows that need attention, and their mending. Data becomes text, never markup.

(() => {
  const holder = document.getElementById("data");
  if (!document.getElementById("work")) return;
  const data = JSON.parse(holder.textContent);
  const book = rulebook(data.rules);
  const AT_ONCE = 100;
  const MOST_PRINTED = 2000;
  const OUT = "left out";
  const LONGEST = 60; // characters of a cell in the table; an open row has all
  const own = Object.fromEntries(data.headers.slice(data.own).map((name, at) => [name, data.own + at]));
  const rows = data.carriers.rows.length;
  const all = Array.from({ length: rows }, (_, row) => row);
  const torn = new Set(data.torn);
  const canonicalOf = new Map(Object.entries(data.canonical).map(([name, column]) => [column, name]));
  const marksOf = new Map();
  for (const [row, column, said, faulty] of data.marks) {
    if (!marksOf.has(row)) marksOf.set(row, []);
    marksOf.get(row).push({ column, said: data.said[said], faulty: faulty === 1 });
  }
  const codesOf = data.columns[own.import_code].texts.map((text) => text.split("; "));
  const hasFiles = data.columns[own.import_source].texts.length > 1;

  // "row:column" → what the cell is to be; "row:out" → OUT for a row that is left out
  const edits = new Map();
  const drafts = new Map(); // "row:column" → what was typed and is not right
  const history = []; // each: [[key, what it was before or undefined], …]
  const isOpen = new Set();
  const editors = new Map(); // "row:column" → how its editor shows what it is now
  const badges = new Map(); // row → likewise
  const mended = new Map(); // row → whether it is, as far as that was asked since its last change
  const alike = new Map(); // "column:text's place" → the rows that were found with it
  let isSaved = true;
  let shown = all;
  let page = 0;
  let sorting = null;

  const $ = (id) => document.getElementById(id);
  const key = (row, column) => `${row}:${column}`;
  const found = (row, column) => data.columns[column].texts[data.columns[column].rows[row]];
  const cell = (row, column) => edits.get(key(row, column)) ?? found(row, column);
  const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

  function make(name, properties = {}, ...children) {
    const element = document.createElement(name);
    for (const [property, value] of Object.entries(properties)) {
      if (property.startsWith("on")) element.addEventListener(property.slice(2), value);
      else if (property === "class") element.className = value;
      else if (property in element && !property.includes("-")) element[property] = value;
      else element.setAttribute(property, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  // What a person can't see, shown: line breaks, and what turns the direction of writing.
  function visible(text) {
    return text
      .replace(/\r\n|[\r\n\v\f\x85\u2028\u2029]/g, " ⏎ ")
      .replace(/\t/g, " ⇥ ")
      .replace(/[\p{Cc}\p{Cf}]/gu, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
  }

  function cut(text) {
    const characters = [...visible(text)];
    return characters.length > LONGEST ? `${characters.slice(0, LONGEST).join("")}…` : characters.join("");
  }

  // --- which rows -------------------------------------------------------------------------------------------

  const COLUMNS = [
    { title: "Row", of: (row) => `${source(row)} ${found(row, own.import_row)}`, shown: place },
    { title: "Status", of: (row) => found(row, own.import_status), shown: status },
    { title: "Order", of: canonical("order_id"), class: "code" },
    { title: "Tracking number", of: canonical("tracking_number"), class: "code" },
    { title: "SKU", of: canonical("sku"), class: "code detail" },
    { title: "Quantity", of: canonical("quantity"), class: "number detail" },
    { title: "What is wrong", of: (row) => found(row, own.import_message), shown: wrong, class: "wrong" },
  ].filter((column) => column.of !== null);

  function source(row) {
    return visible(found(row, own.import_source));
  }

  function carrier(row) {
    return data.carriers.texts[data.carriers.rows[row]];
  }

  function codes(row) {
    return codesOf[data.columns[own.import_code].rows[row]];
  }

  function canonical(name) {
    return name in data.canonical ? (row) => cell(row, data.canonical[name]) : null;
  }

  function place(row) {
    const file = hasFiles ? [make("span", { class: "file" }, source(row)), " "] : [];
    return [...file, found(row, own.import_row)];
  }

  function status(row) {
    const badge = make("span", { class: "badge" });
    const update = () => {
      badge.textContent = isOut(row) ? OUT : isMended(row) ? "mended" : isEdited(row) ? "edited" : "";
      badge.hidden = !badge.textContent;
    };
    badges.set(row, update);
    update();
    const word = found(row, own.import_status);
    return [make("span", { class: `status is-${word}` }, word), " ", badge];
  }

  function wrong(row) {
    return [visible(found(row, own.import_message)) || found(row, own.import_code)];
  }

  function matching(column, wanted) {
    const { texts, rows: places } = data.columns[column];
    const good = texts.map((text) => text.toLowerCase().includes(wanted));
    return (row) => good[places[row]];
  }

  function filters() {
    const tests = [];
    const wanted = $("search").value.trim().toLowerCase();
    if (wanted) {
      const columns = data.columns.map((_, column) => matching(column, wanted));
      const has = (text) => (text ?? "").toLowerCase().includes(wanted);
      const edited = (row) => data.columns.some((_, column) => has(edits.get(key(row, column))));
      tests.push((row) => columns.some((test) => test(row)) || (edits.size > 0 && edited(row)));
    }
    const order = $("by-order").value.trim().toLowerCase();
    if (order) tests.push((row) => cell(row, data.canonical.order_id).toLowerCase().includes(order));
    const code = $("by-code").value;
    if (code) tests.push((row) => codes(row).includes(code));
    for (const [id, column] of [["by-status", own.import_status], ["by-file", own.import_source]]) {
      const value = $(id).value;
      if (value) tests.push((row) => found(row, column) === value);
    }
    const borne = $("by-carrier").value;
    if (borne) tests.push((row) => carrier(row) === borne);
    const done = $("by-mended").value;
    if (done) tests.push((row) => isMended(row) === (done === "yes"));
    return tests;
  }

  function choose() {
    const tests = filters();
    shown = tests.length ? all.filter((row) => tests.every((test) => test(row))) : all;
    if (sorting) shown = sorted(shown);
    page = 0;
    show();
  }

  function sorted(chosen) {
    const { of } = COLUMNS[sorting.column];
    const words = new Map(chosen.map((row) => [row, of(row)]));
    const order = new Intl.Collator("en", { numeric: true }).compare;
    const compared = (one, other) => sorting.sign * order(words.get(one), words.get(other)) || one - other;
    return [...chosen].sort(compared);
  }

  // --- the table --------------------------------------------------------------------------------------------

  function heads() {
    const buttons = COLUMNS.map(({ title, class: looks = "" }, column) => {
      const button = make("button", { type: "button", onclick: () => sort(column) }, title);
      return make("th", { scope: "col", class: looks, "aria-sort": "none" }, button);
    });
    const opener = make("th", { scope: "col", class: "opener" }, make("span", { class: "unseen" }, "Open"));
    $("heads").replaceChildren(opener, ...buttons);
  }

  function sort(column) {
    const sign = sorting?.column === column ? (sorting.sign === 1 ? -1 : 0) : 1;
    sorting = sign ? { column, sign } : null;
    [...$("heads").children].slice(1).forEach((head, at) => {
      const word = at === column && sign ? (sign === 1 ? "ascending" : "descending") : "none";
      head.setAttribute("aria-sort", word);
    });
    choose();
  }

  function show(most = AT_ONCE) {
    const pages = Math.max(1, Math.ceil(shown.length / AT_ONCE));
    page = Math.min(page, pages - 1);
    editors.clear();
    badges.clear();
    $("body").replaceChildren(...shown.slice(page * AT_ONCE, page * AT_ONCE + most).flatMap(lines));
    const of = shown.length === rows ? "" : ` of ${rows.toLocaleString("en")}`;
    const words = `${shown.length.toLocaleString("en")}${of} ${rows === 1 ? "row" : "rows"}`;
    $("count").textContent = shown.length ? words : "No row is like that";
    $("pages").hidden = pages === 1;
    $("where").textContent = `Page ${page + 1} of ${pages}`;
    $("before").disabled = page === 0;
    $("after").disabled = page === pages - 1;
    refresh();
  }

  function turn(by) {
    page += by;
    show();
    $("rows").scrollIntoView();
    $("rows").focus({ preventScroll: true });
  }

  function lines(row) {
    const id = `row-${row}`;
    const label = `Row ${found(row, own.import_row)}${hasFiles ? ` of ${source(row)}` : ""}`;
    const button = make("button", { type: "button", class: "opener", "aria-controls": id, "aria-label": label });
    const cells = COLUMNS.map((column) => {
      const content = column.shown ? column.shown(row) : [make("span", { class: "cut" }, cut(column.of(row)))];
      return make("td", { class: column.class ?? "" }, ...content);
    });
    const line = make("tr", { class: "line" }, make("td", { class: "opener" }, button), ...cells);
    const inside = make("td", { colSpan: COLUMNS.length + 1 });
    const story = make("tr", { class: "story", id, hidden: true }, inside);
    const set = () => {
      const open = isOpen.has(row);
      button.setAttribute("aria-expanded", String(open));
      line.classList.toggle("open", open);
      line.classList.toggle("out", isOut(row));
      story.hidden = !open;
      if (open && !inside.hasChildNodes()) inside.append(...told(row));
    };
    const toggle = () => {
      if (!isOpen.delete(row)) isOpen.add(row);
      set();
    };
    button.addEventListener("click", toggle);
    line.addEventListener("click", (event) => {
      if (!event.target.closest("button") && !String(getSelection())) toggle();
    });
    set();
    return [line, story];
  }

  // --- a row's whole story ----------------------------------------------------------------------------------

  function told(row) {
    const marks = marksOf.get(row) ?? [];
    const hint = found(row, own.import_hint);
    const warning = found(row, own.import_warning);
    const cells = data.headers.slice(0, data.own).map((header, column) => shownCell(row, column, header, marks));
    return [
      make("p", { class: "message" }, visible(found(row, own.import_message))),
      hint ? make("p", { class: "hint" }, `→ ${hint}`) : null,
      warning ? make("p", { class: "warning" }, `Warning: ${visible(warning)}`) : null,
      facts(row),
      torn.has(row) ? make("p", { class: "warning" }, TORN) : null,
      leaver(row),
      make("div", { class: "cells" }, ...cells),
    ].filter((part) => part !== null);
  }

  const TORN =
    "The cells of this row can't be told apart, so it can't be mended here: it stands whole in one cell. " +
    "Write it again in the manifest, or in the saved errors.csv.";

  function facts(row) {
    const known = [
      ["File", source(row)],
      ["Row", found(row, own.import_row)],
      ["Code", found(row, own.import_code)],
      ["Carrier", carrier(row)],
      ["Fulfillment", visible(found(row, own.import_fulfillment))],
      ["HTTP status", found(row, own.import_http_status)],
      ["Attempts", found(row, own.import_attempts)],
      ["Time", found(row, own.import_at)],
    ].filter(([, text]) => text);
    const pairs = known.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text)));
    return make("dl", { class: "facts" }, ...pairs);
  }

  function leaver(row) {
    const at = key(row, "out");
    const toggle = () => change([[at, isOut(row) ? undefined : OUT]]);
    const button = make("button", { type: "button", onclick: toggle });
    const update = () => {
      button.textContent = isOut(row) ? "Take this row in again" : "Leave this row out";
      button.closest(".story")?.previousElementSibling.classList.toggle("out", isOut(row));
    };
    editors.set(at, update);
    update();
    const why = make("span", { class: "quiet" }, " of the saved file, if it is not to be posted");
    return make("p", {}, button, why);
  }

  function shownCell(row, column, header, marks) {
    const mine = marks.filter((mark) => mark.column === column);
    const name = canonicalOf.get(column);
    if (name !== undefined && !torn.has(row)) return editor(row, column, header, name, mine);
    const text = visible(found(row, column)) || make("span", { class: "quiet" }, "blank");
    const title = make("p", { class: "name" }, visible(header));
    return make("div", { class: "cell" }, title, make("p", { class: "text" }, text));
  }

  function editor(row, column, header, name, marks) {
    const id = `cell-${row}-${column}`;
    const at = key(row, column);
    const original = found(row, column);
    const box = make("textarea", { id, rows: 1, spellcheck: false, "aria-describedby": `${id}-said` });
    const said = make("p", { id: `${id}-said`, class: "said", "aria-live": "polite" });
    const keep = make("button", { type: "button", onclick: take }, "Keep");
    const forAll = make("button", { type: "button", onclick: takeForAll });
    const back = make("button", { type: "button", onclick: putBack }, "Put back");
    const meant = name === header ? null : make("span", { class: "quiet" }, ` ${name}`);
    const label = make("label", { htmlFor: id, class: "name" }, visible(header), meant);
    const buttons = make("div", { class: "buttons" }, keep, forAll, back);
    const holder = make("div", { class: "cell" }, label, box, said, buttons);
    const shownOriginal = original ? `“${cut(original)}”` : "a blank here";

    // A text box has its own idea of line breaks: what nobody touched is what was there.
    function typed() {
      const now = cell(row, column);
      return box.value === unbroken(now) ? now : box.value;
    }

    function take() {
      const text = typed();
      if (text !== cell(row, column) && verdict(row, name, text) === "") change([[at, text]]);
    }

    function takeForAll() {
      const text = typed();
      change(stillTheSame(row, column).map((each) => [key(each, column), text]));
    }

    function putBack() {
      drafts.delete(at);
      change([[at, original]]);
      box.focus();
    }

    function words(text, code) {
      if (code !== "" && (text !== original || !marks.length)) {
        return `${book.codes[code].meaning} → ${book.codes[code].hint}`;
      }
      if (text === original) return marks.map((mark) => mark.said.replace("\n", " → ")).join(" ");
      return text === cell(row, column) ? "Kept." : "This is right.";
    }

    function tell() {
      const text = typed();
      const code = verdict(row, name, text);
      const isMine = text !== original;
      const isBad = code !== "" || (!isMine && marks.some((mark) => mark.faulty));
      holder.classList.toggle("bad", isBad);
      holder.classList.toggle("odd", !isMine && !isBad && marks.length > 0);
      holder.classList.toggle("mine", isMine && !isBad);
      box.setAttribute("aria-invalid", String(isBad));
      box.rows = Math.min(8, Math.max(1, Math.ceil(box.value.length / 60), box.value.split("\n").length));
      const telling = words(text, code);
      if (said.textContent !== telling) said.textContent = telling;
      keep.hidden = !isMine && !isBad;
      const same = keep.hidden ? 1 : stillTheSame(row, column).length;
      keep.disabled = code !== "" || text === cell(row, column);
      forAll.hidden = keep.hidden || same === 1;
      forAll.disabled = code !== "" || !isMine;
      forAll.textContent = `Apply to all ${same.toLocaleString("en")} rows with ${shownOriginal}`;
      back.hidden = !isMine;
    }

    function fill() {
      box.value = drafts.get(at) ?? cell(row, column);
      tell();
    }

    box.addEventListener("input", () => {
      const code = verdict(row, name, typed());
      if (code === "") drafts.delete(at);
      else drafts.set(at, box.value);
      tell();
      count();
    });
    box.addEventListener("change", take);
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        take();
      }
    });
    editors.set(at, fill);
    fill();
    return holder;
  }

  const unbroken = (text) => text.replace(/\r\n?/g, "\n");

  function verdict(row, name, text) {
    if (wasTaken(row, name, text)) return "";
    return book.judgeIn((other) => cell(row, data.canonical[other]) ?? "", name, text, hasCommas(row));
  }

  // What the importer found nothing wrong with is right as it stands, however it read it; a blank may have been
  // filled in by what the saved file does not say, and of a row with a verdict nothing else was judged.
  function wasTaken(row, name, text) {
    const column = data.canonical[name];
    if (text.trim() === "" || text !== found(row, column)) return false;
    if (data.rules.alone.some((other) => found(row, data.canonical[other]) !== "")) return false;
    return !(marksOf.get(row) ?? []).some((mark) => mark.faulty && mark.column === column);
  }

  const hasCommas = (row) => data.commas.some(([first, end]) => first <= row && row < end);

  // The rows, this one among them, that were found with the same in the column, and can be mended.
  function sameAs(row, column) {
    const text = data.columns[column].rows[row];
    const at = key(column, text);
    if (!alike.has(at)) {
      alike.set(at, all.filter((each) => data.columns[column].rows[each] === text && !torn.has(each)));
    }
    return alike.get(at);
  }

  // Of them this one and those in which it still stands: what was mended by itself, or is left out, is kept so.
  function stillTheSame(row, column) {
    const stands = (each) => each === row || (!edits.has(key(each, column)) && !isOut(each));
    return sameAs(row, column).filter(stands);
  }

  // --- mending ----------------------------------------------------------------------------------------------

  const isOut = (row) => edits.has(key(row, "out"));

  function isEdited(row) {
    return edits.size > 0 && [...canonicalOf.keys()].some((column) => edits.has(key(row, column)));
  }

  // All cells that were faulty are right now, or a row without one was changed, or it is left out.
  function isMended(row) {
    if (!isEdited(row) && !isOut(row)) return false;
    if (!mended.has(row)) mended.set(row, isOut(row) || isRight(row));
    return mended.get(row);
  }

  function isRight(row) {
    const faulty = (marksOf.get(row) ?? []).filter((mark) => mark.faulty);
    return [...canonicalOf].every(([column, name]) => {
      const text = cell(row, column);
      if (verdict(row, name, text) !== "") return false;
      return !faulty.some((mark) => mark.column === column) || edits.has(key(row, column));
    });
  }

  function change(cells) {
    const before = cells.map(([at]) => [at, edits.get(at)]);
    for (const [at, text] of cells) put(at, text);
    const changed = before.filter(([at, text]) => edits.get(at) !== text);
    if (!changed.length) return refresh();
    history.push(changed);
    done();
  }

  function put(at, text) {
    const [row, column] = at.split(":");
    drafts.delete(at);
    mended.delete(Number(row));
    if (text === undefined || (column !== "out" && text === found(row, column))) edits.delete(at);
    else edits.set(at, text);
  }

  function undo() {
    for (const [at, before] of history.pop() ?? []) put(at, before);
    done();
  }

  function done() {
    isSaved = false;
    if (!data.left_out) $("saved").textContent = "";
    refresh();
  }

  function refresh() {
    for (const update of editors.values()) update();
    for (const update of badges.values()) update();
    count();
  }

  function count() {
    const touched = new Set([...edits.keys()].map((at) => Number(at.split(":")[0])));
    const out = [...touched].filter(isOut).length;
    const cells = edits.size - out;
    const right = [...touched].filter(isMended).length - out;
    const parts = cells ? [`${counted(cells, "cell")} changed, ${counted(right, "row")} mended`] : [];
    if (out) parts.push(`${counted(out, "row")} left out`);
    if (!parts.length) parts.push("Nothing is changed yet");
    if (drafts.size) {
      const as = drafts.size === 1 ? "it was" : "they were";
      parts.push(`${counted(drafts.size, "cell")} still wrong, and saved as ${as}`);
    }
    const words = `${parts.join("; ")}.`;
    if ($("mended").textContent !== words) $("mended").textContent = words;
    $("undo").disabled = history.length === 0;
  }

  function save() {
    const kept = all.filter((row) => !isOut(row));
    if (!kept.length) {
      $("saved").textContent = "All rows are left out: there is nothing to save, and nothing to import.";
      return;
    }
    const lines = kept.map((row) => data.headers.map((_, column) => cell(row, column)));
    const text = asCsv([data.headers, ...lines], data.rules.formulas);
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    const link = make("a", { href: address, download: data.corrected });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    isSaved = true;
    $("saved").textContent = `Saved as ${data.corrected} in your downloads. Next, in that folder: ${data.next}`;
  }

  // --- beginning --------------------------------------------------------------------------------------------

  function offer(id, textsOf) {
    const counts = new Map();
    for (const row of all) for (const text of textsOf(row)) counts.set(text, (counts.get(text) ?? 0) + 1);
    const known = [...counts].filter(([text]) => text !== "").sort((one, other) => other[1] - one[1]);
    const option = ([text, number]) =>
      make("option", { value: text }, `${visible(text)} (${number.toLocaleString("en")})`);
    $(id).replaceChildren(make("option", { value: "" }, "all"), ...known.map(option));
    $(id).closest("label").hidden = known.length < 2;
  }

  function begin() {
    offer("by-status", (row) => [found(row, own.import_status)]);
    offer("by-code", codes);
    offer("by-carrier", (row) => [carrier(row)]);
    offer("by-file", (row) => [found(row, own.import_source)]);
    heads();
    for (const id of ["search", "by-order"]) $(id).addEventListener("input", choose);
    for (const id of ["by-status", "by-code", "by-carrier", "by-file", "by-mended"]) {
      $(id).addEventListener("change", choose);
    }
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    $("filters").addEventListener("reset", () => setTimeout(choose));
    $("before").addEventListener("click", () => turn(-1));
    $("after").addEventListener("click", () => turn(1));
    $("undo").addEventListener("click", undo);
    $("save").addEventListener("click", save);
    for (const button of document.querySelectorAll("button[data-code]")) {
      const known = [...$("by-code").options].some((option) => option.value === button.dataset.code);
      button.hidden = !known;
      button.addEventListener("click", () => {
        $("filters").reset();
        $("by-code").value = button.dataset.code;
        choose();
        $("rows").scrollIntoView();
        $("rows").focus({ preventScroll: true });
      });
    }
    if (data.left_out) {
      $("save").disabled = true;
      const lost = `${counted(data.left_out, "row")} would be lost`;
      $("saved").textContent = `This page has not all rows: ${lost}. Mend errors.csv itself.`;
    }
    addEventListener("beforeunload", (event) => {
      if (!isSaved && edits.size) event.preventDefault();
    });
    addEventListener("beforeprint", () => show(MOST_PRINTED));
    addEventListener("afterprint", () => show());
    $("work").hidden = false;
    show();
  }

  begin();
})();
