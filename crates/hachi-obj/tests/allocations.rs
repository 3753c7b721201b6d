//! What opening an object and linking a program allocate: as much as there is to do, and not more.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use hachi_obj::link::Types;
use hachi_obj::{ProgramSpec, Spec};
use support::{Wanted, object};

/// The system's allocator, which counts for each thread (each test) by itself.
struct Counting;

#[derive(Clone, Copy, Debug, Default)]
struct Allocated {
    /// Calls that allocate or grow.
    calls: usize,
    /// Bytes that they ask for, or ask for in addition.
    bytes: usize,
}

thread_local! {
    static SO_FAR: Cell<Allocated> = const { Cell::new(Allocated { calls: 0, bytes: 0 }) };
}

fn count(bytes: usize) {
    // Threads that end may allocate when their values are gone.
    let _ = SO_FAR.try_with(|so_far| {
        let Allocated { calls, bytes: sum } = so_far.get();
        so_far.set(Allocated {
            calls: calls + 1,
            bytes: sum + bytes,
        });
    });
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.saturating_sub(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` gives, and what it allocates.
fn allocated<T>(work: impl FnOnce() -> T) -> (T, Allocated) {
    let before = SO_FAR.get();
    let done = work();
    let after = SO_FAR.get();
    let difference = Allocated {
        calls: after.calls - before.calls,
        bytes: after.bytes - before.bytes,
    };
    (done, difference)
}

fn open(bytes: Vec<u8>) -> (Spec, Allocated) {
    let (spec, allocated) = allocated(|| Spec::parse_vec(bytes));
    (spec.expect("parses"), allocated)
}

/// Links with the object's own types for those of the kernel.
fn link(spec: &Spec, program: &ProgramSpec) -> Allocated {
    let kernel = spec.types().expect("has types");
    // The index of its names is the kernel's, not the program's.
    assert!(!kernel.candidates("thing").is_empty());
    let surroundings = Types::new(&kernel, &[]);
    let (linked, allocated) = allocated(|| program.link(&surroundings));
    assert_eq!(linked.expect("links").poisoned, []);
    allocated
}

/// Allocations per function that opening an object may make, and those that do not depend on it.
const PER_FUNCTION: usize = 3;
const FIXED: usize = 100;

#[test]
fn a_function_shared_by_500_programs_is_held_once() {
    let object = |programs| {
        object(Wanted {
            programs,
            shared: 13_000,
            ..Wanted::default()
        })
    };
    let bytes = object(500);
    let file = bytes.len();
    let (spec, opened) = open(bytes);
    assert!(opened.calls <= PER_FUNCTION * 501 + FIXED, "{opened:?}");
    // Far less than the 50 MB of 500 copies.
    assert!(opened.bytes < 4 * file, "{opened:?} for {file} bytes");

    // One program costs what it costs alone.
    let (alone, _) = open(object(1));
    let one = link(&alone, &alone.programs[0]);
    let of_many = link(&spec, &spec.programs[499]);
    assert_eq!(of_many.calls, one.calls);
    assert!(of_many.bytes <= one.bytes + 64, "{of_many:?}, {one:?}");
    assert!(
        one.bytes < 13_000 * 2 * size_of::<hachi_obj::Insn>(),
        "{one:?}"
    );
}

#[test]
fn opening_does_not_look_at_records() {
    let with = |core_relos| {
        open(object(Wanted {
            programs: 1000,
            core_relos,
            ..Wanted::default()
        }))
    };
    let (_, one) = with(1);
    let (spec, hundred) = with(100);
    assert!(hundred.calls <= PER_FUNCTION * 1000 + FIXED, "{hundred:?}");
    // The index of types may grow; nothing else has reason to.
    assert!(hundred.calls <= one.calls + 8, "{hundred:?}, {one:?}");

    // All programs cost as many times as much as one.
    let one = link(&spec, &spec.programs[0]);
    let mut all = Allocated::default();
    for program in &spec.programs {
        let linked = link(&spec, program);
        all.calls += linked.calls;
        all.bytes += linked.bytes;
    }
    assert!(all.calls <= 1000 * one.calls, "{all:?}, {one:?}");
    assert!(all.bytes <= 1001 * one.bytes, "{all:?}, {one:?}");
}

#[test]
fn one_program_of_a_thousand_costs_what_it_costs_alone() {
    let wanted = Wanted {
        core_relos: 100,
        ..Wanted::default()
    };
    let (alone, _) = open(object(wanted));
    let (many, _) = open(object(Wanted {
        programs: 1000,
        ..wanted
    }));
    let one = link(&alone, &alone.programs[0]);
    for number in [0, 1, 500, 999] {
        let of_many = link(&many, &many.programs[number]);
        assert_eq!(of_many.calls, one.calls);
        assert!(of_many.bytes <= one.bytes + 64, "{of_many:?}, {one:?}");
    }
    // Some for each of its records, none for its instructions.
    assert!(one.calls <= 100 * 8 + FIXED, "{one:?}");
    let (larger, _) = open(object(Wanted {
        shared: 10_000,
        ..wanted
    }));
    let larger = link(&larger, &larger.programs[0]);
    assert!(larger.calls <= one.calls + 16, "{larger:?}, {one:?}");
}
