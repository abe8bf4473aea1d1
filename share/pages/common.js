// What every page of the suite shares. Texts of data become text nodes and nothing else: no caption is ever markup.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const page = document.getElementById("page");

// An element: el("p", {class: "soft"}, "text", child). Properties that begin with "on" are listeners; strings become text nodes.
function el(tag, properties, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
        if (value === undefined || value === null || value === false) continue;
        if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
        else if (name === "style") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
        else node.setAttribute(name, value === true ? "" : String(value));
    }
    node.append(...children.flat().filter(c => c !== null && c !== undefined).map(c => (c instanceof Node ? c : String(c))));
    return node;
}

// Appends children as el does: lists are flattened, nothing is left out.
function add(node, ...children) {
    node.append(...children.flat().filter(c => c !== null && c !== undefined));
}

// A number as people read it: enough digits to tell it from its neighbours.
function number(value, digits = 4) {
    if (typeof value !== "number" || !isFinite(value)) return "–";
    if (Number.isInteger(value)) return String(value);
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
    return String(Number(value.toPrecision(digits)));
}

// An option's value; a name that is no UTF-8 is kept by its bytes.
function value_text(value) {
    if (value === null || value === undefined) return "–";
    if (Array.isArray(value)) return value.map(value_text).join(", ");
    if (typeof value === "object") return value.$str !== undefined ? "(bytes, no UTF-8)" : JSON.stringify(value);
    return String(value);
}

function step_text(step) {
    return step === null ? "recorded" : step === -1 ? "base" : `step ${step}`;
}

// A picture of the page; its size is known before it is drawn, so nothing moves.
function picture(index, alt, side) {
    const p = data.pictures[index];
    if (!p) return null;
    const part = side ? side / Math.max(p.w, p.h) : 1;
    return el("img", {src: "data:image/jpeg;base64," + p.jpeg, width: Math.round(p.w * part), height: Math.round(p.h * part), alt, loading: "lazy"});
}

function table(titles, rows, numeric) {
    const cell = (tag, value, i) => el(tag, numeric && i > 0 ? {class: "number"} : {}, value);
    return el("div", {class: "wide", tabindex: 0, role: "region", "aria-label": "table"}, el("table", {},
        el("thead", {}, el("tr", {}, titles.map((t, i) => cell("th", t, i)))),
        el("tbody", {}, rows.map(row => el("tr", {}, row.map((v, i) => cell(i === 0 ? "th" : "td", v, i)))))));
}

// Light, dark, or as the system says.
function theme_button() {
    const names = ["auto", "light", "dark"];
    const button = el("button", {type: "button", onclick: () => {
        const next = names[(names.indexOf(document.documentElement.dataset.theme || "auto") + 1) % 3];
        document.documentElement.dataset.theme = next;
        button.textContent = "Theme: " + next;
        document.dispatchEvent(new Event("theme"));
    }}, "Theme: auto");
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("theme")));
    return button;
}

function page_begin(title, ...more) {
    document.title = title;
    page.replaceChildren(el("header", {class: "top"}, el("h1", {}, title), theme_button()), ...more.filter(Boolean));
}

function section(id, title, ...children) {
    const node = el("section", {id}, el("h2", {}, title), ...children);
    page.append(node);
    return node;
}

// A colour that says where a value lies between -most and most: bad below zero, good above.
function shade(value, most) {
    if (typeof value !== "number" || !(most > 0)) return "transparent";
    const part = Math.round(70 * Math.min(1, Math.abs(value) / most));
    return `color-mix(in srgb, var(${value < 0 ? "--bad" : "--good"}) ${part}%, transparent)`;
}

// ---- the ledger: the paper's Table 1 of one caption ----

function ledger_columns(ledger) {
    const all = [["bad", "bad"], ["repeat", "repeat"], ["ref", "ref"], ["sim", "sim"], ["returns", "return"], ["values", "value"], ["advantages", "advantage"]];
    return all.filter(([key]) => ledger[key] !== undefined);
}

function is_marked(ledger, k) {
    return Boolean((ledger.bad && ledger.bad[k]) || (ledger.repeat && ledger.repeat[k]));
}

function largest(values) {
    return Math.max(0, ...(values || []).map(v => Math.abs(v) || 0));
}

function ledger_tokens(ledger) {
    const most = largest(ledger.returns), most_advantage = largest(ledger.advantages);
    return el("p", {class: "tokens"}, ledger.tokens.map((token, k) => {
        const said = [`return ${number(ledger.returns && ledger.returns[k])}`];
        if (ledger.advantages) said.push(`advantage ${number(ledger.advantages[k])}`);
        return el("span", {class: is_marked(ledger, k) ? "fired" : null, title: said.join(", "), style: {
            background: shade(ledger.returns && ledger.returns[k], most),
            "border-bottom-color": ledger.advantages ? shade(ledger.advantages[k], most_advantage) : "transparent",
        }}, token);
    }));
}

function ledger_table(ledger) {
    const columns = ledger_columns(ledger);
    return el("div", {class: "wide", tabindex: 0, role: "region", "aria-label": "the reward of each token"}, el("table", {},
        el("thead", {}, el("tr", {}, el("th", {}, "token"), columns.map(([, title]) => el("th", {class: "number"}, title)))),
        el("tbody", {}, ledger.tokens.map((token, k) => el("tr", {class: is_marked(ledger, k) ? "fired" : null}, el("td", {class: "token"}, token),
            columns.map(([key]) => el("td", {class: "number"}, number(Array.isArray(ledger[key]) ? ledger[key][k] : ledger[key]))))))));
}

function ledger_fired(ledger) {
    const fired = Array.isArray(ledger.fired) ? ledger.fired : [];
    if (fired.length === 0 && !ledger.noeos) return el("p", {class: "soft"}, "No rule fired.");
    return el("ul", {}, fired.map(f => el("li", {}, `${f.rule}: “${f.text}”, tokens ${f.start} to ${f.end - 1}`)),
        ledger.noeos ? el("li", {}, "noeos: the caption has no end token") : null);
}

function ledger_view(ledger) {
    const parts = ["sim", "ref", "itm", "phi"].filter(key => ledger[key] !== undefined).map(key => `${key} ${number(ledger[key])}`);
    return el("div", {}, ledger_tokens(ledger),
        el("p", {class: "soft"}, "Behind each token: its return, from ", el("span", {style: {background: shade(-1, 1)}}, " lowest "), " to ",
            el("span", {style: {background: shade(1, 1)}}, " highest "),
            ledger.advantages ? "; under it: its advantage. " : ". ", "Struck through: punished. Parts are unweighted. ", parts.join(", ")),
        ledger_table(ledger), el("h3", {}, "Rules that fired"), ledger_fired(ledger));
}

// Opens what is given over the page; Escape closes it.
function open_dialog(title, ...children) {
    const dialog = el("dialog", {"aria-label": title}, el("header", {class: "top"}, el("h2", {}, title),
        el("button", {type: "button", onclick: () => dialog.close()}, "Close")), ...children);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
}
