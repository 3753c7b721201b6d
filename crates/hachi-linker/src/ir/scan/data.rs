//! Static data that nobody would fill in: eBPF objects have no pointers in data.
//!
//! Loaders put `.data` and `.rodata` into maps as bytes. An address inside those bytes stays zero,
//! and a program that reads it is refused with "invalid mem access 'scalar'". Sections that loaders
//! interpret are another matter.

use super::{Findings, calls::is_formatting};
use crate::{
    Code, Diagnostic,
    ir::{Job, QUESTION_PREFIX},
    llvm::{Const, Global, Inst, Module, Op, Value},
    names,
};

/// Sections whose pointers loaders understand.
fn may_hold_pointers(section: &str) -> bool {
    section == ".maps"
        || section == "maps"
        || section.starts_with(".struct_ops")
        || section.starts_with("?.struct_ops")
}

/// Reports reads of pointers out of static data.
pub(super) fn pointers(module: Module, findings: &mut Findings) {
    for global in module.globals() {
        let name = global.name();
        if name.starts_with("llvm.") || may_hold_pointers(&global.section()) {
            continue;
        }
        let Some(value) = global.initializer() else {
            continue;
        };
        let mut slots = Vec::new();
        pointer_slots(module, value, 0, &mut slots);
        if slots.is_empty() {
            continue;
        }
        for (inst, offset) in uses(global.0) {
            if reaches(module, inst, global, offset, &slots) {
                if is_formatting(inst) {
                    findings.add_formatting(inst);
                } else {
                    findings.add(inst, complaint(global));
                }
                break;
            }
        }
    }
}

fn complaint(global: Global) -> Diagnostic {
    let symbol = global.name();
    let d = if symbol.is_empty()
        || symbol.starts_with("alloc_")
        || symbol.starts_with("anon.")
        || symbol.starts_with("vtable.")
        || symbol.starts_with("switch.table")
        || symbol.starts_with(".L")
    {
        Diagnostic::error(
            Code::POINTER_IN_DATA,
            "a constant table of references is read here, and eBPF has no addresses in data",
        )
    } else {
        Diagnostic::error(
            Code::POINTER_IN_DATA,
            format!(
                "the static `{}` holds references, and eBPF has no addresses in data",
                names::demangle(&symbol)
            ),
        )
    };
    d.help("store the values themselves (`[u8; N]` instead of `&str`), or choose with a `match`")
}

/// Offsets of all addresses inside a constant.
fn pointer_slots(module: Module, value: Value, at: u64, slots: &mut Vec<u64>) {
    match value.constant_kind() {
        Const::Function | Const::Global | Const::Alias => slots.push(at),
        // An address computed from one, or a number made an address.
        Const::Expr(_) if mentions_address(value) => slots.push(at),
        Const::Aggregate => {
            for (index, field) in value.operands().into_iter().enumerate() {
                let offset = module.offset_in(value.ty(), index as u32);
                pointer_slots(module, field, at + offset, slots);
            }
        }
        _ => {}
    }
}

fn mentions_address(value: Value) -> bool {
    match value.constant_kind() {
        Const::Function | Const::Global | Const::Alias => true,
        Const::Expr(_) => value.operands().into_iter().any(mentions_address),
        _ => false,
    }
}

/// Instructions that use an address, each with the offset it adds to it when that is known.
fn uses(value: Value) -> Vec<(Inst, Option<u64>)> {
    let mut found = Vec::new();
    collect_uses(value, Some(0), &mut found);
    found
}

fn collect_uses(value: Value, offset: Option<u64>, found: &mut Vec<(Inst, Option<u64>)>) {
    for user in value.users() {
        if let Some(inst) = user.as_inst() {
            if inst.op() == Op::GEP {
                let inner = byte_step(user).and_then(|step| Some(offset? + step));
                collect_uses(user, inner, found);
            } else {
                found.push((inst, offset));
            }
        } else if let Const::Expr(op) = user.constant_kind() {
            let inner = if op == Op::GEP {
                byte_step(user).and_then(|step| Some(offset? + step))
            } else {
                offset
            };
            collect_uses(user, inner, found);
        }
        // Other constants: addresses of addresses, which are looked at as data of their own.
    }
}

/// The step of `getelementptr i8, p, N`, the form to which LLVM reduces address arithmetic.
fn byte_step(gep: Value) -> Option<u64> {
    let operands = gep.operands();
    match operands.as_slice() {
        [_, step] if gep.gep_element().int_bits() == 8 => step.as_u64(),
        _ => None,
    }
}

/// May this use read one of the addresses?
fn reaches(module: Module, inst: Inst, global: Global, offset: Option<u64>, slots: &[u64]) -> bool {
    let (start, size) = match (inst.op(), offset) {
        (Op::LOAD, Some(offset)) => (offset, module.size_of(inst.0.ty())),
        (Op::STORE, Some(_)) if inst.0.operand(0) != global.0 => return false,
        (Op::ICMP, _) => return false,
        _ => return true,
    };
    slots
        .iter()
        .any(|slot| *slot < start + size && start < slot + 8)
}

/// Empties the slots that [`pointers`] found nobody to read, so that the object asks for nothing it
/// does not get.
pub(in crate::ir) fn forget_pointers(module: Module) {
    for global in module.globals() {
        if global.name().starts_with("llvm.") || may_hold_pointers(&global.section()) {
            continue;
        }
        if let Some(value) = global.initializer()
            && let Some(emptied) = without_addresses(module, value)
        {
            global.set_initializer(emptied);
        }
    }
}

/// The constant with zeros for addresses; nothing when it has none.
fn without_addresses(module: Module, value: Value) -> Option<Value> {
    match value.constant_kind() {
        Const::Aggregate => {
            let fields = value.operands();
            let emptied: Vec<Option<Value>> = fields
                .iter()
                .map(|field| without_addresses(module, *field))
                .collect();
            emptied.iter().any(Option::is_some).then(|| {
                let fields: Vec<Value> = fields
                    .into_iter()
                    .zip(emptied)
                    .map(|(old, new)| new.unwrap_or(old))
                    .collect();
                module.context.aggregate(value.ty(), &fields)
            })
        }
        _ if mentions_address(value) => Some(value.ty().zero()),
        _ => None,
    }
}

/// Reports uses of variables that nobody defines.
pub(super) fn undefined(module: Module, job: &Job, findings: &mut Findings) {
    for global in module.globals() {
        let symbol = global.name();
        if !global.is_declaration()
            || symbol.starts_with("llvm.")
            || symbol.starts_with(QUESTION_PREFIX)
            || job.defined_elsewhere.contains(&symbol)
        {
            continue;
        }
        if let Some((inst, _)) = uses(global.0).first() {
            findings.add(
                *inst,
                Diagnostic::error(
                    Code::UNDEFINED_SYMBOL,
                    format!(
                        "use of the static `{}`, which is defined nowhere",
                        names::demangle(&symbol)
                    ),
                )
                .help("link the object or library that defines it"),
            );
        }
    }
}
