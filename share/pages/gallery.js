// The gallery: records to leaf through, sorted by any number, filtered by text, by rules that fired and by a range.
"use strict";

const page_size = 48;
const state = {text: "", rule: "", by: "", low: "", high: "", sort: "", down: true, page: 0};
let found = [];

const numbers = [...new Set(data.records.flatMap(r => Object.keys(r.numbers)))].sort();

function rules_of(record) {
    const fired = record.ledger && Array.isArray(record.ledger.fired) ? record.ledger.fired.map(f => String(f.rule)) : [];
    if (record.numbers["reward.noeos"]) fired.push("noeos");
    return [...new Set(fired)];
}

data.records.forEach((r, i) => { r.order = i; r.rules = rules_of(r); r.find = `${r.id}\n${r.text || ""}`.toLowerCase(); });
const rules = [...new Set(data.records.flatMap(r => r.rules))].sort();

function wanted(record) {
    if (state.text && !record.find.includes(state.text.toLowerCase())) return false;
    if (state.rule === "none" && record.rules.length) return false;
    if (state.rule && state.rule !== "none" && !record.rules.includes(state.rule)) return false;
    if (!state.by) return true;
    const value = record.numbers[state.by];
    if (state.low === "" && state.high === "") return true;
    return typeof value === "number" && (state.low === "" || value >= Number(state.low)) && (state.high === "" || value <= Number(state.high));
}

// Records that lack the number come last, whichever way it is sorted.
function compare(a, b) {
    const x = a.numbers[state.sort], y = b.numbers[state.sort], has_x = typeof x === "number", has_y = typeof y === "number";
    if (!has_x || !has_y) return has_y - has_x || a.order - b.order;
    return (state.down ? y - x : x - y) || a.order - b.order;
}

function find() {
    found = data.records.filter(wanted);
    if (state.sort) found.sort(compare);
    else if (!state.down) found.reverse();
    state.page = 0;
    show();
}

// ---- showing ----

function details(record) {
    const parts = [];
    if (record.picture !== undefined) parts.push(picture(record.picture, `frame ${record.id}`));
    parts.push(el("p", {class: "soft"}, record.id));
    if (record.ledger) parts.push(ledger_view(record.ledger));
    parts.push(el("h3", {}, "Numbers"), table(["number", "value"], Object.entries(record.numbers).map(([k, v]) => [k, number(v, 6)]), true));
    open_dialog(record.text || record.id, ...parts);
}

function card(record) {
    const names = [...new Set([state.sort, state.by, "reward.sim", "reward.ref", "rank", "clipscore"])].filter(n => n && record.numbers[n] !== undefined);
    return el("article", {class: "card"}, record.picture !== undefined ? picture(record.picture, `frame ${record.id}`) : null, el("p", {class: "id"}, record.id),
        el("p", {class: "said"}, record.text === undefined ? el("span", {class: "empty"}, "no caption") : el("span", {class: "text"}, record.text)),
        el("p", {class: "scores"}, names.map(n => `${n} ${number(record.numbers[n])}`).join(", "), record.rules.length ? ` · fired: ${record.rules.join(", ")}` : ""),
        el("button", {type: "button", class: "why", onclick: () => details(record)}, record.ledger ? "Reward and numbers" : "Numbers"));
}

const cards = el("div", {class: "cards"}), count = el("output", {"aria-live": "polite"});
const before = el("button", {type: "button", onclick: () => turn(-1)}, "‹ Before"), after = el("button", {type: "button", class: "next", onclick: () => turn(1)}, "Next ›");

function show() {
    const first = state.page * page_size, last = Math.min(found.length, first + page_size);
    count.textContent = found.length ? `${first + 1} to ${last} of ${found.length}` : "none";
    before.disabled = state.page === 0;
    after.disabled = last >= found.length;
    cards.replaceChildren(...found.slice(first, last).map(card));
}

function turn(by) {
    const pages = Math.ceil(found.length / page_size), next = Math.min(pages - 1, Math.max(0, state.page + by));
    if (next === state.page || next < 0) return;
    state.page = next;
    show();
    window.scrollTo(0, 0);
}

function choice(label, key, values) {
    return el("label", {}, label, el("select", {name: key, onchange: event => { state[key] = event.target.value; find(); }}, values.map(([value, text]) => el("option", {value}, text))));
}

function input(label, key, type) {
    return el("label", {}, label, el("input", {type, name: key, step: "any", oninput: event => { state[key] = event.target.value; find(); }}));
}

const all_numbers = [["", "–"], ...numbers.map(n => [n, n])];
const order = el("button", {type: "button", onclick: () => { state.down = !state.down; order.textContent = state.down ? "largest first" : "smallest first"; find(); }}, "largest first");
page_begin(`vlrm gallery: ${data.records.length} records`);
if (data.missing.length) page.append(el("ul", {class: "notes"}, data.missing.map(m => el("li", {}, m))));
page.append(el("div", {class: "controls", role: "search"}, input("Text ", "text", "search"),
    rules.length ? choice("Fired ", "rule", [["", "anything or nothing"], ["none", "nothing"], ...rules.map(r => [r, r])]) : null,
    numbers.length ? choice("Sort by ", "sort", [["", "order of the stream"], ...numbers.map(n => [n, n])]) : null, order,
    numbers.length ? choice("Only where ", "by", all_numbers) : null, numbers.length ? input("from ", "low", "number") : null, numbers.length ? input("to ", "high", "number") : null,
    before, after, count), cards);
document.addEventListener("keydown", event => {
    if (event.target.closest("input, select, dialog") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowRight") turn(1);
    if (event.key === "ArrowLeft") turn(-1);
});
find();
