//! Sums beside what they are made of.
//!
//! LLVM moves a computation to the block where its result is used. Behind an unrolled loop that is
//! a long sum, whose parts stay where they are loaded: 64 of them do not fit into ten registers,
//! and take all 512 bytes of the stack. Such a sum goes back, so that each part is added as soon
//! as it is there.

use std::collections::BTreeMap;

use super::pins;
use crate::llvm::{Block, Inst, Module, Op, Value};

/// Fewer instructions than that may be where they are: there are registers for their operands.
const MANY: usize = 8;

/// Moves the sums of all functions.
pub(super) fn take_back(module: Module) {
    for function in module.functions() {
        if function.is_declaration() {
            continue;
        }
        for block in function.blocks() {
            for (home, chain) in chains(block) {
                if chain.len() >= MANY {
                    move_to(module, home, chain);
                }
            }
        }
    }
}

/// Puts each of the instructions behind the last of its operands. LLVM would order a block's
/// instructions again, loads first: past an empty piece of assembly with side effects it moves
/// none.
fn move_to(module: Module, home: Block, chain: Vec<Inst>) {
    let builder = module.context.builder();
    let instructions = home.instructions();
    let numbered = instructions.iter().enumerate();
    let mut at: BTreeMap<Inst, usize> = numbered.map(|(at, inst)| (*inst, at)).collect();
    let mut sums = 0;
    for inst in chain {
        let parts = inst.0.operands().into_iter().filter_map(Value::as_inst);
        let last = parts.filter_map(|part| at.get(&part)).max().copied();
        let next = last.and_then(|last| {
            let behind = instructions.iter().skip(last + 1);
            behind.copied().find(|next| next.op() != Op::PHI)
        });
        let (Some(last), Some(next)) = (last, next) else {
            continue;
        };
        inst.move_before(builder, next);
        at.insert(inst, last);
        sums += usize::from(inst.op() != Op::ZEXT);
        if sums.is_multiple_of(MANY) && inst.op() != Op::ZEXT {
            at.insert(keep(module, inst, next), last);
        }
    }
}

/// Has the users of a result take it from an empty piece of assembly before `next`.
fn keep(module: Module, inst: Inst, next: Inst) -> Inst {
    let builder = module.context.builder();
    let ty = inst.0.ty().function(&[inst.0.ty()]);
    let barrier = builder.inline_asm(ty, "", pins::CONSTRAINTS);
    let users: Vec<Inst> = inst
        .0
        .users()
        .into_iter()
        .filter_map(Value::as_inst)
        .collect();
    let builder = builder.before(next).located_like(inst);
    let kept = builder.call(ty, barrier, &[inst.0]);
    for user in users {
        for (index, operand) in (0..).zip(user.0.operands()) {
            if operand == inst.0 {
                user.0.set_operand(index, kept.0);
            }
        }
    }
    kept
}

/// The instructions of a block that combine what only they use, all of it from one other block, or
/// the results of each other; by that block.
fn chains(block: Block) -> BTreeMap<Block, Vec<Inst>> {
    let mut homes: BTreeMap<Inst, Block> = BTreeMap::new();
    let mut chains: BTreeMap<Block, Vec<Inst>> = BTreeMap::new();
    for inst in block.instructions() {
        let combines = matches!(
            inst.op(),
            Op::ADD | Op::SUB | Op::MUL | Op::AND | Op::OR | Op::XOR | Op::SHL | Op::ZEXT
        );
        if !combines {
            continue;
        }
        let parts = inst.0.operands().into_iter();
        let mut parts = parts.filter(|value| value.as_u64().is_none());
        let home_of = |part: Value| {
            let part = part.as_inst().filter(|it| it.0.users().len() == 1)?;
            let elsewhere = Some(part.block()).filter(|home| *home != block);
            homes.get(&part).copied().or(elsewhere)
        };
        let Some(home) = parts.next().and_then(home_of) else {
            continue;
        };
        if parts.all(|part| home_of(part) == Some(home)) {
            homes.insert(inst, home);
            chains.entry(home).or_default().push(inst);
        }
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    fn moved(parts: usize) -> String {
        let loads: String = (0..parts)
            .map(|n| {
                format!(
                    "%p{n} = getelementptr i8, ptr %p, i64 {n}\n\
                     %v{n} = load i8, ptr %p{n}\n%z{n} = zext i8 %v{n} to i64\n"
                )
            })
            .collect();
        let sums: String = (1..parts)
            .map(|n| {
                let sum = if n == 1 {
                    "%z0".to_owned()
                } else {
                    format!("%s{}", n - 1)
                };
                format!("%s{n} = add i64 {sum}, %z{n}\n")
            })
            .collect();
        after(
            &format!(
                "define i64 @f(ptr %p, i1 %c) {{
                 start:
                   {loads}
                   br i1 %c, label %yes, label %no
                 yes:
                   {sums}
                   ret i64 %s{}
                 no:
                   ret i64 0
                 }}",
                parts - 1
            ),
            take_back,
        )
    }

    #[test]
    fn a_long_sum_goes_to_its_parts() {
        let text = moved(16);
        assert!(text.find("%s7 =") < text.find("%v8 ="), "{text}");
        assert!(text.find("%s15 =") < text.find("br i1"), "{text}");
        // No load goes past these.
        assert_eq!(lines(&text, "asm sideeffect"), 1, "{text}");
    }

    #[test]
    fn a_short_sum_stays_where_it_is_used() {
        let text = moved(4);
        assert!(text.find("%s3 =") > text.find("br i1"), "{text}");
    }
}
