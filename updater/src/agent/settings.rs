//! What the owner of a terminal decides: `<state>/agent.toml`, all of it optional.
//!
//! A file that cannot be understood, also by a key that is not known, stops updates with `settings_malformed` and nothing
//! else: a mistyped window must not become "at any time". Scans and the way back to an earlier generation do not read it.

use crate::agent::AgentError;
use crate::agent::window::Window;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// Name of the file in the state folder.
pub const SETTINGS_FILE: &str = "agent.toml";

/// Who puts a new generation in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// The agent, as soon as it is tested and the window is open.
    #[default]
    Auto,
    /// A person: it is tested and waits for [`Agent::apply`](crate::Agent::apply) or
    /// [`Agent::decline`](crate::Agent::decline).
    Ask,
}

/// What a scan does when signatures are too old and could not be brought up to date before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenStale {
    /// Goes on without a word.
    Continue,
    /// Says so and goes on.
    #[default]
    Warn,
    /// Does not scan.
    Block,
}

/// What may cause an update; each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person or a program asked for it.
    Command,
    /// The agent's own clock, or the system's timer.
    Timer,
    /// A scan is about to begin.
    Scan,
}

impl Trigger {
    /// Its name in the settings.
    pub fn code(self) -> &'static str {
        match self {
            Trigger::Command => "command",
            Trigger::Timer => "timer",
            Trigger::Scan => "scan",
        }
    }
}

/// Which triggers are on, and how often the clock is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Triggers {
    /// `titer agent update` asks the service. Default: true.
    pub command: bool,
    /// `titer agent run` asks the service from time to time. Default: true.
    pub timer: bool,
    /// `titer agent run` listens for the service's hints that something may have changed, and asks then. Needs `timer`. Default: true:
    /// what is new arrives within a minute and not within an interval, for one connection on which next to nothing is sent.
    pub watch: bool,
    /// `titer scan` asks the service before it scans. Default: false.
    pub scan: bool,
    /// Minutes between two questions of the timer, 1 to 10,080. Default: as the service names, else 10.
    pub interval_minutes: Option<u64>,
    /// Seconds that a scan waits for its update, 1 to 3,600. Default: 10.
    pub scan_wait_seconds: u64,
    /// Hours since the service was last heard of, after which what is installed counts as stale. Default: 48.
    pub stale_hours: u64,
    /// What a scan does then. Default: warn.
    pub when_stale: WhenStale,
}

impl Default for Triggers {
    fn default() -> Self {
        Triggers {
            command: true,
            timer: true,
            watch: true,
            scan: false,
            interval_minutes: None,
            scan_wait_seconds: 10,
            stale_hours: 48,
            when_stale: WhenStale::Warn,
        }
    }
}

/// What a self-test may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelfTestLimits {
    /// Longest time. Default: 60.
    pub seconds: u64,
    /// Memory beyond twice the length of the database. Default: 768.
    pub memory_mib: u64,
}

impl Default for SelfTestLimits {
    fn default() -> Self {
        SelfTestLimits { seconds: 60, memory_mib: 768 }
    }
}

/// How long a new generation is watched, and what ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Probation {
    /// It is over after so many hours. 0: no generation is watched. Default: 24.
    pub hours: u64,
    /// Or after so many scans that ended well. Default: 50.
    pub scans: u64,
    /// So many scans that did not end take the generation out of force. Default: 3.
    pub crashes: u64,
}

impl Default for Probation {
    fn default() -> Self {
        Probation { hours: 24, scans: 50, crashes: 3 }
    }
}

/// What is taken of files that came without the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bundles {
    /// Days by which the service's short-lived metadata (timestamp, snapshot) may have expired. Default: 7.
    pub grace_days: u64,
}

impl Default for Bundles {
    fn default() -> Self {
        Bundles { grace_days: 7 }
    }
}

/// How the service is reached, by whatever asks it: commands, the daemon, scans.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Connection {
    /// Proxy, as of [`Network::proxy`](crate::Network::proxy). Default: as the environment says.
    pub proxy: Option<Url>,
    /// Certificates that vouch for the service, as of [`Network::ca_file`](crate::Network::ca_file); a path that is not absolute begins in the
    /// state folder. Default: the system's.
    pub ca: Option<PathBuf>,
}

