//! The instruction text of the verifier's log, read back just far enough to follow a value.

/// A value an instruction reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// A register.
    Reg(u8),
    /// A number in the instruction.
    Number(i64),
}

/// What an instruction does, as far as following values needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// `r1 = r2`, `w1 = w2`, `r1 = 5`, `r1 = (s8)r2`.
    Move {
        /// Written register.
        dst: u8,
        /// What it becomes.
        from: Operand,
    },
    /// `r1 = map[id:3]`, `r1 = 0xffff888 ll`: a 64-bit load of a map, a global or a large number.
    Wide {
        /// Written register.
        dst: u8,
        /// The right-hand side as printed.
        text: String,
    },
    /// `r1 += r2`, `w1 <<= 3`, `r1 = be16 r1`, `r1 = -r1`.
    Compute {
        /// Register read and written.
        dst: u8,
        /// The other operand, if there is one.
        with: Option<Operand>,
    },
    /// `r1 = *(u8 *)(r2 +4)`.
    Load {
        /// Written register.
        dst: u8,
        /// Address register.
        base: u8,
        /// Offset from it.
        offset: i32,
        /// Bytes read.
        size: u8,
    },
    /// `*(u64 *)(r10 -8) = r1` (and atomic operations on memory).
    Store {
        /// Address register.
        base: u8,
        /// Offset from it.
        offset: i32,
        /// Bytes written.
        size: u8,
        /// What is written.
        value: Operand,
        /// A register that gets the old value, for atomics that fetch.
        fetches: Option<u8>,
    },
    /// `call bpf_map_lookup_elem#1`.
    Call {
        /// The function's name as printed: a helper's, a kernel function's, or `pc+5`.
        function: String,
    },
    /// `if r0 == 0x0 goto pc+5`.
    Branch {
        /// Compared register.
        left: u8,
        /// What it is compared with.
        right: Operand,
    },
    /// `goto pc+5`.
    Jump,
    /// `exit`.
    Exit,
    /// Anything else.
    Other,
}

impl Op {
    /// Reads an instruction as the log prints it after `N: (code) `.
    pub fn parse(code: u8, text: &str) -> Op {
        parse(code, text).unwrap_or(Op::Other)
    }

    /// The register this writes, when it is one.
    pub fn writes(&self) -> Option<u8> {
        match self {
            Op::Move { dst, .. }
            | Op::Wide { dst, .. }
            | Op::Compute { dst, .. }
            | Op::Load { dst, .. } => Some(*dst),
            Op::Store { fetches, .. } => *fetches,
            Op::Call { .. } => Some(0),
            _ => None,
        }
    }
}

const CLASS: u8 = 0x07;
const BPF_LD: u8 = 0x00;
const BPF_LDX: u8 = 0x01;
const BPF_ST: u8 = 0x02;
const BPF_STX: u8 = 0x03;
const BPF_ALU: u8 = 0x04;
const BPF_JMP: u8 = 0x05;
const BPF_JMP32: u8 = 0x06;
const BPF_ALU64: u8 = 0x07;

fn parse(code: u8, text: &str) -> Option<Op> {
    match code & CLASS {
        BPF_LD => {
            let (dst, right) = text.split_once(" = ")?;
            Some(Op::Wide {
                dst: register(dst)?,
                text: right.to_string(),
            })
        }
        BPF_LDX => {
            let (dst, right) = text.split_once(" = ")?;
            let (base, offset, size) = memory(right)?;
            Some(Op::Load {
                dst: register(dst)?,
                base,
                offset,
                size,
            })
        }
        BPF_ST => {
            let (left, right) = text.split_once(" = ")?;
            let (base, offset, size) = memory(left)?;
            Some(Op::Store {
                base,
                offset,
                size,
                value: operand(right)?,
                fetches: None,
            })
        }
        BPF_STX => store(code, text),
        BPF_ALU | BPF_ALU64 => compute(text),
        BPF_JMP | BPF_JMP32 => jump(text),
        _ => None,
    }
}

fn store(code: u8, text: &str) -> Option<Op> {
    if code & 0xe0 != 0xc0 {
        let (left, right) = text.split_once(" = ")?;
        let (base, offset, size) = memory(left)?;
        return Some(Op::Store {
            base,
            offset,
            size,
            value: operand(right)?,
            fetches: None,
        });
    }
    // Atomics: `lock *(u64 *)(r1 +0) += r2`, `r2 = atomic64_fetch_add((u64 *)(r1 +0), r2)`,
    // `r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)`.
    if let Some(rest) = text.strip_prefix("lock ") {
        let (base, offset, size) = memory(rest)?;
        let value = operand(rest.rsplit(' ').next()?)?;
        return Some(Op::Store {
            base,
            offset,
            size,
            value,
            fetches: None,
        });
    }
    let (dst, right) = text.split_once(" = ")?;
    let (base, offset, size) = memory(right)?;
    let last = right.rsplit([' ', ',']).next()?.trim_end_matches(')');
    Some(Op::Store {
        base,
        offset,
        size,
        value: operand(last)?,
        fetches: register(dst),
    })
}

