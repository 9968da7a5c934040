//! Paths in JSON: text where they are, else their bytes as `{"hex":"…"}`, as a folder may have any name and JSON is text.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::{Path, PathBuf};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form<'a> {
    #[serde(borrow)]
    Text(std::borrow::Cow<'a, str>),
    Bytes {
        hex: String,
    },
}

pub(crate) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    let form = match path.to_str() {
        Some(text) => Form::Text(text.into()),
        None => Form::Bytes { hex: hex::encode(path.as_os_str().as_encoded_bytes()) },
    };
    form.serialize(to)
}

pub(crate) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<PathBuf, D::Error> {
    match Form::deserialize(from)? {
        Form::Text(text) => Ok(text.into_owned().into()),
        Form::Bytes { hex } => {
            let bytes = hex::decode(hex).map_err(D::Error::custom)?;
            #[cfg(unix)]
            return Ok(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes).into());
            #[cfg(not(unix))]
            Err(D::Error::custom(format!(
                "a path of {} bytes that are no text, which this system does not have",
                bytes.len()
            )))
        }
    }
}

/// The same for a path that may be missing.
pub(crate) mod option {
    use super::{Deserialize, Deserializer, PathBuf, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Named(#[serde(with = "super")] PathBuf);

    #[allow(clippy::ref_option, reason = "serde hands the field over as it is")]
    pub(crate) fn serialize<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
        path.clone().map(Named).serialize(to)
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Named>::deserialize(from)?.map(|Named(path)| path))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::agent::{CleanFile, Status};
    use crate::wire::Sha256Hex;

    #[test]
    fn any_path_travels_and_text_stays_text() {
        for (bytes, text) in [(&b"/bin/sh"[..], r#""/bin/sh""#), (b"/x\xff", r#"{"hex":"2f78ff"}"#)] {
            let path = PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes.to_vec()));
            let file = CleanFile { path: path.clone(), sha256: Sha256Hex::of(b"") };
            let json = serde_json::to_string(&file).unwrap();
            assert!(json.contains(&format!(r#""path":{text}"#)), "{json}");
            assert_eq!(serde_json::from_str::<CleanFile>(&json).unwrap(), file);

            let dir = tempfile::tempdir().unwrap();
            let status = Status { database: Some(path), ..crate::agent::status(dir.path()).unwrap() };
            let json = serde_json::to_value(&status).unwrap();
            assert_eq!(json["database"].to_string(), text);
            assert_eq!(serde_json::from_value::<Status>(json).unwrap(), status);
        }
    }
}
