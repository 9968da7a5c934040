//! Downloads that break off, or whose answers lie: what came is kept, what lies is dropped, and no more is fetched than that costs.

use crate::support::fault::{Fault, FaultProxy};
use crate::support::{FakeEngine, Terminal, World, at};
use std::fs;
use std::time::Duration;
use updater::Network;
use updater::agent::{Agent, Transfer};
use updater::wire::Designation;

/// Takes nothing up again by itself, so that each update is one request for a file.
fn once() -> Network {
    Network { resumes: 0, ..Network::default() }
}

fn patient(resumes: u32) -> Network {
    Network { resumes, resume_pause: Duration::from_millis(1), ..Network::default() }
}

/// A world with a published release, a proxy before it, and the blob.
async fn world() -> (World, FaultProxy, Vec<u8>) {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let blob = world.publish(&maker, "acme/stable", 1, 0..4000).await;
    let proxy = FaultProxy::before(&world.url).await;
    (world, proxy, blob)
}

async fn terminal(world: &World, proxy: &FaultProxy, name: &str, network: Network) -> Terminal {
    let mut terminal = world.terminal(name, &["acme/stable"], Designation::Own).await;
    terminal.agent = terminal.agent.network(network);
    terminal.asks(&proxy.url);
    proxy.forget();
    terminal
}

