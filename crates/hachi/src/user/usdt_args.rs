//! Where the arguments of a USDT probe are, from the assembler's words to what the kernel side
//! reads.
//!
//! The kernel side is libbpf's `usdt.bpf.h`, with which these structs are shared through a map.

use crate::target::UsdtProblem;

/// How many arguments a probe can have (`BPF_USDT_MAX_ARG_CNT`).
const MAX: usize = 12;

/// How an object's `usdt.bpf.h` lays out `struct __bpf_usdt_spec`: 12 arguments, the cookie, their
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Arguments of 16 bytes.
    Narrow,
    /// Arguments of 24 bytes: libbpf 1.7 and 1.8, whose bit fields the compiler spreads.
    Wide,
}

impl Layout {
    /// That of values of this size.
    pub(crate) fn of_size(size: u32) -> Option<Self> {
        [Layout::Narrow, Layout::Wide]
            .into_iter()
            .find(|layout| layout.size() as u32 == size)
    }

    /// Bytes of an argument.
    const fn argument(self) -> usize {
        match self {
            Layout::Narrow => 16,
            Layout::Wide => 24,
        }
    }

    /// Bytes of it all.
    pub(crate) const fn size(self) -> usize {
        MAX * self.argument() + 16
    }
}

/// `enum __bpf_usdt_arg_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, reason = "not every machine's assembler has every place")
)]
enum Kind {
    Constant = 0,
    Register = 1,
    Memory = 2,
    /// Base, index, scale.
    Sib = 3,
}

/// One argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Argument {
    /// The constant, or what is added to the address.
    value: u64,
    kind: Kind,
    /// Where in `struct pt_regs` the register is.
    register: i16,
    /// For [`Kind::Sib`], likewise.
    index: u16,
    /// For [`Kind::Sib`]: the index is shifted so far left.
    scale: u16,
    signed: bool,
    bytes: u8,
}

/// Reads the arguments of a probe, such as `-4@%edi 8@-16(%rbp)`.
pub(crate) fn parse(text: &str) -> Result<Vec<Argument>, UsdtProblem> {
    let mut arguments = Vec::new();
    for word in words(text) {
        if arguments.len() == MAX {
            return Err(UsdtProblem::TooManyArguments { limit: MAX });
        }
        match argument(&word) {
            Some(argument) => arguments.push(argument),
            None => return Err(UsdtProblem::Argument { text: word }),
        }
    }
    Ok(arguments)
}

