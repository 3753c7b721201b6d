//! The table of what works by libbpf and by Hachi, on this kernel.

use std::{path::Path, time::Instant};

use hachi_test::{VethPair, require_bpf};
use prober::{Hachi, Libbpf, Surroundings, probe, rows};

/// libbpf finds tracefs only where it is mounted. Only this thread and those it starts see that.
fn mount_tracefs() {
    hachi_test::private_mounts().unwrap();
    // SAFETY: the strings are NUL-terminated constants; there are no options.
    unsafe {
        libc::mount(
            c"tracefs".as_ptr(),
            c"/sys/kernel/tracing".as_ptr(),
            c"tracefs".as_ptr(),
            0,
            std::ptr::null(),
        );
    }
}

/// What works by libbpf works by Hachi. A row is printed as `prober NAME: …`, and at the end
/// `prober total: …`.
#[test]
fn each_kind_works_as_by_libbpf() {
    require_bpf!();
    let objects = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/objects"));
    mount_tracefs();
    let wire = VethPair::new().unwrap();
    let host = wire.right.netns().clone();
    let start = Instant::now();
    let mut less = Vec::new();
    let mut totals = [0; 2];
    host.run(|| {
        let mut around = Surroundings::new(wire).unwrap();
        for row in rows::all() {
            let results = [
                probe(&Libbpf, &row, objects, &mut around),
                probe(&Hachi, &row, objects, &mut around),
            ];
            for (total, result) in totals.iter_mut().zip(&results) {
                *total += u32::from(result.is_ok());
            }
            let [libbpf, hachi] = results.map(|result| match result {
                Ok(()) => "works".to_owned(),
                Err(why) => why,
            });
            println!("prober {}: libbpf {libbpf} | Hachi {hachi}", row.name);
            if libbpf == "works" && hachi != "works" {
                less.push(format!("{}: {hachi}", row.name));
            }
        }
    });
    let [libbpf, hachi] = totals;
    let seconds = start.elapsed().as_secs();
    println!("prober total: libbpf {libbpf} | Hachi {hachi} ({seconds} s)");
    assert!(less.is_empty(), "not by Hachi: {less:#?}");
}
