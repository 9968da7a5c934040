//! New databases on which the engine dies, hangs or finds what is clean: each with its code, told to the service; the generation
//! in force stays, and the next honest release is installed.

use crate::support::{World, at};
use updater::agent::SelfTestError;
use updater::wire::Designation;

#[tokio::test(flavor = "multi_thread")]
async fn database_that_harms_the_engine() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    let faults = [
        (SelfTestError::Crashed { reason: "signal 11".to_owned() }, "self_test_crashed"),
        (SelfTestError::TimedOut { seconds: 60 }, "self_test_timed_out"),
        (SelfTestError::Memory { bytes: 1 << 30 }, "self_test_memory"),
        (SelfTestError::FlagsClean { sample: "/bin/sh".into(), signature: "Bad".into() }, "self_test_flags_clean"),
        (SelfTestError::Misses { sample: "EICAR".into() }, "self_test_misses"),
        (SelfTestError::failed("no database"), "self_test_failed"),
    ];
    for (release, (fault, code)) in (2..).zip(faults) {
        world.publish(&maker, "acme/stable", release, 0..100 + release as u32).await;
        terminal.engine.ends_with(Some(fault));
        assert_eq!(terminal.agent.update().await.unwrap_err().code(), code);
        assert_eq!(terminal.runs(), [at("acme/stable", release - 1)], "{code}");
        let row = &world.operator.terminals().await.unwrap()[0];
        assert_eq!((row.trouble.as_deref(), &row.applied[..]), (Some(code), &[at("acme/stable", release - 1)][..]));
        terminal.engine.ends_with(None);
        terminal.agent.update().await.unwrap();
        assert_eq!(terminal.runs(), [at("acme/stable", release)], "after {code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_files_are_chosen_at_enrolment_and_stay() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let folder = world.dir.path().join("bin");
    std::fs::create_dir(&folder).unwrap();
    let terminal = world.stranger("one");
    let agent = terminal.agent.clone().clean_folders([folder.clone()]);
    std::fs::write(folder.join("tool"), "clean").unwrap();
    let token = world.operator.enrolment_token().await.unwrap();
    let channels = vec!["acme/stable".parse().unwrap()];
    agent.enroll(&updater::agent::Enrolment::of_this_machine(world.url.clone(), token, channels)).await.unwrap();
    let chosen = updater::agent::clean_files(&terminal.folder).unwrap();
    let tool = folder.canonicalize().unwrap().join("tool");
    assert!(chosen.iter().any(|file| file.path == tool));

    std::fs::write(folder.join("later"), "who knows").unwrap();
    let report = agent.update().await.unwrap();
    assert_eq!(report.self_test.unwrap().system_files as usize, chosen.len());
    assert_eq!(updater::agent::clean_files(&terminal.folder).unwrap(), chosen);
    let renewed = agent.renew_clean_files().unwrap();
    assert!(renewed.iter().any(|file| file.path.ends_with("later")));
}
