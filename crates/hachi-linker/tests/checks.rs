//! What kernels would refuse is reported when the program is linked, with its line; what they take
//! is not.

mod support;

use support::{Built, Config, PRELUDE, build, missing};

/// Builds a source; `{name}` in `wanted` stands for the line marked `// name`.
fn told(source: &str, config: &Config, wanted: &[&str]) -> Option<Built> {
    if missing(false) {
        return None;
    }
    let built = build(source, config);
    let mut text = String::new();
    for wanted in wanted {
        text.clear();
        text.push_str(wanted);
        for (index, line) in source.lines().enumerate() {
            if let Some((_, mark)) = line.split_once("// ") {
                text = text.replace(&format!("{{{}}}", mark.trim()), &(index + 1).to_string());
            }
        }
        assert!(
            built.diagnostics.contains(&text),
            "`{text}` is not in:\n{}\n{}",
            built.diagnostics,
            built.stderr
        );
    }
    Some(built)
}

fn error(source: &str, config: &Config, wanted: &[&str]) {
    if let Some(built) = told(source, config, wanted) {
        assert!(built.object.is_none(), "it was linked:\n{source}");
    }
}

fn warning(source: &str, config: &Config, wanted: &[&str]) -> String {
    let built = told(source, config, wanted);
    if let Some(built) = &built {
        assert!(built.object.is_some(), "{}", built.stderr);
    }
    built.map(|built| built.diagnostics).unwrap_or_default()
}

fn silent(source: &str, config: &Config) {
    if let Some(built) = told(source, config, &[]) {
        assert!(built.object.is_some(), "{}", built.stderr);
        assert_eq!(built.diagnostics, "", "{source}");
    }
}

fn release() -> Config {
    Config::opt("3")
}

/// A program in `section` that calls `work`.
fn program(section: &str, body: &str) -> String {
    format!(
        r#"{PRELUDE}
#[unsafe(no_mangle)]
#[unsafe(link_section = "{section}")]
pub extern "C" fn program(ctx: *mut XdpMd) -> u32 {{
    work(unsafe {{ &(*ctx).rest }})
}}
{body}"#
    )
}

/// A program that hands out a callback, which stays a function, with this many bytes on the stack
/// each.
fn frames(section: &str, outer: usize, inner: usize) -> String {
    program(
        section,
        &format!(
            r#"
fn work(x: &[u32; 3]) -> u32 {{
    let mut scratch = [x[0] as u8; {outer}]; // largest
    core::hint::black_box(&mut scratch);
    let repeat: unsafe extern "C" fn(u32, *const (), u64, u64) -> i64 =
        unsafe {{ core::mem::transmute(181usize) }};
    unsafe {{ repeat(x[1], inner as *const (), 0, 0) }};
    u32::from(scratch[3])
}}
extern "C" fn inner(a: u32, _: *mut u32) -> u64 {{
    let mut scratch = [a as u8; {inner}]; // inner
    core::hint::black_box(&mut scratch);
    u64::from(scratch[5]) & 1
}}
"#
        ),
    )
}

#[test]
fn stack_along_calls() {
    error(
        &frames("xdp", 320, 240),
        &release(),
        &[
            "error[stack-too-large]: the calls of the program `program` need 592 bytes of stack \
             together, but eBPF has 512",
            "main.rs:{largest}:",
            "in `program`",
            "= note: `program`: 328 bytes at ",
            "= note: calls `inner`: 248 bytes at ",
            "main.rs:{inner}:",
            "= help: move large values",
        ],
    );
    silent(&frames("xdp", 240, 200), &release());
}

#[test]
fn stack_where_kernels_differ() {
    // 272 + 240 = 512, but 288 + 256 = 544.
    warning(
        &frames("xdp", 264, 232),
        &release(),
        &[
            "warning[stack-too-large]: the calls of the program",
            "need 544 bytes",
            "kernels before 6.9",
        ],
    );
    warning(
        &frames("raw_tp/sys_enter", 320, 240),
        &release(),
        &["warning[stack-too-large]: the calls of the program", "6.13"],
    );
}

