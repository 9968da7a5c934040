//! The console: who gets in, what every answer says of itself, and that what others wrote stays text.

use crate::support::{World, at, tables};
use jiff::civil::date;
use reqwest::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde_json::json;
use sqlx::{AnyPool, AssertSqlSafe};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use updater::service::CONSOLE_PAGES;
use updater::wire::{Blocked, Danger, Designation, Ring, Role, RolloutStart, ThreatNews, Vaccine};
use url::Url;

/// What tries to leave its place: to be an element, an attribute, an address, another direction, without end.
const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)//</title></style><svg onload=alert(1)>",
    "\u{202e}gpj.exe\u{202c}\u{200b}\u{feff} \u{7}\u{1b}[2J",
    "שלום ﷽ Z̸̧̢̛͚̮̗͓̜̹͎a̵̡̛l̶̰̒g̷̢o",
];

/// All that pages are made of: nothing that runs, fetches, or is styled where it stands.
const ELEMENTS: &[&str] = &[
    "a",
    "b",
    "bdi",
    "body",
    "br",
    "button",
    "caption",
    "circle",
    "code",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "head",
    "header",
    "html",
    "input",
    "label",
    "li",
    "line",
    "link",
    "main",
    "meta",
    "nav",
    "option",
    "p",
    "path",
    "rect",
    "section",
    "select",
    "span",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "text",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "ul",
];
const ATTRIBUTES: &[&str] = &[
    "action",
    "aria-current",
    "aria-hidden",
    "aria-label",
    "aria-sort",
    "autocomplete",
    "autofocus",
    "charset",
    "class",
    "colspan",
    "content",
    "cx",
    "cy",
    "d",
    "datetime",
    "focusable",
    "for",
    "height",
    "href",
    "id",
    "lang",
    "method",
    "name",
    "preserveAspectRatio",
    "r",
    "rel",
    "required",
    "role",
    "scope",
    "selected",
    "spellcheck",
    "tabindex",
    "text-anchor",
    "title",
    "type",
    "value",
    "viewBox",
    "width",
    "x",
    "x1",
    "x2",
    "y",
    "y1",
    "y2",
];

/// The elements of a page, each with its attributes, read as a browser reads text whose quotes are all double.
fn elements(page: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    let page = page.strip_prefix("<!DOCTYPE html>").unwrap();
    let mut elements = Vec::new();
    let mut rest = page;
    while let Some((_, tag)) = rest.split_once('<') {
        let end = tag.find(|c: char| c.is_whitespace() || c == '>').unwrap();
        let (name, mut inside) = tag.split_at(end);
        let mut attributes = Vec::new();
        loop {
            inside = inside.trim_start();
            if let Some(after) = inside.strip_prefix('>') {
                rest = after;
                break;
            }
            let end = inside.find(|c: char| c.is_whitespace() || c == '=' || c == '>').unwrap();
            let (attribute, after) = inside.split_at(end);
            let (value, after) = match after.strip_prefix("=\"") {
                Some(quoted) => quoted.split_once('"').unwrap(),
                None => ("", after),
            };
            attributes.push((attribute, value));
            inside = after;
        }
        elements.push((name.trim_start_matches('/'), attributes));
    }
    assert!(elements.len() > 10);
    elements
}

/// A browser without a screen: keeps cookies, follows nothing.
struct Browser<'a> {
    world: &'a World,
    client: Client,
    cookies: String,
    /// Whom a proxy says that it speaks for.
    forwarded_for: Option<&'static str>,
}

