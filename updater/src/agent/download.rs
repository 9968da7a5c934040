//! Brings one file of known length and digest onto the disk, going on where an earlier try broke off.
//!
//! ```text
//! <state>/parts/<sha256>    what has come of the file with this digest, from its beginning
//! ```
//!
//! Nothing else is kept, because nothing else is needed: the name says what the whole must be, the length what is there, and the service's
//! entity tag of a file is its digest (`docs/protocol.md`). So a try after a restart asks for `Range: bytes=<length>-`, `If-Range: "<sha256>"`.
//!
//! Nothing of a part is believed before all of it has the digest. What the disk or the network harmed shows then, at the end, and costs one
//! whole download: the part is dropped and everything fetched again, once. Rejected: checking the segments of a blob as they come, by the
//! table at its beginning. It would save a part of that one download, and the table is itself not signed, only the whole is; deltas have none.
//!
//! A service that lies about ranges gets one honest chance: the part is dropped, the lie noted, and the file asked for without a range. The same
//! on a request without a range is the end of it. So there are at most two whole downloads in one update, whatever is answered.
//!
//! What was written is synced every [`SYNC_EVERY`] bytes. A power cut may lose what came since; or leave zeros in its place, which the digest
//! tells.

use crate::agent::state::State;
use crate::agent::{AgentError, random, space};
use crate::disk::DiskError;
use crate::http::{Answer, Client, HttpError, Proof};
use crate::wire::Sha256Hex;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderValue, IF_RANGE, RANGE};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

/// Bytes that a power cut may take of a download.
const SYNC_EVERY: u64 = 8 << 20;
/// Parts that are kept at a time; more are left over from releases that nobody asks for any more.
const PARTS_MAX: usize = 16;

/// A file that is to be had.
pub(crate) struct Wanted<'a> {
    /// Path at the service.
    pub(crate) path: &'a str,
    /// What the whole file must be.
    pub(crate) sha256: Sha256Hex,
    /// Its length in bytes.
    pub(crate) length: u64,
}

/// Told what a download does.
pub(crate) trait Watch: Send {
    /// So many bytes are here from an earlier try.
    fn kept(&mut self, bytes: u64);
    /// So many bytes came over the network.
    fn came(&mut self, bytes: u64);
    /// All that was there is dropped and the download begins anew, for the reason with this code.
    fn restarted(&mut self, code: &'static str);
}

/// A whole file with the digest that was asked for, not yet in its place.
#[must_use = "a file that is neither kept nor discarded stays among the parts"]
pub(crate) struct Whole(PathBuf);

impl Whole {
    pub(crate) fn read(&self, state: &State) -> Result<Vec<u8>, AgentError> {
        Ok(state.disk.read(&self.0)?)
    }

    /// Moves it to `path`, durably. Blocks.
    pub(crate) fn keep(self, state: &State, path: &Path) -> Result<(), AgentError> {
        state.disk.create_dir(path.parent().unwrap_or(state.folder()))?;
        state.disk.sync(&self.0)?;
        Ok(state.disk.rename(&self.0, path)?)
    }

