#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| corpus::fuzzing::database_open_scan(bytes));
