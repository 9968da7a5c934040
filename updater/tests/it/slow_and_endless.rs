//! Answers that break off, never end, or are no answers: the update ends with a code of its own, and the next honest one succeeds.

use crate::support::fault::{Fault, FaultProxy};
use crate::support::{World, at};
use updater::wire::Designation;

#[tokio::test(flavor = "multi_thread")]
async fn endless_or_broken_answers_end_an_update_by_a_code() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    let proxy = FaultProxy::before(&world.url).await;
    terminal.asks(&proxy.url);
    for (part, fault, code) in [
        ("/check-in", Fault::NoAnswer, "service_unreachable"),
        ("/check-in", Fault::Endless, "answer_too_long"),
        ("/metadata/timestamp.json", Fault::CutAt(10), "service_unreachable"),
        ("/targets/", Fault::Endless, "answer_too_long"),
        ("/targets/", Fault::FlipBit(500), "blob_refused"),
    ] {
        proxy.always(part, fault);
        assert_eq!(terminal.agent.update().await.unwrap_err().code(), code, "{part}");
        assert!(terminal.runs().is_empty());
        proxy.heal();
    }
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    // The count is of the sockets: a whole blob and its head.
    let blob = proxy.seen("/targets/").pop().unwrap();
    assert!(blob.sent > blob.body_sent && blob.received > 100, "{blob:?}");
}
