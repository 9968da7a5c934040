//! The test vectors of the two patents that Titer grew from, US 5,835,911 on keeping software current and the one on providing vaccines to
//! terminals, with the real program over HTTP.
//!
//! Their words and ours: a *library* of a vendor is a service, a *version* (VTa) is a channel, a *version number* a release, a *module* a set of
//! signatures (not a file beside them, as in `docs/modules.md`), an *update body* the records that a delta brings; a *product* of an
//! anti-virus maker is a channel, its *pattern* a release.
//! Module M at its version v is written `M.v`: some signatures that no other module has, so a scan of a file with one of them tells whether
//! the module is in force.

mod modules;
mod vaccines;
mod variants;

use crate::fleet::{OPERATOR, Service};
use crate::support::*;
use serde_json::{Value, json};

/// A service, and makers whose folders bear their names.
struct World {
    bench: Bench,
    service: Service,
}

impl World {
    fn new(makers: &[&str]) -> World {
        let bench = Bench::new();
        let service = Service::start(&bench);
        let world = World { bench, service };
        for maker in makers {
            world.bench.expect(0, &format!("maker --dir {maker} init {maker}"));
            world.bench.expect(0, &format!("maker --dir {maker} register --service {} {OPERATOR}", world.service.url));
        }
        world
    }

    /// Compiles `lines` as a release of a channel and publishes it; gives the blob's file name.
    fn publish(&self, channel: &str, release: u64, lines: &str) -> String {
        let maker = channel.split('/').next().unwrap();
        let name = format!("{}-{release}", channel.replace('/', "-"));
        self.bench.file(&format!("{name}.ndb"), lines);
        self.bench.expect(0, &format!("compile {name}.ndb -o {name}.titer --channel {channel} --release {release}"));
        self.bench.expect(0, &format!("maker --dir {maker} release {name}.titer"));
        self.bench.expect(0, &format!("maker --dir {maker} publish --service {}", self.service.url));
        format!("{name}.titer")
    }

    /// Enrols the terminal of the state folder `state` with a product; `options` say what it accepts, and what machine it is.
    fn enrol(&self, state: &str, product: &str, options: &str) {
        let token = self.admin("enrolment-token").out;
        std::fs::create_dir_all(self.bench.path("nothing")).unwrap();
        self.bench.expect(
            0,
            &format!(
                "agent enroll --state {state} --service {} --token {token} --channel {product} --clean-from nothing {options}",
                self.service.url
            ),
        );
    }

    fn admin(&self, line: &str) -> Ran {
        self.bench.expect(0, &format!("admin {line} --service {} {OPERATOR}", self.service.url))
    }

    /// One contact of a terminal with the service; what came of it.
    fn contact(&self, state: &str) -> Value {
        self.bench.expect(0, &format!("agent update --state {state} --json")).json().remove(0)
    }

    /// What a terminal has in force: channels with their releases.
    fn runs(&self, state: &str) -> Vec<(String, u64)> {
        let status = self.bench.expect(0, &format!("agent status --state {state} --json")).json().remove(0);
        releases(&status["channels"])
    }

    /// The terminal's row of the user table.
    fn row(&self, state: &str) -> Value {
        let status = self.bench.expect(0, &format!("agent status --state {state} --json")).json().remove(0);
        let mut rows = self.admin("terminals --json").json();
        rows.retain(|row| row["terminal"] == status["terminal"]);
        assert_eq!(rows.len(), 1, "each terminal has one row");
        rows.remove(0)
    }

    /// A maker tells of a threat of high danger; `cure` is channel and release.
    fn news(&self, maker: &str, threat: &str, cure: Option<(&str, u64)>) {
        let cure = cure.map_or_else(String::new, |(channel, since)| {
            format!("--vaccine 2026-11-12 --channel {channel} --since {since}")
        });
        let url = &self.service.url;
        let news = format!("maker --dir {maker} news {threat} --danger high --discovered 2026-11-10 {cure} --service {url}");
        self.bench.expect(0, &news);
    }
}

/// `[{"channel","release"}]` as pairs.
fn releases(list: &Value) -> Vec<(String, u64)> {
    let pair = |at: &Value| (at["channel"].as_str().unwrap().to_owned(), at["release"].as_u64().unwrap());
    list.as_array().unwrap().iter().map(pair).collect()
}

/// One channel at a release, as `releases` gives it.
fn at(channel: &str, release: u64) -> Vec<(String, u64)> {
    vec![(channel.to_owned(), release)]
}
