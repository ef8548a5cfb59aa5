"use strict";
// The rules that the importer exports with a report, asked as it asks them: a cell is cleaned, then judged.

const ASCII_ALONE = /^[\x00-\x7f]*$/;
// The forms of tracking numbers take a line break for several things, which a RegExp tries one after the other:
// more of them than any cell has that is right would take it minutes.
const MOST_BREAKS = 12;

function rulebook(exported) {
  const { cleaning, columns, together, alone, codes } = exported;
  const spaces = new Set(cleaning.spaces);
  const breaks = new Set(cleaning.breaks);
  const invisible = new Set(cleaning.invisible);
  const ascii = new Map(Object.entries(cleaning.ascii));
  const wrapped = new RegExp(cleaning.wrapped, "u");
  const round = new RegExp(cleaning.round, "u");
  const tests = new Map(Object.entries(columns).map(([name, column]) => [name, column.rules.map(testOf)]));

  function trimmed(text) {
    const characters = [...text];
    let first = 0;
    let last = characters.length;
    while (first < last && spaces.has(characters[first])) first += 1;
    while (last > first && spaces.has(characters[last - 1])) last -= 1;
    return characters.slice(first, last).join("");
  }

  function narrow(character) {
    if (spaces.has(character)) return breaks.has(character) ? "\n" : " ";
    return ascii.get(character) ?? digit(character) ?? character;
  }

  // In a file with decimal commas a quantity of 2,0 is 2, as the importer reads it before it cleans anything.
  function clean(column, text, hasCommas = false) {
    let cell = trimmed(hasCommas && column === "quantity" ? text.replace(round, "$1$2") : text);
    if (!ASCII_ALONE.test(cell)) {
      const seen = [...cell].filter((character) => !invisible.has(character));
      cell = trimmed((cleaning.narrowed.includes(column) ? seen.map(narrow) : seen).join(""));
    }
    const found = wrapped.exec(cell);
    return found ? trimmed(found[1].replaceAll('""', '"')) : cell;
  }

  // The code of the first rule that the cell breaks; "" for one that is right.
  function judge(column, text, hasCommas = false) {
    const cell = clean(column, text, hasCommas);
    if (!tests.has(column) || (cell === "" && columns[column].optional)) return "";
    if ((cell.match(/[\r\n\v]/g) ?? []).length > MOST_BREAKS) return tests.get(column).at(-1).code;
    return tests.get(column).find((test) => !test.passes(cell))?.code ?? "";
  }

  // The same for a cell among those of its row: of some columns all are blank or none, and what stands in
  // others is all that is said of the row.
  function judgeIn(row, column, text, hasCommas = false) {
    if (alone.some((other) => other !== column && clean(other, row(other)) !== "")) return "";
    const code = judge(column, text, hasCommas);
    if (code !== "" || !(column in together) || clean(column, text) !== "") return code;
    const half = Object.keys(together).some((other) => other !== column && clean(other, row(other)) !== "");
    return half ? together[column] : "";
  }

  return { clean, judge, judgeIn, knows: (column) => tests.has(column), codes };
}

function testOf(rule) {
  const { code } = rule;
  if ("at_most" in rule) return { code, passes: (cell) => [...cell].length <= rule.at_most };
  const pattern = new RegExp(rule.matches ?? rule.lacks, rule.any_case ? "iu" : "u");
  return { code, passes: (cell) => pattern.test(cell) === "matches" in rule };
}

// Unicode has every script's digits in a row, from 0 to 9.
function digit(character) {
  if (!/^\p{Nd}$/u.test(character)) return undefined;
  const code = character.codePointAt(0);
  let zero = code;
  while (/^\p{Nd}$/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
  return String((code - zero) % 10);
}

// A table as errors.csv has it: with the quote that keeps a spreadsheet program from running a cell.
function asCsv(lines, formulas) {
  const formula = new RegExp(formulas.formula, "u");
  const plain = new RegExp(formulas.plain, "u");
  const cell = (text) => {
    const guarded = formula.test(text) && !plain.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
  };
  return "\ufeff" + lines.map((line) => line.map(cell).join(",") + "\n").join("");
}
