//! Running the binary.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use tempfile::TempDir;

/// A temporary folder to run in, with nothing installed.
pub(crate) struct Bench {
    folder: TempDir,
}

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Standard output as JSON lines.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("each line is a JSON object")).collect()
    }

    /// The JSON lines of one type.
    pub(crate) fn json_of(&self, kind: &str) -> Vec<Value> {
        self.json().into_iter().filter(|object| object["type"] == kind).collect()
    }
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The binary, in this folder, with an empty home.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_titer"));
        command.current_dir(self.folder.path()).env("HOME", self.folder.path().join("home"));
        let variables =
            ["TITER_STATE", "XDG_STATE_HOME", "SOURCE_DATE_EPOCH", "TITER_SERVICE", "TITER_OPERATOR_TOKEN", "TITER_LOG"];
        for variable in variables {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the binary with `args`, split at spaces.
    pub(crate) fn titer(&self, args: &str) -> Ran {
        ran(self.command().args(args.split_whitespace()).output().unwrap())
    }

    /// Runs the binary and expects it to end with `code`.
    pub(crate) fn expect(&self, code: i32, args: &str) -> Ran {
        let ran = self.titer(args);
        assert_eq!(ran.code, code, "titer {args}\n{}{}", ran.out, ran.err);
        ran
    }
}

pub(crate) fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().expect("ends by itself"),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// The EICAR test file, put together so that no scanner takes this program for it.
pub(crate) fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR", "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].join("").into_bytes()
}

pub(crate) fn corpus(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(file)
}

/// Sends a process a signal, by its name without `SIG`.
pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
}
