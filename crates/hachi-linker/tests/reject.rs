//! What cannot become eBPF is refused by name: the function, the line, and what to do.

mod support;

use support::{Config, PRELUDE, build, missing};

/// Builds a source that must be refused. Each of `wanted` must appear in the diagnostics; `{line}`
/// stands for the line marked `// HERE`.
fn refused(body: &str, config: &Config, wanted: &[&str]) {
    if missing(false) {
        return;
    }
    let source = format!("{PRELUDE}{body}");
    let line = source
        .lines()
        .position(|line| line.contains("// HERE"))
        .map_or(0, |index| index + 1);
    let built = build(&source, config);
    assert!(built.object.is_none(), "it was linked:\n{source}");
    for text in wanted {
        let text = text.replace("{line}", &line.to_string());
        assert!(
            built.diagnostics.contains(&text),
            "`{text}` is not in:\n{}\n{}",
            built.diagnostics,
            built.stderr
        );
    }
    assert!(
        built.diagnostics.contains("= help: "),
        "no help:\n{}",
        built.diagnostics
    );
    // Mangled names mean nothing to anybody.
    assert!(
        !built.diagnostics.contains("_ZN") && !built.diagnostics.contains("_RN"),
        "{}",
        built.diagnostics
    );
}

fn release(body: &str, wanted: &[&str]) {
    refused(body, &Config::opt("3"), wanted);
}

const PROGRAM: &str = r#"
#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
pub extern "C" fn program(ctx: *mut XdpMd) -> u32 {
    let x = unsafe { &(*ctx).rest };
    work(x)
}
"#;

fn program(body: &str) -> String {
    format!("{PROGRAM}{body}")
}

#[test]
fn floating_point() {
    let body = program(
        "
        #[inline(never)]
        fn ratio(a: u32, b: u32) -> f64 {
            f64::from(a) / f64::from(b) // HERE
        }
        fn work(x: &[u32; 3]) -> u32 { if ratio(x[0], x[1]) > 0.5 { 1 } else { 2 } }
        ",
    );
    let wanted = [
        "error[floating-point]: floating-point arithmetic",
        "main.rs:{line}:",
        "in `main::ratio`",
        "::: ",
        "in `main::work`",
    ];
    release(&body, &wanted);
    refused(&body, &Config::debug(), &wanted[..3]);
}

#[test]
fn call_through_a_function_pointer() {
    release(
        &program(
            "
        fn one(a: u32) -> u32 { a * 3 }
        fn two(a: u32) -> u32 { a ^ 77 }
        fn work(x: &[u32; 3]) -> u32 {
            let f: fn(u32) -> u32 = core::hint::black_box(if x[0] > 5 { one } else { two });
            f(x[1]) // HERE
        }
        ",
        ),
        &[
            "function pointer",
            "main.rs:{line}:",
            "in `main::work`",
            "match",
        ],
    );
}

#[test]
fn dynamic_dispatch() {
    release(
        &program(
            "
        trait Shape { fn area(&self) -> u32; }
        struct A(u32);
        struct B(u32);
        impl Shape for A { fn area(&self) -> u32 { self.0 * 7 } }
        impl Shape for B { fn area(&self) -> u32 { self.0 / 7 } }
        fn work(x: &[u32; 3]) -> u32 {
            let (a, b) = (A(x[1]), B(x[2]));
            let shape: &dyn Shape = core::hint::black_box(if x[0] > 5 { &a } else { &b });
            shape.area() // HERE
        }
        ",
        ),
        &[
            "`dyn` method",
            "main.rs:{line}:",
            "in `main::work`",
            "impl Trait",
        ],
    );
}

#[test]
fn too_many_arguments_of_a_callback() {
    release(
        &program(
            "
        extern \"C\" fn each(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> u64 { // HERE
            a ^ b ^ c ^ d ^ e ^ f
        }
        fn work(x: &[u32; 3]) -> u32 {
            let helper: unsafe extern \"C\" fn(u32, *const (), *mut u32, u64) -> i64 =
                unsafe { core::mem::transmute(181usize) };
            unsafe { helper(x[0], each as *const (), core::ptr::null_mut(), 0) as u32 }
        }
        ",
        ),
        &[
            "takes 6 arguments",
            "at most 5",
            "main.rs:{line}",
            "in `main::each`",
        ],
    );
}

