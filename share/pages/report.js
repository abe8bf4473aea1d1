// The report: what was trained, curves, evaluations, what changed, captions by step, rewards token by token.
"use strict";

const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f"];
let shown = data.compare || data.runs.length < 2 ? data.runs.map((_, i) => i) : [0];

// ---- what was trained ----

function options_table(key, names) {
    return el("div", {class: "wide", tabindex: 0, role: "region", "aria-label": "options"}, el("table", {},
        el("thead", {}, el("tr", {}, el("th", {}, "option"), shown.map(r => el("th", {}, data.runs[r].name)))),
        el("tbody", {}, names.map(name => {
            const values = shown.map(r => value_text((data.runs[r][key] || {})[name]));
            return el("tr", {class: new Set(values).size > 1 ? "differs" : null}, el("th", {}, name), values.map(v => el("td", {}, v)));
        }))));
}

function keys_of(key, but) {
    const names = [];
    for (const r of shown) for (const name of Object.keys(data.runs[r][key] || {})) if (!names.includes(name) && !but.includes(name)) names.push(name);
    return names;
}

// The stages before the learner, from their headers one in the other.
function stages(run) {
    const found = [];
    for (let header = (run.config || {}).upstream; header && typeof header === "object"; header = header.upstream) found.unshift(header);
    return found;
}

function trained() {
    const part = section("trained", "What was trained");
    part.append(table(["run", "folder", "steps", "last step"], shown.map(r => {
        const m = data.runs[r].metrics;
        return [data.runs[r].name, data.runs[r].path, m ? m.steps : 0, m ? m.columns.step.at(-1) : "–"];
    })));
    const given = keys_of("given", []);
    if (given.length) part.append(el("h3", {}, "As given to vlrm train"), options_table("given", given));
    part.append(el("details", {}, el("summary", {}, "Every option in force, digests, versions"),
        options_table("config", keys_of("config", ["upstream", "changes"])),
        shown.map(r => stages(data.runs[r]).map(h => el("details", {}, el("summary", {}, `${data.runs[r].name}: ${h.stage} ${h.version || ""}${h.kernels ? ", kernels " + h.kernels : ""}`),
            table(["option", "value"], Object.entries(h.params || {}).map(([k, v]) => [k, value_text(v)])),
            table(["input", "digest"], (h.inputs || []).map(i => [i.role, i.digest])))))));
    for (const r of shown) {
        const events = data.runs[r].events || [];
        if (events.length) part.append(el("h3", {}, `Events of ${data.runs[r].name}`), el("ul", {}, events.map(([s, t]) => el("li", {}, `step ${s}: ${t}`))));
    }
}

// ---- curves ----

const charts = [];

// Each curve: {label, x: [..], y: [..], low, high}. A plot with its readout, which follows the pointer or the arrow keys.
function plot(parent, title, curves, log) {
    const xs = [...new Set(curves.flatMap(c => c.x))].sort((a, b) => a - b);
    const place = new Map(xs.map((x, i) => [x, i]));
    const spread = (c, key) => { const out = new Array(xs.length).fill(null); c.x.forEach((x, i) => { out[place.get(x)] = c[key][i]; }); return out; };
    const columns = [xs], series = [{}], bands = [];
    for (const [i, c] of curves.entries()) {
        const colour = colours[(c.colour ?? i) % colours.length];
        c.stroke = colour;
        c.aligned = spread(c, "y");
        columns.push(c.aligned);
        series.push({stroke: colour, width: 2, dash: c.dash ? [6, 4] : undefined, spanGaps: true, points: {show: c.low || xs.length < 30, size: 6}});
        if (!c.low) continue;
        c.lows = spread(c, "low");
        c.highs = spread(c, "high");
        columns.push(c.highs, c.lows);
        const edge = {stroke: colour + "66", width: 1, spanGaps: true, points: {show: false}};
        series.push({...edge}, {...edge});
        bands.push({series: [series.length - 2, series.length - 1], fill: colour + "22"});
    }
    const last = curves.map(c => `${c.label} ${number(c.y.find(v => v !== null))} to ${number(c.y.findLast(v => v !== null))}`).join("; ");
    const canvas = el("div", {class: "canvas"}), at = el("div", {class: "at", "aria-live": "polite"});
    const values = curves.map(() => el("b", {}));
    const keys = el("ul", {class: "keys"}, curves.map((c, i) => el("li", {}, el("i", {style: {"border-top-color": c.stroke, "border-top-style": c.dash ? "dashed" : "solid"}}), c.label + " ", values[i])));
    const box = el("figure", {class: "plot", tabindex: 0, role: "group", "aria-label": `${title} by step: ${last}. Arrow keys move the readout.`, style: {margin: 0}},
        el("h3", {}, title), canvas, at, keys);
    parent.append(box);
    charts.push({box, canvas, xs, columns, series, bands, curves, values, at, log, title});
}

