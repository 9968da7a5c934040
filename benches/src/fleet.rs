//! A terminal as its service sees it: real keys, counters and requests, and no disk, database or self-test behind them.
//!
//! It hashes each blob and follows the service's wishes to be left alone. Signatures of the director are verified by who asks for it
//! ([`Terminal::verifies`]), as ten thousand terminals on the machine of the service would otherwise measure themselves.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use updater::keys::PublicKey;
use updater::wire::Sha256Hex;
use url::Url;

/// Times that one request is sent again because the service asks to be left alone for a while.
const TRIES_MAX: u32 = 100;

/// A simulated terminal.
pub struct Terminal {
    service: Url,
    client: Client,
    key: Ed25519KeyPair,
    counter: u64,
    number: String,
    freshness: String,
    applied: Vec<Value>,
    pass: Option<String>,
    poll: Option<(String, Vec<u8>)>,
    /// The director's keys, where this terminal verifies.
    verifies: Option<Vec<PublicKey>>,
    /// Times that it was asked to come back later, and did.
    pub waits: u64,
}

/// What a check-in was answered with.
pub struct Told {
    /// The code of the reason.
    pub reason: String,
    channels: Vec<Value>,
    blobs: Vec<Value>,
}

/// A client of the address `from`: one address has ports for so many connections only.
///
/// # Errors
/// When the system gives none.
pub fn client(from: IpAddr) -> Result<Client> {
    let builder = Client::builder().no_proxy().tls_certs_only([]).local_address(from).tcp_nodelay(true);
    Ok(builder.timeout(Duration::from_mins(2)).build()?)
}

impl Terminal {
    /// Makes a key and enrols.
    ///
    /// # Errors
    /// When the service refuses.
    pub async fn enrol(service: &Url, client: Client, token: &str, channel: &str) -> Result<Self> {
        let key = Ed25519KeyPair::generate()?;
        let mut terminal = Terminal {
            service: service.clone(),
            client,
            key,
            counter: 0,
            number: String::new(),
            freshness: String::new(),
            applied: Vec::new(),
            pass: None,
            poll: None,
            verifies: None,
            waits: 0,
        };
        let key = hex::encode(terminal.key.public_key().as_ref());
        let body = json!({ "token": token, "public_key": key, "facts": facts(channel) });
        let answer = terminal.say("/v1/terminals", &body).await?;
        text(&answer, "terminal")?.clone_into(&mut terminal.number);
        Ok(terminal)
    }

    /// Has this terminal verify what the director signs.
    pub fn verifies(&mut self, keys: Vec<PublicKey>) {
        self.verifies = Some(keys);
    }

    /// Checks in.
    ///
    /// # Errors
    /// When the service refuses, or signed what it must not.
    pub async fn check_in(&mut self, channel: &str) -> Result<Told> {
        let body = json!({ "facts": facts(channel), "applied": self.applied, "freshness": self.freshness });
        let answer = self.say(&format!("/v1/terminals/{}/check-in", self.number), &body).await?;
        let assignment = self.signed("titer-assignment-v1", &answer["assignment"])?;
        let membership = self.signed("titer-membership-v1", &answer["membership"])?;
        ensure!(membership["counter"] == self.counter && membership["terminal"] == self.number.as_str(), "another's answer");
        text(&membership, "freshness")?.clone_into(&mut self.freshness);
        self.poll = Some((text(&answer, "beacon")?.to_owned(), hex::decode(text(&answer, "poll_key")?)?));
        let list = |name: &str| assignment[name].as_array().cloned().unwrap_or_default();
        Ok(Told { reason: text(&assignment, "reason")?.to_owned(), channels: list("channels"), blobs: list("blobs") })
    }

    /// What an update does after its check-in: metadata and blobs are fetched, and the result is acknowledged. Returns bytes fetched.
    ///
    /// # Errors
    /// When anything is refused, missing or not what was assigned.
    pub async fn follow(&mut self, told: &Told, generation: u64) -> Result<u64> {
        let mut bytes = 0;
        let timestamp = self.fetch("/metadata/timestamp.json").await?;
        let version = version(&timestamp, "snapshot.json")?;
        let snapshot = self.fetch(&format!("/metadata/{version}.snapshot.json")).await?;
        let snapshot_json: Value = serde_json::from_slice(&snapshot)?;
        bytes += (timestamp.len() + snapshot.len()) as u64;
        for (name, meta) in snapshot_json["signed"]["meta"].as_object().context("a snapshot lists roles")? {
            bytes += self.fetch(&format!("/metadata/{}.{name}", meta["version"])).await?.len() as u64;
        }
        ensure!(told.blobs.len() == told.channels.len(), "the service does not hold what it assigns");
        for blob in &told.blobs {
            let digest = text(blob, "sha256")?;
            let path = format!("/targets/m/{}/{digest}.{}.titer", text(blob, "channel")?, blob["release"]);
            let content = self.fetch(&path).await?;
            ensure!(Sha256Hex::of(&content).to_string() == digest, "another blob");
            bytes += content.len() as u64;
        }
        self.applied.clone_from(&told.channels);
        let body = json!({ "outcome": "installed", "generation": generation, "applied": self.applied });
        self.say(&format!("/v1/terminals/{}/acknowledge", self.number), &body).await?;
        Ok(bytes)
    }