#[test]
fn too_many_arguments_of_a_helper() {
    release(
        &program(
            "
        fn work(x: &[u32; 3]) -> u32 {
            type F = unsafe extern \"C\" fn(u32, u32, u32, u32, u32, u32) -> i64;
            let helper: F = unsafe { core::mem::transmute(6usize) };
            unsafe { helper(x[0], 1, 2, 3, 4, 5) as u32 } // HERE
        }
        ",
        ),
        &[
            "passes 6 arguments",
            "at most 5",
            "main.rs:{line}:",
            "in `main::work`",
        ],
    );
}

#[test]
fn unsupported_return() {
    release(
        "
        #[unsafe(no_mangle)]
        #[unsafe(link_section = \"xdp\")]
        pub extern \"C\" fn program(ctx: *mut XdpMd) -> u128 { // HERE
            unsafe { (*ctx).rest[0] as u128 }
        }
        ",
        &[
            "returns more than one value",
            "main.rs:{line}",
            "in `program`",
        ],
    );
}

#[test]
fn recursion_names_the_cycle() {
    let body = program(
        "
        #[inline(never)]
        fn even(n: u32, x: &[u32; 3]) -> u32 { // HERE
            if n == 0 { x[0] } else { odd(n - 1, x).wrapping_mul(3) ^ n }
        }
        #[inline(never)]
        fn odd(n: u32, x: &[u32; 3]) -> u32 {
            if n == 0 { x[1] } else { even(n - 1, x).wrapping_add(5) ^ n }
        }
        fn work(x: &[u32; 3]) -> u32 { even(x[2], x) }
        ",
    );
    release(&body, &["recursion", "in `main::", "loop"]);
    refused(
        &body,
        &Config::opt("0"),
        &["`main::even` calls `main::odd` calls `main::even`"],
    );
}

