//! What the macros say about programs that are wrong, and where; and that they work under other
//! names.

use std::{fs, path::Path, process::Command};

/// Builds `source` as a program's crate, which knows this one by its name in Aya. What the compiler
/// says: `Err` if it fails.
fn build(name: &str, source: &str) -> Result<String, String> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&dir).unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n\
         [dependencies]\naya-ebpf = {{ package = \"hachi-ebpf\", path = {:?} }}\n",
        env!("CARGO_MANIFEST_DIR")
    );
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    fs::write(dir.join("lib.rs"), source).unwrap();
    // `check` would not evaluate the constants that depend on types.
    let output = Command::new(env!("CARGO"))
        .args([
            "build",
            "--offline",
            "--color=never",
            "--target-dir",
            // One for all tests, so that this crate is built once.
            "../target",
        ])
        .current_dir(&dir)
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    if output.status.success() {
        Ok(said)
    } else {
        Err(said)
    }
}

/// What the compiler says about a program that it should refuse. `source` starts at line 3.
fn errors_of(name: &str, source: &str) -> String {
    let prelude = "#![no_std]\n\
                   use aya_ebpf::{info, macros::{map, xdp}, \
                   maps::HashMap, programs::XdpContext};\n";
    build(name, &format!("{prelude}{source}")).expect_err("should not compile")
}

#[track_caller]
fn assert_contains(errors: &str, expected: &[&str]) {
    for expected in expected {
        assert!(errors.contains(expected), "missing: {expected}\n{errors}");
    }
}

#[test]
fn attributes_and_signatures() {
    let errors = errors_of(
        "attributes",
        "#[xdp(frgs)] pub fn a(ctx: XdpContext) -> u32 { 2 }
#[xdp(name = \"a b\")] pub fn b(ctx: XdpContext) -> u32 { 2 }
#[xdp(map = \"hash\")] pub fn c(ctx: XdpContext) -> u32 { 2 }
#[xdp] pub fn d() -> u32 { 2 }
#[xdp] pub fn e(ctx: XdpContext, more: u32) -> u32 { 2 }
#[xdp] pub fn f(ctx: XdpContext) {}
#[xdp] pub fn g<T>(ctx: T) -> u32 { 2 }
#[xdp] pub async fn h(ctx: XdpContext) -> u32 { 2 }
#[xdp] pub fn i(ctx: &XdpContext) -> u32 { 2 }
#[xdp] pub struct J;
#[map] pub const K: u32 = 1;
#[map(name = 1)] pub static M: HashMap<u32, u32> = HashMap::with_max_entries(1, 0);
#[xdp] pub fn n(ctx: XdpContext) -> core::result::Result<u32, ()> { Ok(2) }
",
    );
    assert_contains(
        &errors,
        &[
            "`#[xdp]` knows `name = \"…\"`, `frags` and `map = \"…\"`",
            "lib.rs:3:7",
            "a name consists of letters",
            "lib.rs:4:14",
            "\"devmap\" and \"cpumap\"",
            "with one argument, the context: the program should look like \
             `fn name(ctx: XdpContext) -> u32`",
            "lib.rs:6:16",
            "lib.rs:7:34",
            "the function returns nothing",
            "lib.rs:8:15",
            "the kernel calls no generic function",
            "`async` has no meaning here",
            "the context comes by value",
            "lib.rs:11:22",
            "this is no function",
            "a map is a static",
            "expected a plain string such as",
            "the kernel takes a number and no `Result`",
            "lib.rs:15:51",
        ],
    );
}

