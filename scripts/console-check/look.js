// Looks at every page of the console; see `run`.
"use strict";

const fs = require("node:fs");
const { chromium } = require("playwright-core");
const [browserPath, base, tokenFile, pictures] = process.argv.slice(2);

// Each page is fetched once and looked at in all of these. The last is a window of 1280 at 200 %. Pictures take most of the time, so
// there are some in three.
const WINDOWS = [
  { name: "wide", width: 1280, height: 900, colorScheme: "light", pictured: true },
  { name: "wide-dark", width: 1280, height: 900, colorScheme: "dark", pictured: true },
  { name: "narrow-dark", width: 360, height: 740, colorScheme: "dark" },
  { name: "narrow", width: 360, height: 740, colorScheme: "light", pictured: true },
  { name: "double", width: 640, height: 450, colorScheme: "light" },
];
// Views that are worth a picture besides the first of each page.
const PICTURES = { "/threats?by=threat": "threats-by-threat", "/coverage?threat=Win": "threat", "/faults?code=": "fault",
  "/rollouts?state=done": "rollouts-done", "/audit?who=operator%3Aalice": "audit-alice", "/terminals?lag=pending": "terminals-pending" };
// Addresses that forms lead to and links do not.
const FORMS = ["/threats?danger=high&state=missed", "/coverage?danger=low", "/terminals?lag=many", "/rollouts?state=done",
  "/audit?who=operator", "/audit?who=service&until=2020-01-01", "/audit?what=terminal-enrolled", "/terminals?q=nothing-is-so",
  "/terminals?lag=revoked", "/terminals?lag=pending", "/terminal?id=none"];
// Pages of one kind that are looked at.
const EACH = 8;
const faults = [];

function fault(where, words) {
  faults.push(`${where}: ${words}`);
}

async function signIn(page) {
  await page.goto(new URL("/console", base).href);
  // As somebody without a mouse would.
  await page.waitForFunction(() => document.activeElement.id === "token");
  await page.keyboard.type(fs.readFileSync(tokenFile, "utf8").trim());
  await page.keyboard.press("Enter");
  await page.waitForURL("**/console");
}

// Runs in the page: what is wrong with it whatever the window.
function content() {
  const found = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const count = (words, elements) => { if (elements.length) found.push(`has ${elements.length} ${words}: ${elements[0].outerHTML.slice(0, 90)}`); };
  if ("ran" in globalThis) found.push("something that was written acts");
  count("elements that could act", all("script, img, iframe, base, object, embed, [onerror], [onload], [onfocus], [style]"));
  if (all("h1").length !== 1) found.push(`has ${all("h1").length} first headings`);
  count("fields without a label", all("input:not([type=hidden]), select").filter((field) => !field.labels.length));
  count("headings of tables without a scope", all("th:not([scope])"));
  count("tables without a caption", all("table").filter((table) => !table.caption));
  count("times without the exact one", all("time").filter((time) => !time.title || !time.dateTime));
  count("tags that say nothing", all(".tag").filter((tag) => !tag.textContent.trim()));
  count("figures that are not at the right", all("td.n").filter((cell) => getComputedStyle(cell).textAlign !== "end"));
  return found;
}

// Runs in the page: what is wrong with it in this window.
function layout() {
  const found = [];
  const root = document.documentElement;
  const count = (words, elements) => { if (elements.length) found.push(`has ${elements.length} ${words}: ${elements[0].outerHTML.slice(0, 90)}`); };
  if (root.scrollWidth > root.clientWidth) found.push(`is ${root.scrollWidth - root.clientWidth} pixels wider than the window`);
  count("cells that leave their row, or rows without end", [...document.querySelectorAll("td, th")].filter((cell) => {
    if (!cell.checkVisibility({ contentVisibilityAuto: true })) return false;
    const row = cell.parentElement.getBoundingClientRect(), box = cell.getBoundingClientRect();
    return box.bottom > row.bottom + 1 || row.height > 700;
  }));
  count("targets too small to be hit", [...document.querySelectorAll("nav a, button, .pages a")].filter((link) => link.getBoundingClientRect().height < 24));
  return found;
}

// Runs in the page: text that is hard to tell from its ground, by WCAG 2.2, 1.4.3.
function contrast() {
  const channels = (color) => { const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number); return { rgb: [r, g, b], a }; };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (at) => {
    for (; at; at = at.parentElement) {
      const { rgb, a } = channels(getComputedStyle(at).backgroundColor);
      if (a === 1) return rgb;
    }
    return [255, 255, 255];
  };
  const weak = new Map();
  for (const element of document.body.querySelectorAll("*")) {
    const says = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!says || element.closest("option, .unseen, .skip")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(channels(element instanceof SVGElement ? style.fill : style.color).rgb), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) weak.set(`${element.tagName} ${element.className}`, ratio.toFixed(2));
  }
  return [...weak].map(([what, ratio]) => `${what} has a contrast of ${ratio}`);
}