/// Offsets to cut a file of `len` bytes at: the ends, and some between that lie nowhere in particular.
fn offsets(len: u64) -> Vec<u64> {
    let mut offsets = vec![0, 1, len / 2, len - 1];
    offsets.extend((1..8).map(|part| len * part / 8 + part * 7));
    offsets.retain(|at| *at < len);
    offsets
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_cut_at_any_byte_goes_on_in_the_next_update() {
    let (world, proxy, blob) = world().await;
    let len = blob.len() as u64;
    for (number, cut) in offsets(len).into_iter().enumerate() {
        let terminal = terminal(&world, &proxy, &format!("t{number}"), once()).await;
        proxy.once("/targets/", Fault::CutAt(cut));
        assert_eq!(terminal.agent.update().await.unwrap_err().code(), "service_unreachable");
        let report = terminal.agent.update().await.unwrap();
        assert_eq!((report.channels[0].bytes_fetched, report.channels[0].restarts.len()), (len - cut, 0), "cut at {cut}");
        // Counted at the service's side: what the terminal says of itself is no proof.
        assert_eq!(proxy.body_sent("/targets/"), len, "cut at {cut}");
        assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
        assert!(!terminal.folder.join("parts").exists(), "nothing is left over");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_cut_at_any_byte_goes_on_too() {
    let (world, proxy, _) = world().await;
    let maker = updater::maker::Maker::open(&world.dir.path().join("makers/acme")).unwrap();
    let mut terminals = Vec::new();
    for part in [0, 3, 9] {
        let terminal = terminal(&world, &proxy, &format!("t{part}"), once()).await;
        terminal.agent.update().await.unwrap();
        terminals.push((part, terminal));
    }
    world.publish(&maker, "acme/stable", 2, 200..4200).await;
    for (part, terminal) in terminals {
        proxy.forget();
        let length = delta_length(&world, &terminal).await;
        let cut = length * part / 10;
        // The first request is for the list, the second for the delta.
        proxy.once("/v1/deltas/", Fault::Without("x-none"));
        proxy.once("/v1/deltas/", Fault::CutAt(cut));
        assert_eq!(terminal.agent.update().await.unwrap_err().code(), "service_unreachable");
        assert!(proxy.seen("/targets/").is_empty(), "a bad line is no reason to fetch more");
        let report = terminal.agent.update().await.unwrap();
        assert_eq!(report.channels[0].transfer, Transfer::Delta);
        assert_eq!(report.channels[0].bytes_fetched, length - cut);
        assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    }
}

/// A delta that nobody can fetch does not keep a terminal from the release.
#[tokio::test(flavor = "multi_thread")]
async fn a_delta_that_never_comes_is_given_up() {
    let (world, proxy, _) = world().await;
    let maker = updater::maker::Maker::open(&world.dir.path().join("makers/acme")).unwrap();
    let terminal = terminal(&world, &proxy, "one", once()).await;
    terminal.agent.update().await.unwrap();
    let second = world.publish(&maker, "acme/stable", 2, 200..4200).await;
    for attempt in 0..2 {
        proxy.once("/v1/deltas/", Fault::Without("x-none"));
        proxy.once("/v1/deltas/", Fault::CutAt(0));
        let update = terminal.agent.update().await;
        assert_eq!(update.is_ok(), attempt == 1);
    }
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    assert_eq!(proxy.seen("/targets/").last().unwrap().body_sent, second.len() as u64);
}

/// Length of the delta that the terminal will ask for.
async fn delta_length(world: &World, terminal: &Terminal) -> u64 {
    let has = terminal.status().channels[0].sha256.to_string();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let maker = client.get(world.url.join("v1/makers/acme").unwrap()).send().await.unwrap().text().await.unwrap();
    let maker: updater::wire::MakerView = serde_json::from_str(&maker).unwrap();
    let to = maker.releases.last().unwrap().sha256;
    let list = client.get(world.url.join(&format!("v1/deltas/{to}")).unwrap()).send().await.unwrap().text().await.unwrap();
    let list: Vec<updater::wire::DeltaView> = serde_json::from_str(&list).unwrap();
    list.iter().find(|delta| delta.from.to_string() == has).unwrap().length
}

#[tokio::test(flavor = "multi_thread")]
async fn cuts_within_one_update_cost_no_byte_twice() {
    let (world, proxy, blob) = world().await;
    let terminal = terminal(&world, &proxy, "one", patient(5)).await;
    for cut in [1, 1000, 17, 4096, 3] {
        proxy.once("/targets/", Fault::CutAt(cut));
    }
    terminal.agent.update().await.unwrap();
    assert_eq!(proxy.body_sent("/targets/"), blob.len() as u64);
    assert_eq!(proxy.seen("/targets/").len(), 6);
    let ranges =
        proxy.seen("/targets/").iter().map(|seen| seen.header("range").unwrap_or("").to_owned()).collect::<Vec<_>>();
    assert_eq!(ranges, ["", "bytes=1-", "bytes=1001-", "bytes=1018-", "bytes=5114-", "bytes=5117-"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_always_cuts_is_not_asked_for_ever() {
    let (world, proxy, _) = world().await;
    let terminal = terminal(&world, &proxy, "one", patient(4)).await;
    proxy.always("/targets/", Fault::CutAt(1));
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "service_unreachable");
    assert_eq!(proxy.seen("/targets/").len(), 5);
    proxy.heal();
    proxy.forget();
    proxy.always("/targets/", Fault::CutAt(0));
    terminal.agent.update().await.unwrap_err();
    assert_eq!(proxy.seen("/targets/").len(), 1, "without any progress once is enough");
}

/// Threat row 24: whatever is said of ranges, the file comes, and is fetched at most once more.
#[tokio::test(flavor = "multi_thread")]
async fn range_lies_restart_safely_each_by_its_code() {
    let (world, proxy, blob) = world().await;
    let len = blob.len() as u64;
    let half = len / 2;
    let unsatisfiable = Fault::Answer(416, vec![("content-range", format!("bytes */{len}"))], "");
    for (number, (fault, code)) in [
        (Fault::Without("range"), "range_ignored"),
        (Fault::Header("content-range", format!("bytes 0-{}/{len}", len - half - 1)), "range_wrong"),
        (Fault::Header("content-range", format!("bytes {half}-{}/{}", len - 1, len + 1)), "range_wrong"),
        (Fault::Header("content-range", String::new()), "range_wrong"),
        (Fault::Header("etag", "\"another\"".to_owned()), "etag_changed"),
        (unsatisfiable, "range_not_satisfiable"),
        (Fault::Longer(10), "answer_too_long"),
        (Fault::FlipBit(5), "part_damaged"),
    ]
    .into_iter()
    .enumerate()
    {
        let terminal = terminal(&world, &proxy, &format!("t{number}"), once()).await;
        proxy.once("/targets/", Fault::CutAt(half));
        terminal.agent.update().await.unwrap_err();
        proxy.once("/targets/", fault.clone());
        let report = terminal.agent.update().await.unwrap();
        assert_eq!(report.channels[0].restarts, [code]);
        assert!(proxy.seen("/targets/").len() <= 3);
        assert!(proxy.body_sent("/targets/") <= 2 * len + 10, "{code}");
        assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    }
}

/// The same lies for ever: an end, a code, nothing installed; then an honest service, and all is well.
#[tokio::test(flavor = "multi_thread")]
async fn lies_that_do_not_end_end_the_update() {
    let (world, proxy, blob) = world().await;
    let half = blob.len() as u64 / 2;
    for (number, (fault, code)) in [
        (Fault::Longer(10), "answer_too_long"),
        (Fault::FlipBit(5), "blob_refused"),
        (Fault::Answer(416, Vec::new(), ""), "http_416"),
        (Fault::Answer(206, Vec::new(), "abc"), "answer_unreadable"),
        (Fault::Answer(204, Vec::new(), ""), "answer_unreadable"),
        (Fault::Answer(302, vec![("location", "http://127.0.0.1:9/".to_owned())], ""), "redirect_refused"),
    ]
    .into_iter()
    .enumerate()
    {
        let terminal = terminal(&world, &proxy, &format!("t{number}"), patient(3)).await;
        proxy.once("/targets/", Fault::CutAt(half));
        proxy.always("/targets/", fault.clone());
        assert_eq!(terminal.agent.update().await.unwrap_err().code(), code);
        assert!(proxy.seen("/targets/").len() <= 3, "{code}: {}", proxy.seen("/targets/").len());
        assert!(terminal.runs().is_empty());
        proxy.heal();
        terminal.agent.update().await.unwrap();
        assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_the_disk_harmed_costs_one_whole_download() {
    let (world, proxy, blob) = world().await;
    let len = blob.len();
    let half = len as u64 / 2;
    type Harm = fn(&mut Vec<u8>, usize);
    let harms: [(Harm, u64); 3] = [
        (|part, _| part.fill(0), 2 * len as u64 - half),
        (|part, len| part.resize(len + 1, b'x'), len as u64),
        // All zeros, and of the right length: nothing is asked for before it is dropped.
        (|part, len| *part = vec![0; len], len as u64),
    ];
    for (number, (harm, bytes)) in harms.into_iter().enumerate() {
        let terminal = terminal(&world, &proxy, &format!("t{number}"), once()).await;
        proxy.once("/targets/", Fault::CutAt(half));
        terminal.agent.update().await.unwrap_err();
        let path = fs::read_dir(terminal.folder.join("parts")).unwrap().next().unwrap().unwrap().path();
        let mut part = fs::read(&path).unwrap();
        assert_eq!(part, blob[..half as usize]);
        harm(&mut part, len);
        fs::write(&path, part).unwrap();
        let report = terminal.agent.update().await.unwrap();
        assert_eq!(report.channels[0].bytes_fetched, bytes, "harm {number}");
        assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_below_the_least_speed_is_given_up() {
    let (world, proxy, blob) = world().await;
    let quick = Network { speed_window: Duration::from_millis(400), least_speed: 5000, ..once() };
    let terminal = terminal(&world, &proxy, "one", quick).await;
    for part in ["/check-in", "/metadata/timestamp.json", "/targets/"] {
        for fault in [Fault::StallAt(0), Fault::StallAt(20), Fault::Drip(1, Duration::from_millis(20))] {
            proxy.once(part, fault);
            assert_eq!(terminal.agent.update().await.unwrap_err().code(), "answer_too_slow", "{part}");
        }
    }
    // What came slowly is not lost, and a slow line above the least speed may take longer than the window.
    proxy.forget();
    let left = blob.len()
        - fs::read_dir(terminal.folder.join("parts")).unwrap().next().unwrap().unwrap().metadata().unwrap().len() as usize;
    proxy.once("/targets/", Fault::Drip(left / 20 + 1, Duration::from_millis(50)));
    terminal.agent.update().await.unwrap();
    assert_eq!(proxy.body_sent("/targets/"), left as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_noticed_before_anything_is_fetched() {
    let (world, proxy, _) = world().await;
    let terminal = terminal(&world, &proxy, "one", Network { spare_bytes: u64::MAX / 2, ..once() }).await;
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "disk_space");
    assert_eq!(proxy.seen("/targets/").len(), 0);
    assert!(terminal.runs().is_empty());
    Agent::new(&terminal.folder, FakeEngine::default()).update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_goes_on_where_it_was() {
    let (world, proxy, blob) = world().await;
    let len = blob.len() as u64;
    for (number, stall) in [1, len / 3, len - 1].into_iter().enumerate() {
        let terminal = terminal(&world, &proxy, &format!("t{number}"), once()).await;
        proxy.once("/targets/", Fault::StallAt(stall));
        let mut child = terminal.update_by_child().spawn().unwrap();
        let part = || {
            let part = fs::read_dir(terminal.folder.join("parts")).ok()?.next()?.ok()?;
            part.metadata().ok().map(|found| found.len())
        };
        while part() != Some(stall) {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let report = terminal.agent.update().await.unwrap();
        assert_eq!(report.channels[0].bytes_fetched, len - stall);
        assert_eq!(proxy.body_sent("/targets/"), len);
        assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    }
}