#[test]
fn functions_of_the_kernel() {
    let errors = errors_of(
        "kfuncs",
        "use aya_ebpf::{bindings::xdp_md, kernel_types, macros::kfunc};
kernel_types! { struct task_struct { pid: i32 } }
#[kfunc(week)] extern \"C\" { fn a(); }
#[kfunc] extern \"Rust\" { fn b(); }
#[kfunc] pub struct C;
#[kfunc]
extern \"C\" {
    fn d(context: *mut xdp_md);
    fn e(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32);
    fn g(task: task_struct);
    fn h() -> &u32;
}
#[kfunc] extern \"C\" { static F: u32; }
#[kfunc] extern \"C\" { fn i(bytes: &[u8]); }
#[kfunc]
extern \"C\" {
    fn j(task: *mut task_struct, out: *mut u32);
}
pub fn k(task: task_struct) { j(task, core::ptr::null_mut()); }
",
    );
    assert_contains(
        &errors,
        &[
            "`#[kfunc]` knows `weak`",
            "lib.rs:5:9",
            "the kernel's functions are `\"C\"`",
            "lib.rs:6:17",
            "expected an `extern \"C\"` block",
            "`xdp_md: From<*const c_void>` is not satisfied",
            "lib.rs:10:24",
            "at most 5 arguments",
            "variables of the kernel are `ksym!(NAME: type)`",
            "arguments and results are integers, `bool`, enums and pointers",
            "lib.rs:12:10",
            "which may be null",
            "lib.rs:13:15",
            "expected `;` and the number of elements",
            "call to unsafe function `j` is unsafe",
        ],
    );
}

#[test]
fn attributes_with_targets() {
    let errors = errors_of(
        "targets",
        "use aya_ebpf::{macros::*, programs::*};
#[fentry(hook = \"a\")] pub fn a(ctx: FEntryContext) -> i32 { 0 }
#[kprobe(function = \"a b\")] pub fn b(ctx: ProbeContext) {}
#[tracepoint(category = \"sched\")] pub fn c(ctx: TracePointContext) {}
#[btf_tracepoint(function = \"f\", sleepable)] pub fn d(ctx: BtfTracePointContext) {}
#[kprobe(function = \"f\", offset = \"8\")] pub fn e(ctx: ProbeContext) {}
#[lsm(hook = \"file_open\")] pub fn f(ctx: LsmContext) {}
#[iter(target)] pub fn g(ctx: IterContext) -> i32 { 0 }
",
    );
    assert_contains(
        &errors,
        &[
            "`#[fentry]` knows `function = \"…\"`, `name = \"…\"` and `sleepable`",
            "expected the name of what the program is attached to",
            "lib.rs:5:21",
            "`name = \"…\"` is missing",
            "`#[btf_tracepoint]` knows `function = \"…\"` and `name = \"…\"`",
            "expected a number",
            "the function returns nothing",
            "`target` needs a value",
        ],
    );
}

