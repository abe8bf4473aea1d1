// The ballot: two captions of a frame side by side, four questions, votes kept in the browser. Which stream was which is said at the end.
"use strict";

const questions = [["detail", "Which says more details of the picture?"], ["truth", "Which is truer: says less that is not there?"], ["grammar", "Which is better language?"],
    ["preference", "Which do you prefer as a caption of this picture?"]];
const key = `vlrm-ballot ${data.a.digest} ${data.b.digest} ${data.seed} ${data.frames.length}`;
let state = {voter: [...crypto.getRandomValues(new Uint8Array(8))].map(b => b.toString(16).padStart(2, "0")).join(""), name: "", at: 0, votes: {}, ended: false};
let kept = true;
try {
    state = {...state, ...JSON.parse(localStorage.getItem(key) || "{}")};
} catch {
    kept = false;
}

function keep() {
    try {
        localStorage.setItem(key, JSON.stringify(state));
    } catch {
        kept = false;
    }
}

// Left and right are a and b, or b and a, as was drawn.
function side(frame, left) {
    return left !== frame.swap ? "a" : "b";
}

function answered(frame) {
    const vote = state.votes[frame.id] || {};
    return questions.every(([q]) => vote[q]);
}

function done() {
    return data.frames.filter(answered).length;
}

// What the voter saves: formats/votes.md.
function votes_file() {
    return {vlrm: 1, kind: "votes", a: data.a, b: data.b, seed: data.seed, frames: data.frames.length, same: data.same, voter: state.voter, name: state.name,
        votes: data.frames.filter(answered).map(f => ({id: f.id, left: side(f, true), ...state.votes[f.id]}))};
}

function save() {
    const url = URL.createObjectURL(new Blob([JSON.stringify(votes_file(), null, 1) + "\n"], {type: "application/json"}));
    const link = el("a", {href: url, download: `votes-${state.voter}.json`});
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function question(frame, [name, text]) {
    const choices = [[side(frame, true), "left"], ["tie", "no difference"], [side(frame, false), "right"]];
    return el("fieldset", {class: "question"}, el("legend", {}, text), choices.map(([value, label]) => el("label", {}, el("input", {type: "radio", name, value: label,
        checked: (state.votes[frame.id] || {})[name] === value, onchange: () => {
            state.votes[frame.id] = {...state.votes[frame.id], [name]: value};
            keep();
            buttons();
        }}), label)));
}

const next = el("button", {type: "button", class: "next", onclick: () => go(1)}, "Next ›"), back = el("button", {type: "button", onclick: () => go(-1)}, "‹ Back");
const end = el("button", {type: "button", class: "end", onclick: finish}, "End and see which was which"), progress = el("output", {"aria-live": "polite"});

function buttons() {
    progress.textContent = `${state.at + 1} of ${data.frames.length}, ${done()} answered`;
    back.disabled = state.at === 0;
    next.disabled = state.at === data.frames.length - 1;
    end.disabled = done() === 0;
}

function go(by) {
    state.at = Math.min(data.frames.length - 1, Math.max(0, state.at + by));
    keep();
    show();
    page.querySelector(".question input").focus();
}

function finish() {
    const left = data.frames.length - done();
    if (left > 0 && !confirm(`${left} frames are not answered. Which stream was which is said now, and nothing can be answered after it.`)) return;
    state.ended = true;
    keep();
    show();
}

function voting() {
    const frame = data.frames[state.at];
    const captions = [true, false].map(left => el("div", {class: left ? "left" : "right"}, el("b", {class: "soft"}, left ? "Left" : "Right"), el("p", {class: "text"}, frame[side(frame, left)])));
    add(page, el("p", {class: "soft"}, "Two captioners described the same pictures. Which one stands left changes from picture to picture. Your answers stay in this browser until you save them."),
        kept ? null : el("p", {}, "This browser keeps nothing for pages from disk: answer in one go, and save before closing."),
        el("div", {class: "controls"}, back, next, progress, end),
        el("div", {class: "shown"}, frame.picture === undefined ? el("p", {class: "empty"}, "no picture") : picture(frame.picture, "the picture that both captions describe", 320)),
        el("div", {class: "pair"}, captions), questions.map(q => question(frame, q)));
    buttons();
}

function counted(name) {
    const of = {a: 0, b: 0, tie: 0};
    for (const frame of data.frames.filter(answered)) of[state.votes[frame.id][name]]++;
    return [name, of.a, of.b, of.tie];
}

function ended() {
    add(page, el("p", {}, `A was ${data.a.name}, B was ${data.b.name}. You answered ${done()} of ${data.frames.length} pictures.`),
        table(["your votes", "A", "B", "no difference"], questions.map(([q]) => counted(q)), true),
        el("p", {}, el("label", {}, "Your name, if it is to be known: ", el("input", {name: "voter", value: state.name, oninput: event => { state.name = event.target.value; keep(); }}))),
        el("p", {}, el("button", {type: "button", class: "save", onclick: save}, "Save my votes as a file")),
        el("p", {class: "soft"}, "Votes of several people together: vlrm ballot --count votes-*.json"));
}

function show() {
    page_begin("Which caption is better?");
    if (state.ended) ended();
    else voting();
}
show();
