//! The command line of what releases have besides their blobs, and of what a service keeps.

use clap::{Args as ClapArgs, Subcommand};
use std::path::{Path, PathBuf};
use updater::Channel;
use updater::maker::{ModuleChange, NewModule, module_name_of};
use updater::wire::{ModuleKind, ModuleName, Platform};

/// Changes of a release's modules.
#[derive(Debug, ClapArgs)]
pub(crate) struct ModuleArgs {
    /// File for people, such as a licence or a list of changes; may be repeated [default name: that of the file, in lower case]
    #[arg(long, value_name = "[NAME=]FILE", value_parser = module_file)]
    pub(crate) document: Vec<ModuleFile>,
    /// File in which terminals must find something before they put the release in force; may be repeated
    #[arg(long, value_name = "[NAME=]FILE", value_parser = module_file)]
    pub(crate) samples: Vec<ModuleFile>,
    /// Package of the scanner for a platform, such as linux/x86_64=scanner.tar.zst; it is delivered and never run; may be repeated
    #[arg(long, value_name = "OS/ARCH=[NAME=]FILE", value_parser = engine_file)]
    pub(crate) engine: Vec<(Platform, ModuleFile)>,
    /// Module that the release before had and this one has not, such as document/old.txt; may be repeated
    #[arg(long, value_name = "KIND/NAME", value_parser = kind_and_name)]
    pub(crate) remove_module: Vec<(ModuleKind, ModuleName)>,
}

/// A file and the name that it has as a module.
#[derive(Clone, Debug)]
pub(crate) struct ModuleFile {
    name: ModuleName,
    path: PathBuf,
}

impl ModuleArgs {
    /// The same as the maker's folder understands it.
    pub(crate) fn change(&self) -> ModuleChange {
        let new = |file: &ModuleFile, kind, platform| NewModule {
            path: file.path.clone(),
            name: file.name.clone(),
            kind,
            platform,
        };
        let documents = self.document.iter().map(|file| new(file, ModuleKind::Document, None));
        let samples = self.samples.iter().map(|file| new(file, ModuleKind::Samples, None));
        let engines = self.engine.iter().map(|(platform, file)| new(file, ModuleKind::Engine, Some(platform.clone())));
        ModuleChange { add: documents.chain(samples).chain(engines).collect(), remove: self.remove_module.clone() }
    }
}

/// `NAME=FILE`, or a file that gives its name. What stands before the first `=` and is no name belongs to the path: `./a=b`.
fn module_file(text: &str) -> Result<ModuleFile, String> {
    if let Some((name, path)) = text.split_once('=')
        && let Ok(name) = name.parse()
    {
        return Ok(ModuleFile { name, path: path.into() });
    }
    let no_name = || "the file's name is none for a module; write NAME=FILE, with a name of a-z 0-9 . _ -".to_owned();
    let name = module_name_of(Path::new(text)).ok_or_else(no_name)?;
    Ok(ModuleFile { name, path: text.into() })
}

fn engine_file(text: &str) -> Result<(Platform, ModuleFile), String> {
    let (platform, file) = text.split_once('=').ok_or("write OS/ARCH=FILE, such as linux/x86_64=scanner.tar.zst")?;
    Ok((platform.parse::<Platform>().map_err(|e| e.to_string())?, module_file(file)?))
}

fn kind_and_name(text: &str) -> Result<(ModuleKind, ModuleName), String> {
    let (kind, name) = text.split_once('/').ok_or("write KIND/NAME, such as document/old.txt")?;
    let kind = kind.parse::<ModuleKind>().map_err(|e| e.to_string())?;
    Ok((kind, name.parse::<ModuleName>().map_err(|e| e.to_string())?))
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeptCommand {
    /// Show every release that was ever published, withdrawn ones too.
    List {
        /// Only those of this channel
        #[arg(value_name = "MAKER/NAME")]
        channel: Option<Channel>,
    },
    /// Write the blob of a release, to the byte as it was published.
    Export {
        /// Its channel
        #[arg(value_name = "MAKER/NAME")]
        channel: Channel,
        /// Its number
        #[arg(value_name = "N")]
        release: u64,
        /// Blob to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_or_name_themselves() {
        let read = |text| module_file(text).map(|file| (file.name.to_string(), file.path.display().to_string())).ok();
        let pair = |name: &str, path: &str| Some((name.to_owned(), path.to_owned()));
        assert_eq!(read("docs/LICENSE"), pair("license", "docs/LICENSE"));
        assert_eq!(read("changes=docs/v7.txt"), pair("changes", "docs/v7.txt"));
        assert_eq!(read("./a=b"), None, "`a=b` is no name");
        assert_eq!(read("x=./a=b"), pair("x", "./a=b"));
        assert_eq!(read("docs/größe"), None);
        let (platform, file) = engine_file("linux/x86_64=dist/scan.tar").unwrap();
        assert_eq!((platform.to_string(), file.name.to_string()), ("linux/x86_64".to_owned(), "scan.tar".to_owned()));
        assert!(engine_file("scan.tar").is_err() && engine_file("linux=scan.tar").is_err());
        assert_eq!(kind_and_name("samples/a.bin").unwrap().0, ModuleKind::Samples);
        assert!(kind_and_name("script/a").is_err() && kind_and_name("a").is_err());
    }
}
