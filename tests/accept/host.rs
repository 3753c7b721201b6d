//! Runs all programs natively and prints what each makes of each packet.

use hachi_ebpf::programs::XdpContext;
use hachi_ebpf::test::{Input, Kernel};

type Program = fn(XdpContext) -> u32;

/// Prints a line for each program: its file, its name, and its results.
pub fn print(file: &str, programs: &[(&str, Program)], inputs: &[Vec<u8>]) {
    for (name, program) in programs {
        // No program finds what another one left in a map.
        let _kernel = Kernel::new();
        let results: Vec<String> = inputs.iter().map(|input| result(*program, input)).collect();
        println!("{file}\t{name}\t{}", results.join(" "));
    }
}

/// The result as a number, or `-` where the program aborts.
fn result(program: Program, input: &[u8]) -> String {
    let mut input = Input::<XdpContext>::new(input);
    let verdict = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| input.run(program)));
    match (verdict, input.bytes.first_chunk()) {
        (Ok(2), Some(bytes)) => format!("{:x}", u64::from_le_bytes(*bytes)),
        _ => "-".to_owned(),
    }
}
