//! Programs with something special about them, linked, loaded and run.

mod support;

use std::os::fd::OwnedFd;

use support::{Config, PRELUDE, bpf, build, missing, object};

/// Packet helpers for the programs here: eight words in, one word out.
const PACKET: &str = r#"
#[inline(always)]
unsafe fn packet(ctx: *mut XdpMd) -> Option<*mut [u64; 8]> {
    let (start, end) = unsafe { ((*ctx).data as usize, (*ctx).data_end as usize) };
    if start + 64 > end { None } else { Some(start as *mut [u64; 8]) }
}
"#;

/// Builds, loads with types, and hands out the program.
fn load(body: &str, config: &Config, name: &str) -> OwnedFd {
    let built = build(&format!("{PRELUDE}{PACKET}{body}"), config);
    let data = built
        .object
        .unwrap_or_else(|| panic!("{}\n{}", built.diagnostics, built.stderr));
    let mut loader = object::programs(&data);
    let code = loader.code(name);
    let btf = bpf::load_btf(&loader.btf()).unwrap_or_else(|(e, log)| panic!("BTF: {e}\n{log}"));
    bpf::load_typed(bpf::XDP, &code.instructions, Some((&btf, &code.functions)))
        .unwrap_or_else(|(e, log)| panic!("{e}\n{log}"))
}

/// Runs over eight words: the return value and the words afterwards.
fn run(program: &OwnedFd, words: [u64; 8]) -> (u32, [u64; 8]) {
    let packet: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let (result, out) = bpf::run(program, &packet).unwrap();
    let word = |i: usize| u64::from_le_bytes(out[i * 8..][..8].try_into().unwrap());
    (result, std::array::from_fn(word))
}

fn everywhere(check: impl Fn(&Config)) {
    if missing(true) {
        return;
    }
    for config in [Config::opt("3"), Config::opt("s"), Config::debug()] {
        check(&config);
    }
}

#[test]
fn programs_may_be_called_like_their_sections() {
    let body = r#"
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "xdp")]
        pub extern "C" fn xdp(_: *mut XdpMd) -> u32 { 2 }
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "tc")]
        pub extern "C" fn tc(_: *mut XdpMd) -> u32 { 7 }
    "#;
    everywhere(|config| {
        let program = load(body, config, "xdp");
        assert_eq!(run(&program, [0; 8]).0, 2);
        let built = build(&format!("{PRELUDE}{PACKET}{body}"), config);
        let data = built.object.unwrap();
        assert_eq!(object::programs(&data).names("tc"), ["tc"]);
    });
}

#[test]
fn helpers_are_called_by_number() {
    let body = r#"
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "xdp")]
        pub extern "C" fn program(ctx: *mut XdpMd) -> u32 {
            let Some(p) = (unsafe { packet(ctx) }) else { return 1 };
            let now: extern "C" fn() -> u64 = unsafe { core::mem::transmute(5usize) };
            let first = now();
            let second = now();
            unsafe { (*p)[0] = first; (*p)[1] = second };
            2
        }
    "#;
    everywhere(|config| {
        let program = load(body, config, "program");
        let (result, words) = run(&program, [0; 8]);
        assert_eq!(result, 2);
        assert!(words[0] > 0 && words[1] >= words[0], "{words:?}");
    });
}