fn tail_call(bytes: usize, in_program: bool) -> String {
    let call = "let go: unsafe extern \"C\" fn(u64, *const (), u32) -> i64 =
            unsafe { core::mem::transmute(12usize) };
        unsafe { go(a.into(), core::ptr::null(), 1) }; // tail";
    let (first, second) = if in_program { (call, "") } else { ("", call) };
    program(
        "xdp",
        &format!(
            r#"
fn work(x: &[u32; 3]) -> u32 {{
    let a = x[0];
    let mut scratch = [a as u8; {bytes}];
    core::hint::black_box(&mut scratch);
    {first}
    let repeat: unsafe extern "C" fn(u32, *const (), u64, u64) -> i64 =
        unsafe {{ core::mem::transmute(181usize) }};
    unsafe {{ repeat(a, deeper as *const (), 0, 0) }};
    u32::from(scratch[3])
}}
extern "C" fn deeper(a: u32, _: *mut u32) -> u64 {{
    {second}
    0
}}
"#
        ),
    )
}

#[test]
fn stack_above_tail_calls() {
    error(
        &tail_call(280, false),
        &release(),
        &[
            "`deeper` makes a tail call while its callers use 288 bytes of stack",
            "less than 256",
            "main.rs:{tail}:",
            "= note: calls `deeper`",
        ],
    );
    silent(&tail_call(200, false), &release());
    silent(&tail_call(280, true), &release());
}

fn helper(section: &str, number: u32) -> String {
    program(
        section,
        &format!(
            r#"
fn work(x: &[u32; 3]) -> u32 {{
    let helper: unsafe extern "C" fn(u32) -> u64 = unsafe {{ core::mem::transmute({number}usize) }};
    unsafe {{ helper(x[0]) as u32 }} // call
}}
"#
        ),
    )
}

fn mit(source: String) -> String {
    source.replace("[u8; 4] = *b\"GPL\\0\"", "[u8; 4] = *b\"MIT\\0\"")
}

#[test]
fn licence() {
    error(
        &mit(helper("xdp", 6)),
        &release(),
        &[
            "error[gpl-only]: the helper `bpf_trace_printk` may only be used under a \
             GPL-compatible licence, and this program is under \"MIT\"",
            "main.rs:{call}:",
            "in `program`",
            "Dual MIT/GPL",
        ],
    );
    error(
        &mit(helper("lsm/file_open", 5)),
        &release(),
        &["hooks of LSM may only be used"],
    );
    silent(&mit(helper("xdp", 5)), &release());
    silent(&helper("xdp", 6), &release());
    let dual =
        helper("xdp", 6).replace("[u8; 4] = *b\"GPL\\0\"", "[u8; 13] = *b\"Dual MIT/GPL\\0\"");
    silent(&dual, &release());
}

#[test]
fn helpers_for_other_programs() {
    warning(
        &helper("xdp", 26),
        &release(),
        &[
            "warning[helper-not-for-this-type]: no known kernel lets a program of type xdp call \
             the helper `bpf_skb_load_bytes`",
            "main.rs:{call}:",
            "= note: it is for socket_filter, sched_cls, ",
        ],
    );
    warning(
        &helper("xdp", 212),
        &release(),
        &["no known kernel has a helper 212", "main.rs:{call}:"],
    );
    silent(&helper("xdp", 23), &release());
    silent(&helper("tc", 26), &release());
    // Nobody knows what it will be.
    silent(&helper("mine", 26), &release());
}

#[test]
fn oldest_kernel() {
    let old = release().link_arg("--min-kernel=5.4");
    error(
        &helper("xdp", 130),
        &old,
        &[
            "error[min-kernel]: helper bpf_ringbuf_output: only since Linux 5.8, but \
             `--min-kernel` says 5.4",
            "main.rs:{call}:",
            "= note: used by the program 'program'",
            "PerfEventArray",
        ],
    );
    silent(&helper("xdp", 130), &release().link_arg("--min-kernel=5.8"));
    let division = program(
        "xdp",
        "fn work(x: &[u32; 3]) -> u32 {
            (x[0] as i32).checked_div(x[1] as i32).unwrap_or(0) as u32 // divide
        }",
    );
    let v4 = Config {
        cpu: "v4",
        ..release()
    };
    error(
        &division,
        &v4.clone().link_arg("--min-kernel=5.15"),
        &[
            "signed division (cpu v4): only since Linux 6.6",
            "main.rs:{divide}:",
            "build with `--cpu v3`",
        ],
    );
    silent(&division, &v4.link_arg("--min-kernel=6.6"));
    silent(&division, &release().link_arg("--min-kernel=5.15"));
}

