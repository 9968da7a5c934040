//! Metadata by somebody who has keys that they should not have, or none: any role changed, signed and listed as a service would.
//!
//! ```text
//! let mut forge = Forge::of(&stage.world);
//! forge.edit("m-acme", |role| role["expires"] = PAST.into());
//! forge.serve(&stage.proxy);          // m-acme, targets, snapshot, timestamp: each a version further, each signed and listed
//! ```

use crate::support::World;
use crate::support::fault::{Fault, FaultProxy};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use updater::disk::Disk;
use updater::keys::SigningKey;
use updater::wire::Sha256Hex;

/// A time that is over.
pub(super) const PAST: &str = "2020-01-01T00:00:00Z";

/// A repository of its own, which begins as a copy of the service's.
pub(super) struct Forge {
    makers: PathBuf,
    own_keys: tempfile::TempDir,
    /// What is signed, by role: `root`, `timestamp`, `snapshot`, `targets`, `m-<maker>`.
    pub(super) roles: BTreeMap<String, Value>,
    /// Who signs each; the rightful keys at first.
    pub(super) signers: BTreeMap<String, Vec<SigningKey>>,
    /// Makers' roles as they are sent, when they are not changed.
    kept: BTreeMap<String, Vec<u8>>,
}

impl Forge {
    pub(super) fn of(world: &World) -> Forge {
        let data = world.dir.path().join("service");
        let mut forge = Forge {
            makers: world.dir.path().join("makers"),
            own_keys: tempfile::tempdir().unwrap(),
            roles: BTreeMap::new(),
            signers: BTreeMap::new(),
            kept: BTreeMap::new(),
        };
        let mut newest = BTreeMap::<String, u64>::new();
        for entry in fs::read_dir(world.object("metadata")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let parts = name.split('.').collect::<Vec<_>>();
            if let [version, role, "json"] = parts[..] {
                let held = newest.entry(role.to_owned()).or_default();
                *held = version.parse::<u64>().unwrap().max(*held);
            }
        }
        let files = newest.iter().map(|(role, version)| (role.clone(), format!("{version}.{role}.json")));
        for (role, file) in files.chain([("timestamp".to_owned(), "timestamp.json".to_owned())]) {
            let bytes = fs::read(world.object("metadata").join(file)).unwrap();
            let document: Value = serde_json::from_slice(&bytes).unwrap();
            forge.roles.insert(role.clone(), document["signed"].clone());
            let key = match role.strip_prefix("m-") {
                Some(maker) => forge.maker_key(maker),
                None if role == "root" => load(&data.join("root-keys/root.pk8")),
                None => load(&data.join("keys").join(format!("{role}.pk8"))),
            };
            forge.signers.insert(role.clone(), vec![key]);
            if role.starts_with("m-") {
                forge.kept.insert(role, bytes);
            }
        }
        forge
    }

    pub(super) fn maker_key(&self, maker: &str) -> SigningKey {
        load(&self.makers.join(maker).join("key.pk8"))
    }

    /// A key of the forger's own; the same for the same name.
    pub(super) fn own_key(&self, name: &str) -> SigningKey {
        SigningKey::load_or_create(&Disk::default(), &self.own_keys.path().join(name)).unwrap()
    }

    /// Signs a role with these keys of the forger's own from now on.
    pub(super) fn sign_with_own(&mut self, role: &str, names: &[&str]) {
        let keys = names.iter().map(|name| self.own_key(name)).collect();
        self.signers.insert(role.to_owned(), keys);
    }

    /// Changes what a role says.
    pub(super) fn edit(&mut self, role: &str, change: impl FnOnce(&mut Value)) {
        change(self.roles.get_mut(role).unwrap());
        self.kept.remove(role);
    }

    pub(super) fn version(&self, role: &str) -> u64 {
        self.roles[role]["version"].as_u64().unwrap()
    }

    /// A role as it is sent, signed by its signers.
    pub(super) fn signed(&self, role: &str) -> Vec<u8> {
        sign(&self.roles[role], &self.signers[role].iter().collect::<Vec<_>>())
    }

    /// Raises the version of every role that is changed or lists a changed one, and lists them: snapshot and timestamp then tell of
    /// what is served. Returns the files by name.
    pub(super) fn files(&mut self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let makers = self.roles.keys().filter(|role| role.starts_with("m-")).cloned().collect::<Vec<_>>();
        for role in &makers {
            let bytes = match self.kept.get(role) {
                Some(bytes) => bytes.clone(),
                None => self.raised(role),
            };
            self.list("snapshot", role, &bytes);
            files.insert(format!("{}.{role}.json", self.version(role)), bytes);
        }
        let targets = self.raised("targets");
        self.list("snapshot", "targets", &targets);
        files.insert(format!("{}.targets.json", self.version("targets")), targets);
        self.finish(files)
    }