function readout(chart, index) {
    const i = index === null || index === undefined ? chart.xs.length - 1 : index;
    chart.at.textContent = step_text(chart.xs[i]);
    chart.curves.forEach((c, k) => {
        chart.values[k].textContent = number(c.aligned[i]) + (c.lows && c.lows[i] !== null ? ` [${number(c.lows[i], 3)}, ${number(c.highs[i], 3)}]` : "");
    });
}

function chart_draw(chart) {
    const style = getComputedStyle(document.body), probe = el("span", {style: {color: "var(--line)"}});
    document.body.append(probe);
    const grid = getComputedStyle(probe).color, text = style.color;
    probe.remove();
    if (chart.u) chart.u.destroy();
    const axis = {stroke: text, grid: {stroke: grid, width: 1}, ticks: {stroke: grid, width: 1}, font: "12px system-ui"};
    chart.u = new uPlot({
        width: Math.max(200, chart.canvas.clientWidth), height: 200, series: chart.series, bands: chart.bands, legend: {show: false},
        scales: {x: {time: false}, y: chart.log ? {distr: 3} : {}},
        axes: [{...axis, values: (u, splits) => splits.map(v => (v === -1 ? "base" : Number.isInteger(v) ? v : ""))}, {...axis, size: 60, values: (u, splits) => splits.map(v => (v === null ? "" : number(v)))}],
        cursor: {sync: {key: "steps"}, y: false},
        hooks: {setCursor: [u => readout(chart, u.cursor.idx)], draw: [() => { chart.box.dataset.drawn = "yes"; }]},
    }, chart.columns, chart.canvas);
    readout(chart, null);
}

function chart_key(chart, event) {
    const last = chart.xs.length - 1, now = chart.u.cursor.idx ?? last;
    const moves = {ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last};
    if (!(event.key in moves)) return;
    event.preventDefault();
    const next = Math.min(last, Math.max(0, moves[event.key]));
    chart.u.setCursor({left: chart.u.valToPos(chart.xs[next], "x"), top: 10});
    readout(chart, next);
}

function charts_begin() {
    const sizes = new ResizeObserver(entries => {
        for (const entry of entries) {
            const chart = charts.find(c => c.canvas === entry.target);
            if (chart && chart.u && Math.abs(chart.u.width - entry.contentRect.width) > 1) chart.u.setSize({width: Math.max(200, entry.contentRect.width), height: 200});
        }
    });
    for (const chart of charts) {
        chart_draw(chart);
        chart.box.addEventListener("keydown", event => chart_key(chart, event));
        sizes.observe(chart.canvas);
    }
}

// The plots, in order: a title, the columns of the metrics in it ("x.*": all below x), whether by powers of ten.
const groups = [
    ["Reward", ["reward.mean"]], ["Parts of the reward", ["sim.mean", "itm.mean", "ref.mean", "phi.mean"]], ["Return and value", ["return.mean", "value.mean"]],
    ["Value loss", ["value_loss"], true], ["Explained variance", ["explained_variance"]], ["Entropy, nats", ["entropy"]], ["Caption length, tokens", ["length.mean"]],
    ["Rates: bad, repeat, no end", ["bad_rate", "repeat_rate", "noeos_rate"]], ["Gradient norms", ["grad_norm.*"], true], ["Learning rate", ["learning_rate"]],
    ["Seconds by phase", ["seconds.*"]], ["Policy loss", ["policy_loss"]], ["Deviation of the advantage", ["advantage_std"]], ["Mean probability of the tokens", ["p_mean"]],
    ["Distinct n-grams", ["distinct_1", "distinct_2"]], ["Images a second", ["images_per_second"]], ["Memory, MiB", ["peak_memory_mib", "activations_mib"]],
];
const unplotted = /^(step|batch|captions|tokens|repeated)$|\.std$/;

