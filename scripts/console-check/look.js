// Looks at every page of the console; see `run`.
"use strict";

const fs = require("node:fs");
const { chromium } = require("playwright-core");
const [browserPath, base, tokenFile, pictures] = process.argv.slice(2);

const WINDOWS = [
  { name: "wide", width: 1280, height: 900 },
  { name: "dark", width: 1280, height: 900, colorScheme: "dark" },
  { name: "narrow", width: 360, height: 740 },
  // A window of 1280 at 200 %.
  { name: "double", width: 640, height: 450, deviceScaleFactor: 2 },
];
const MENU = ["", "/threats", "/threats?by=threat&sort=danger", "/coverage", "/coverage?danger=low", "/terminals",
  "/terminals?sort=contact", "/terminals?lag=many", "/releases", "/faults"];
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

// Pages that those of the menu lead to.
async function found(page) {
  const paths = new Set();
  for (const menu of MENU) {
    await page.goto(new URL("/console" + menu, base).href);
    const links = await page.$$eval("main a", (links) => links.map((link) => link.getAttribute("href")));
    const kinds = new Map();
    for (const link of links) {
      const kind = link.split("?")[0];
      kinds.set(kind, (kinds.get(kind) || 0) + 1);
      // The first of each kind: hostile ones come first.
      if (kinds.get(kind) <= 14) paths.add(link);
    }
  }
  return paths;
}

async function look(page, path, window) {
  const where = `${window.name} ${path.slice(0, 80)}`;
  const answer = await page.goto(new URL(path, base).href);
  if (answer.status() !== 200) fault(where, `answers ${answer.status()}`);
  const seen = await page.evaluate(() => ({
    ran: "ran" in globalThis,
    scripts: document.scripts.length + document.querySelectorAll("[onerror],[onload],[onfocus],[style],img,iframe,base").length,
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    headings: document.querySelectorAll("h1").length,
    unnamed: [...document.querySelectorAll("input:not([type=hidden]), select")].filter((field) => !field.labels.length).length,
    spills: [...document.querySelectorAll("td, th")].filter((cell) => {
      const row = cell.parentElement.getBoundingClientRect(), box = cell.getBoundingClientRect();
      return box.bottom > row.bottom + 1 || row.height > 700;
    }).length,
    small: [...document.querySelectorAll("nav[aria-label=Pages] a, button")].filter((link) => link.getBoundingClientRect().height < 24).length,
  }));
  if (seen.ran || seen.scripts) fault(where, "something that was written acts");
  if (seen.wide > 0) fault(where, `is ${seen.wide} pixels wider than the window`);
  if (seen.headings !== 1) fault(where, `has ${seen.headings} first headings`);
  if (seen.unnamed) fault(where, `has ${seen.unnamed} fields without a label`);
  if (seen.spills) fault(where, `has ${seen.spills} cells that leave their row, or rows without end`);
  if (seen.small) fault(where, `has ${seen.small} targets too small to be hit`);
}

// By Tab alone: first to the content, and every stop is seen.
async function keyboard(page) {
  await page.goto(new URL("/console/terminals", base).href);
  await page.keyboard.press("Tab");
  const skip = await page.evaluate(() => document.activeElement.className);
  if (skip !== "skip") fault("keyboard", `begins at ${skip}, not at the link to the content`);
  for (let stop = 0; stop < 25; stop++) {
    await page.keyboard.press("Tab");
    const seen = await page.evaluate(() => {
      const at = document.activeElement, box = at.getBoundingClientRect(), style = getComputedStyle(at);
      return at === document.body || (box.width > 0 && style.outlineStyle !== "none");
    });
    if (!seen) fault("keyboard", `stop ${stop} is not seen`);
  }
}

async function main() {
  fs.rmSync(pictures, { recursive: true, force: true });
  fs.mkdirSync(pictures, { recursive: true });
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  let pages = 0;
  let paths;
  for (const { name, width, height, ...rest } of WINDOWS) {
    const context = await browser.newContext({ viewport: { width, height }, ...rest });
    const page = await context.newPage();
    page.on("dialog", (dialog) => { fault(name, "a dialog was opened"); dialog.dismiss(); });
    page.on("console", (line) => { if (line.type() === "error" && !/404/.test(line.text())) fault(name, line.text()); });
    page.on("request", (request) => { if (new URL(request.url()).origin !== new URL(base).origin) fault(name, `asks ${request.url()}`); });
    await page.goto(new URL("/console/sign-in", base).href);
    await page.screenshot({ path: `${pictures}/sign-in-${name}.png` });
    await signIn(page);
    paths ??= await found(page);
    const shown = new Set();
    for (const path of [...MENU.map((menu) => "/console" + menu), ...paths]) {
      await look(page, path, { name });
      pages++;
      const kind = path.split("?")[0].replace("/console", "").replace("/", "") || "overview";
      if (!shown.has(kind) && !(kind === "coverage" && !path.includes("threat=") && shown.has("coverage"))) {
        shown.add(kind);
        await page.screenshot({ path: `${pictures}/${kind}-${name}.png`, fullPage: true });
      }
      if (path.includes("/coverage?threat=Win") && !shown.has("threat")) {
        shown.add("threat");
        await page.screenshot({ path: `${pictures}/threat-${name}.png`, fullPage: true });
      }
    }
    if (name === "wide") await keyboard(page);
    await page.click("text=Sign out");
    await page.waitForURL("**/sign-in");
    await context.close();
  }
  await browser.close();
  if (pages < 100) fault("all", `only ${pages} pages were looked at`);
  for (const words of [...new Set(faults)]) console.error(words);
  console.log(`${pages} views of pages, ${faults.length} faults`);
  process.exit(faults.length ? 1 : 0);
}

main().catch((error) => { console.error(error); process.exit(1); });
