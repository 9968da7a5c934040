//! The time of day in which a new generation may be put in force.
//!
//! Only the wall clock's time of day is asked, never a difference of instants: that is what people mean by "from ten to
//! six", and it needs no rule for the days on which an hour is left out or comes twice.

use jiff::Zoned;
use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A time of day, from its first minute to before its last; over midnight when it ends before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    from: Time,
    until: Time,
}

/// A window that does not have its form.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no time of day such as \"22:00-06:00\"")]
pub struct WindowError(String);

impl Window {
    /// Whether it is open at `now`, by the clock that hangs there.
    ///
    /// Where the clock is put forward, a window within the hour that is left out does not open that day; where it is put
    /// back, a window within the hour that comes twice opens twice.
    pub fn is_open(&self, now: &Zoned) -> bool {
        let time = now.time();
        if self.from < self.until { self.from <= time && time < self.until } else { self.from <= time || time < self.until }
    }
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let malformed = || WindowError(text.to_owned());
        let (from, until) = text.split_once('-').ok_or_else(malformed)?;
        let (from, until) = (time(from).ok_or_else(malformed)?, time(until).ok_or_else(malformed)?);
        // One that is always or never open is a slip of the pen.
        if from == until { Err(malformed()) } else { Ok(Window { from, until }) }
    }
}

/// `HH:MM`, nothing else: a parser for more would also take what was meant otherwise.
fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |digits: &str| -> Option<i8> {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok())?
    };
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

impl TryFrom<String> for Window {
    type Error = WindowError;

    fn try_from(text: String) -> Result<Self, WindowError> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> String {
        window.to_string()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, until] = [self.from, self.until].map(|time| (time.hour(), time.minute()));
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.0, from.1, until.0, until.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    fn at(timestamp: &str, zone: &str) -> Zoned {
        timestamp.parse::<Timestamp>().unwrap().to_zoned(TimeZone::posix(zone).unwrap())
    }

    #[test]
    fn a_window_may_go_over_midnight() {
        let night: Window = "22:00-06:00".parse().unwrap();
        let noon: Window = "11:30-12:30".parse().unwrap();
        for (time, in_night, at_noon) in [
            ("21:59", false, false),
            ("22:00", true, false),
            ("23:59", true, false),
            ("00:00", true, false),
            ("05:59", true, false),
            ("06:00", false, false),
            ("11:30", false, true),
            ("12:30", false, false),
        ] {
            let now = at(&format!("2026-11-22T{time}:00Z"), "UTC0");
            assert_eq!((night.is_open(&now), noon.is_open(&now)), (in_night, at_noon), "{time}");
        }
    }

    /// Central Europe: 02:00 becomes 03:00 on the 29th of March, 03:00 becomes 02:00 on the 25th of October, both at 01:00 UTC.
    #[test]
    fn the_hour_that_is_left_out_and_the_one_that_comes_twice() {
        let zone = "CET-1CEST,M3.5.0,M10.5.0/3";
        let window: Window = "02:15-02:45".parse().unwrap();
        let open = |timestamp: &str| window.is_open(&at(timestamp, zone));
        assert!(open("2026-03-28T01:30:00Z"));
        assert!(!open("2026-03-29T00:59:59Z") && !open("2026-03-29T01:30:00Z"), "there is no 02:30 that day");
        assert!(open("2026-10-25T00:30:00Z") && open("2026-10-25T01:30:00Z"), "there are two");
        let night: Window = "22:00-06:00".parse().unwrap();
        for timestamp in ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
            assert!(night.is_open(&at(timestamp, zone)), "{timestamp}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in
            ["", "-", "22:00", "22:00-22:00", "24:00-06:00", "22:60-06:00", "2:00-6:00", "22:00-06:00-07:00", "+1:00-06:00"]
        {
            text.parse::<Window>().unwrap_err();
        }
        assert_eq!("09:05-17:00".parse::<Window>().unwrap().to_string(), "09:05-17:00");
    }
}