#[test]
fn callbacks_stay_functions_and_panics_end_their_loop() {
    let body = r#"
        struct State { table: [u64; 4], sum: u64, rounds: u64 }
        extern "C" fn round(i: u32, state: *mut State) -> i64 {
            let state = unsafe { &mut *state };
            // Not `+=`: with overflow checks the verifier would count along, to the end of all
            // numbers.
            state.rounds = state.rounds.wrapping_add(1);
            // Panics at the fifth.
            state.sum = state.sum.wrapping_add(state.table[i as usize]);
            0
        }
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "xdp")]
        pub extern "C" fn program(ctx: *mut XdpMd) -> u32 {
            let Some(p) = (unsafe { packet(ctx) }) else { return 1 };
            let n = unsafe { (*p)[0] } as u32;
            type Each = extern "C" fn(u32, *mut State) -> i64;
            let bpf_loop: unsafe extern "C" fn(u32, Each, *mut State, u64) -> i64 =
                unsafe { core::mem::transmute(181usize) };
            let mut state = State { table: [1, 10, 100, 1000], sum: 0, rounds: 0 };
            unsafe { bpf_loop(n, round, &mut state, 0) };
            unsafe { (*p)[0] = state.sum; (*p)[1] = state.rounds };
            2
        }
    "#;
    everywhere(|config| {
        let program = load(body, config, "program");
        let (result, words) = run(&program, [3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((result, words[0], words[1]), (2, 111, 3));
        let (result, words) = run(&program, [9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            (result, words[0], words[1]),
            (2, 1111, 5),
            "the fifth round ends the loop"
        );
    });
}

#[test]
fn global_functions_are_verified_by_themselves() {
    let body = r#"
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn mix(a: u64, b: u64) -> u64 { a.wrapping_mul(31) ^ b.rotate_left(7) }
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "xdp")]
        pub extern "C" fn program(ctx: *mut XdpMd) -> u32 {
            let Some(p) = (unsafe { packet(ctx) }) else { return 1 };
            unsafe { (*p)[0] = mix((*p)[0], (*p)[1]) };
            2
        }
    "#;
    everywhere(|config| {
        let built = build(&format!("{PRELUDE}{PACKET}{body}"), config);
        let data = built.object.unwrap();
        let code = object::programs(&data).code("program");
        assert_eq!(code.functions.len(), 2, "`mix` was inlined");
        let program = load(body, config, "program");
        let (_, words) = run(&program, [5, 6, 0, 0, 0, 0, 0, 0]);
        assert_eq!(words[0], 155 ^ (6 << 7));
    });
}

#[test]
fn panics_in_global_functions_are_warned_of() {
    if missing(false) {
        return;
    }
    let body = r#"
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn pick(at: u64) -> u64 { [3u64, 1, 4, 1, 5][at as usize] }
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "xdp")]
        pub extern "C" fn program(ctx: *mut XdpMd) -> u32 {
            let Some(p) = (unsafe { packet(ctx) }) else { return 1 };
            unsafe { (*p)[0] = pick((*p)[0]) };
            2
        }
    "#;
    let built = build(&format!("{PRELUDE}{PACKET}{body}"), &Config::opt("3"));
    assert!(built.object.is_some(), "{}", built.stderr);
    for text in [
        "warning[panic-in-global-function]: ",
        "bpf_throw",
        "in `pick`",
        "main.rs:",
    ] {
        assert!(built.diagnostics.contains(text), "{}", built.diagnostics);
    }
}

#[test]
fn static_data_can_be_written() {
    let body = r#"
        static mut COUNT: u64 = 40;
        static mut ZEROED: [u32; 6] = [0; 6];
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "xdp")]
        pub extern "C" fn program(ctx: *mut XdpMd) -> u32 {
            let Some(p) = (unsafe { packet(ctx) }) else { return 1 };
            unsafe {
                let count = &raw mut COUNT;
                *count += 1;
                let zeroed = &raw mut ZEROED;
                (*zeroed)[((*p)[0] % 6) as usize] += 2;
                (*p)[0] = *count;
                (*p)[1] = u64::from((*zeroed)[5]);
            }
            2
        }
    "#;
    everywhere(|config| {
        let program = load(body, config, "program");
        assert_eq!(run(&program, [5; 8]).1[..2], [41, 2]);
        assert_eq!(run(&program, [5; 8]).1[..2], [42, 4]);
        assert_eq!(run(&program, [4; 8]).1[..2], [43, 4]);
    });
}

