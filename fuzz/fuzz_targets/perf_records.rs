#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hachi_fuzz::perf_records::run(bytes));