const PANICS: &str = "
    // ANCHOR: panics
    fn work(x: &[u32; 3]) -> u32 {
        let table = core::hint::black_box([3u32, 1, 4, 1, 5]);
        let first = table[x[0] as usize]; // index
        let part = &table[1..x[1] as usize]; // range
        let found = part.iter().copied().find(|v| *v == first).unwrap(); // unwrap
        first / x[2] + twice(&table, found) + twice(&table, first) // divide
    }
    // ANCHOR_END: panics
    #[inline(always)]
    fn twice(table: &[u32; 5], at: u32) -> u32 {
        table[at as usize] // twice
    }
";

#[test]
fn panics_that_are_left() {
    let told = warning(
        &program("xdp", PANICS),
        &release(),
        &[
            "warning[may-panic]: this can panic: an index may be out of bounds\n  --> ",
            "main.rs:{index}:",
            "use `get(index)`, or mask the index",
            "warning[may-panic]: this can panic: a slice's range may be out of bounds",
            "main.rs:{range}:",
            "warning[may-panic]: this can panic: `unwrap` or `expect` may meet `None`",
            "main.rs:{unwrap}:",
            "warning[may-panic]: this can panic: a divisor may be zero",
            "main.rs:{divide}:",
            "main.rs:{twice}:",
            "::: ",
        ],
    );
    // The function that is inlined twice is one place.
    assert!(
        told.is_empty() || told.matches("this can panic").count() == 5,
        "{told}"
    );
    // What an overflow check leaves was asked for.
    let add = program("xdp", "fn work(x: &[u32; 3]) -> u32 { x[0] + x[1] }");
    silent(&add, &Config::debug());
    silent(
        &program("xdp", PANICS),
        &release().link_arg("--panics=allow"),
    );
    error(
        &program("xdp", PANICS),
        &release().link_arg("--panics=deny"),
        &["error[may-panic]: this can panic", "main.rs:{divide}:"],
    );
}

#[test]
fn programs_that_only_panic() {
    warning(
        &program("xdp", "fn work(x: &[u32; 3]) -> u32 { todo!() } // todo\n"),
        &release(),
        &[
            "warning[may-panic]: this can panic: an assertion, `panic!`, `todo!`",
            "main.rs:{todo}:",
        ],
    );
    // What is done before the panic is done: the call is there to be complained about.
    let report = "
fn work(x: &[u32; 3]) -> u32 { if x[0] == 7 { fail(x[1]) } x[2] }
#[inline(never)]
fn fail(code: u32) -> ! {
    let print: unsafe extern \"C\" fn(u32) -> u64 = unsafe { core::mem::transmute(6usize) };
    unsafe { print(code) }; // print
    panic!()
}";
    error(
        &mit(program("xdp", report)),
        &release(),
        &[
            "error[gpl-only]: the helper `bpf_trace_printk`",
            "main.rs:{print}:",
        ],
    );
}

#[test]
fn panics_that_cannot_be() {
    silent(
        &program(
            "xdp",
            "// ANCHOR: without
            fn work(x: &[u32; 3]) -> u32 {
                let table = core::hint::black_box([3u32, 1, 4, 1]);
                let first = table[(x[0] & 3) as usize];
                let Some(second) = table.get(x[1] as usize) else { return 0 };
                let Some(part) = table.get(1..(x[1] as usize)) else { return 1 };
                first / (second | 1) + part.first().copied().unwrap_or(7)
            }
            // ANCHOR_END: without
            ",
        ),
        &release(),
    );
}

#[test]
fn floats_and_recursion_have_lines() {
    error(
        &program(
            "xdp",
            "fn work(x: &[u32; 3]) -> u32 {
                (x[0] as f32 * 1.5) as u32 // float
            }",
        ),
        &release(),
        &[
            "error[floating-point]: floating-point arithmetic",
            "main.rs:{float}:",
        ],
    );
    error(
        &program(
            "xdp",
            "fn work(x: &[u32; 3]) -> u32 { walk(x[0], x[1]) }
            #[inline(never)]
            fn walk(a: u32, b: u32) -> u32 {
                if a == 0 { return b }
                walk(a / 2, b) ^ walk(a / 3, b ^ a) // again
            }",
        ),
        &release(),
        &[
            "error[recursion]: recursion",
            "`main::walk` calls `main::walk`",
            "main.rs:{again}:",
        ],
    );
}
