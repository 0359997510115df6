"use strict";
// The page asks for its living parts once a second, and replaces what has changed.

const body = document.body;
const find = (id) => document.getElementById(id);
const milliseconds = (number) => `${number < 10 ? number.toFixed(2) : Math.round(number).toLocaleString()} ms`;

async function ask(address, options) {
    const response = await fetch(address, options);
    if (!response.ok) throw new Error(`${response.status}`);
    return response.json();
}

function show(parts) {
    const before = new Map([...document.querySelectorAll(".tile")].map((tile) => [tile.dataset.name, tile.dataset.at]));
    for (const [name, html] of Object.entries(parts)) {
        if (find(name).dataset.html !== html) {
            find(name).dataset.html = html;
            find(name).innerHTML = html;
        }
    }
    for (const tile of document.querySelectorAll(".tile")) {
        tile.classList.toggle("new", before.has(tile.dataset.name) && before.get(tile.dataset.name) !== tile.dataset.at);
    }
}

async function poll() {
    try {
        show(await ask(body.dataset.state));
        find("doing").classList.remove("lost");
    } catch {
        find("doing").textContent = "The page's server does not answer.";
        find("doing").classList.add("lost");
    }
    setTimeout(poll, 1000);
}

async function measure() {
    find("measure").disabled = true;
    try {
        const found = await ask(body.dataset.compared);
        find("live").textContent = milliseconds(found.computed);
        find("cached").textContent = milliseconds(found.read);
        find("factor").textContent = `${Math.round(found.factor).toLocaleString()} ×`;
    } catch {
        find("factor").textContent = "not now";
    }
    find("measure").disabled = false;
}

async function act(event) {
    event.preventDefault();
    const button = event.submitter;
    button.setAttribute("aria-busy", "true");
    find("doing").textContent = `${button.textContent} …`;
    try {
        const found = await ask(button.formAction, { method: "POST", body: new FormData(event.target) });
        find("doing").textContent = `${found.text}.`;
    } catch {
        find("doing").textContent = `${button.textContent} failed; the terminal says why.`;
    }
    button.removeAttribute("aria-busy");
}

find("measure").addEventListener("click", measure);
find("deeds").addEventListener("submit", act);
measure();
setTimeout(poll, 1000);
