//! Feeds each target its seeds and mutations of them, without libFuzzer: a quick check that the
//! targets work, and a driver where there is no C++ compiler.
//!
//! `HACHI_FUZZ_SECONDS` says how long each target runs; by default each seed is mutated a fixed
//! number of times. A failing input is left in `fuzz/artifacts`.

use hachi_fuzz::{TARGETS, Target};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a seed is mutated when no time is given.
const MUTATIONS: usize = 300;

/// No input of a target may take longer, in a debug build on a busy machine.
const SLOWEST: Duration = Duration::from_secs(20);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let directory = root().join("fuzz/seeds").join(target.name);
    let entries =
        fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let files = paths.iter().filter(|path| path.is_file());
    let found: Vec<Vec<u8>> = files.map(|path| fs::read(path).unwrap()).collect();
    assert!(!found.is_empty(), "{} has no seeds", target.name);
    found
}

/// Marsaglia's xorshift: the same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    /// Changes some bytes, cuts some out, repeats some, or puts in those of another seed.
    fn mutate(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        const EDGES: [u32; 6] = [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff];
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => {
                    let end = (at + self.below(16)).min(bytes.len());
                    bytes.drain(at..end);
                }
                2 => {
                    let start = self.below(other.len());
                    let end = (start + self.below(64)).min(other.len());
                    bytes.splice(at..at, other[start..end].iter().copied());
                }
                3 => {
                    let value = EDGES[self.below(EDGES.len())].to_le_bytes();
                    let width = 1 << self.below(3);
                    for (byte, new) in bytes[at..].iter_mut().zip(&value[..width]) {
                        *byte = *new;
                    }
                }
                4 => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = byte.wrapping_add(self.below(64) as u8).wrapping_sub(32);
                    }
                }
            }
        }
        bytes
    }
}

/// Feeds one input; a panic or a long run fails the test and leaves the input in a file.
fn feed(target: &Target, bytes: &[u8]) {
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    let took = start.elapsed();
    let problem = match result {
        Err(_) => "panics".to_owned(),
        Ok(()) if took > SLOWEST => format!("takes {took:.0?}"),
        Ok(()) => return,
    };
    let directory = root().join("fuzz/artifacts").join(target.name);
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(format!("input-{}", bytes.len()));
    fs::write(&path, bytes).unwrap();
    panic!(
        "{} {problem} for the input in {}",
        target.name,
        path.display()
    );
}

fn drive(target: &Target) {
    let seeds = seeds(target);
    for seed in &seeds {
        feed(target, seed);
    }
    feed(target, &[]);
    let seconds = std::env::var("HACHI_FUZZ_SECONDS").ok();
    let end = seconds.map(|seconds| {
        let seconds = seconds.parse().expect("HACHI_FUZZ_SECONDS is a number");
        Instant::now() + Duration::from_secs(seconds)
    });
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut rounds = 0;
    while end.map_or(rounds < MUTATIONS, |end| Instant::now() < end) {
        rounds += 1;
        for seed in &seeds {
            let other = &seeds[random.below(seeds.len())];
            feed(target, &random.mutate(seed, other));
        }
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let target = TARGETS.iter().find(|target| target.name == stringify!($name));
                drive(target.expect("the target exists"));
            }
        )*

        const DRIVEN: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! {
    bindings btf core edit ext inline insns kconfig link log_record netlink object
    perf_records print split user verifier_log vm
}

#[test]
fn each_target_is_driven_and_has_a_program() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, DRIVEN);
    let entries = fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap();
    let mut programs: Vec<String> = entries
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    programs.sort();
    assert_eq!(names, programs);
}