#[test]
fn attributes_of_probes() {
    let errors = errors_of(
        "probes",
        "use aya_ebpf::{macros::*, programs::*};
#[uprobe(path = \"libc\")] pub fn a(ctx: ProbeContext) {}
#[uretprobe(path = \"libc\", function = \"f\", offset = 1)] pub fn b(ctx: RetProbeContext) {}
#[usdt(path = \"libc\", provider = \"libc\")] pub fn c(ctx: UsdtContext) {}
#[kprobe(session)] pub fn d(ctx: ProbeContext) {}
#[uprobe_session] pub fn e(ctx: ProbeSessionContext) {}
#[fmod_ret(function = \"f\")] pub fn f(ctx: FModRetContext) {}
#[syscall(sleepable)] pub fn g(ctx: SyscallContext<u64>) -> u32 { 0 }
#[extension(functions = \"f\")] pub fn h(ctx: XdpContext) -> u32 { 0 }
#[extension(function = \"f\")] pub fn i(ctx: &XdpContext) -> u32 { 0 }
",
    );
    assert_contains(
        &errors,
        &[
            "`function = \"…\"` is missing",
            "lib.rs:4:17",
            "`#[uretprobe]` knows `path = \"…\"`, `function = \"…\"`, `name = \"…\"`, `multi` and \
             `sleepable`",
            "lib.rs:5:44",
            "`name = \"…\"` is missing",
            "`#[kprobe]` knows `function = \"…\"`, `name = \"…\"`, `offset = …` and `multi`",
            "`fn name(ctx: ProbeSessionContext) -> u32`",
            "`fn name(ctx: FModRetContext) -> i32`",
            "`#[syscall]` knows `name = \"…\"`",
            "`#[extension]` knows `function = \"…\"` and `name = \"…\"`",
            "arguments come by value",
            "lib.rs:12:44",
        ],
    );
    // What only the compiler can tell.
    let errors = errors_of(
        "typed_probes",
        "use aya_ebpf::{macros::*, programs::*};
#[perf_event] pub fn a(ctx: PerfEventContext) -> i64 { 0 }
#[lsm_cgroup(hook = \"file_open\")] pub fn b(ctx: u32) -> i32 { 1 }
#[uprobe_session] pub fn c(ctx: ProbeSessionContext) -> bool { false }
",
    );
    assert_contains(&errors, &["mismatched types", "lib.rs:4:50", "lib.rs:5:49"]);
    let source = "#[aya_ebpf::macros::syscall] \
                  pub fn d(ctx: aya_ebpf::programs::SyscallContext<u8>) -> u32 { 0 }";
    let errors = errors_of("odd_argument", source);
    assert_contains(&errors, &["pad it to a multiple of 8 bytes"]);
}

#[test]
fn structures_of_functions() {
    let declaration = "aya_ebpf::kernel_types! { struct sock {} trait ops { const name: [u8; 4]; \
                       const flags: u32; fn init(sk: *mut sock) -> u32; } }
use aya_ebpf::{kernel::c_chars, macros::struct_ops};
struct A; struct B; struct C; struct D;
";
    let errors = errors_of(
        "ops_written",
        &format!(
            "{declaration}#[struct_ops(link)] impl ops for A {{}}
#[struct_ops] impl B {{}}
#[struct_ops] impl<T> ops for C {{}}
#[struct_ops] impl ops for D {{ #[sleepable] const flags: u32 = 1; }}
#[struct_ops] fn e() {{}}
"
        ),
    );
    assert_contains(
        &errors,
        &[
            "`#[struct_ops]` knows `name = \"…\"` and `no_link`",
            "lib.rs:6:14",
            "looks like `#[struct_ops] impl tcp_congestion_ops for Mine",
            "lib.rs:7:15",
            "a generic implementation has no programs",
            "only functions may sleep",
            "lib.rs:9:34",
            "lib.rs:10:15",
        ],
    );
    let errors = errors_of(
        "ops_typed",
        &format!(
            "{declaration}#[struct_ops] impl ops for A {{ fn init(sk: u32) -> u32 {{ sk }} }}
#[struct_ops] impl ops for B {{ fn inits(sk: sock) {{}} }}
#[struct_ops] impl ops for C {{ const flags: u64 = 1; }}
#[struct_ops] impl ops for D {{ const name: [u8; 4] = c_chars(\"four\"); }}
"
        ),
    );
    assert_contains(
        &errors,
        &[
            "method `init` has an incompatible type for trait",
            "lib.rs:6:44",
            "method `inits` is not a member of trait `ops`",
            "lib.rs:7:32",
            "incompatible type for trait",
            "lib.rs:8:45",
        ],
    );
    for (members, said) in [
        ("const a: *const sock;", "members that programs set are"),
        ("static a: u32;", "expected `const` or `fn`"),
        ("fn a(s: sock);", "arguments and results are"),
    ] {
        let source = format!("aya_ebpf::kernel_types! {{ struct sock; trait o {{ {members} }} }}");
        assert_contains(&errors_of("ops_declared", &source), &[said]);
    }
}