#[test]
fn formatting() {
    let body = program(
        "
        use core::fmt::Write;
        struct Buffer([u8; 32], usize);
        impl Write for Buffer {
            fn write_str(&mut self, s: &str) -> core::fmt::Result {
                for b in s.bytes() {
                    *self.0.get_mut(self.1).ok_or(core::fmt::Error)? = b;
                    self.1 += 1;
                }
                Ok(())
            }
        }
        fn work(x: &[u32; 3]) -> u32 {
            let mut out = Buffer([0; 32], 0);
            let _ = write!(out, \"value {} of {:?}\", x[0], x); // HERE
            out.1 as u32
        }
        ",
    );
    release(
        &body,
        &["core::fmt", "main.rs:{line}:", "in `main::work`", "info!"],
    );
    refused(&body, &Config::debug(), &["core::fmt", "info!"]);
}

/// What the library does on the way is no mistake of its own.
#[test]
fn formatting_is_one_error() {
    if missing(false) {
        return;
    }
    let body = program(
        "
        use core::fmt::Write;
        struct Length(usize);
        impl Write for Length {
            fn write_str(&mut self, s: &str) -> core::fmt::Result { self.0 += s.len(); Ok(()) }
        }
        fn work(x: &[u32; 3]) -> u32 {
            let mut length = Length(0);
            let _ = write!(length, \"{} {:?}\", x[0], Some(x[1]));
            length.0 as u32
        }
        ",
    );
    for config in [Config::opt("3"), Config::debug()] {
        let built = build(&format!("{PRELUDE}{body}"), &config);
        let errors = built.diagnostics.lines();
        let errors: Vec<&str> = errors.filter(|line| line.starts_with("error")).collect();
        assert!(
            errors.len() == 1 && errors[0].contains("core::fmt"),
            "{}",
            built.diagnostics
        );
    }
}

#[test]
fn missing_symbol() {
    release(
        &program(
            "
        unsafe extern \"C\" { fn somewhere_else(a: u32) -> u32; }
        fn work(x: &[u32; 3]) -> u32 {
            unsafe { somewhere_else(x[0]) } // HERE
        }
        ",
        ),
        &[
            "`somewhere_else`, which is defined nowhere",
            "main.rs:{line}:",
            "in `main::work`",
        ],
    );
}

#[test]
fn helper_declared_extern() {
    release(
        &program(
            "
        unsafe extern \"C\" { fn bpf_ktime_get_ns() -> u64; }
        fn work(_: &[u32; 3]) -> u32 {
            unsafe { bpf_ktime_get_ns() as u32 } // HERE
        }
        ",
        ),
        &[
            "`bpf_ktime_get_ns`",
            "main.rs:{line}:",
            "hachi_ebpf::helpers",
        ],
    );
}

#[test]
fn missing_static() {
    release(
        &program(
            "
        unsafe extern \"C\" { static LIMIT: u32; }
        fn work(x: &[u32; 3]) -> u32 {
            unsafe { LIMIT ^ x[0] } // HERE
        }
        ",
        ),
        &[
            "static `LIMIT`, which is defined nowhere",
            "main.rs:{line}:",
        ],
    );
}

#[test]
fn table_of_references() {
    release(
        &program(
            "
        static NAMES: [&[u8]; 4] = [b\"tcp\", b\"udp\", b\"icmp\", b\"sctp\"];
        fn work(x: &[u32; 3]) -> u32 {
            let name = NAMES[(x[0] & 3) as usize];
            u32::from(name[(x[1] & 1) as usize]) // HERE
        }
        ",
        ),
        &[
            "`main::NAMES` holds references",
            "main.rs:",
            "in `main::work`",
        ],
    );
}

#[test]
fn static_with_a_reference_and_numbers_is_only_refused_for_the_reference() {
    if missing(false) {
        return;
    }
    let numbers = program(
        "
        struct Settings { name: &'static str, port: u32 }
        static SETTINGS: Settings = Settings { name: \"web\", port: 80 };
        fn work(x: &[u32; 3]) -> u32 {
            let port = unsafe { (&raw const SETTINGS.port).read_volatile() };
            u32::from(x[0] == port)
        }
        ",
    );
    let built = build(&format!("{PRELUDE}{numbers}"), &Config::opt("3"));
    assert!(built.object.is_some(), "{}", built.stderr);
    let name = numbers.replace(
        "let port =",
        "let name = unsafe { (&raw const SETTINGS.name).read_volatile() }; if name.as_bytes()[0] \
         == 3 { return 5 }\nlet port =",
    );
    release(&name, &["`main::SETTINGS` holds references"]);
}

#[test]
fn stack_too_large() {
    release(
        &program(
            "
        #[inline(never)]
        fn work(x: &[u32; 3]) -> u32 {
            let mut scratch = [0u8; 600]; // HERE
            let mut small = [0u64; 5];
            scratch[x[0] as usize % 600] = 1;
            small[x[1] as usize % 5] = 2;
            let s = core::hint::black_box(&scratch);
            let t = core::hint::black_box(&small);
            u32::from(s[x[2] as usize % 600]) + t[1] as u32
        }
        ",
        ),
        &[
            "512 bytes of stack",
            "main.rs:{line}:",
            "in `main::work`",
            "600 bytes: `scratch: [u8; 600]`",
            "40 bytes: `small: [u64; 5]`",
            "per-CPU array",
        ],
    );
}

#[test]
fn atomics_that_do_not_exist() {
    // The host target knows all atomics; eBPF's own lets rustc refuse most of them.
    let host = Config {
        host: true,
        ..Config::opt("2")
    };
    refused(
        &program(
            "
        use core::sync::atomic::{AtomicU8, Ordering};
        static SEEN: AtomicU8 = AtomicU8::new(0);
        fn work(x: &[u32; 3]) -> u32 {
            u32::from(SEEN.fetch_add(x[0] as u8, Ordering::Relaxed)) // HERE
        }
        ",
        ),
        &host,
        &["atomic operation on 8 bits", "main.rs:{line}:", "AtomicU32"],
    );
    refused(
        &program(
            "
        use core::sync::atomic::{AtomicU64, Ordering};
        static SEEN: AtomicU64 = AtomicU64::new(0);
        fn work(x: &[u32; 3]) -> u32 {
            SEEN.fetch_max(u64::from(x[0]), Ordering::Relaxed) as u32 // HERE
        }
        ",
        ),
        &host,
        &["no atomic `fetch_max`", "main.rs:{line}:"],
    );
    refused(
        &program(
            "
        use core::sync::atomic::{AtomicU64, Ordering};
        static SEEN: AtomicU64 = AtomicU64::new(0);
        fn work(x: &[u32; 3]) -> u32 {
            SEEN.swap(u64::from(x[0]), Ordering::Relaxed) as u32 // HERE
        }
        ",
        ),
        &Config {
            cpu: "v2",
            ..host.clone()
        },
        &["instruction set v3", "main.rs:{line}:", "--cpu v3"],
    );
}

#[test]
fn host_assembly() {
    if cfg!(not(target_arch = "x86_64")) {
        eprintln!("skipped: the assembly is for x86-64");
        return;
    }
    refused(
        &program(
            "
        fn work(x: &[u32; 3]) -> u32 {
            let mut n = x[0];
            unsafe { core::arch::asm!(\"bswap {0:e}\", inout(reg) n) }; // HERE
            n
        }
        ",
        ),
        &Config {
            host: true,
            ..Config::opt("2")
        },
        &[
            "assembly for another machine",
            "main.rs:{line}:",
            "in `main::work`",
        ],
    );
}

#[test]
fn strict_panics() {
    let strict = Config::opt("3").link_arg("--strict-panics");
    refused(
        &program(
            "
        fn work(x: &[u32; 3]) -> u32 {
            let table = [3u32, 1, 4, 1, 5];
            table[x[0] as usize] // HERE
        }
        ",
        ),
        &strict,
        &[
            "can panic: an index may be out of bounds",
            "main.rs:{line}:",
            "in `main::work`",
        ],
    );
    refused(
        &program(
            "
        fn work(x: &[u32; 3]) -> u32 {
            x.iter().position(|v| *v == 7).unwrap() as u32 // HERE
        }
        ",
        ),
        &strict,
        &["`unwrap` or `expect`", "main.rs:{line}:", "in `main::work`"],
    );
    // One that cannot happen is no reason to complain.
    let fine = program(
        "
        fn work(x: &[u32; 3]) -> u32 {
            let table = [3u32, 1, 4, 1];
            table[(x[0] & 3) as usize]
        }
        ",
    );
    if !missing(false) {
        let built = build(&format!("{PRELUDE}{fine}"), &strict);
        assert!(built.object.is_some(), "{}", built.stderr);
    }
}

#[test]
fn nothing_exported() {
    release("fn unused() {}", &["there is no program", "#[xdp]"]);
}

#[test]
fn a_switch_that_llvm_does_not_take() {
    let body = program("fn work(x: &[u32; 3]) -> u32 { x[0] }");
    for (switch, problem) in [
        ("-frobnicate", "has no switch `-frobnicate`"),
        (
            "-unroll-count=3 -unroll-size=2",
            "has no switch `-unroll-size=2`",
        ),
        ("-unroll-count=many", "'many' value invalid"),
        ("unroll-count", "`unroll-count` is not a switch"),
        ("-version", "`-version` makes LLVM print and end"),
    ] {
        let config = Config::opt("3").link_arg(format!("--llvm-args={switch}"));
        refused(&body, &config, &["error[llvm-switch]: ", problem]);
    }
    if missing(false) {
        return;
    }
    let config = Config::opt("3").link_arg("--llvm-args=-unroll-count=3 --disable-lsr");
    let built = build(&format!("{PRELUDE}{body}"), &config);
    assert!(built.object.is_some(), "{}", built.diagnostics);
}