    pub(crate) fn discard(self, state: &State) -> Result<(), AgentError> {
        Ok(state.disk.remove(&self.0)?)
    }
}

/// Whether an earlier update asked for this file, whatever came of it.
pub(crate) fn was_tried(state: &State, sha256: &Sha256Hex) -> bool {
    folder(state).join(sha256.to_string()).exists()
}

/// Removes every part: nothing of what was wanted is missing any more.
pub(crate) fn forget_parts(state: &State) -> Result<(), AgentError> {
    Ok(state.disk.remove(&folder(state))?)
}

/// Fetches what is missing of a file. On error what has come stays for the next try, unless it was seen to be wrong.
///
/// # Errors
/// [`AgentError::Space`] before anything is fetched; [`AgentError::Http`], among it `answer_too_slow`, `answer_too_long` and the codes of
/// [`lie_of`]; [`AgentError::Blob`] when all came and is not the file; [`AgentError::Disk`].
pub(crate) async fn download(
    client: &Client,
    state: &State,
    wanted: &Wanted<'_>,
    watch: &mut dyn Watch,
) -> Result<Whole, AgentError> {
    state.disk.create_dir(&folder(state))?;
    drop_old_parts(state, &wanted.sha256)?;
    let mut part = Part::open(state, wanted).await?;
    watch.kept(part.length);
    let spare = client.network().spare_bytes;
    space::check(&folder(state), wanted.length.saturating_sub(part.length), spare)?;
    let mut restarted = false;
    let mut resumes = 0;
    loop {
        let kept = part.length;
        let error = match part.fill(client, watch).await {
            Ok(()) if part.is_right().await? => return Ok(Whole(part.path)),
            Ok(()) => AgentError::Blob {
                path: wanted.path.to_owned(),
                reason: "its sha256 is not the one it is named by".to_owned(),
            },
            Err(error) => error,
        };
        if let Some(code) = lie_of(&error) {
            part.cut_to(0).await?;
            if kept == 0 || restarted {
                return Err(error);
            }
            tracing::warn!(path = wanted.path, code, "a download begins anew: {error}");
            watch.restarted(code);
            restarted = true;
        } else if is_break(&error) && part.length > kept && resumes < client.network().resumes {
            part.sync().await?;
            tokio::time::sleep(pause(client.network().resume_pause, resumes)).await;
            resumes += 1;
            tracing::info!(path = wanted.path, at = part.length, "a download goes on at byte {}: {error}", part.length);
        } else {
            part.sync().await?;
            return Err(error);
        }
    }
}

/// The code of an answer that cannot belong to what is kept of the file, so that this is not to be trusted either.
fn lie_of(error: &AgentError) -> Option<&'static str> {
    match error {
        AgentError::Http(HttpError::NotThatPart { code, .. }) => Some(code),
        AgentError::Http(HttpError::Refused { status: 416, .. }) => Some("range_not_satisfiable"),
        AgentError::Http(HttpError::TooLong { .. }) => Some("answer_too_long"),
        AgentError::Blob { .. } => Some("part_damaged"),
        _ => None,
    }
}

/// Whether the connection broke off or stalled: another may do better.
fn is_break(error: &AgentError) -> bool {
    matches!(error, AgentError::Http(HttpError::Unreachable { .. } | HttpError::TooSlow { .. }))
}

/// Doubled each time, and up to as much again, so that terminals that were cut off together do not come back together.
fn pause(first: Duration, resumes: u32) -> Duration {
    let pause = first.saturating_mul(1 << resumes.min(10));
    pause + pause.mul_f64(random::fraction())
}

/// The file of a part, open at its end.
struct Part<'a> {
    state: &'a State,
    wanted: &'a Wanted<'a>,
    path: PathBuf,
    file: File,
    length: u64,
    unsynced: u64,
}

impl<'a> Part<'a> {
    async fn open(state: &'a State, wanted: &'a Wanted<'a>) -> Result<Self, AgentError> {
        let path = folder(state).join(wanted.sha256.to_string());
        state.disk.step("open part")?;
        let opened = OpenOptions::new().create(true).append(true).open(&path).await;
        let file = opened.map_err(|e| DiskError::new("open", &path, e))?;
        let length = file.metadata().await.map_err(|e| DiskError::new("open", &path, e))?.len();
        let mut part = Part { state, wanted, path, file, length, unsynced: 0 };
        if length > wanted.length {
            part.cut_to(0).await?;
        }
        Ok(part)
    }

