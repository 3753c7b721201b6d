//! The ring buffer reader, fed by real programs.

mod support;

use std::{
    os::fd::AsFd as _,
    thread,
    time::{Duration, Instant},
};

use hachi::{
    Ebpf,
    maps::{MapData, RingBuf},
    obj::{MapSpec, MapType},
    programs::{TestRunOptions, Xdp},
};
use hachi_test::require_bpf;
use support::{discarder, load, sender, spec};

/// Ring of one page; `five` sends 5 bytes of 0x55, `long` 200 bytes of 0x77, `nothing` discards a
/// record.
fn object() -> Ebpf {
    let ring = MapSpec::new("RING", MapType::Ringbuf, 0, 0, 4096);
    let programs = vec![
        sender("five", "RING", 5, 0x55),
        sender("long", "RING", 200, 0x77),
        discarder("nothing", "RING"),
    ];
    let mut ebpf = load(spec(vec![ring], programs));
    for (_, program) in ebpf.programs_mut() {
        program.load().unwrap();
    }
    ebpf
}

fn ring(ebpf: &mut Ebpf) -> RingBuf<MapData> {
    ebpf.take_map("RING").unwrap().try_into().unwrap()
}

/// Runs a program once; what it returns is 0 when its record found room.
fn fire(ebpf: &Ebpf, program: &str) -> u32 {
    let program: &Xdp = ebpf.program(program).unwrap().try_into().unwrap();
    program
        .test_run(&TestRunOptions::new().data(&[0; 64]))
        .unwrap()
        .return_value
}

#[test]
fn records_come_in_order_and_in_place() {
    require_bpf!();
    let mut ebpf = object();
    let mut ring = ring(&mut ebpf);
    assert!(ring.next().is_none());
    assert_eq!(fire(&ebpf, "five"), 0);
    assert_eq!(fire(&ebpf, "long"), 0);
    assert_eq!(ring.unread(), 16 + 208);
    {
        let item = ring.next().unwrap();
        assert_eq!(item[..], [0x55; 5]);
        assert_eq!(item.as_ptr() as usize % 8, 0);
    }
    assert_eq!(ring.next().unwrap()[..], [0x77; 200]);
    assert!(ring.next().is_none());
    assert_eq!(ring.unread(), 0);
}

#[test]
fn discarded_records_are_skipped() {
    require_bpf!();
    let mut ebpf = object();
    let mut ring = ring(&mut ebpf);
    for program in ["nothing", "five", "nothing", "nothing"] {
        fire(&ebpf, program);
    }
    assert_eq!(ring.drain(|record| assert_eq!(record, [0x55; 5])), 1);
    assert_eq!(ring.unread(), 0, "the discarded ones were consumed as well");
}

#[test]
fn wraps_around_many_times_and_refuses_when_full() {
    require_bpf!();
    let mut ebpf = object();
    let mut ring = ring(&mut ebpf);
    for _ in 0..100 {
        fire(&ebpf, "long");
        fire(&ebpf, "five");
        assert_eq!(ring.next().unwrap()[..], [0x77; 200]);
        assert_eq!(ring.next().unwrap()[..], [0x55; 5]);
    }
    let mut sent = 0;
    while fire(&ebpf, "long") == 0 {
        sent += 1;
    }
    assert_eq!(sent, 4096 / 208);
    assert_eq!(ring.drain(|record| assert_eq!(record, [0x77; 200])), sent);
    assert_eq!(fire(&ebpf, "long"), 0, "there is room again");
}

#[test]
fn waits_no_longer_than_asked() {
    require_bpf!();
    let mut ebpf = object();
    let mut ring = ring(&mut ebpf);
    let start = Instant::now();
    assert!(
        ring.next_timeout(Duration::from_millis(50))
            .unwrap()
            .is_none()
    );
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert!(!ring.wait(Some(Duration::ZERO)).unwrap());

    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            fire(&ebpf, "five");
        });
        let record = ring.next_timeout(Duration::from_secs(10)).unwrap().unwrap();
        assert_eq!(record[..], [0x55; 5]);
    });
    fire(&ebpf, "five");
    assert!(ring.wait(None).unwrap());
    let _: std::os::fd::BorrowedFd<'_> = ring.as_fd();
}

/// A second reader, later, goes on where the first stopped.
#[test]
fn reading_goes_on_where_it_stopped() {
    require_bpf!();
    let mut ebpf = object();
    fire(&ebpf, "five");
    fire(&ebpf, "long");
    {
        let mut ring = RingBuf::try_from(ebpf.map_mut("RING").unwrap()).unwrap();
        assert_eq!(ring.next().unwrap().len(), 5);
    }
    let mut ring = ring(&mut ebpf);
    assert_eq!(ring.next().unwrap().len(), 200);
    assert!(ring.next().is_none());
}

/// Producer and consumer at full speed: nothing is lost, doubled or torn.
#[test]
fn nothing_is_lost_under_load() {
    require_bpf!();
    const RECORDS: usize = 10_000;
    let mut ebpf = object();
    let mut ring = ring(&mut ebpf);
    let mut count = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..RECORDS {
                // The ring is small: now and then it is full.
                while fire(&ebpf, "five") != 0 {
                    thread::yield_now();
                }
            }
        });
        while count < RECORDS {
            // A wake-up that got lost would end the loop.
            let Some(record) = ring.next_timeout(Duration::from_secs(5)).unwrap() else {
                break;
            };
            assert_eq!(record[..], [0x55; 5]);
            count += 1;
        }
    });
    assert_eq!(count, RECORDS);
    assert!(ring.next().is_none());
}

#[cfg(feature = "tokio")]
mod asynchronous {
    use std::{future::poll_fn, pin::Pin};

    use futures_core::Stream as _;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    }

    #[test]
    fn tokio_is_woken() {
        require_bpf!();
        let mut ebpf = object();
        let ring = ring(&mut ebpf);
        runtime().block_on(async {
            let mut ring = ring.into_async().unwrap();
            assert!(ring.try_next().is_none());
            let waiting = tokio::time::timeout(Duration::from_millis(50), ring.next());
            assert!(waiting.await.is_err(), "there is nothing yet");
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(30));
                    fire(&ebpf, "five");
                });
            });
            // Many rounds: an edge that got lost would hang here.
            for _ in 0..200 {
                let record = tokio::time::timeout(Duration::from_secs(10), ring.next());
                assert_eq!(record.await.unwrap().unwrap()[..], [0x55; 5]);
                fire(&ebpf, "five");
            }
            let mut stream = ring;
            let copied = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(copied, [0x55; 5]);
        });
    }
}
