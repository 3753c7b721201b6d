//! Programs that the running kernel must reject, each with the explanation it must get.
//!
//! With `HACHI_RECORD=1` the logs are written to `tests/logs`, where `snapshots.rs` finds them.

mod common;

use common::*;
use hachi_asm::build::*;
use hachi_asm::helpers::id;
use hachi_asm::{AluOp, Imm64, Insn, JumpOp, Operand, Size};
use hachi_diag::{Cause, Diagnostic, Input, Log, Trace, explain};

struct Bad {
    name: &'static str,
    kind: u32,
    flags: u32,
    license: &'static str,
    log_size: usize,
}

impl Bad {
    fn xdp(name: &'static str) -> Bad {
        Bad {
            name,
            kind: XDP,
            flags: 0,
            license: "GPL",
            log_size: 1 << 20,
        }
    }

    /// Loads, records when asked to, and checks the code.
    fn expect(self, code: &str, insns: &[Insn]) -> Diagnostic {
        let (error, log) = rejection(self.kind, self.flags, self.license, insns, self.log_size);
        self.explained(code, error, &log)
    }

    fn explained(self, code: &str, error: std::io::Error, log: &str) -> Diagnostic {
        if std::env::var_os("HACHI_RECORD").is_some_and(|value| value == "1") {
            let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/logs");
            std::fs::write(format!("{dir}/{}.log", self.name), log).unwrap();
        }
        let kind = match self.kind {
            XDP => "xdp",
            SCHED_CLS => "tc",
            CGROUP_SKB => "cgroup_skb",
            _ => "socket",
        };
        let input = Input {
            kind,
            errno: error.raw_os_error(),
            ..Input::new(self.name, log)
        };
        let log = Log::parse(input.log);
        let trace = Trace::new(&input, &log);
        let cause = Cause::of(&trace);
        let diagnostic = explain(&cause, &trace);
        let name = self.name;
        assert_eq!(
            cause.code().name(),
            code,
            "{name}: {error}\n{}\n{diagnostic}",
            input.log
        );
        assert_eq!(diagnostic.code, Some(cause.code()));
        diagnostic
    }
}

const R10: u8 = 10;

/// Key 0 on the stack, and a look-up in the map: r0 is the value or null.
fn lookup(map: &Map) -> Vec<Insn> {
    let mut code = vec![store_imm(Size::W, R10, -4, 0), mov(2, R10), add_imm(2, -4)];
    code.extend(ld_imm64(1, Imm64::MapFd(map.fd())));
    code.push(call_helper(id::MAP_LOOKUP_ELEM));
    code
}

fn not_null_or_exit() -> [Insn; 2] {
    [jump(JumpOp::Ne, 0, Operand::Imm(0), 1), exit()]
}

macro_rules! code {
    ($($part:expr),* $(,)?) => {{
        let mut code: Vec<Insn> = Vec::new();
        $( code.extend(IntoIterator::into_iter($part)); )*
        code
    }};
}