function curves_of(paths) {
    const found = [];
    for (const [i, r] of shown.entries()) {
        const m = data.runs[r].metrics;
        if (!m) continue;
        const names = paths.flatMap(p => (p.endsWith(".*") ? Object.keys(m.columns).filter(c => c.startsWith(p.slice(0, -1))) : m.columns[p] ? [p] : []));
        names.forEach((name, k) => found.push({
            label: (shown.length > 1 ? data.runs[r].name + " " : "") + name.replace(/\.mean$/, ""), x: m.columns.step, y: m.columns[name],
            colour: shown.length > 1 && names.length === 1 ? i : i * names.length + k, dash: i > 0 && names.length > 1,
        }));
    }
    return found.filter(c => c.y.some(v => v !== null));
}

function curves() {
    if (!shown.some(r => data.runs[r].metrics)) return;
    const plots = el("div", {class: "plots"}), known = new Set();
    const each = Math.max(...shown.map(r => (data.runs[r].metrics || {each: 1}).each));
    section("curves", "Curves", el("p", {class: "soft"}, "Point at a curve, or go to a plot with Tab and move along it with the arrow keys: every plot then shows that step.",
        each > 1 ? ` Each point is the mean of up to ${each} steps.` : ""), plots);
    const names = [...new Set(shown.flatMap(r => Object.keys((data.runs[r].metrics || {columns: {}}).columns)))];
    const covers = (p, n) => (p.endsWith(".*") ? n.startsWith(p.slice(0, -1)) : p === n);
    for (const [, paths] of groups) names.filter(n => paths.some(p => covers(p, n))).forEach(n => known.add(n));
    const others = names.filter(n => !known.has(n) && !unplotted.test(n)).map(n => [n.replace(/\.mean$/, ""), [n]]);
    for (const [title, paths, log] of [...groups, ...others]) {
        const found = curves_of(paths);
        if (found.length) plot(plots, title, found, log && found.every(c => c.y.every(v => v === null || v > 0)));
    }
}

// ---- evaluations ----

const metric_titles = {"r@1": "Recall R@1", "r@5": "Recall R@5", "r@10": "Recall R@10", mrr: "MRR", clipscore: "Cosine under the judging CLIP", itm: "ITM logit",
    words: "Words a caption", bad: "Bad phrases, share of captions", repeats: "Repeats, share of captions", noeos: "No end, share of captions",
    "truth.detail_recall": "Truth: details said", "truth.hallucination": "Truth: claims not true", "truth.grammar": "Truth: grammar"};
const main_metrics = ["r@1", "mrr", "r@5", "r@10", "clipscore", "itm", "words", "bad", "repeats", "noeos", "truth.detail_recall", "truth.hallucination", "truth.grammar"];

function eval_values(e) {
    const all = {...e.metrics};
    for (const [name, v] of Object.entries(e.truth || {})) if (!name.startsWith("details.") && name !== "captions") all["truth." + name] = [v, v, v];
    return all;
}

