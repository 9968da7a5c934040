//! Exit codes, as scanners have taught people.

use std::process::ExitCode;

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: clean, done.
    Fine,
    /// 1: something was found; for `compile`, a line was refused.
    Found,
    /// 2: failed, or not everything could be scanned.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        match exit {
            Exit::Fine => ExitCode::SUCCESS,
            Exit::Found => ExitCode::from(1),
            Exit::Failed => ExitCode::from(2),
        }
    }
}
