//! The director's keys, in a member of root that other readers pass by.
//!
//! ```text
//! "titer": { "director": { "threshold": 1, "keys": ["<hex>", …] } }
//! ```
//!
//! The director says which of the makers' releases a terminal shall run, and signs nothing that TUF knows of. Rejected: a root of its own, as
//! in Uptane: a second ceremony and a second pin in every enrolment token, while whoever has this root could name any director anyway.
//! Rejected: a fifth entry in `roles`, which other readers refuse.

use super::TufError;
use crate::keys::PublicKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::num::NonZeroU64;
use tough::schema::Root;

const MEMBER: &str = "titer";
const DIRECTOR: &str = "director";
/// Keys that the director may have.
const KEYS_MAX: usize = 16;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Listed {
    threshold: NonZeroU64,
    keys: Vec<PublicKey>,
}

/// Keys of the director, in the order listed, and how many must sign; none and 0 when root names no director.
pub(crate) fn director_keys(root: &Root) -> (Vec<PublicKey>, u64) {
    match listed(root) {
        Ok(Some(Listed { threshold, keys })) => (keys, threshold.get()),
        _ => (Vec::new(), 0),
    }
}

/// Gives the role to these keys; to nobody when there are none.
pub(crate) fn set_director_keys(root: &mut Root, keys: &[PublicKey], threshold: NonZeroU64) -> Result<(), TufError> {
    if keys.is_empty() {
        if let Some(Value::Object(members)) = root._extra.get_mut(MEMBER) {
            members.remove(DIRECTOR);
        }
        return Ok(());
    }
    let listed = serde_json::to_value(Listed { threshold, keys: keys.to_vec() });
    let listed = listed.map_err(|e| TufError::refused("root", e))?;
    let ours = root._extra.entry(MEMBER.to_owned()).or_insert_with(|| Value::Object(Map::new()));
    let ours = ours.as_object_mut().ok_or_else(|| TufError::refused("root", "its member `titer` is no object"))?;
    ours.insert(DIRECTOR.to_owned(), listed);
    Ok(())
}

/// A director that is there has different keys, enough for its threshold.
pub(crate) fn check_director(root: &Root) -> Result<(), TufError> {
    let Some(Listed { threshold, keys }) = listed(root)? else { return Ok(()) };
    let different = keys.iter().collect::<HashSet<_>>().len();
    if different != keys.len() || keys.len() > KEYS_MAX || (keys.len() as u64) < threshold.get() {
        let reason =
            format!("director: {threshold} of {} keys, {different} of them different; at most {KEYS_MAX}", keys.len());
        return Err(TufError::refused("root", reason));
    }
    Ok(())
}

fn listed(root: &Root) -> Result<Option<Listed>, TufError> {
    let Some(director) = root._extra.get(MEMBER).and_then(|ours| ours.get(DIRECTOR)) else { return Ok(None) };
    Listed::deserialize(director).map(Some).map_err(|e| TufError::refused("root", format!("director: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::keys::SigningKey;
    use crate::root::RootRole;
    use crate::tuf::{check_root, first_root};

    fn root_and_key() -> (Root, PublicKey) {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&Disk::default(), &dir.path().join("key")).unwrap().public();
        let root = first_root(&RootRole::ALL.map(|role| (role, key)), jiff::Timestamp::now()).unwrap();
        (root, key)
    }

    #[test]
    fn what_is_set_is_read_and_other_members_stay() {
        let (mut root, key) = root_and_key();
        assert_eq!(director_keys(&root), (vec![key], 1));
        root._extra.get_mut("titer").unwrap()["other"] = 7.into();
        set_director_keys(&mut root, &[], NonZeroU64::MIN).unwrap();
        assert_eq!(director_keys(&root), (vec![], 0));
        check_root(&root).unwrap();
        set_director_keys(&mut root, &[key], NonZeroU64::MIN).unwrap();
        assert_eq!((director_keys(&root), &root._extra["titer"]["other"]), ((vec![key], 1), &7.into()));
    }

    #[test]
    fn odd_directors_are_refused() {
        let (mut root, key) = root_and_key();
        for odd in [
            serde_json::json!({"threshold": 0, "keys": [key]}),
            serde_json::json!({"threshold": 2, "keys": [key]}),
            serde_json::json!({"threshold": 2, "keys": [key, key.to_string().to_uppercase()]}),
            serde_json::json!({"threshold": 1, "keys": []}),
            serde_json::json!({"threshold": 1, "keys": ["no key"]}),
            serde_json::json!({"keys": [key]}),
            serde_json::json!([]),
        ] {
            root._extra.get_mut("titer").unwrap()["director"] = odd.clone();
            assert_eq!(check_root(&root).unwrap_err().code(), "metadata_refused", "{odd}");
        }
    }
}