/// Arguments are separated by blanks, but `[sp, 8]` is one word.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut inside = false;
    for letter in text.chars() {
        match letter {
            ' ' if inside => continue,
            ' ' => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            '[' | '(' => inside = true,
            ']' | ')' => inside = false,
            _ => {}
        }
        word.push(letter);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn argument(word: &str) -> Option<Argument> {
    let (size, place) = word.split_once('@')?;
    let size: i8 = size.parse().ok()?;
    let bytes = size.unsigned_abs();
    if !matches!(bytes, 1 | 2 | 4 | 8) {
        return None;
    }
    let mut argument = Argument {
        value: 0,
        kind: Kind::Register,
        register: 0,
        index: 0,
        scale: 0,
        signed: size < 0,
        bytes,
    };
    machine::place(place, &mut argument)?;
    Some(argument)
}

/// A signed number, decimal or hexadecimal, as 64 bits.
fn number(text: &str) -> Option<u64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// The spec for the kernel side: what `__bpf_usdt_specs` holds.
pub(crate) fn spec(arguments: &[Argument], cookie: u64, layout: Layout) -> Vec<u8> {
    let mut bytes = vec![0; layout.size()];
    for (at, argument) in bytes.chunks_exact_mut(layout.argument()).zip(arguments) {
        at[..8].copy_from_slice(&argument.value.to_ne_bytes());
        let kind = argument.kind as u32;
        let (index, scale) = (argument.index, argument.scale);
        let big = cfg!(target_endian = "big");
        let rest = match layout {
            // Bit fields of one word: 8 bits type, 12 bits index register, 4 bits scale.
            Layout::Narrow => {
                let (index, scale) = (u32::from(index), u32::from(scale));
                let word = match big {
                    true => kind << 24 | index << 12 | scale << 8,
                    false => kind | index << 8 | scale << 20,
                };
                at[8..12].copy_from_slice(&word.to_ne_bytes());
                12
            }
            // The same, and 8 bits of nothing. Index and scale have two bytes of their own; of the
            // others one is before them, one behind.
            Layout::Wide => {
                let half = match big {
                    true => index << 4 | scale,
                    false => index | scale << 12,
                };
                at[if big { 12 } else { 8 }] = kind as u8;
                at[10..12].copy_from_slice(&half.to_ne_bytes());
                14
            }
        };
        at[rest..][..2].copy_from_slice(&argument.register.to_ne_bytes());
        at[rest + 2] = argument.signed.into();
        at[rest + 3] = 64 - 8 * argument.bytes;
    }
    let end = MAX * layout.argument();
    bytes[end..][..8].copy_from_slice(&cookie.to_ne_bytes());
    bytes[end + 8..][..2].copy_from_slice(&(arguments.len() as u16).to_ne_bytes());
    bytes
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use super::{Argument, Kind, number};

    /// Offsets in `struct pt_regs`, and names for 8, 4, 2 and 1 bytes.
    const REGISTERS: [(i16, [&str; 4]); 9] = [
        (80, ["rax", "eax", "ax", "al"]),
        (40, ["rbx", "ebx", "bx", "bl"]),
        (88, ["rcx", "ecx", "cx", "cl"]),
        (96, ["rdx", "edx", "dx", "dl"]),
        (104, ["rsi", "esi", "si", "sil"]),
        (112, ["rdi", "edi", "di", "dil"]),
        (32, ["rbp", "ebp", "bp", "bpl"]),
        (152, ["rsp", "esp", "sp", "spl"]),
        (128, ["rip", "eip", "ip", "ip"]),
    ];

    fn register(name: &str) -> Option<i16> {
        let name = name.strip_prefix('%')?;
        if let Some((offset, _)) = REGISTERS.iter().find(|(_, names)| names.contains(&name)) {
            return Some(*offset);
        }
        let number = name.strip_prefix('r')?.trim_end_matches(['d', 'w', 'b']);
        match number.parse::<i16>().ok()? {
            // r8 to r11 lie below rax, r12 to r15 at the start, both downwards.
            number @ 8..=11 => Some(72 - 8 * (number - 8)),
            number @ 12..=15 => Some(24 - 8 * (number - 12)),
            _ => None,
        }
    }

    /// `$5`, `%rdi`, `-8(%rbp)`, `8(%rax,%rcx,4)`.
    pub(super) fn place(text: &str, argument: &mut Argument) -> Option<()> {
        if let Some(constant) = text.strip_prefix('$') {
            argument.kind = Kind::Constant;
            argument.value = number(constant)?;
            return Some(());
        }
        let Some((offset, inside)) = text.split_once('(') else {
            argument.register = register(text)?;
            return Some(());
        };
        if !offset.is_empty() {
            argument.value = number(offset)?;
        }
        let mut parts = inside.strip_suffix(')')?.split(',').map(str::trim);
        argument.kind = Kind::Memory;
        argument.register = register(parts.next()?)?;
        if let Some(index) = parts.next() {
            argument.kind = Kind::Sib;
            argument.index = u16::try_from(register(index)?).ok()?;
            argument.scale = match parts.next() {
                None | Some("1") => 0,
                Some("2") => 1,
                Some("4") => 2,
                Some("8") => 3,
                Some(_) => return None,
            };
        }
        parts.next().is_none().then_some(())
    }

    #[cfg(test)]
    pub(super) const SAMPLES: &[(&str, Kind, u64, i16)] = &[
        ("-4@$-5", Kind::Constant, -5i64 as u64, 0),
        ("8@%rdi", Kind::Register, 0, 112),
        ("1@%r9b", Kind::Register, 0, 64),
        ("4@%r15d", Kind::Register, 0, 0),
        ("8@-0x10(%rbp)", Kind::Memory, -16i64 as u64, 32),
        ("8@(%rsp)", Kind::Memory, 0, 152),
        ("2@8(%rax, %rcx, 4)", Kind::Sib, 8, 80),
    ];
}

#[cfg(target_arch = "aarch64")]
mod machine {
    use super::{Argument, Kind, number};

    /// `struct user_pt_regs`: x0 to x30, then the stack pointer.
    fn register(name: &str) -> Option<i16> {
        if name == "sp" {
            return Some(31 * 8);
        }
        let number: i16 = name.strip_prefix(['x', 'w'])?.parse().ok()?;
        (0..=30).contains(&number).then_some(number * 8)
    }

    /// `5`, `x0`, `[sp]`, `[sp,16]`.
    pub(super) fn place(text: &str, argument: &mut Argument) -> Option<()> {
        if let Some(inside) = text.strip_prefix('[') {
            let mut parts = inside.strip_suffix(']')?.split(',').map(str::trim);
            argument.kind = Kind::Memory;
            argument.register = register(parts.next()?)?;
            if let Some(offset) = parts.next() {
                argument.value = number(offset)?;
            }
            return parts.next().is_none().then_some(());
        }
        match register(text) {
            Some(at) => argument.register = at,
            None => {
                argument.kind = Kind::Constant;
                argument.value = number(text)?;
            }
        }
        Some(())
    }

    #[cfg(test)]
    pub(super) const SAMPLES: &[(&str, Kind, u64, i16)] = &[
        ("-4@-5", Kind::Constant, -5i64 as u64, 0),
        ("8@x3", Kind::Register, 0, 24),
        ("4@w30", Kind::Register, 0, 240),
        ("8@[sp, 16]", Kind::Memory, 16, 248),
        ("8@[x0]", Kind::Memory, 0, 0),
    ];
}

#[cfg(target_arch = "riscv64")]
mod machine {
    use super::{Argument, Kind, number};

    /// The order of `struct user_regs_struct`, behind the program counter.
    const REGISTERS: [&str; 31] = [
        "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
        "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5",
        "t6",
    ];

    fn register(name: &str) -> Option<i16> {
        let at = REGISTERS.iter().position(|other| *other == name)?;
        i16::try_from(8 * (at + 1)).ok()
    }

    /// `5`, `a0`, `-16(s0)`.
    pub(super) fn place(text: &str, argument: &mut Argument) -> Option<()> {
        if let Some((offset, inside)) = text.split_once('(') {
            argument.kind = Kind::Memory;
            argument.register = register(inside.strip_suffix(')')?)?;
            if !offset.is_empty() {
                argument.value = number(offset)?;
            }
            return Some(());
        }
        match register(text) {
            Some(at) => argument.register = at,
            None => {
                argument.kind = Kind::Constant;
                argument.value = number(text)?;
            }
        }
        Some(())
    }

    #[cfg(test)]
    pub(super) const SAMPLES: &[(&str, Kind, u64, i16)] = &[
        ("-4@-5", Kind::Constant, -5i64 as u64, 0),
        ("8@a0", Kind::Register, 0, 80),
        ("8@-16(s0)", Kind::Memory, -16i64 as u64, 64),
    ];
}

#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
)))]
mod machine {
    use super::{Argument, Kind};

