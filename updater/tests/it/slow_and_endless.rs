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
        ("/metadata/timestamp.json", Fault::Endless, "answer_too_long"),
        ("/metadata/1.m-acme.json", Fault::Endless, "answer_too_long"),
        ("/check-in", Fault::HeaderFlood(200), "answer_head_too_long"),
        ("/metadata/timestamp.json", Fault::HeaderFlood(2000), "answer_head_too_long"),
        ("/targets/", Fault::HeaderFlood(2000), "answer_head_too_long"),
        ("/check-in", Fault::Answer(302, vec![("location", "http://127.0.0.1:9/".to_owned())], ""), "redirect_refused"),
        ("/metadata/timestamp.json", Fault::Answer(301, Vec::new(), ""), "redirect_refused"),
        ("/check-in", Fault::Answer(200, Vec::new(), "<html>"), "answer_unreadable"),
        ("/targets/", Fault::FlipBit(500), "blob_refused"),
    ] {
        proxy.always(part, fault);
        assert_eq!(terminal.agent.update().await.unwrap_err().code(), code, "{part}");
        assert!(terminal.runs().is_empty());
        proxy.heal();
    }
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    let counted = terminal.agent.poll().await;
    assert!(counted.result.is_ok());
    // The count is of the sockets: a whole blob and its head.
    let blob = proxy.seen("/targets/").pop().unwrap();
    assert!(blob.sent > blob.body_sent && blob.received > 100, "{blob:?}");
}
