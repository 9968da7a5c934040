//! Deltas are signed by nobody, and their index only by the timestamp key, so whatever they are costs at most one whole download (rows 28 and
//! 29). Indices that are refused at sight are in `../deltas.rs`; here the index is believed, because whoever makes it has the key.

use super::Stage;
use super::forge::Forge;
use super::lengths::{DELTA_HEADER, delta_path, honest_delta, reseal_delta};
use crate::support::at;
use crate::support::fault::Fault;
use serde_json::{Value, json};
use updater::agent::Transfer;
use updater::wire::Sha256Hex;

impl Stage {
    fn signed_index(&self, index: &Value) -> Vec<u8> {
        let text = index.to_string();
        let key = &Forge::of(&self.world).signers["timestamp"][0];
        let signature = hex::encode(key.sign(format!("titer-delta-index-v1\n{text}").as_bytes()));
        json!({"index": text, "signature": signature}).to_string().into_bytes()
    }

    /// An index of one delta from release 1 to `to`.
    fn index(&self, to: &[u8], release: u64, delta: &[u8]) -> Value {
        let node =
            |blob: &[u8], release: u64| json!({"sha256": Sha256Hex::of(blob), "release": release, "length": blob.len()});
        json!({
            "to": Sha256Hex::of(to),
            "nodes": [node(to, release), node(&self.blobs[0], 1)],
            "edges": [{"from": 1, "to": 0, "sha256": Sha256Hex::of(delta), "length": delta.len()}],
        })
    }

    /// Serves `delta` as the one way from release 1 to the blob `to`.
    pub(super) fn serve_delta(&self, to: &[u8], release: u64, delta: &[u8]) {
        let index = self.signed_index(&self.index(to, release, delta));
        let [from, to] = [Sha256Hex::of(&self.blobs[0]), Sha256Hex::of(to)];
        self.proxy.always(&format!("/v1/deltas/{to}"), Fault::Serve(index));
        self.proxy.always(&format!("/v1/deltas/{from}/{to}"), Fault::Serve(delta.to_vec()));
    }

    /// Offers `delta` as the way to release 2. That comes whole nevertheless, once, and the delta is not tried again; the fault's code.
    pub(super) async fn offers(&self, what: &str, delta: &[u8]) -> String {
        self.serve_delta(&self.blobs[1], 2, delta);
        let code = self.takes_the_whole(what).await.unwrap_or_else(|| panic!("{what}: the delta was not tried"));
        self.proxy.heal();
        code
    }

    async fn takes_the_whole(&self, what: &str) -> Option<String> {
        self.proxy.forget();
        let report = self.terminal.agent.update().await.unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(report.channels[0].transfer, Transfer::Full, "{what}");
        assert_eq!(self.terminal.runs(), [at("acme/stable", 2)], "{what}");
        assert_eq!(self.proxy.seen("/targets/").len(), 1, "{what}: one whole download");
        assert!(self.proxy.seen("/v1/deltas/").len() <= 2, "{what}: the index, and one delta");
        // It is not tried again by the next poll.
        self.proxy.forget();
        self.terminal.agent.update_fully().await.unwrap();
        assert!(self.proxy.seen("/v1/deltas/").is_empty() && self.proxy.seen("/targets/").is_empty(), "{what}");
        report.channels[0].delta_fault.clone()
    }
}

/// Each delta is what the index says it is, and its digests agree with it.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_deltas() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let honest = honest_delta(&stage);
    let (header, payload) = honest.split_at(DELTA_HEADER);
    let put = |at: usize, bytes: &[u8]| {
        let mut header = header.to_vec();
        header[at..at + bytes.len()].copy_from_slice(bytes);
        reseal_delta(header, payload)
    };
    let script = |script: &[u8]| {
        let mut header = header.to_vec();
        header[72..76].copy_from_slice(&(script.len() as u32).to_le_bytes());
        reseal_delta(header, script)
    };
    let most = u32::MAX.to_le_bytes();
    for (what, delta, codes) in [
        ("from another release", put(76, &[9; 32]), &["delta_wrong_base"][..]),
        ("to another root", put(108, &[9; 32]), &["delta_wrong_result"]),
        ("to another release number", put(32, &9_u64.to_le_bytes()), &["delta_wrong_result"]),
        ("of another time", put(40, &9_i64.to_le_bytes()), &["delta_wrong_result"]),
        ("of an engine to come", put(52, &most), &["delta_wrong_result"]),
        ("an engine range that ends before it begins", put(48, &most), &["delta_header"]),
        ("more removals than records", put(56, &most), &["delta_malformed"]),
        ("more additions than bytes", put(60, &most), &["delta_malformed"]),
        ("more changes than records", put(64, &most), &["delta_malformed"]),
        ("a script longer than the file", put(72, &most), &["delta_header", "delta_malformed"]),
        ("indices that run out of the old blob", script(&[0xff; 400]), &["delta_malformed", "delta_record"]),
        ("a script of zeros", script(&[0; 400]), &["delta_malformed", "delta_record"]),
        ("no script", script(&[]), &["delta_malformed", "delta_record"]),
    ] {
        let code = stage.offers(what, &delta).await;
        assert!(codes.contains(&code.as_str()), "{what}: {code}");
        stage.restore(&clean);
    }
    stage.honest_cycle().await;
}