function evaluations() {
    const with_evals = shown.filter(r => (data.runs[r].evals || []).length);
    if (!with_evals.length) return;
    const plots = el("div", {class: "plots"}), more = el("div", {class: "plots"});
    const part = section("evaluations", "Evaluations", el("p", {class: "soft"}, "By the CLIP that judges, over the frames evaluated; shaded: the interval of a bootstrap over images."), plots);
    const names = [...new Set(with_evals.flatMap(r => data.runs[r].evals.flatMap(e => Object.keys(eval_values(e)))))];
    const draw = (to, name) => {
        const found = with_evals.map(r => {
            const points = data.runs[r].evals.filter(e => eval_values(e)[name]);
            const c = {label: data.runs[r].name, x: points.map(e => e.step), y: points.map(e => eval_values(e)[name][0]), colour: shown.indexOf(r)};
            if (points.some(e => eval_values(e)[name][1] !== eval_values(e)[name][2])) {
                c.low = points.map(e => eval_values(e)[name][1]);
                c.high = points.map(e => eval_values(e)[name][2]);
            }
            return c;
        }).filter(c => c.y.length);
        plot(to, metric_titles[name] || name, found, false);
    };
    main_metrics.filter(n => names.includes(n)).forEach(n => draw(plots, n));
    const rest = names.filter(n => !main_metrics.includes(n));
    if (rest.length) {
        rest.forEach(n => draw(more, n));
        part.append(el("details", {}, el("summary", {}, `${rest.length} more measures`), more));
    }
}

// ---- what changed ----

function changed_metrics(run) {
    const from = eval_values(run.evals[0]), to = eval_values(run.evals.at(-1));
    const show = v => (v ? number(v[0]) + (v[1] !== v[2] ? ` [${number(v[1], 3)}, ${number(v[2], 3)}]` : "") : "–");
    return table(["measure", step_text(run.evals[0].step), step_text(run.evals.at(-1).step), "difference"],
        main_metrics.filter(n => from[n] && to[n]).map(n => [metric_titles[n] || n, show(from[n]), show(to[n]), number(to[n][0] - from[n][0])]), true);
}

function changed_words(words) {
    const percent = v => (100 * v).toFixed(1) + " %";
    const rows = list => list.map(([word, before, after]) => [word, percent(before), percent(after)]);
    return el("div", {class: "plots"}, [["Words that more captions say", words.gained], ["Words that fewer captions say", words.lost]]
        .map(([title, list]) => el("div", {}, el("h3", {}, title), list.length ? table(["word", "before", "after"], rows(list), true) : el("p", {class: "empty"}, "none"))));
}

function changes() {
    const with_changes = shown.filter(r => data.runs[r].changes);
    if (!with_changes.length) return;
    const part = section("changed", "What changed most since the base");
    const set = data.sets.find(s => s.name === "evaluated");
    for (const r of with_changes) {
        const run = data.runs[r], c = run.changes;
        part.append(el("h3", {}, `${run.name}: from ${step_text(c.from)} to ${step_text(c.to)}`));
        if (run.evals && run.evals.length > 1) part.append(changed_metrics(run));
        part.append(changed_words(c.words));
        if (!set || !c.frames.length) continue;
        part.append(el("h3", {}, "Frames whose caption came nearest to them, or went farthest, under the judging CLIP"),
            el("div", {class: "cards"}, c.frames.map(([f, before, after]) => el("div", {class: "card"}, frame_picture(set, f),
                el("p", {class: "scores"}, `cosine ${number(before)} to ${number(after)}`),
                said_line(step_text(c.from), find_caption(set, f, r, c.from), null), said_line(step_text(c.to), find_caption(set, f, r, c.to), find_caption(set, f, r, c.from))))));
    }
}

// ---- captions ----

function index_of(set) {
    if (!set.index) {
        set.index = new Map();
        set.entries.forEach(([f, r, s, c]) => { const key = `${f} ${r} ${s}`; if (!set.index.has(key)) set.index.set(key, c); });
    }
    return set.index;
}

function find_caption(set, frame, run, step) {
    return index_of(set).get(`${frame} ${run} ${step}`);
}

function frame_picture(set, f) {
    const frame = set.frames[f];
    return [frame.picture !== undefined ? picture(frame.picture, `frame ${frame.id}`) : null, el("p", {class: "id"}, frame.id)];
}

// A caption; words that the one before did not say are marked.
function said_words(text, before) {
    if (!before) return [text];
    const had = new Set(before.toLowerCase().split(/\s+/));
    return text.split(/(\s+)/).map(w => (w.trim() && !had.has(w.toLowerCase()) ? el("mark", {}, w) : w));
}

