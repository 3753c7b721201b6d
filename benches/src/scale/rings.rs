//! Looking at many ring buffers that are empty.

use super::curve::{Curve, Point};
use crate::timing::per_one;
use crate::tools::{Result, libbpf, median, succeed};
use hachi::maps::{EventPoll, MapData, MapType, RingBuf};
use hachi::obj::MapSpec;
use hachi_test::bpf_available;
use std::process::Command;

const RINGS: [u32; 4] = [1, 16, 64, 256];
const ROUNDS: u32 = 20_000;
const SAMPLES: usize = 7;
/// Of the ring: a page.
const SIZE: u32 = 4096;

pub fn curves() -> Result<Option<Curve>> {
    if let Err(reason) = bpf_available() {
        println!("  empty-rings skipped: {reason}");
        return Ok(None);
    }
    let peer = libbpf("rings")?;
    let mut points = Vec::new();
    for rings in RINGS {
        let mut poll = EventPoll::new()?;
        let spec = MapSpec::new("RING", MapType::Ringbuf, 0, 0, SIZE);
        for _ in 0..rings {
            let ring: RingBuf<MapData> = MapData::from_spec(&spec)?.try_into()?;
            poll.add(ring, |_| ())?;
        }
        // Each looks at as many rings.
        let rounds = ROUNDS / rings;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..SAMPLES {
            let mut found = 0;
            ours.push(per_one(rings * rounds, || {
                found = (0..rounds).map(|_| poll.consume()).sum();
            }));
            assert_eq!(found, 0, "nobody sends");
            let mut command = Command::new(&peer);
            command.arg(rings.to_string()).arg(rounds.to_string());
            theirs.push(succeed(&mut command)?.trim().parse()?);
        }
        points.push(Point {
            work: rings.into(),
            ours: median(&ours),
            theirs: median(&theirs),
        });
    }
    Ok(Some(Curve {
        name: "empty-rings".into(),
        work: "rings",
        unit: "ns for each",
        peer: "libbpf",
        points,
        limit: Some(1.0),
    }))
}
