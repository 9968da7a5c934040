#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| updater::fuzzing::bundle(bytes));