#[test]
fn packets() {
    hachi_test::require_bpf!();
    let found = Bad::xdp("packet-unchecked").expect(
        "packet-bounds",
        &[
            load(Size::W, 2, 1, 0),
            mov(3, 2),
            load(Size::B, 0, 3, 12),
            exit(),
        ],
    );
    for said in [
        "instruction 2: ",
        "r3 is a pointer to the packet's start; no byte after it has been compared with `data_end`",
        "field `data` of the program's context",
    ] {
        assert!(found.to_string().contains(said), "{said}: {found}");
    }

    Bad::xdp("packet-checked-too-little").expect(
        "packet-bounds",
        &[
            load(Size::W, 2, 1, 0),
            load(Size::W, 3, 1, 4),
            mov(4, 2),
            add_imm(4, 14),
            jump(JumpOp::Le, 4, Operand::Reg(3), 2),
            mov_imm(0, 1),
            exit(),
            load(Size::W, 0, 2, 12),
            exit(),
        ],
    );
    Bad::xdp("packet-random-offset").expect(
        "packet-pointer-arithmetic",
        &[
            load(Size::W, 6, 1, 0),
            call_helper(id::GET_PRANDOM_U32),
            alu(AluOp::Lsh, 0, Operand::Imm(32)),
            alu(AluOp::Add, 6, Operand::Reg(0)),
            load(Size::B, 0, 6, 0),
            exit(),
        ],
    );
    Bad::xdp("packet-end").expect(
        "packet-end-read",
        &[load(Size::W, 2, 1, 4), load(Size::B, 0, 2, 0), exit()],
    );
    Bad::xdp("packet-masked").expect(
        "pointer-mask",
        &[
            load(Size::W, 2, 1, 0),
            alu(AluOp::And, 2, Operand::Imm(7)),
            mov_imm(0, 0),
            exit(),
        ],
    );
    Bad {
        flags: STRICT_ALIGNMENT,
        ..Bad::xdp("packet-misaligned")
    }
    .expect(
        "misaligned",
        &[
            load(Size::W, 2, 1, 0),
            load(Size::W, 3, 1, 4),
            mov(4, 2),
            add_imm(4, 14),
            jump(JumpOp::Le, 4, Operand::Reg(3), 2),
            mov_imm(0, 1),
            exit(),
            load(Size::W, 0, 2, 5),
            exit(),
        ],
    );
}

#[test]
fn pointers() {
    hachi_test::require_bpf!();
    Bad::xdp("number-as-pointer").expect(
        "number-as-pointer",
        &code![
            ld_imm64(1, Imm64::Value(0x1234)),
            [load(Size::Dw, 0, 1, 0), exit()]
        ],
    );
    Bad::xdp("pointer-plus-pointer").expect(
        "pointer-plus-pointer",
        &[
            load(Size::W, 2, 1, 0),
            mov(3, R10),
            alu(AluOp::Add, 2, Operand::Reg(3)),
            mov_imm(0, 0),
            exit(),
        ],
    );
    let map = Map::new(HASH, 4, 8, 16, 0);
    Bad::xdp("map-handle-moved").expect(
        "pointer-arithmetic-forbidden",
        &code![
            ld_imm64(1, Imm64::MapFd(map.fd())),
            [add_imm(1, 4), mov_imm(0, 0), exit()]
        ],
    );
    Bad::xdp("context-field").expect("context-field", &[load(Size::W, 0, 1, 100), exit()]);
    Bad::xdp("context-moved").expect(
        "context-modified",
        &[add_imm(1, 8), load(Size::W, 0, 1, 0), exit()],
    );
    Bad::xdp("stack-too-low").expect(
        "stack-bounds",
        &[store_imm(Size::Dw, R10, -520, 0), mov_imm(0, 0), exit()],
    );
    Bad::xdp("nothing-returned").expect("uninitialised-register", &[exit()]);
}

