//! What an object says without a kernel: for `hachi inspect` and `hachi dis`.

mod kernel;
mod registers;
mod stack;

use std::collections::BTreeMap;

use hachi_asm::disasm::Names;
use hachi_asm::helpers::{self, Helper};
use hachi_asm::{CallTarget, Imm64, Op};

use crate::{Code, ExternKind, RelocationKind, Spec};

pub use kernel::{Need, Requirement, User, kfuncs, minimum_kernel, requirements, requirements_of};
pub use registers::registers_read;
pub use stack::{Frame, StackDepth, stack_depth};

/// A helper a program calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HelperUse {
    /// Its number.
    pub id: u32,
    /// What is known of it; `None` for a number no kernel has.
    pub helper: Option<&'static Helper>,
    /// How many calls there are.
    pub calls: usize,
    /// The first call: its slot.
    pub first: usize,
}

/// The helpers a program calls, by number.
pub fn helpers(code: &Code) -> Vec<HelperUse> {
    let mut found: BTreeMap<u32, HelperUse> = BTreeMap::new();
    for (slot, op) in ops(code) {
        if let Op::Call(CallTarget::Helper(id)) = op {
            let id = id as u32;
            let new = HelperUse {
                id,
                helper: helpers::by_id(id),
                calls: 0,
                first: slot,
            };
            found.entry(id).or_insert(new).calls += 1;
        }
    }
    found.into_values().collect()
}

/// The instructions with their slots; unknown ones are left out.
pub(crate) fn ops(code: &Code) -> impl Iterator<Item = (usize, Op)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let here = at;
            code.insns.get(here)?;
            match Op::decode(&code.insns, here) {
                Ok(op) => {
                    at += op.slots();
                    return Some((here, op));
                }
                Err(_) => at += 1,
            }
        }
    })
}

/// Names for the disassembler ([`hachi_asm::disasm::lines`]): maps, global variables, functions.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SpecNames<'s> {
    /// The object, for the names of global variables.
    pub spec: &'s Spec,
    /// The code shown.
    pub code: &'s Code,
}

impl<'s> SpecNames<'s> {
    /// Names for this code of an object.
    pub fn new(spec: &'s Spec, code: &'s Code) -> Self {
        SpecNames { spec, code }
    }

    /// `&NAME`, `&NAME+4` or, between variables, `&.rodata+16`.
    fn global(&self, map: &str, offset: u32) -> String {
        let var = self.spec.globals.iter().rev().find(|var| {
            let end = u64::from(var.offset) + u64::from(var.size.max(1));
            var.map == map && var.offset <= offset && u64::from(offset) < end
        });
        let option = self.spec.externs.iter().find(|e| {
            map == ".kconfig"
                && matches!(e.kind, ExternKind::Kconfig { offset: at, .. } if at == offset)
        });
        match (var, option) {
            (Some(var), _) if var.offset == offset => format!("&{}", var.name),
            (Some(var), _) => format!("&{}+{}", var.name, offset - var.offset),
            (None, Some(option)) => format!("&{}", option.name),
            (None, None) => format!("&{map}+{offset}"),
        }
    }
}

impl Names for SpecNames<'_> {
    fn imm64(&self, at: usize) -> Option<String> {
        if let Some(relocation) = self.code.relocation_at(at) {
            return Some(match &relocation.kind {
                RelocationKind::Map { name } => format!("map[{name}]"),
                RelocationKind::JumpTable { targets } => {
                    let targets: Vec<String> = targets.iter().map(u32::to_string).collect();
                    format!("jumps[{}]", targets.join(" "))
                }
                RelocationKind::GlobalData { map, offset } => self.global(map, *offset),
                RelocationKind::Ksym { name } | RelocationKind::Kfunc { name, .. } => {
                    format!("&{name}")
                }
                RelocationKind::Unresolved { symbol, .. } => format!("&{symbol}"),
            });
        }
        match Op::decode(&self.code.insns, at) {
            Ok(Op::LdImm64 {
                imm: Imm64::Func(off),
                ..
            }) => {
                let target = (at as i64 + 1 + i64::from(off)) as usize;
                let function = self.code.function_at(target)?;
                Some(format!("subprog[{off:+}] <{}>", function.name))
            }
            _ => None,
        }
    }

    fn call(&self, at: usize) -> Option<String> {
        match self.code.relocation_at(at).map(|r| &r.kind) {
            Some(RelocationKind::Kfunc { name, .. }) => return Some(name.to_string()),
            Some(RelocationKind::Unresolved { symbol, .. }) => return Some(symbol.to_string()),
            _ => {}
        }
        match Op::decode(&self.code.insns, at) {
            Ok(Op::Call(CallTarget::Local(off))) => {
                let target = (at as i64 + 1 + i64::from(off)) as usize;
                let function = self.code.function_at(target)?;
                Some(format!("pc{off:+} <{}>", function.name))
            }
            _ => None,
        }
    }
}
