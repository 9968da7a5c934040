//! `titer`: scans files for malware signatures, and keeps the signatures of many terminals current.
//!
//! Everything here is glue: flags, colours, progress and exit codes. Matching is `engine`'s, compiling `patternc`'s, distributing
//! `updater`'s.
#![forbid(unsafe_code)]

mod args;
mod artefact;
mod commands;
mod engine_adapter;
mod exit;
mod output;
mod planted;
mod progress;
mod sources;
mod starter;

use args::{Args, Command, LogFormat};
use clap::Parser;
use exit::Exit;
use output::remark;
use std::env::{self, VarError};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let args = Args::parse();
    log(&args.command);
    let json = args.command.is_json();
    match run(args) {
        Ok(exit) => exit.into(),
        Err(error) if output::is_closed_pipe(&error) => Exit::Fine.into(),
        Err(error) => {
            if json {
                output::say_fatal(&error);
            }
            output::print_error(&error);
            Exit::Failed.into()
        }
    }
}

/// Logs to standard error what `$TITER_LOG` asks for. By default a service tells of warnings and of what comes into its audit log, everything
/// else of what goes wrong in the background.
fn log(command: &Command) {
    let (usual, format) = match command {
        Command::Serve(args) => ("warn,audit=info", args.log_format),
        _ => ("error", LogFormat::Text),
    };
    let filter = match env::var("TITER_LOG") {
        Ok(asked) => EnvFilter::try_new(&asked).map_err(|e| format!("$TITER_LOG is `{asked}`: {e}")),
        Err(VarError::NotPresent) => Ok(usual.into()),
        Err(VarError::NotUnicode(_)) => Err("$TITER_LOG is not text".to_owned()),
    };
    let filter = filter.unwrap_or_else(|wrong| {
        remark!("{wrong}; what is usual is logged");
        usual.into()
    });
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}

fn run(args: Args) -> anyhow::Result<Exit> {
    match args.command {
        Command::Scan(args) => commands::scan::run(&args),
        Command::Compile(args) => commands::compile::run(&args),
        Command::Link(args) => commands::link::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Sig(args) => commands::sig::run(&args),
        Command::Model(args) => commands::model::run(&args),
        Command::Verify(args) => commands::verify::run(&args),
        Command::Diff(args) => commands::delta::diff(&args),
        Command::Patch(args) => commands::delta::patch(&args),
        Command::Serve(args) => commands::serve::run(&args),
        Command::Maker(args) => commands::maker::run(&args),
        Command::Root(args) => commands::root::run(&args),
        Command::Admin(args) => commands::admin::run(&args),
        Command::Agent(args) => commands::agent::run(&args),
        Command::Bundle(args) => commands::bundle::run(&args),
        Command::Demo(args) => commands::demo::run(&args),
    }
}