#[test]
fn map_values() {
    hachi_test::require_bpf!();
    let map = Map::new(HASH, 4, 8, 16, 0);
    let found = Bad::xdp("map-unchecked").expect(
        "null-check-missing",
        &code![lookup(&map), [load(Size::Dw, 0, 0, 0), exit()]],
    );
    for said in ["may still be null", "bpf_map_lookup_elem"] {
        assert!(found.to_string().contains(said), "{said}: {found}");
    }

    Bad::xdp("map-past-the-end").expect(
        "map-value-bounds",
        &code![
            lookup(&map),
            not_null_or_exit(),
            [load(Size::Dw, 0, 0, 8), exit()]
        ],
    );
    let found = Bad::xdp("map-index-unbounded").expect(
        "unbounded-memory",
        &code![
            lookup(&map),
            not_null_or_exit(),
            [
                mov(6, 0),
                call_helper(id::GET_PRANDOM_U32),
                alu(AluOp::Lsh, 0, Operand::Imm(32)),
                alu(AluOp::Rsh, 0, Operand::Imm(32)),
                alu(AluOp::Add, 6, Operand::Reg(0)),
                load(Size::B, 0, 6, 0),
                exit()
            ]
        ],
    );
    let said = "is added to a pointer here";
    assert!(found.to_string().contains(said), "{found}");
    Bad::xdp("map-index-too-far").expect(
        "map-value-bounds",
        &code![
            lookup(&map),
            not_null_or_exit(),
            [
                mov(6, 0),
                call_helper(id::GET_PRANDOM_U32),
                alu(AluOp::And, 0, Operand::Imm(15)),
                alu(AluOp::Add, 6, Operand::Reg(0)),
                load(Size::B, 0, 6, 0),
                exit()
            ]
        ],
    );
    Bad::xdp("map-index-negative").expect(
        "negative-index",
        &code![
            lookup(&map),
            not_null_or_exit(),
            [
                mov(6, 0),
                load(Size::Dw, 1, 0, 0),
                alu(AluOp::And, 1, Operand::Imm(7)),
                alu(AluOp::Sub, 1, Operand::Imm(4)),
                alu(AluOp::Add, 6, Operand::Reg(1)),
                load(Size::B, 0, 6, 0),
                exit()
            ]
        ],
    );
    let settings = Map::new(ARRAY, 4, 8, 1, RDONLY_PROG);
    Bad::xdp("map-read-only").expect(
        "read-only-memory",
        &code![
            lookup(&settings),
            not_null_or_exit(),
            [store_imm(Size::Dw, 0, 0, 1), mov_imm(0, 2), exit()]
        ],
    );
}

#[test]
fn calls() {
    hachi_test::require_bpf!();
    let map = Map::new(HASH, 4, 8, 16, 0);
    // bpf_skb_load_bytes belongs to programs that see a socket buffer.
    let found = Bad::xdp("helper-of-another-type").expect(
        "helper-not-for-this-type",
        &[call_helper(id::SKB_LOAD_BYTES), mov_imm(0, 2), exit()],
    );
    assert!(found.headline.contains("bpf_skb_load_bytes"), "{found}");
    Bad::xdp("helper-of-the-future").expect("helper-unknown", &[call_helper(99_999), exit()]);
    Bad::xdp("field-not-in-this-kernel")
        .expect("unresolved-relocation", &[call_helper(0x0bad_2310), exit()]);
    for number in [2_002_000_000, 2_002_000_003] {
        Bad::xdp("function-not-in-this-kernel")
            .expect("missing-kfunc", &[call_helper(number), exit()]);
    }
    Bad {
        license: "Proprietary",
        ..Bad::xdp("licence")
    }
    .expect(
        "gpl-only",
        &[
            store_imm(Size::W, R10, -4, 0),
            mov(1, R10),
            add_imm(1, -4),
            mov_imm(2, 4),
            call_helper(id::TRACE_PRINTK),
            exit(),
        ],
    );
    Bad::xdp("argument-maybe-null").expect(
        "helper-argument-null",
        &code![
            lookup(&map),
            [mov(3, 0), mov(2, R10), add_imm(2, -4)],
            ld_imm64(1, Imm64::MapFd(map.fd())),
            [
                mov_imm(4, 0),
                call_helper(id::MAP_UPDATE_ELEM),
                mov_imm(0, 2),
                exit()
            ]
        ],
    );
    Bad::xdp("argument-not-a-pointer").expect(
        "helper-argument-type",
        &code![
            [mov_imm(2, 5)],
            ld_imm64(1, Imm64::MapFd(map.fd())),
            [call_helper(id::MAP_LOOKUP_ELEM), mov_imm(0, 2), exit()]
        ],
    );
    let array = Map::new(ARRAY, 4, 8, 1, 0);
    let bytes = Imm64::MapValue {
        fd: array.fd(),
        offset: 0,
    };
    Bad::xdp("static-without-map").expect(
        "static-instead-of-map",
        &code![
            [store_imm(Size::W, R10, -4, 0), mov(2, R10), add_imm(2, -4)],
            ld_imm64(1, bytes),
            [call_helper(id::MAP_LOOKUP_ELEM), mov_imm(0, 2), exit()]
        ],
    );
    let ring = Map::new(RINGBUF, 0, 0, 4096, 0);
    let found = Bad::xdp("ring-buffer-entry-kept").expect(
        "reference-leak",
        &code![
            ld_imm64(1, Imm64::MapFd(ring.fd())),
            [
                mov_imm(2, 8),
                mov_imm(3, 0),
                call_helper(id::RINGBUF_RESERVE),
                mov_imm(0, 2),
                exit()
            ]
        ],
    );
    let said = "instruction 4: call bpf_ringbuf_reserve";
    assert!(
        found.to_string().contains(said),
        "the reserve is the place: {found}"
    );
    Bad::xdp("stack-pointer-returned").expect(
        "stack-pointer-escapes",
        &[call_local(2), mov_imm(0, 2), exit(), mov(0, R10), exit()],
    );
    // bpf_ringbuf_output into a hash map.
    Bad::xdp("map-without-this-operation").expect(
        "map-kind-for-helper",
        &code![
            [store_imm(Size::Dw, R10, -8, 0), mov(2, R10), add_imm(2, -8)],
            ld_imm64(1, Imm64::MapFd(map.fd())),
            [
                mov_imm(3, 8),
                mov_imm(4, 0),
                call_helper(id::RINGBUF_OUTPUT),
                mov_imm(0, 2),
                exit()
            ]
        ],
    );
}

