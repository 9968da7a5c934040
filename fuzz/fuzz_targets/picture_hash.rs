#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| corpus::fuzzing::picture_hash(bytes));