#[test]
fn declarations_of_the_kernel() {
    let declared = |body: &str| {
        let name = "declarations";
        errors_of(
            name,
            &format!("aya_ebpf::kernel_types! {{\n    {body}\n}}\n"),
        )
    };
    for (body, said) in [
        ("struct a { b u32 }", "expected `:` and the field's type"),
        ("class a;", "expected `struct`, `union`, `typedef`"),
        (
            "struct a { b: u32 / c }",
            "expected the width of the bit field",
        ),
        (
            "struct a { b: u64 / 3, c: bool / 1, d: [u8; 2] / 1 }",
            "only integers",
        ),
        ("struct a { b: *u8 }", "expected `const` or `mut`"),
        ("struct a { b: *const *const a }", "read as an address"),
        ("struct a { b: [u8] }", "expected `;` and the number"),
        ("enum a { B = 1 }", "expected `:` and the integer"),
        (
            "enum a: u32 { B }",
            "expected `=` and the enumerator's value",
        ),
        ("fn f(a: b);", "are integers, `bool`, enums and pointers"),
        (
            "kfunc f(a: [u8; 2]);",
            "are integers, `bool`, enums and pointers",
        ),
        ("struct a { b: c }", "cannot find type `c`"),
    ] {
        let errors = declared(body);
        assert_contains(&errors, &[said, "lib.rs:4:"]);
    }
}

#[test]
fn types_of_a_program() {
    let errors = errors_of(
        "types",
        "#[xdp] pub fn a(ctx: XdpContext) -> bool { true }
#[xdp] pub fn b(ctx: u64) -> u32 { 2 }
",
    );
    assert_contains(
        &errors,
        &[
            "mismatched types",
            "expected `u32`, found `bool`",
            "lib.rs:3:37",
            "lib.rs:4:22",
        ],
    );
}

