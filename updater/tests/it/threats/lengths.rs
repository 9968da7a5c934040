//! More than was asked for: bodies and heads without end, and frames that unpack to more than they say (rows 5 and 6).

use super::Stage;
use super::forge::Forge;
use crate::support::fault::Fault;
use crate::support::{at, ran_alone};
use serde_json::json;
use std::fs;
use updater::agent::Transfer;
use updater::wire::Sha256Hex;

/// What one answer may bring before its reader gives up, and what lies in buffers on the way.
const READ_MAX: u64 = 32 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn endless_data_at_every_endpoint() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let forge = Forge::of(&stage.world);
    let file = |role: &str| format!("/metadata/{}.{role}.json", forge.version(role));
    for part in [
        "/check-in".to_owned(),
        "/metadata/2.root.json".to_owned(),
        "/metadata/timestamp.json".to_owned(),
        file("snapshot"),
        file("targets"),
        file("m-acme"),
        "/targets/".to_owned(),
    ] {
        for (fault, code) in [(Fault::Endless, "answer_too_long"), (Fault::HeaderFlood(2000), "answer_head_too_long")] {
            if part == "/targets/" {
                stage.proxy.always("/v1/deltas/", Fault::Answer(404, Vec::new(), ""));
            }
            stage.proxy.forget();
            // The service has no second root, and whoever plays it says 200.
            if part.contains("root") && matches!(fault, Fault::Endless) {
                stage.proxy.always(&part, Fault::Serve(vec![b'x'; 8 << 20]));
            } else {
                stage.proxy.always(&part, fault);
            }
            stage.refuses(code, &part).await;
            assert!(stage.proxy.body_sent(&part) < READ_MAX, "{part}: {} bytes were taken", stage.proxy.body_sent(&part));
            stage.proxy.heal();
            stage.restore(&clean);
        }
    }
    stage.honest_cycle().await;
}

/// Where the answer is not needed, a flood of it costs a whole download or an acknowledgement, and no release.
#[tokio::test(flavor = "multi_thread")]
async fn endless_data_where_there_is_another_way() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let [_, blob] = &stage.blobs;
    for part in [format!("/v1/deltas/{}", Sha256Hex::of(blob)), delta_path(&stage), "/acknowledge".to_owned()] {
        for fault in [Fault::Endless, Fault::HeaderFlood(2000)] {
            stage.proxy.forget();
            stage.proxy.always(&part, fault);
            let report = stage.terminal.agent.update().await.unwrap();
            assert_eq!(stage.terminal.runs(), [at("acme/stable", 2)], "{part}");
            assert_eq!(report.acknowledged, part != "/acknowledge");
            let whole = report.channels[0].transfer == Transfer::Full;
            assert_eq!(whole, part != "/acknowledge", "{part}");
            assert!(stage.proxy.body_sent(&part) < READ_MAX);
            stage.proxy.heal();
            stage.restore(&clean);
        }
    }
    stage.honest_cycle().await;
    // The idle poll, once there is nothing new.
    stage.terminal.agent.update().await.unwrap();
    stage.proxy.always("/beacon", Fault::HeaderFlood(2000));
    assert_eq!(stage.terminal.agent.update().await.unwrap_err().code(), "answer_head_too_long");
    stage.proxy.heal();
    stage.proxy.forget();
    stage.proxy.always("/beacon", Fault::Serve(vec![b'x'; 64 << 20]));
    stage.terminal.agent.update().await.unwrap();
    assert!(stage.proxy.body_sent("/beacon") < READ_MAX, "what is no 304 is not read");
}

pub(super) fn delta_path(stage: &Stage) -> String {
    let [old, new] = &stage.blobs;
    format!("/v1/deltas/{}/{}", Sha256Hex::of(old), Sha256Hex::of(new))
}