#[test]
fn the_runtime_has_atomics() {
    let body = r#"
        unsafe extern "C" {
            fn __hachi_atomic_add64(p: *mut u64, v: u64) -> u64;
            fn __hachi_atomic_sub64(p: *mut u64, v: u64) -> u64;
            fn __hachi_atomic_and64(p: *mut u64, v: u64) -> u64;
            fn __hachi_atomic_or64(p: *mut u64, v: u64) -> u64;
            fn __hachi_atomic_xor64(p: *mut u64, v: u64) -> u64;
            fn __hachi_atomic_xchg64(p: *mut u64, v: u64) -> u64;
            fn __hachi_atomic_cmpxchg64(p: *mut u64, old: u64, new: u64) -> u64;
            fn __hachi_atomic_add32(p: *mut u32, v: u32) -> u32;
            fn __hachi_atomic_cmpxchg32(p: *mut u32, old: u32, new: u32) -> u32;
            fn __hachi_fence();
        }
        static mut PLACE: u64 = 100;
        static mut SMALL: u32 = 7;
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "xdp")]
        pub extern "C" fn program(ctx: *mut XdpMd) -> u32 {
            let Some(p) = (unsafe { packet(ctx) }) else { return 1 };
            unsafe {
                let place = &raw mut PLACE;
                let small = &raw mut SMALL;
                (*p)[0] = __hachi_atomic_add64(place, 5);
                (*p)[1] = __hachi_atomic_sub64(place, 1);
                __hachi_atomic_or64(place, 0x1000);
                __hachi_fence();
                __hachi_atomic_xor64(place, 0x1);
                (*p)[2] = __hachi_atomic_and64(place, !0x8);
                (*p)[3] = __hachi_atomic_xchg64(place, 55);
                (*p)[4] = __hachi_atomic_cmpxchg64(place, 54, 1);
                (*p)[5] = __hachi_atomic_cmpxchg64(place, 55, 56);
                (*p)[6] = *place;
                __hachi_atomic_add32(small, 3);
                (*p)[7] = u64::from(__hachi_atomic_cmpxchg32(small, 10, 11)) << 32
                    | u64::from(*small);
            }
            2
        }
    "#;
    everywhere(|config| {
        let program = load(body, config, "program");
        let (_, words) = run(&program, [0; 8]);
        // 100 + 5 - 1 = 104 = 0x68; | 0x1000; ^ 1 = 0x1069; & !8 = 0x1061
        assert_eq!(
            words,
            [100, 105, 0x1069, 0x1061, 55, 55, 56, (10 << 32) | 11]
        );
    });
}

#[test]
fn rusts_own_atomics_of_the_host() {
    if missing(true) {
        return;
    }
    let body = r#"
        use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
        use core::sync::atomic::{compiler_fence, fence};
        static A: AtomicU64 = AtomicU64::new(10);
        static B: AtomicU32 = AtomicU32::new(20);
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "xdp")]
        pub extern "C" fn program(ctx: *mut XdpMd) -> u32 {
            let Some(p) = (unsafe { packet(ctx) }) else { return 1 };
            let old = A.fetch_add(1, AcqRel);
            B.store(33, SeqCst);
            fence(SeqCst);
            compiler_fence(SeqCst);
            let b = B.load(Acquire);
            let swapped = A.compare_exchange(11, 12, SeqCst, Relaxed).is_ok();
            B.fetch_or(0x40, Relaxed);
            unsafe {
                (*p)[0] = old;
                (*p)[1] = u64::from(b);
                (*p)[2] = u64::from(swapped);
                (*p)[3] = A.load(SeqCst);
                (*p)[4] = u64::from(B.load(Relaxed));
            }
            2
        }
    "#;
    let config = Config {
        host: true,
        ..Config::opt("2")
    };
    let program = load(body, &config, "program");
    assert_eq!(run(&program, [0; 8]).1[..5], [10, 33, 1, 12, 0x61]);
}

#[test]
fn aborts_reach_every_kind_of_program() {
    if missing(false) {
        return;
    }
    // recvmsg programs may return nothing but 1; the kernel would refuse a 0.
    let body = r#"
        #[unsafe(no_mangle)]
        #[unsafe(link_section = "cgroup/recvmsg4")]
        pub extern "C" fn program(ctx: *mut XdpMd) -> u32 {
            let x = unsafe { &(*ctx).rest };
            if x[0] == 5 { panic!() }
            1
        }
    "#;
    let built = build(&format!("{PRELUDE}{PACKET}{body}"), &Config::opt("3"));
    let data = built.object.unwrap();
    let code = object::programs(&data).code("program").instructions;
    // Both ways out are the same, so nothing is left but `r0 = 1; exit`.
    assert_eq!(code.len(), 2, "{code:x?}");
    assert_eq!(code[0] >> 32, 1);
}