impl Browser<'_> {
    fn new(world: &World) -> Browser<'_> {
        let client = Client::builder().no_proxy().tls_certs_only([]).redirect(Policy::none()).build().unwrap();
        Browser { world, client, cookies: String::new(), forwarded_for: None }
    }

    async fn get(&self, path: &str) -> Response {
        let address = self.world.url.join(path).unwrap();
        self.client.get(address).header(COOKIE, &self.cookies).send().await.unwrap()
    }

    async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let address = self.world.url.join(path).unwrap();
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let request = self.client.post(address).header(COOKIE, &self.cookies);
        let mut request = request.header("content-type", "application/x-www-form-urlencoded").body(body.finish());
        if let Some(address) = self.forwarded_for {
            request = request.header("x-forwarded-for", address);
        }
        request.send().await.unwrap()
    }

    /// Keeps the cookies that an answer sets.
    fn keep(&mut self, answer: &Response) {
        let set = answer.headers().get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap());
        let pairs: Vec<_> = set.map(|line| line.split(';').next().unwrap()).collect();
        self.cookies = pairs.join("; ");
    }

    /// Opens the sign-in page and enters a token.
    async fn enter(&mut self, token: &str) -> Response {
        let answer = self.get("/console/sign-in?next=/console/threats").await;
        self.keep(&answer);
        let word = field(&answer.text().await.unwrap(), "form");
        let answer = self.post("/console/sign-in", &[("token", token), ("form", &word), ("next", "/console/threats")]).await;
        if answer.status() == StatusCode::SEE_OTHER {
            self.keep(&answer);
        }
        answer
    }
}

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let rest = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1;
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_a_token_gets_in_and_out_again() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    let answer = browser.get("/console/terminals?q=a%26b").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()[LOCATION], "/console/sign-in?next=%2Fconsole%2Fterminals%3Fq%3Da%2526b");
    assert!(answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'"));

    assert_eq!(browser.enter("wrong").await.status(), StatusCode::UNAUTHORIZED);
    let forged = [("token", world.token()), ("form", "guessed"), ("next", "/console")];
    assert_eq!(browser.post("/console/sign-in", &forged).await.status(), StatusCode::FORBIDDEN);
    let answer = browser.enter(world.token()).await;
    assert_eq!(
        (answer.status(), &answer.headers()[LOCATION]),
        (StatusCode::SEE_OTHER, &"/console/threats".parse().unwrap())
    );
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");

    let page = browser.page("/console").await;
    assert!(page.contains("Sign out") && !page.contains(world.token()));
    assert_eq!(browser.post("/console/sign-out", &[("form", "guessed")]).await.status(), StatusCode::FORBIDDEN);
    let word = field(&page, "form");
    assert_eq!(browser.post("/console/sign-out", &[("form", &word)]).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/console").await.status(), StatusCode::SEE_OTHER, "the cookie is worth nothing any more");

    for _ in 0..10 {
        browser.enter("wrong").await;
    }
    let answer = browser.enter(world.token()).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
}

/// Behind a proxy that is trusted everybody comes from its address.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_behind_a_proxy_do_not_keep_operators_from_signing_in() {
    let world = World::with(|mut config| {
        config.limits.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config
    })
    .await;
    let mut stranger = Browser { forwarded_for: Some("203.0.113.1"), ..Browser::new(&world) };
    for _ in 0..10 {
        stranger.enter("wrong").await;
    }
    assert_eq!(stranger.enter(world.token()).await.status(), StatusCode::TOO_MANY_REQUESTS);
    let mut operator = Browser { forwarded_for: Some("198.51.100.7"), ..Browser::new(&world) };
    assert_eq!(operator.enter(world.token()).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_over_tls_is_for_tls_alone() {
    let world = World::with(|mut config| {
        config.console_over_tls = true;
        config
    })
    .await;
    let answer = Browser::new(&world).enter(world.token()).await;
    let cookies = answer.headers().get_all(SET_COOKIE);
    assert!(cookies.iter().all(|cookie| cookie.to_str().unwrap().ends_with("; Secure")));
}

/// A fleet of one, whose every text is hostile.
async fn hostile_world() -> (World, String) {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..50).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    let tables = tables(world.dir.path()).await;
    for (number, threat) in HOSTILE.into_iter().chain([&*"W".repeat(200)]).enumerate() {
        let since = (number % 2 == 0).then(|| Vaccine { date: date(2026, 11, 12), since: at("acme/stable", 2) });
        let expected = (number == 3).then(|| date(2026, 11, 1));
        let name = format!("name-{number}");
        let news = ThreatNews {
            threat: name.clone(),
            danger: Danger::High,
            discovered: date(2026, 11, 10),
            expected,
            vaccine: since,
        };
        maker.news(&world.url, &news).await.unwrap();
        // The service takes no such names; pages shall be safe all the same.
        let rename = sqlx::query("UPDATE threats SET threat = $1 WHERE threat = $2");
        rename.bind(threat).bind(name).execute(&tables).await.unwrap();
    }
    let (id,): (String,) = sqlx::query_as("SELECT terminal FROM terminals").fetch_one(&tables).await.unwrap();
    let all = HOSTILE.concat().repeat(30);
    sqlx::query("UPDATE terminals SET hardware = $1, os = $2, engine_version = $3, reason = $1, words = $4")
        .bind(HOSTILE[0])
        .bind(HOSTILE[1])
        .bind(HOSTILE[4])
        .bind(&all)
        .execute(&tables)
        .await
        .unwrap();
    for code in HOSTILE {
        sqlx::query("INSERT INTO reports (terminal, at, outcome, step, code, words) VALUES ($1, $4, 'trouble', $2, $2, $3)")
            .bind(&id)
            .bind(code)
            .bind(&all)
            .bind(jiff::Timestamp::now().as_second())
            .execute(&tables)
            .await
            .unwrap();
    }
    hostile_operations(&tables, &id, &all).await;
    tables.close().await;
    (world, id)
}

/// Rollouts, blocked releases, sources, reports and an audit log whose every text is hostile.
async fn hostile_operations(tables: &AnyPool, terminal: &str, all: &str) {
    for (number, text) in HOSTILE.into_iter().enumerate() {
        let rings = json!([{ "group": text, "soak_minutes": 1, "reports": 1 }, { "percent": 100 }]).to_string();
        let (release, state, zeros) = (100 + number, ["halted", "running", "done"][number % 3], "0".repeat(64));
        let source = format!("https://acme.example/{number}{text}").parse::<Url>().unwrap();
        let detail = json!({ text: text, "words": all, "nested": { text: [text] } }).to_string();
        for (sql, texts) in [
            (
                "INSERT INTO rollouts (maker, name, release, rings, gate, urgent, state, ring, opened_at, counted_from, words)
                 VALUES ('acme', 'stable', NUMBER, $1, '{}', 1, $2, 0, 1700000000, 0, $3)",
                vec![&*rings, state, text],
            ),
            (
                "INSERT INTO blocked (maker, name, release, words, blocked_at)
                 VALUES ('acme', 'stable', NUMBER, $1, 1700000000)",
                vec![text],
            ),
            (
                "INSERT INTO blamed (maker, name, release, terminal, code, at)
                 VALUES ('acme', 'stable', NUMBER, $1, $2, 1700000000)",
                vec![terminal, text],
            ),
            (
                "INSERT INTO offers (maker, name, release, terminal, at) VALUES ('acme', 'stable', NUMBER, $1, 1700000000)",
                vec![terminal],
            ),
            (
                "INSERT INTO sources (id, maker, url, every_seconds, allow_plain, next_at, failures, last_code, last_words)
                 VALUES ($1, 'acme', $2, 600, 0, 9000000000, 3, $3, $4)",
                vec![&zeros[..15], source.as_str(), text, all],
            ),
            ("INSERT INTO threat_reports (terminal, threat, at) VALUES ($1, $2, 1700000000)", vec![terminal, text]),
            (
                "INSERT INTO one_offs (maker, terminal, name, until_at, why, who, given_at)
                 VALUES ('acme', $1, 'c' || 'NUMBER', 9000000000, $2, $2, 1700000000)",
                vec![terminal, text],
            ),
            ("INSERT INTO policies (name, body, put_at) VALUES ($1, '{}', 0)", vec![text]),
            (
                "INSERT INTO aliases (maker, threat, other_maker, other_threat)
                 SELECT 'acme', threat, 'borealis', $1 FROM threats",
                vec![text],
            ),
            (
                "INSERT INTO audit (n, at, who, what, detail, previous, hash)
                 SELECT MAX(n) + 1, 1700000000, $1, $1, $2, $3, $3 FROM audit",
                vec![text, &detail, &zeros],
            ),
        ] {
            // A source's number has 16 digits.
            let sql = sql.replace("NUMBER", &release.to_string()).replace("VALUES ($1, 'acme'", &format!("VALUES ($1 || '{number}', 'acme'"));
            let insert = texts.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), |insert, text| insert.bind(text.to_owned()));
            insert.execute(tables).await.unwrap();
        }
    }
    for sql in [
        "UPDATE audit_head SET n = (SELECT MAX(n) FROM audit)",
        "UPDATE terminals SET group_name = (SELECT MIN(name) FROM policies), features = '[\"<script>\"]', pending = 1,
         cloned_at = 1700000000, revoked_at = 1700000000",
    ] {
        sqlx::query(sql).execute(tables).await.unwrap();
    }
}