#[test]
fn log_messages() {
    let errors = errors_of(
        "log_counts",
        "pub fn a(ctx: &XdpContext) { info!(ctx, \"{} {}\", 1) }
pub fn b(ctx: &XdpContext) { info!(ctx, \"{}\", 1, 2) }
pub fn c(ctx: &XdpContext) { info!(ctx, \"{name}\") }
pub fn d(ctx: &XdpContext) { info!(ctx, \"{:y}\", 1) }
pub fn e(ctx: &XdpContext) { info!(ctx, \"{\", 1) }
",
    );
    assert_contains(
        &errors,
        &[
            "a log message has more placeholders than arguments",
            "lib.rs:3:30",
            "a log message has more arguments than placeholders",
            "cannot find value `name` in this scope",
            "unknown hint in a log placeholder",
            "`{` without `}`",
        ],
    );
    let errors = errors_of(
        "log_types",
        "pub fn a(ctx: &XdpContext) { info!(ctx, \"{:mac}\", 1u32) }
pub fn b(ctx: &XdpContext) { info!(ctx, \"{:i}\", [1u8; 5]) }
pub fn c(ctx: &XdpContext) { info!(ctx, \"{:x}\", \"text\") }
",
    );
    assert_contains(
        &errors,
        &[
            "`{:mac}` in a log message shows [u8; 6]",
            "`{:i}` in a log message shows",
            "`{:x}` in a log message shows",
        ],
    );
    let errors = errors_of(
        "log_floats",
        "pub fn a(ctx: &XdpContext) { info!(ctx, \"{}\", 1.5) }\n",
    );
    assert_contains(&errors, &["`{float}` cannot be part of a log message"]);
}

#[test]
fn references_into_packets() {
    let errors = errors_of(
        "align",
        "pub fn a(ctx: &XdpContext) -> Option<&u32> { ctx.get(0) }\n",
    );
    assert_contains(&errors, &["take a copy with `read`"]);
    let errors = errors_of(
        "outlive",
        "pub fn a(mut ctx: XdpContext) -> u8 { \
         let first = ctx.get::<[u8; 1]>(0); let _ = ctx.adjust_head(4); first.unwrap()[0] }\n",
    );
    assert_contains(&errors, &["cannot borrow `ctx` as mutable"]);
}

#[test]
fn a_program_for_aya() {
    let said = build(
        "aya",
        "#![no_std]
#![forbid(unsafe_code)]
extern crate aya_ebpf as aya_log_ebpf;
use aya_ebpf::{
    bindings::xdp_action,
    macros::{map, xdp},
    maps::{Array, HashMap, PerCpuArray},
    programs::XdpContext,
    EbpfContext as _,
};
use aya_log_ebpf::{info, log, Level};

#[map]
static ALLOWED: HashMap<u32, u32> = HashMap::with_max_entries(1024, 0);
#[map(name = \"COUNTS\")]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
#[map]
static mut ONE: Array<u8> = Array::pinned(1, 0);

#[xdp]
pub fn firewall(ctx: XdpContext) -> u32 {
    match try_firewall(ctx) {
        Ok(action) => action,
        Err(()) => xdp_action::XDP_ABORTED,
    }
}

#[xdp(name = \"other\", frags, map = \"cpumap\")]
fn second(context: aya_ebpf::programs::XdpContext) -> xdp_action::Type {
    let _ = context.as_ptr();
    xdp_action::XDP_PASS
}

fn try_firewall(ctx: XdpContext) -> Result<u32, ()> {
    info!(&ctx, \"received a packet of {} bytes\", ctx.len());
    log!(&ctx, Level::Debug, \"{:x}\", ctx.data());
    COUNTERS.update(0, |count| count + 1).ok_or(())?;
    let first = ONE.get(0).ok_or(())? as u32;
    ALLOWED.insert(&first, &1, 0).map_err(|_| ())?;
    ALLOWED.get(&first).ok_or(())
}
",
    );
    let said = said.unwrap();
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn programs_for_the_network() {
    let errors = errors_of(
        "network",
        "use aya_ebpf::macros::*;
use aya_ebpf::programs::*;
#[cgroup_sock_addr] pub fn a(ctx: SockAddrContext) -> i32 { 1 }
#[cgroup_skb(inward)] pub fn b(ctx: SkBuffContext) -> i32 { 1 }
#[sk_msg(ingress)] pub fn c(ctx: SkMsgContext) -> u32 { 1 }
#[classifier] pub fn d(ctx: TcContext) { }
#[sk_lookup] pub fn e(ctx: SkLookupContext, more: u32) -> u32 { 1 }
",
    );
    assert_contains(
        &errors,
        &[
            "`#[cgroup_sock_addr]` needs one of `bind4`, `bind6`",
            "lib.rs:5:1",
            "`#[cgroup_skb]` knows one of `ingress`, `egress`; it knows `name = \"…\"` as well",
            "lib.rs:6:14",
            "`#[sk_msg]` knows `name = \"…\"`",
            "lib.rs:7:10",
            "the program should look like `fn name(ctx: TcContext) -> i32`",
            "lib.rs:8:22",
            "with one argument, the context",
        ],
    );
    let errors = errors_of(
        "network_types",
        "use aya_ebpf::macros::*;
use aya_ebpf::programs::*;
#[classifier] pub fn a(ctx: TcContext) -> u64 { 1 }
pub fn b(mut ctx: TcContext) -> u8 { \
let first = ctx.get::<[u8; 1]>(0); let _ = ctx.pull_data(4); first.unwrap()[0] }
pub fn c(ctx: &SockAddrContext) -> Option<u8> { ctx.read(0) }
use aya_ebpf::maps::BloomFilter;
pub static D: BloomFilter<u32> = BloomFilter::with_max_entries(1, 0);
pub fn e() -> u32 { D.get(0) }
",
    );
    assert_contains(
        &errors,
        &[
            "expected `i32`, found `u64`",
            "lib.rs:5:43",
            "cannot borrow `ctx` as mutable",
            "method not found in `&hachi_ebpf::programs::SockAddrContext`",
            "method not found in `BloomFilter<u32>`",
        ],
    );
}