/// A zstd frame with this many zeros in blocks of one repeated byte: 4 bytes for each 128 KiB.
fn frame_of_zeros(len: usize, window_log: u8, stated: Option<u64>) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd];
    frame.push(if stated.is_some() { 0xc0 } else { 0 });
    frame.push((window_log - 10) << 3);
    frame.extend(stated.into_iter().flat_map(u64::to_le_bytes));
    let mut left = len;
    while left > 0 {
        let block = left.min(128 << 10);
        left -= block;
        let header = (block as u32) << 3 | 1 << 1 | u32::from(left == 0);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

/// Where the parts of a blob lie (`docs/blob.md`).
const BLOB_HEADER: usize = 276;
const ENTRY: usize = 76;

/// `blob` with these frames in the place of its own, each said to unpack to so many bytes; all digests agree.
fn blob_with(blob: &[u8], frames: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut table = Vec::new();
    for (raw_len, frame) in frames {
        let digest = [7; 32];
        let entry =
            [&digest[..], &raw_len.to_le_bytes(), &1_u32.to_le_bytes(), &(frame.len() as u32).to_le_bytes()].concat();
        table.extend([&entry[..], Sha256Hex::of(frame).bytes()].concat());
    }
    assert_eq!(table.len(), frames.len() * ENTRY);
    let packed = frames.iter().flat_map(|(_, frame)| frame.clone()).collect::<Vec<_>>();
    let mut header = blob[..BLOB_HEADER].to_vec();
    header[16..24].copy_from_slice(&((BLOB_HEADER + table.len() + packed.len()) as u64).to_le_bytes());
    header[96..100].copy_from_slice(&(frames.len() as u32).to_le_bytes());
    header[212..244].copy_from_slice(Sha256Hex::of(&table).bytes());
    let facts = table.chunks(ENTRY).flat_map(|entry| entry[..40].to_vec()).collect::<Vec<_>>();
    let root = Sha256Hex::of(&[b"titer blob root 1\n", &header[24..180], &facts].concat());
    header[180..212].copy_from_slice(root.bytes());
    let digest = Sha256Hex::of(&header[..244]);
    header[244..].copy_from_slice(digest.bytes());
    [header, table, packed].concat()
}

/// Frames of a blob, each with what it is said to unpack to.
type Frames = Vec<(u32, Vec<u8>)>;

/// Bombs that unpack to a gigabyte and more, by name of the check that must see each.
fn bombs() -> [(&'static str, Frames); 5] {
    let gib = 1 << 30;
    let honest = |raw_len: u32| (raw_len, frame_of_zeros(raw_len as usize, 17, None));
    [
        ("unpacks to more than it says", vec![(1000, frame_of_zeros(gib, 17, None))]),
        ("states more than the table", vec![(1000, frame_of_zeros(gib, 17, Some(gib as u64)))]),
        ("wants a window of 2 GiB", vec![(8 << 20, frame_of_zeros(gib, 31, None))]),
        ("two gigabytes in segments", (0..256).map(|_| honest(8 << 20)).collect()),
        ("a ratio beyond 200", vec![honest(8 << 20)]),
    ]
}

/// The maker's own key signs it, and the service, which would not publish it, is not asked: only the terminal's reader is left.
#[tokio::test(flavor = "multi_thread")]
async fn compression_bombs_in_a_blob() {
    if ran_alone("threats::lengths::compression_bombs_in_a_blob") {
        return;
    }
    let stage = Stage::new().await;
    // The director names what its maker signs, so with the maker's key alone a bomb would be refused before it is fetched.
    stage.is_told_of_release_2().await;
    let clean = stage.template();
    let before = peak_memory();
    for (what, frames) in bombs() {
        let bomb = blob_with(&stage.blobs[1], &frames);
        let header = bomb[180..212].to_vec();
        let mut forge = Forge::of(&stage.world);
        forge.edit("m-acme", |role| {
            let target = &mut role["targets"]["m/acme/stable/2.titer"];
            target["length"] = bomb.len().into();
            target["hashes"] = json!({"sha256": Sha256Hex::of(&bomb).to_string()});
            target["custom"]["root"] = hex::encode(header).into();
        });
        forge.serve(&stage.proxy);
        stage.proxy.always("/v1/deltas/", Fault::Answer(404, Vec::new(), ""));
        stage.proxy.always("/targets/", Fault::Serve(bomb));
        let error = stage.refuses("blob_refused", what).await;
        assert!(!error.contains("sha256") && !error.contains("header"), "{what}: another check saw it: {error}");
        stage.proxy.heal();
        stage.restore(&clean);
    }
    let grown = peak_memory() - before;
    assert!(grown < 256 << 20, "memory grew by {grown} bytes");
    stage.honest_cycle().await;
}

/// Deltas are signed by nobody, so anybody between can send such a one. It costs a whole download.
#[tokio::test(flavor = "multi_thread")]
async fn compression_bombs_in_a_delta() {
    if ran_alone("threats::lengths::compression_bombs_in_a_delta") {
        return;
    }
    let stage = Stage::new().await;
    let clean = stage.template();
    let honest = honest_delta(&stage);
    let before = peak_memory();
    // Long enough, packed, for the ratio to be no reason.
    let large = 768 << 20;
    let small = || frame_of_zeros(8 << 20, 17, None);
    for (what, records_len, bulk) in [
        ("four gigabytes of records", u32::MAX, small()),
        ("a ratio beyond 200", 8 << 20, small()),
        ("a bulk that unpacks to more than it says", 4 << 20, frame_of_zeros(large, 17, None)),
        ("a bulk that states more than the header", 4 << 20, frame_of_zeros(large, 17, Some(large as u64))),
        ("a bulk that wants a window of 2 GiB", 4 << 20, frame_of_zeros(large, 31, None)),
    ] {
        let bomb = delta_with(&honest, records_len, &bulk);
        assert!(bomb.len() < stage.blobs[1].len(), "the terminal would rather have the blob");
        let code = stage.offers(what, &bomb).await;
        assert!(code.starts_with("delta_") && !["delta_header", "delta_harmed"].contains(&code.as_str()), "{what}: {code}");
        stage.restore(&clean);
    }
    let grown = peak_memory() - before;
    assert!(grown < 96 << 20, "memory grew by {grown} bytes");
    stage.honest_cycle().await;
}

/// The service's delta from release 1 to 2.
pub(super) fn honest_delta(stage: &Stage) -> Vec<u8> {
    let objects = fs::read_dir(stage.world.object("o")).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    objects.into_iter().find(|bytes| bytes.starts_with(b"TITERDL\n")).unwrap()
}

/// Length of a delta's header (`docs/delta.md`).
pub(super) const DELTA_HEADER: usize = 204;

/// `delta` with other bytes after its script, and said to bring so many bytes of records; all digests agree.
fn delta_with(delta: &[u8], records_len: u32, bulk: &[u8]) -> Vec<u8> {
    let (header, script) = delta.split_at(DELTA_HEADER);
    let mut header = header.to_vec();
    header[68..72].copy_from_slice(&records_len.to_le_bytes());
    header[72..76].copy_from_slice(&(script.len() as u32).to_le_bytes());
    reseal_delta(header, &[script, bulk].concat())
}

/// A delta of this header, whose length and digests are made anew, and this payload.
pub(super) fn reseal_delta(mut header: Vec<u8>, payload: &[u8]) -> Vec<u8> {
    header[16..24].copy_from_slice(&((DELTA_HEADER + payload.len()) as u64).to_le_bytes());
    header[140..172].copy_from_slice(Sha256Hex::of(payload).bytes());
    let digest = Sha256Hex::of(&header[..172]);
    header[172..204].copy_from_slice(digest.bytes());
    [&header, payload].concat()
}

/// The most memory that this process ever had, in bytes; 0 where nobody says.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
}