/// What a page leads to and asks for.
#[derive(Default)]
struct Seen {
    links: Vec<String>,
    /// Names of what its forms and links bring along.
    keys: BTreeSet<String>,
}

/// Looks at a page element by element: it is made of what pages are made of, and leads to pages alone.
fn look(path: &str, page: &str) -> Seen {
    let mut seen = Seen::default();
    let mut asks = false;
    for (element, attributes) in elements(page) {
        assert!(ELEMENTS.contains(&element), "{path} has <{element}>: {page}");
        for (name, value) in &attributes {
            assert!(ATTRIBUTES.contains(name), "{path} has {name} in <{element}>: {page}");
            let inside = value.starts_with("/console") || value.starts_with('#');
            assert!(inside || !["href", "action"].contains(name), "{path} leads to {value}");
            if element == "a" && *name == "href" && value.starts_with("/console") {
                seen.links.push(value.replace("&amp;", "&"));
            }
            if element == "form" {
                asks = *name == "method" && *value == "get" || asks && *name != "method";
            }
            if asks && *name == "name" {
                seen.keys.insert((*value).to_owned());
            }
        }
    }
    for link in &seen.links {
        let query = link.split_once('?').map_or("", |(_, query)| query);
        seen.keys.extend(url::form_urlencoded::parse(query.as_bytes()).map(|(key, _)| key.into_owned()));
    }
    for unseen in ['\u{202e}', '\u{202c}', '\u{200b}', '\u{feff}', '\u{7}', '\u{1b}'] {
        // In a form, what was typed is given back as it was; elsewhere it is written out.
        assert!(path.contains('?') || !page.contains(unseen), "{path} has {unseen:?}");
    }
    assert_eq!(page.matches("</html>").count(), 1, "{path}");
    seen
}

