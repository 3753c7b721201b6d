//! The user side: prints each program that is started, until Ctrl-C.

use hachi::maps::RingBuf;
use hachi::programs::TracePoint;
use hachi::{Ebpf, include_bytes_aligned, read_bytes};

use starts_common::Start;

/// The eBPF side, as the build script left it.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/starts-ebpf"));

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut ebpf = Ebpf::load(OBJECT)?;
    let mut starts = RingBuf::try_from(ebpf.take_map("STARTS")?)?.into_async()?;
    let program: &mut TracePoint = ebpf.program_mut("starts")?.try_into()?;
    program.load()?;
    program.attach("sched", "sched_process_exec")?;
    println!("watching; Ctrl-C ends");
    loop {
        tokio::select! {
            record = starts.next() => {
                if let Some(start) = read_bytes::<Start>(&record?) {
                    let name = start.name().escape_ascii();
                    println!("{name} is process {} of user {}", start.process, start.user);
                }
            }
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        }
    }
}