    /// The last part of [`Forge::files`], for whoever lists other things in the snapshot.
    pub(super) fn finish(&mut self, mut files: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
        let snapshot = self.raised("snapshot");
        self.list("timestamp", "snapshot", &snapshot);
        files.insert(format!("{}.snapshot.json", self.version("snapshot")), snapshot);
        files.insert("timestamp.json".to_owned(), self.raised("timestamp"));
        files
    }

    /// Has `proxy` answer with all of it.
    pub(super) fn serve(&mut self, proxy: &FaultProxy) {
        serve(proxy, self.files());
    }

    /// The next root, with whatever `change` makes of it, signed by its signers.
    pub(super) fn next_root(&mut self, change: impl FnOnce(&mut Value)) -> (String, Vec<u8>) {
        let root = self.roles.get_mut("root").unwrap();
        root["version"] = (root["version"].as_u64().unwrap() + 1).into();
        change(root);
        (format!("{}.root.json", self.version("root")), self.signed("root"))
    }

    /// Gives a role of root to these keys of the forger's own, and has them sign it.
    pub(super) fn rotate(&mut self, role: &str, names: &[&str], threshold: u64) {
        self.sign_with_own(role, names);
        let keys = names.iter().map(|name| key_object(&self.own_key(name))).collect::<Vec<_>>();
        let root = self.roles.get_mut("root").unwrap();
        root["roles"][role] = json!({"keyids": keys.iter().map(key_id).collect::<Vec<_>>(), "threshold": threshold});
        for key in keys {
            let id = key_id(&key);
            root["keys"][id] = key;
        }
    }

    fn raised(&mut self, role: &str) -> Vec<u8> {
        let version = self.version(role).saturating_add(1);
        self.roles.get_mut(role).unwrap()["version"] = version.into();
        self.signed(role)
    }

    pub(super) fn list(&mut self, parent: &str, role: &str, bytes: &[u8]) {
        let entry = json!({
            "version": self.version(role), "length": bytes.len(), "hashes": {"sha256": Sha256Hex::of(bytes).to_string()},
        });
        self.roles.get_mut(parent).unwrap()["meta"][format!("{role}.json")] = entry;
    }
}

/// Has `proxy` answer with these metadata files.
pub(super) fn serve(proxy: &FaultProxy, files: BTreeMap<String, Vec<u8>>) {
    for (name, bytes) in files {
        proxy.always(&format!("/metadata/{name}"), Fault::Serve(bytes));
    }
}

/// A document with one signature by each key.
pub(super) fn sign(signed: &Value, keys: &[&SigningKey]) -> Vec<u8> {
    let message = canonical(signed);
    let signatures =
        keys.iter().map(|key| json!({"keyid": key_id(&key_object(key)), "sig": hex::encode(key.sign(&message))}));
    serde_json::to_vec(&json!({"signed": signed, "signatures": signatures.collect::<Vec<_>>()})).unwrap()
}

pub(super) fn key_object(key: &SigningKey) -> Value {
    json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": key.public().to_string()}})
}

pub(super) fn key_id(key: &Value) -> String {
    Sha256Hex::of(&canonical(key)).to_string()
}

/// Canonical JSON as TUF signs it: members sorted, no spaces, and of a text only `"` and `\` escaped.
fn canonical(value: &Value) -> Vec<u8> {
    fn text(out: &mut Vec<u8>, text: &str) {
        out.push(b'"');
        out.extend(text.replace('\\', "\\\\").replace('"', "\\\"").bytes());
        out.push(b'"');
    }
    fn put(out: &mut Vec<u8>, value: &Value) {
        match value {
            Value::Object(members) => {
                out.push(b'{');
                let members = members.iter().collect::<BTreeMap<_, _>>();
                for (number, (name, value)) in members.into_iter().enumerate() {
                    out.extend((number > 0).then_some(b','));
                    text(out, name);
                    out.push(b':');
                    put(out, value);
                }
                out.push(b'}');
            }
            Value::Array(items) => {
                out.push(b'[');
                for (number, item) in items.iter().enumerate() {
                    out.extend((number > 0).then_some(b','));
                    put(out, item);
                }
                out.push(b']');
            }
            Value::String(string) => text(out, string),
            other => out.extend(other.to_string().bytes()),
        }
    }
    let mut out = Vec::new();
    put(&mut out, value);
    out
}

fn load(path: &Path) -> SigningKey {
    SigningKey::load(&Disk::default(), path).unwrap()
}
