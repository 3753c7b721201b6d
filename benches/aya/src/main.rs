//! Aya's counterpart of `benches/src/bin/types.rs`: the same figures, printed the same way.

use aya_obj::btf::{Btf, BtfKind};
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, object, count] = &arguments[..] else {
        panic!("usage: aya-peer OBJECT COUNT");
    };
    let count: usize = count.parse().expect("COUNT is a number");
    let bytes = std::fs::read(object).expect("OBJECT can be read");
    let mut opens = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        let btf = Btf::from_sys_fs().expect("the kernel shows its types");
        btf.id_by_type_name_kind("task_struct", BtfKind::Struct)
            .expect("there are tasks");
        opens.push(start.elapsed());
    }
    let mut times = Vec::new();
    let before = user_time();
    for _ in 0..count {
        let start = Instant::now();
        let mut object = aya_obj::Object::parse(&bytes).expect("OBJECT is one");
        let btf = Btf::from_sys_fs().expect("the kernel shows its types");
        object.relocate_btf(&btf).expect("it can be relocated");
        times.push(start.elapsed());
    }
    let own = (user_time() - before) / count as u32;
    println!(
        "{} {} {}",
        median(opens).as_micros(),
        median(times).as_micros(),
        own.as_micros()
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// CPU time of this process outside the kernel.
fn user_time() -> Duration {
    // SAFETY: plain numbers, for which zeros are a value; filled in by the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let time = usage.ru_utime;
    Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
}