/// The page below `/console` that an address leads to.
fn page_of(address: &str) -> &str {
    let path = address.split('?').next().unwrap().strip_prefix("/console").unwrap();
    if path.is_empty() { "/" } else { path }
}

/// Follows every link, so that a page is looked at because it is there; what no link leads to, nobody would find.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_text_on_every_page() {
    let (world, _) = hostile_world().await;
    let viewer = world.operator.add_operator(&"viewer".parse().unwrap(), Role::Viewer).await.unwrap();
    let mut browser = Browser::new(&world);
    browser.enter(&viewer.token).await;
    let mut pages = BTreeMap::<String, (usize, BTreeSet<String>)>::new();
    let (mut waiting, mut known) = (vec!["/console".to_owned()], HashSet::new());
    while let Some(address) = waiting.pop() {
        let seen = look(&address, &browser.page(&address).await);
        let page = pages.entry(page_of(&address).to_owned()).or_default();
        page.0 += 1;
        page.1.extend(seen.keys);
        for link in seen.links {
            // Of one kind enough to meet every hostile text.
            let enough = pages.get(page_of(&link)).is_some_and(|(count, _)| *count > 40);
            if !enough && known.insert(link.clone()) {
                waiting.push(link);
            }
        }
    }
    let found: BTreeSet<_> = pages.keys().map(String::as_str).collect();
    assert_eq!(found, CONSOLE_PAGES.iter().copied().collect(), "a viewer finds all pages, and nothing else is one");

    // Whatever is typed into an address.
    let keys: BTreeSet<_> = pages.values().flat_map(|(_, keys)| keys.clone()).collect();
    assert!(keys.len() > 10, "{keys:?}");
    for (page, text) in CONSOLE_PAGES.iter().flat_map(|page| HOSTILE.map(|text| (page, text))) {
        for key in &keys {
            let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let path = format!("/console{}?{key}={text}", page.trim_end_matches('/'));
            let answer = browser.get(&path).await;
            let status = answer.status().as_u16();
            assert!([200, 400, 404].contains(&status), "{path} answers {status}");
            assert!(answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'"));
            let kind = answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
            assert_eq!(kind, "text/html; charset=utf-8", "{path} answers {status}");
            look(&path, &answer.text().await.unwrap());
        }
    }
    world.operator.revoke_operator(&"viewer".parse().unwrap()).await.unwrap();
    for page in CONSOLE_PAGES {
        let path = format!("/console{}", page.trim_end_matches('/'));
        assert_eq!(browser.get(&path).await.status(), StatusCode::SEE_OTHER, "{path} is shown to who may not see it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_shown_and_faults_are_pages() {
    let (world, _) = hostile_world().await;
    let mut browser = Browser::new(&world);
    browser.enter(world.token()).await;
    let threats = browser.page("/console/threats").await;
    assert!(threats.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "names are shown, not dropped");
    assert!(threats.contains("missed"), "a day that passed without a cure is told");

    for (path, status) in [
        ("/console/terminal?id=none", 404),
        ("/console/coverage?threat=none", 404),
        ("/console/maker?name=none", 404),
        ("/console/rollout?release=acme/stable@9", 404),
        ("/console/rollout?release=acme", 404),
        ("/console/terminals?after=x", 400),
        ("/console/threats?page=x", 400),
        ("/console/terminal", 400),
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert!(answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().contains("form-action 'self'"));
        assert!(answer.text().await.unwrap().contains("To the overview"), "{path}");
    }
}

/// Figures on pages are those of the tables.
#[tokio::test(flavor = "multi_thread")]
async fn pages_tell_what_the_tables_hold() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..50).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    world.terminal("two", &["acme/stable"], Designation::Any).await;
    world.publish(&maker, "acme/stable", 2, 0..51).await;
    let mut browser = Browser::new(&world);
    browser.enter(world.token()).await;
    let rows = world.operator.terminals().await.unwrap();
    let id = rows.into_iter().find(|row| !row.applied.is_empty()).unwrap().terminal;

    assert!(browser.page("/console/terminals").await.contains("1 behind"));
    assert!(browser.page("/console/terminals?lag=one").await.contains(&id));
    assert!(!browser.page("/console/terminals?lag=current").await.contains(&id));
    assert!(browser.page("/console/terminals?runs=acme/stable+1").await.contains(&id));
    assert!(!browser.page("/console/terminals?runs=acme/stable+2").await.contains(&id));
    assert!(browser.page(&format!("/console/terminals?q={}", &id[..6])).await.contains(&id));
    let unheard = browser.page("/console/terminals?lag=unheard").await;
    assert!(unheard.contains("never") && !unheard.contains(&id));
    let detail = browser.page(&format!("/console/terminal?id={id}")).await;
    assert!(detail.contains("installed") && detail.contains("first installation"), "{detail}");
    let releases = browser.page("/console/releases").await;
    assert!(releases.contains("runs=acme%2Fstable+1\">1</a>"), "{releases}");
}