    /// Path, tag, counter and code of the next poll.
    ///
    /// # Errors
    /// Before the first check-in.
    pub fn next_poll(&mut self) -> Result<[String; 4]> {
        self.counter += 1;
        let (tag, key) = self.poll.as_ref().context("there was no check-in")?;
        let text = format!("titer-poll-v1\n{}\n{tag}\n{}", self.number, self.counter);
        let mac = hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()));
        Ok([format!("/v1/terminals/{}/beacon", self.number), tag.clone(), self.counter.to_string(), mac])
    }

    /// Polls; true when nothing changed.
    ///
    /// # Errors
    /// When the service refuses.
    pub async fn is_idle(&mut self) -> Result<bool> {
        let [path, tag, counter, mac] = self.next_poll()?;
        let headers = [("if-none-match", tag), ("titer-counter", counter), ("titer-mac", mac)];
        let (status, _) = self.send(Method::GET, &path, &headers, Vec::new()).await?;
        Ok(status == StatusCode::NOT_MODIFIED)
    }

    fn signed(&self, kind: &str, document: &Value) -> Result<Value> {
        let payload = text(document, "payload")?;
        if let Some(keys) = &self.verifies {
            let signatures = document["signatures"].as_array().context("no signatures")?;
            let message = format!("{kind}\n{payload}");
            let is_signed = signatures.iter().any(|one| {
                let signature = one["signature"].as_str().and_then(|signature| hex::decode(signature).ok());
                signature.is_some_and(|signature| keys.iter().any(|key| key.verifies(message.as_bytes(), &signature)))
            });
            ensure!(is_signed, "the director did not sign this: {kind}");
        }
        Ok(serde_json::from_str(payload)?)
    }

    /// A signed and counted call.
    async fn say(&mut self, path: &str, body: &Value) -> Result<Value> {
        self.counter += 1;
        let body = serde_json::to_vec(body)?;
        let message = [format!("titer-request-v1\nPOST {path}\n{}\n", self.counter).as_bytes(), &body].concat();
        let signature = hex::encode(self.key.sign(&message));
        let headers = [("titer-counter", self.counter.to_string()), ("titer-signature", signature)];
        Ok(serde_json::from_slice(&self.send(Method::POST, path, &headers, body).await?.1)?)
    }

    async fn fetch(&mut self, path: &str) -> Result<Vec<u8>> {
        Ok(self.send(Method::GET, path, &[], Vec::new()).await?.1)
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<(StatusCode, Vec<u8>)> {
        for _ in 0..TRIES_MAX {
            let mut request = self.client.request(method.clone(), self.service.join(path)?).body(body.clone());
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            if let Some(pass) = &self.pass {
                request = request.header("titer-pass", pass);
            }
            let answer = request.send().await?;
            let status = answer.status();
            let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            if let Some(pass) = header("titer-pass") {
                self.pass = Some(pass);
            }
            let later = header("retry-after").and_then(|seconds| seconds.parse().ok());
            let answer = answer.bytes().await?;
            match later {
                Some(seconds) if !status.is_success() => {
                    self.waits += 1;
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                }
                _ if status.is_success() || status == StatusCode::NOT_MODIFIED => return Ok((status, answer.to_vec())),
                _ => bail!("{path}: {status}: {}", String::from_utf8_lossy(&answer)),
            }
        }
        bail!("{path}: the service asks to be left alone for ever")
    }
}

fn facts(channel: &str) -> Value {
    json!({
        "hardware": "x86_64",
        "os": "linux",
        "engine_version": "0.1.0",
        "designation": "own",
        "subscribed": [channel],
        "memory_bytes": 8_u64 << 30,
    })
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("the answer has no {name}"))
}

fn version(metadata: &[u8], name: &str) -> Result<u64> {
    let metadata: Value = serde_json::from_slice(metadata)?;
    metadata["signed"]["meta"][name]["version"].as_u64().with_context(|| format!("no version of {name}"))
}