/// The settings of a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Earlier generations that are kept besides the one in force, 1 to 100. Default: 2.
    pub keep: u64,
    /// Who puts a new generation in force. Default: `auto`.
    pub consent: Consent,
    /// When a new generation may be put in force by the agent itself: `"22:00-06:00"`, local time. Default: at any time.
    pub window: Option<Window>,
    /// Whether what the service calls urgent is put in force outside the window. Default: false.
    pub urgent: bool,
    /// What causes an update.
    pub triggers: Triggers,
    /// What a self-test may use.
    pub self_test: SelfTestLimits,
    /// How a new generation is watched.
    pub probation: Probation,
    /// What is taken of bundles.
    pub bundle: Bundles,
    /// How the service is reached.
    pub network: Connection,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            keep: 2,
            consent: Consent::Auto,
            window: None,
            urgent: false,
            triggers: Triggers::default(),
            self_test: SelfTestLimits::default(),
            probation: Probation::default(),
            bundle: Bundles::default(),
            network: Connection::default(),
        }
    }
}

impl Settings {
    /// The settings in a state folder; the defaults when there is no file.
    ///
    /// # Errors
    /// [`AgentError::Settings`] when the file cannot be understood, [`AgentError::Disk`] when it cannot be read.
    pub fn load(state_dir: &Path) -> Result<Settings, AgentError> {
        let path = state_dir.join(SETTINGS_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Settings::default()),
            Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
                return Err(AgentError::settings(&path, "it is not UTF-8"));
            }
            Err(e) => return Err(crate::disk::DiskError::new("read", &path, e).into()),
        };
        let settings: Settings = toml::from_str(&text).map_err(|e| AgentError::settings(&path, e.to_string().trim_end()))?;
        settings.check().map_err(|reason| AgentError::settings(&path, reason))?;
        Ok(settings)
    }

    /// Whether `trigger` is on.
    pub fn allows(&self, trigger: Trigger) -> bool {
        match trigger {
            Trigger::Command => self.triggers.command,
            Trigger::Timer => self.triggers.timer,
            Trigger::Scan => self.triggers.scan,
        }
    }

    /// Time between two questions of the timer, where the owner says.
    pub fn interval(&self) -> Option<Duration> {
        self.triggers.interval_minutes.map(Duration::from_mins)
    }

    /// Ranges, so that no later arithmetic can overflow and no value means "never" by accident.
    fn check(&self) -> Result<(), String> {
        let ranges = [
            ("keep", self.keep, 1, 100),
            ("triggers.interval_minutes", self.triggers.interval_minutes.unwrap_or(1), 1, 10_080),
            ("triggers.scan_wait_seconds", self.triggers.scan_wait_seconds, 1, 3_600),
            ("triggers.stale_hours", self.triggers.stale_hours, 1, 87_600),
            ("self_test.seconds", self.self_test.seconds, 1, 3_600),
            ("self_test.memory_mib", self.self_test.memory_mib, 1, 1 << 20),
            ("probation.hours", self.probation.hours, 0, 87_600),
            ("probation.scans", self.probation.scans, 1, 1 << 32),
            ("probation.crashes", self.probation.crashes, 1, 1_000),
            ("bundle.grace_days", self.bundle.grace_days, 0, 365),
        ];
        let wrong = ranges.into_iter().find(|(_, value, min, max)| !(min..=max).contains(&value));
        wrong.map_or(Ok(()), |(key, value, min, max)| Err(format!("`{key}` is {value}, allowed are {min} to {max}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Settings, AgentError> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(SETTINGS_FILE), text).unwrap();
        Settings::load(dir.path())
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        assert_eq!(Settings::load(Path::new("no such folder")).unwrap(), Settings::default());
        assert_eq!(load("").unwrap(), Settings::default());
        let settings = load("keep = 5\nconsent = \"ask\"\n[triggers]\ncommand = false\n").unwrap();
        assert_eq!((settings.keep, settings.consent, settings.triggers.timer), (5, Consent::Ask, true));
        assert!(!settings.allows(Trigger::Command) && settings.allows(Trigger::Timer) && !settings.allows(Trigger::Scan));
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for text in [
            "keep = 0",
            "keep = -1",
            "keep = \"two\"",
            "kep = 2",
            "[triggers]\ninterval_minutes = 0",
            "[triggers]\nwhen_stale = \"panic\"",
            "window = \"22-6\"",
            "[self_test]\nseconds = 9999999999999999999999",
            "\u{0}",
            "= = =",
        ] {
            assert_eq!(load(text).unwrap_err().code(), "settings_malformed", "{text}");
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(SETTINGS_FILE), b"keep = \xff").unwrap();
        assert_eq!(Settings::load(dir.path()).unwrap_err().code(), "settings_malformed");
    }
}