    /// One request for what is missing, and its answer.
    async fn fill(&mut self, client: &Client, watch: &mut dyn Watch) -> Result<(), AgentError> {
        if self.length == self.wanted.length {
            return Ok(());
        }
        let mut headers = Vec::new();
        let tag = format!("\"{}\"", self.wanted.sha256);
        let plain = |text: &str| HeaderValue::from_str(text).expect("digits and quotes are a header's value");
        if self.length > 0 {
            headers.push((RANGE, plain(&format!("bytes={}-", self.length))));
            headers.push((IF_RANGE, plain(&tag)));
        }
        let mut answer = client.ask(self.wanted.path, Proof::None, headers).await?;
        match answer.status() {
            StatusCode::OK => {
                if self.length > 0 {
                    // It does not know ranges, or its file is another. This answer will do as well as one to a second request.
                    watch.restarted("range_ignored");
                    self.cut_to(0).await?;
                }
            }
            StatusCode::PARTIAL_CONTENT if self.length > 0 => self.check(&answer, &tag)?,
            _ => return Err(answer.into_error().await.into()),
        }
        while let Some(piece) = answer.piece().await? {
            watch.came(piece.len() as u64);
            if self.length + piece.len() as u64 > self.wanted.length {
                return Err(HttpError::TooLong { url: answer.url().to_string(), limit: self.wanted.length }.into());
            }
            self.append(&piece).await?;
        }
        if self.length < self.wanted.length {
            let reason = format!("the answer ends at byte {} of {}", self.length, self.wanted.length);
            return Err(HttpError::Unreachable { url: answer.url().to_string(), reason }.into());
        }
        Ok(())
    }

    /// Is this answer the part that was asked for?
    fn check(&self, answer: &Answer, tag: &str) -> Result<(), HttpError> {
        let lie = |code, reason| HttpError::NotThatPart { url: answer.url().to_string(), from: self.length, code, reason };
        let length = self.wanted.length;
        let expected = format!("bytes {}-{}/{length}", self.length, length - 1);
        let range = answer.header(CONTENT_RANGE).unwrap_or("none");
        if range != expected {
            return Err(lie("range_wrong", format!("says that it sends `{range}`, not `{expected}`")));
        }
        match answer.header(ETAG) {
            // Stores that are not ours have tags of other kinds, but would not have sent a part on ours.
            Some(found) if found != tag => Err(lie("etag_changed", format!("sends one of another file, {found}"))),
            _ => Ok(()),
        }
    }

    async fn append(&mut self, piece: &[u8]) -> Result<(), AgentError> {
        self.state.disk.step("write part")?;
        self.file.write_all(piece).await.map_err(|e| DiskError::new("write", &self.path, e))?;
        self.length += piece.len() as u64;
        self.unsynced += piece.len() as u64;
        if self.unsynced >= SYNC_EVERY {
            self.sync().await?;
        }
        Ok(())
    }

    async fn sync(&mut self) -> Result<(), AgentError> {
        let synced = async {
            self.file.flush().await?;
            self.file.sync_data().await
        };
        synced.await.map_err(|e| DiskError::new("sync", &self.path, e))?;
        self.unsynced = 0;
        Ok(())
    }

    async fn cut_to(&mut self, length: u64) -> Result<(), AgentError> {
        let cut = async {
            self.file.flush().await?;
            self.file.set_len(length).await
        };
        cut.await.map_err(|e| DiskError::new("cut", &self.path, e))?;
        self.length = length;
        Ok(())
    }

    async fn is_right(&mut self) -> Result<bool, AgentError> {
        self.sync().await?;
        let (path, expected) = (self.path.clone(), self.wanted.sha256);
        let found =
            tokio::task::spawn_blocking(move || Sha256Hex::of_file(&path).map_err(|e| DiskError::new("read", &path, e)));
        Ok(found.await?? == expected)
    }
}

fn folder(state: &State) -> PathBuf {
    state.folder().join("parts")
}

/// Keeps the number of parts bounded whatever is assigned: the oldest go.
fn drop_old_parts(state: &State, but: &Sha256Hex) -> Result<(), AgentError> {
    let folder = folder(state);
    let names = state.disk.names(&folder)?.into_iter().filter(|name| *name != but.to_string());
    let changed = |name: &String| std::fs::metadata(folder.join(name)).and_then(|found| found.modified()).ok();
    let mut parts = names.map(|name| (changed(&name), name)).collect::<Vec<_>>();
    parts.sort();
    let surplus = (parts.len() + 1).saturating_sub(PARTS_MAX);
    for (_, name) in &parts[..surplus] {
        state.disk.remove(&folder.join(name))?;
    }
    Ok(())
}