function said_scores(caption) {
    const n = caption.numbers || {}, l = caption.ledger || {}, parts = [];
    for (const key of ["rank", "clipscore", "itm"]) if (n[key] !== undefined) parts.push(`${key === "clipscore" ? "cosine" : key} ${number(n[key])}`);
    for (const key of ["sim", "ref"]) if (l[key] !== undefined) parts.push(`${key} ${number(l[key])}`);
    if (l.returns && l.returns.length) parts.push(`return ${number(l.returns[0])}`);
    return parts.join(", ");
}

function said_line(label, caption, before) {
    if (!caption) return el("p", {class: "said"}, el("b", {}, label), el("span", {class: "empty"}, "no caption at this step"));
    const open = () => open_dialog(caption.text, ledger_view(caption.ledger));
    return el("div", {class: "said"}, el("b", {}, label), el("span", {class: "text"}, said_words(caption.text || "", before && before.text)),
        el("div", {class: "scores"}, said_scores(caption), " ", caption.ledger ? el("button", {type: "button", class: "why", onclick: open}, "Reward by token") : null));
}

function captions_of(set) {
    const steps = [...new Set(set.entries.filter(e => shown.includes(e[1])).map(e => e[2]))].sort((a, b) => (a ?? -9) - (b ?? -9));
    const evaluated = set.name === "evaluated", cards = el("div", {class: "cards"});
    const out = el("output", {}, ""), first = steps[0];
    const show = step => {
        out.textContent = step_text(step);
        const frames = set.frames.map((_, f) => f).filter(f => evaluated || shown.some(r => find_caption(set, f, r, step)));
        cards.replaceChildren(...frames.map(f => el("div", {class: "card"}, frame_picture(set, f), shown.map(r => said_line(data.runs[r].name,
            find_caption(set, f, r, step), evaluated && step !== first ? find_caption(set, f, r, first) : null)))));
    };
    const slider = el("input", {type: "range", class: "steps", min: 0, max: Math.max(0, steps.length - 1), step: 1, value: steps.length - 1, disabled: steps.length < 2,
        "aria-valuetext": step_text(steps.at(-1)), oninput: () => { const s = steps[Number(slider.value)]; slider.setAttribute("aria-valuetext", step_text(s)); show(s); }});
    section("captions-" + set.name, evaluated ? "Captions of the same frames by step" : "Rewarded captions by step",
        el("p", {class: "soft"}, evaluated ? `Words that ${step_text(first)} did not say are marked.` : "As they were sampled in training, with their rewards. Frames are those of the batches that were kept."),
        el("div", {class: "controls"}, el("label", {class: "slider"}, "Step", slider, out)), cards);
    show(steps.at(-1));
}

// ---- all of it ----

function run_choice() {
    if (data.runs.length < 2) return null;
    const now = shown.length > 1 ? "all" : String(shown[0]);
    const choice = el("select", {onchange: () => { shown = choice.value === "all" ? data.runs.map((_, i) => i) : [Number(choice.value)]; draw(); }},
        el("option", {value: "all"}, "all, side by side"), data.runs.map((r, i) => el("option", {value: i}, r.name)));
    choice.value = now;
    return el("p", {}, el("label", {}, "Runs: ", choice));
}

function draw() {
    charts.length = 0;
    page_begin("vlrm report: " + data.runs.map(r => r.name).join(", "), run_choice());
    const menu = el("nav", {"aria-label": "sections"});
    page.append(menu);
    trained();
    evaluations();
    changes();
    data.sets.forEach(captions_of);
    curves();
    if (data.missing.length) section("missing", "Not shown", el("ul", {class: "notes"}, data.missing.map(m => el("li", {}, m))));
    menu.append(...[...page.querySelectorAll("section")].map(s => el("a", {href: "#" + s.id}, s.querySelector("h2").textContent)));
    charts_begin();
}
document.addEventListener("theme", () => charts.forEach(chart_draw));
draw();
