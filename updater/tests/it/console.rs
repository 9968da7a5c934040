//! The console: who gets in, what every answer says of itself, and that what others wrote stays text.

use crate::support::{World, at, tables};
use jiff::civil::date;
use reqwest::header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use updater::wire::{Danger, Designation, ThreatNews, Vaccine};

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
}

impl Browser<'_> {
    fn new(world: &World) -> Browser<'_> {
        let client = Client::builder().no_proxy().tls_certs_only([]).redirect(Policy::none()).build().unwrap();
        Browser { world, client, cookies: String::new() }
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
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.finish());
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
    tables.close().await;
    (world, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_text_on_every_page() {
    let (world, id) = hostile_world().await;
    let mut browser = Browser::new(&world);
    browser.enter(world.token()).await;
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut pages: Vec<String> = ["", "/threats", "/threats?by=threat&sort=danger", "/coverage", "/coverage?danger=low"]
        .into_iter()
        .chain(["/terminals", "/terminals?sort=contact", "/terminals?lag=current", "/releases", "/faults"])
        .map(|page| format!("/console{page}"))
        .collect();
    pages.push(format!("/console/terminal?id={id}"));
    for text in HOSTILE {
        let text = encoded(text);
        pages.push(format!("/console/coverage?threat={text}"));
        pages.push(format!("/console/faults?code={text}&step={text}"));
        for page in ["threats?q", "coverage?q", "terminals?q", "terminals?runs", "threats?sort", "sign-in?next"] {
            pages.push(format!("/console/{page}={text}"));
        }
    }
    for path in &pages {
        let page = browser.page(path).await;
        for (element, attributes) in elements(&page) {
            assert!(ELEMENTS.contains(&element), "{path} has <{element}>: {page}");
            for (name, value) in attributes {
                assert!(ATTRIBUTES.contains(&name), "{path} has {name} in <{element}>: {page}");
                let inside = value.starts_with("/console") || value.starts_with('#');
                assert!(inside || !["href", "action"].contains(&name), "{path} leads to {value}");
            }
        }
        for unseen in ['\u{202e}', '\u{202c}', '\u{200b}', '\u{feff}', '\u{7}', '\u{1b}'] {
            // In a form, what was typed is given back as it was; elsewhere it is written out.
            assert!(path.contains('?') || !page.contains(unseen), "{path} has {unseen:?}");
        }
        assert_eq!(page.matches("</html>").count(), 1, "{path}");
    }
    let overview = browser.page("/console/threats").await;
    assert!(overview.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "names are shown, not dropped");
    assert!(overview.contains("missed"), "a day that passed without a cure is told");

    for (path, status) in
        [("/console/terminal?id=none", 404), ("/console/coverage?threat=none", 404), ("/console/terminals?after=x", 400)]
    {
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