/// What operators did and what came of it.
#[tokio::test(flavor = "multi_thread")]
async fn rollouts_blocks_and_the_audit_log_are_told() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..50).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    world.publish(&maker, "acme/stable", 2, 0..51).await;
    let mut browser = Browser::new(&world);
    browser.enter(world.token()).await;
    assert!(browser.page("/console").await.contains("Nothing needs anybody"));
    assert_eq!(browser.get("/console/rollout?release=acme%2Fstable%402").await.status(), StatusCode::NOT_FOUND);

    let rings = vec![Ring::percent(100)];
    let start = RolloutStart { at: at("acme/stable", 2), rings, gate: None };
    world.operator.start_rollout(&start).await.unwrap();
    let page = browser.page("/console/rollout?release=acme%2Fstable%402").await;
    assert!(page.contains("running") && page.contains("its soak: ") && page.contains("1 more that run it well"), "{page}");
    terminal.agent.update().await.unwrap();
    let page = browser.page("/console/rollout?release=acme%2Fstable%402").await;
    assert!(page.contains("<dt>Told</dt><dd>1</dd>") && !page.contains("more that run it well"), "{page}");
    world.operator.halt_rollout(&at("acme/stable", 2)).await.unwrap();
    let blocked = Blocked { at: at("acme/stable", 2), words: "hangs on old processors".to_owned() };
    world.operator.block(&blocked).await.unwrap();
    let rollouts = browser.page("/console/rollouts?state=halted").await;
    assert!(rollouts.contains("halted by the operator") && !rollouts.contains("hangs"), "{rollouts}");
    for page in ["/console", "/console/rollouts", "/console/rollout?release=acme%2Fstable%402"] {
        assert!(browser.page(page).await.contains("hangs on old processors"), "{page}");
    }
    let id = world.operator.terminals().await.unwrap().remove(0).terminal;
    let explained = browser.page(&format!("/console/terminal?id={id}")).await;
    assert!(explained.contains("Is what it runs free of blocked releases?") && explained.contains("blocked"), "{explained}");

    let log = browser.page("/console/audit").await;
    assert!(log.contains("holds") && log.contains("release blocked") && log.contains("hangs on old processors"), "{log}");
    let by_terminals = browser.page("/console/audit?who=terminal").await;
    assert!(by_terminals.contains("terminal enrolled") && !by_terminals.contains("hangs on"), "{by_terminals}");
    assert!(browser.page("/console/audit?what=release-blocked").await.contains("hangs on old processors"));
    assert!(browser.page("/console/audit?until=2020-01-01").await.contains("No row is like that."));
    world.sql("UPDATE audit SET detail = '{}' WHERE what = 'release-blocked'").await;
    let log = browser.page("/console/audit").await;
    assert!(!log.contains(">holds<") && log.contains("The log was changed") && log.contains("was changed"), "{log}");
}