    /// Probes without arguments work everywhere.
    pub(super) fn place(_: &str, _: &mut Argument) -> Option<()> {
        None
    }

    #[cfg(test)]
    pub(super) const SAMPLES: &[(&str, Kind, u64, i16)] = &[];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_arguments() {
        for &(text, kind, value, register) in machine::SAMPLES {
            let [found] = parse(text).unwrap()[..] else {
                panic!("{text}")
            };
            assert_eq!(
                (found.kind, found.value, found.register),
                (kind, value, register),
                "{text}"
            );
            assert_eq!(found.signed, text.starts_with('-'));
        }
        let all: Vec<_> = machine::SAMPLES.iter().map(|sample| sample.0).collect();
        assert_eq!(parse(&all.join("  ")).unwrap().len(), all.len());
        assert_eq!(parse(""), Ok(Vec::new()));
        for text in [
            "8",
            "3@$1",
            "8@%nix",
            "8@(",
            "8@)(",
            "@",
            "8@[,]",
            "8@8(%rax,%rcx,3)",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("not understood"), "{text}: {error}");
        }
        let many = vec![all.first().copied().unwrap_or_default(); 13].join(" ");
        assert_eq!(parse(&many).is_err(), !all.is_empty());
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", target_endian = "little"))]
    fn laid_out_as_the_kernel_side_reads_it() {
        let arguments = parse("-4@8(%rax,%rcx,4) 8@$7").unwrap();
        let bytes = spec(&arguments, 0xc00c1e, Layout::Narrow);
        assert_eq!(bytes[..8], 8u64.to_le_bytes());
        assert_eq!(bytes[8..12], (3u32 | 88 << 8 | 2 << 20).to_le_bytes());
        assert_eq!(bytes[12..16], [80, 0, 1, 32]);
        assert_eq!(bytes[16..24], 7u64.to_le_bytes());
        assert_eq!(bytes[28..32], [0, 0, 0, 0]);
        assert_eq!(bytes[192..200], 0xc00c1eu64.to_le_bytes());
        assert_eq!(bytes[200..], [2, 0, 0, 0, 0, 0, 0, 0]);

        // As a C compiler lays out the struct of libbpf 1.7.
        let bytes = spec(&arguments, 0xc00c1e, Layout::Wide);
        assert_eq!(bytes[..8], 8u64.to_le_bytes());
        assert_eq!(bytes[8..12], [3, 0, 88, 2 << 4]);
        assert_eq!(bytes[12..18], [0, 0, 80, 0, 1, 32]);
        assert_eq!(bytes[24..32], 7u64.to_le_bytes());
        assert_eq!(bytes[288..296], 0xc00c1eu64.to_le_bytes());
        assert_eq!(bytes[296..], [2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Layout::of_size(304), Some(Layout::Wide));
        assert_eq!(Layout::of_size(208), Some(Layout::Narrow));
        assert_eq!(Layout::of_size(200), None);
    }
}