fn compute(text: &str) -> Option<Op> {
    let mut words = text.split_whitespace();
    let dst = register(words.next()?)?;
    let operator = words.next()?;
    let rest: Vec<&str> = words.collect();
    if operator == "=" {
        return match rest.as_slice() {
            // `r1 = (s8)r2`: still a copy, as far as the reader is concerned.
            [one] => {
                let value = one.rsplit(')').next().unwrap_or(one);
                if let Some(negated) = value.strip_prefix('-')
                    && register(negated).is_some()
                {
                    return Some(Op::Compute { dst, with: None });
                }
                Some(Op::Move {
                    dst,
                    from: operand(value)?,
                })
            }
            // `r1 = be16 r1`
            _ => Some(Op::Compute { dst, with: None }),
        };
    }
    Some(Op::Compute {
        dst,
        with: rest.first().and_then(|word| operand(word)),
    })
}

fn jump(text: &str) -> Option<Op> {
    if text == "exit" {
        return Some(Op::Exit);
    }
    if let Some(name) = text.strip_prefix("call ") {
        // `bpf_map_lookup_elem#1`; old kernels print the number alone when the name is unknown.
        let name = name.split('#').next().unwrap_or(name);
        return Some(Op::Call {
            function: name.to_string(),
        });
    }
    if text.starts_with("goto") || text.starts_with("may_goto") {
        return Some(Op::Jump);
    }
    let mut words = text.strip_prefix("if ")?.split_whitespace();
    let left = register(words.next()?)?;
    words.next()?;
    Some(Op::Branch {
        left,
        right: operand(words.next()?)?,
    })
}

/// `r5`, `w5`.
fn register(text: &str) -> Option<u8> {
    let number = text.strip_prefix(['r', 'w'])?.parse().ok()?;
    (number <= 11).then_some(number)
}

fn operand(text: &str) -> Option<Operand> {
    let text = text.trim();
    register(text)
        .map(Operand::Reg)
        .or_else(|| crate::state::parse_number(text).map(Operand::Number))
}

/// The address in `*(u32 *)(r1 +4)`, wherever it stands in `text`: register, offset, size in bytes.
fn memory(text: &str) -> Option<(u8, i32, u8)> {
    let star = text.find(" *)(")?;
    let size = match text[..star].rsplit('(').next()? {
        "u8" | "s8" => 1,
        "u16" | "s16" => 2,
        "u32" | "s32" => 4,
        "u64" | "s64" => 8,
        _ => return None,
    };
    let inner = text[star + 4..].split(')').next()?;
    let (base, offset) = inner.split_once(' ').unwrap_or((inner, "0"));
    Some((
        register(base)?,
        offset.trim_start_matches('+').parse().ok()?,
        size,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_log() {
        assert_eq!(
            Op::parse(0x71, "r0 = *(u8 *)(r1 +0)"),
            Op::Load {
                dst: 0,
                base: 1,
                offset: 0,
                size: 1
            }
        );
        assert_eq!(
            Op::parse(0x7b, "*(u64 *)(r10 -16) = r3"),
            Op::Store {
                base: 10,
                offset: -16,
                size: 8,
                value: Operand::Reg(3),
                fetches: None
            }
        );
        assert_eq!(
            Op::parse(0x7a, "*(u64 *)(r10 -16) = -1"),
            Op::Store {
                base: 10,
                offset: -16,
                size: 8,
                value: Operand::Number(-1),
                fetches: None
            }
        );
        assert_eq!(
            Op::parse(0xbf, "r3 = r1"),
            Op::Move {
                dst: 3,
                from: Operand::Reg(1)
            }
        );
        assert_eq!(
            Op::parse(0xbf, "r3 = (s8)r1"),
            Op::Move {
                dst: 3,
                from: Operand::Reg(1)
            }
        );
        assert_eq!(
            Op::parse(0xb4, "w0 = -1"),
            Op::Move {
                dst: 0,
                from: Operand::Number(-1)
            }
        );
        assert_eq!(
            Op::parse(0x0f, "r1 += r2"),
            Op::Compute {
                dst: 1,
                with: Some(Operand::Reg(2))
            }
        );
        assert_eq!(
            Op::parse(0xdc, "r1 = be16 r1"),
            Op::Compute { dst: 1, with: None }
        );
        assert_eq!(
            Op::parse(0x87, "r1 = -r1"),
            Op::Compute { dst: 1, with: None }
        );
        assert_eq!(
            Op::parse(0x18, "r1 = map[id:3]"),
            Op::Wide {
                dst: 1,
                text: "map[id:3]".into()
            }
        );
        assert_eq!(
            Op::parse(0x85, "call bpf_map_lookup_elem#1"),
            Op::Call {
                function: "bpf_map_lookup_elem".into()
            }
        );
        assert_eq!(
            Op::parse(0x2d, "if r3 > r1 goto pc+5"),
            Op::Branch {
                left: 3,
                right: Operand::Reg(1)
            }
        );
        assert_eq!(Op::parse(0x95, "exit"), Op::Exit);
        assert_eq!(
            Op::parse(0xdb, "r2 = atomic64_fetch_add((u64 *)(r1 +8), r2)"),
            Op::Store {
                base: 1,
                offset: 8,
                size: 8,
                value: Operand::Reg(2),
                fetches: Some(2)
            }
        );
        assert_eq!(
            Op::parse(0xdb, "lock *(u64 *)(r1 +8) += r2"),
            Op::Store {
                base: 1,
                offset: 8,
                size: 8,
                value: Operand::Reg(2),
                fetches: None
            }
        );
        assert_eq!(Op::parse(0xff, "???"), Op::Other);
        assert_eq!(Op::parse(0x71, "r0 = *(u128 *)("), Op::Other);
    }
}