/// The index, signed by whoever has the timestamp key: circles, lies, thousands.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_indices() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let honest = honest_delta(&stage);
    let whole = stage.index(&stage.blobs[1], 2, &honest);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut index = whole.clone();
        change(&mut index);
        index
    };
    let edge =
        |from: u64, to: u64, length: u64| json!({"from": from, "to": to, "sha256": Sha256Hex::of(b"x"), "length": length});
    for (what, index, fault) in [
        ("a circle", with(&|index| index["edges"][0] = edge(0, 0, 1)), Some("delta_index_circle")),
        ("backwards", with(&|index| index["nodes"][1]["release"] = 9.into()), Some("delta_index_circle")),
        ("from nowhere", with(&|index| index["edges"][0] = edge(77, 0, 1)), Some("delta_index_malformed")),
        ("a path for a digest", with(&|index| index["to"] = "../../etc/passwd".into()), Some("delta_index_malformed")),
        (
            "too many",
            with(&|index| index["edges"] = (0..300).map(|n| edge(1, 0, n)).collect()),
            Some("delta_index_too_large"),
        ),
        ("shorter than it is", with(&|index| index["edges"][0]["length"] = 10.into()), Some("answer_too_long")),
        ("not that digest", with(&|index| index["edges"][0]["sha256"] = json!(Sha256Hex::of(b"x"))), Some("blob_refused")),
        ("of no length", with(&|index| index["edges"][0]["length"] = 0.into()), Some("blob_refused")),
    ] {
        stage
            .proxy
            .always(&format!("/v1/deltas/{}", Sha256Hex::of(&stage.blobs[1])), Fault::Serve(stage.signed_index(&index)));
        assert_eq!(stage.takes_the_whole(what).await.as_deref(), fault, "{what}");
        stage.proxy.heal();
        stage.restore(&clean);
    }
    // Longer than any file: nothing is refused, the whole is cheaper.
    let index = with(&|index| index["edges"][0]["length"] = u64::MAX.into());
    stage.proxy.always(&format!("/v1/deltas/{}", Sha256Hex::of(&stage.blobs[1])), Fault::Serve(stage.signed_index(&index)));
    assert_eq!(stage.takes_the_whole("longer than any file").await, None);
    stage.proxy.heal();
    stage.restore(&clean);
    stage.honest_cycle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_delta_is_missing_or_broken() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let honest = honest_delta(&stage);
    let middle = usize::midpoint(DELTA_HEADER, honest.len());
    let mut flipped = honest.clone();
    flipped[middle] ^= 1;
    for (what, delta, code) in [
        ("harmed, and listed so", flipped.clone(), "delta_harmed"),
        ("cut off, and listed so", honest[..honest.len() - 5].to_vec(), "delta_header"),
        ("garbage", vec![b'x'; 300], "delta_header"),
    ] {
        assert_eq!(stage.offers(what, &delta).await, code, "{what}");
        stage.restore(&clean);
    }
    let path = delta_path(&stage);
    for (what, fault, code) in [
        ("harmed on the way", Fault::FlipBit(middle), "blob_refused"),
        ("empty", Fault::Serve(Vec::new()), "service_unreachable"),
        ("not there", Fault::Answer(404, Vec::new(), ""), "http_404"),
    ] {
        stage.proxy.always(&path, fault);
        if code == "service_unreachable" {
            // An answer that ends early may be the line's fault: it is asked for once more, by the next update.
            assert_eq!(stage.terminal.agent.update().await.unwrap_err().code(), code);
        }
        assert_eq!(stage.takes_the_whole(what).await.as_deref(), Some(code), "{what}");
        stage.proxy.heal();
        stage.restore(&clean);
    }
    stage.honest_cycle().await;
}