async function inWindow(page, { width, height, colorScheme }) {
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme });
}

async function look(page, path, picture) {
  const answer = await page.goto(new URL(path, base).href);
  const missing = path.endsWith("id=none");
  if (answer.status() !== (missing ? 404 : 200)) fault(path.slice(0, 80), `answers ${answer.status()}`);
  const faulty = (window, words) => words.forEach((one) => fault(`${window} ${path.slice(0, 80)}`, one));
  faulty("any window", await page.evaluate(content));
  for (const window of WINDOWS) {
    await inWindow(page, window);
    faulty(window.name, await page.evaluate(layout));
    if (window.name.startsWith("wide")) faulty(window.name, await page.evaluate(contrast));
    if (picture && window.pictured) await page.screenshot({ path: `${pictures}/${picture}-${window.name}.png`, fullPage: true });
  }
  return page.$$eval("a[href^='/console']", (links) => links.map((link) => link.getAttribute("href")));
}

// By Tab alone: first to the content, and every stop is seen.
async function keyboard(page, path) {
  await inWindow(page, WINDOWS[0]);
  await page.goto(new URL(path, base).href);
  await page.keyboard.press("Tab");
  const skip = await page.evaluate(() => document.activeElement.className);
  if (skip !== "skip") fault(path, `the keyboard begins at ${skip}, not at the link to the content`);
  for (let stop = 0; stop < 25; stop++) {
    await page.keyboard.press("Tab");
    const seen = await page.evaluate(() => {
      const at = document.activeElement, box = at.getBoundingClientRect(), style = getComputedStyle(at);
      return at === document.body || (box.width > 0 && style.outlineStyle !== "none");
    });
    if (!seen) fault(path, `stop ${stop} of the keyboard is not seen`);
  }
}

function pictureOf(path, taken) {
  const rest = path.replace("/console", "");
  const named = Object.entries(PICTURES).find(([start]) => rest.startsWith(start));
  const name = named ? named[1] : rest.split("?")[0].replace("/", "") || "overview";
  if (taken.has(name) || path.endsWith("id=none")) return null;
  taken.add(name);
  return name;
}

async function main() {
  fs.mkdirSync(pictures, { recursive: true });
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  const page = await (await browser.newContext()).newPage();
  page.on("dialog", (dialog) => { fault("all", "a dialog was opened"); dialog.dismiss(); });
  page.on("pageerror", (error) => fault(page.url(), error.message));
  page.on("console", (line) => { if (line.type() === "error" && !/404/.test(line.text())) fault(page.url(), line.text()); });
  page.on("request", (request) => { if (new URL(request.url()).origin !== new URL(base).origin) fault("all", `asks ${request.url()}`); });
  const taken = new Set();
  await look(page, "/console/sign-in", "sign-in");
  await inWindow(page, WINDOWS[0]);
  await signIn(page);
  // Every link is followed, the first of each kind: hostile ones come first.
  const forms = FORMS.map((form) => "/console" + form);
  const [waiting, known, kinds] = [["/console"], new Set(), new Map()];
  let pages = 0;
  while (waiting.length) {
    const path = waiting.shift();
    const kind = path.split("?")[0];
    const wanted = forms.includes(path) || (path.startsWith("/console/coverage?threat=Win") && !taken.has("threat"));
    if (known.has(path) || ((kinds.get(kind) || 0) >= EACH && !wanted)) continue;
    known.add(path);
    kinds.set(kind, (kinds.get(kind) || 0) + 1);
    waiting.push(...await look(page, path, pictureOf(path, taken)));
    if (pages++ === 0) waiting.push(...forms);
  }
  for (const path of ["/console", "/console/terminals", "/console/rollouts", "/console/audit"]) await keyboard(page, path);
  await page.click("text=Sign out");
  await page.waitForURL("**/sign-in");
  await browser.close();
  if (kinds.size < 14 || pages < 60) fault("all", `only ${pages} pages of ${kinds.size} kinds were found`);
  for (const words of [...new Set(faults)]) console.error(words);
  console.log(`${pages} pages of ${kinds.size} kinds, each in ${WINDOWS.length} windows; ${faults.length} faults`);
  process.exit(faults.length ? 1 : 0);
}

main().catch((error) => { console.error(error); process.exit(1); });
