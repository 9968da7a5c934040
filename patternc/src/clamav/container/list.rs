//! The list of members: the member that ends in `.info`.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::signature::{Part, PublicKey, SignatureError};
use super::{ContainerError, Header};
use crate::clamav::notes::{self, ListedFile};
use crate::clamav::{is_comment, is_licence};

/// What a container says of its members: a copy of the header, then `name:size:sha256` for each, then `DSIG:signature`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    files: Vec<ListedFile>,
    /// SHA-256 of what stands above the signature.
    sha256: [u8; 32],
    signature: Option<String>,
}

impl List {
    /// Checks the digital signature of the list: of the members' names, sizes and SHA-256s, and of the version, time, level and number
    /// of signatures in the header.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        let of = Part::List;
        let signature = self.signature.as_ref().ok_or(SignatureError::Absent { of })?;
        if key.signed_sha256(&self.sha256, signature) { Ok(()) } else { Err(SignatureError::Failed { of }) }
    }

    /// Whether a member of this name is the list of members.
    pub(super) fn is_named(name: &str) -> bool {
        name.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("info"))
    }

    /// Reads the list of the container that has this header.
    pub(super) fn parse(bytes: &[u8], header: &Header) -> Result<List, ContainerError> {
        let fault = |what: &str| ContainerError::Info(what.to_owned());
        let text = str::from_utf8(bytes).map_err(|_| fault("it is not UTF-8"))?;
        let (signed, signature) = split(text);
        // What stands below a signature is not under it.
        if signature.is_some_and(|line| line.trim_end_matches(['\r', '\n']).contains('\n')) {
            return Err(fault("something follows its signature"));
        }
        let mut lines = signed.lines().filter(|line| !is_comment(line.as_bytes()));
        let copy = lines.next().and_then(|line| Header::parse(line.as_bytes()).ok());
        if !copy.is_some_and(|copy| copy.is_release_of(header)) {
            return Err(fault("it does not begin with the version, level, time and number of signatures of the container"));
        }
        let listed = lines.map(|line| notes::info(line.trim_end_matches('\r'))).filter_map(Result::transpose);
        let files = listed.collect::<Result<Vec<_>, _>>().map_err(|fault| ContainerError::Info(fault.message))?;
        let signature = signature.map(|line| line.trim_end().to_owned());
        Ok(List { files, sha256: Sha256::digest(signed).into(), signature })
    }

    /// Checks the members that were found against the list. One that is listed and missing is no fault for clamscan either.
    pub(super) fn check(&self, found: &[ListedFile]) -> Result<(), ContainerError> {
        let fault = |what: String| Err(ContainerError::Info(what));
        if self.files.is_empty() {
            return fault("it is empty".to_owned());
        }
        let needs_listing = |name: &str| !List::is_named(name) && !is_licence(name);
        // Each member, and whether it need not be listed any more.
        let mut members: BTreeMap<&str, (&ListedFile, bool)> =
            found.iter().map(|member| (member.name.as_str(), (member, !needs_listing(&member.name)))).collect();
        for listed in &self.files {
            let Some((member, settled)) = members.get_mut(listed.name.as_str()) else { continue };
            if listed != *member {
                return fault(format!("`{}` is of another size or SHA-256", member.name));
            }
            *settled = true;
        }
        match members.iter().find(|(_, (_, settled))| !settled) {
            Some((name, _)) => fault(format!("it does not list `{name}`")),
            None => Ok(()),
        }
    }
}

/// What stands above the first line that begins with `DSIG:`, and what follows these letters.
fn split(text: &str) -> (&str, Option<&str>) {
    const MARK: &str = "DSIG:";
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    let at = starts.into_iter().find(|at| text[*at..].starts_with(MARK));
    at.map_or((text, None), |at| (&text[..at], Some(&text[at + MARK.len()..])))
}
