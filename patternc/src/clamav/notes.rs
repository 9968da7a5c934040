//! Lines that are checked and have no effect: `.info` and `.cfg`.

use super::{digits, hash};
use crate::diagnostic::{Code, Fault, quote};

/// A file that a container says it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedFile {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) sha256: [u8; 32],
}

/// Reads a line of an `.info` file: the header of the container, `name:size:sha256`, or the digital signature of what stands
/// above it. `None` for those that list no file.
pub(crate) fn info(line: &str) -> Result<Option<ListedFile>, Fault> {
    if line.starts_with("ClamAV-VDB:") || line.starts_with("DSIG:") {
        return Ok(None);
    }
    let invalid = || {
        let message = format!("{} is not `name:size:sha256`, `DSIG:` or the header of a container", quote(line));
        Fault::new(Code::InfoInvalid, message)
    };
    let [name, size, sha256] = line.split(':').collect::<Vec<_>>()[..] else { return Err(invalid()) };
    let size = digits(size).filter(|_| !size.is_empty());
    let sha256 = (sha256.len() == 64).then(|| hash::hex_bytes(sha256).ok()).flatten();
    match (size, sha256) {
        (Some(size), Some(sha256)) if !name.is_empty() => Ok(Some(ListedFile { name: name.to_owned(), size, sha256 })),
        _ => Err(invalid()),
    }
}

/// Checks a line of a `.cfg` file: `part:0xmask:least:most`, which switches parts of clamscan on for some of its levels.
pub(super) fn cfg(line: &str) -> Result<(), Fault> {
    let fields: Vec<&str> = line.split(':').collect();
    let is_number = |text: &str| !text.is_empty() && digits(text).is_some();
    let is_mask = |text: &str| {
        text.strip_prefix("0x").is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let is_valid = match fields[..] {
        [part, mask, least, most] => !part.is_empty() && is_mask(mask) && is_number(least) && is_number(most),
        _ => false,
    };
    if is_valid {
        return Ok(());
    }
    Err(Fault::new(Code::CfgInvalid, format!("{} is not `part:0xmask:least:most`", quote(line))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_files() {
        let sha256 = "ab".repeat(32);
        let listed = ListedFile { name: "a.ndb".into(), size: 17, sha256: [0xab; 32] };
        assert_eq!(info(&format!("a.ndb:17:{sha256}")), Ok(Some(listed)));
        assert_eq!(info("ClamAV-VDB:16 Nov 2012 14-15 -0500:202:40:63:X:X:neo:1353093303"), Ok(None));
        assert_eq!(info("DSIG:abc"), Ok(None));
        for wrong in ["", "a.ndb", "a.ndb:17:ab", ":17:00", &format!("a.ndb::{sha256}"), &format!("a.ndb:x:{sha256}")] {
            assert_eq!(info(wrong).unwrap_err().code, Code::InfoInvalid, "{wrong}");
        }
    }

    #[test]
    fn switches() {
        assert_eq!(cfg("PE:0xb4ff:13:23"), Ok(()));
        for wrong in ["garbage", "PE:zzz:13:23", "PE:0x:13:23", "PE:0xff", "PE:0xff::", ":0xff:1:2", "PE:0xff:1:2:3"] {
            assert_eq!(cfg(wrong).unwrap_err().code, Code::CfgInvalid, "{wrong}");
        }
    }
}