#[test]
fn flow() {
    hachi_test::require_bpf!();
    let found = Bad::xdp("loop-for-ever").expect(
        "infinite-loop",
        &[
            mov_imm(0, 0),
            jump(JumpOp::Eq, 0, Operand::Imm(0), -1),
            exit(),
        ],
    );
    assert!(found.to_string().contains("instruction 1: "), "{found}");
    // Counts to a hundred million; the log holds the tail of the walk (Linux ≥ 6.4).
    Bad {
        log_size: 4096,
        ..Bad::xdp("loop-too-long")
    }
    .expect(
        "too-many-instructions",
        &[
            mov_imm(0, 0),
            add_imm(0, 1),
            jump(JumpOp::Lt, 0, Operand::Imm(100_000_000), -2),
            exit(),
        ],
    );
    Bad::xdp("dead-code").expect(
        "unreachable-code",
        &[mov_imm(0, 0), ja(1), mov_imm(0, 1), exit()],
    );
    Bad::xdp("no-end").expect("no-exit", &[mov_imm(0, 0)]);
    Bad::xdp("jump-away").expect("bad-jump", &[mov_imm(0, 0), ja(100), exit()]);
    let mut deep = Vec::new();
    for _ in 0..9 {
        deep.extend([call_local(1), exit()]);
    }
    deep.extend([mov_imm(0, 0), exit()]);
    Bad::xdp("calls-too-deep").expect("call-depth", &deep);
    Bad::xdp("stack-too-large").expect(
        "stack-too-large",
        &[
            store_imm(Size::Dw, R10, -400, 0),
            call_local(1),
            exit(),
            store_imm(Size::Dw, R10, -400, 0),
            mov_imm(0, 0),
            exit(),
        ],
    );
    Bad {
        kind: CGROUP_SKB,
        ..Bad::xdp("return-too-large")
    }
    .expect("return-value", &[mov_imm(0, 9), exit()]);
    // callx: what a call through a function pointer compiles to.
    Bad::xdp("call-by-pointer").expect(
        "indirect-call",
        &[
            Insn {
                code: 0x8d,
                dst: 1,
                ..Insn::default()
            },
            exit(),
        ],
    );
}

#[test]
fn types() {
    hachi_test::require_bpf!();
    // A structure called `a<b>` with one member of type `int`, as rustc would name it.
    let types = [
        1,
        1 << 24,
        4,
        0x0100_0020, // INT int
        5,
        4 << 24 | 1,
        4,
        1,
        1,
        0, // STRUCT a<b> { int: int }
    ];
    let (error, log) = btf_rejection(&types, b"\0int\0a<b>\0");
    let found = Bad::xdp("types-with-a-rust-name").explained("btf-invalid", error, &log);
    assert!(found.to_string().contains("a<b>"), "{found}\n{log}");
}
