//! Several choices by one condition, made by one branch.
//!
//! LLVM's eBPF target turns each `select` into a jump of its own. Where two hang on the same
//! comparison, the verifier meets the comparison twice, finds the second decided by the first, and
//! from then on takes the numbers involved seriously: it no longer merges the ways through, and
//! their number doubles with each such pair.

use crate::llvm::{Block, Function, Inst, Module, Op, Value};

/// Rewrites all functions.
pub(super) fn join(module: Module) {
    for function in module.functions() {
        if !function.is_declaration() {
            // Each step splits a block; the rest of it is looked at again.
            let mut open = function.blocks();
            while let Some(block) = open.pop() {
                if let Some(rest) = join_in(module, function, block) {
                    open.push(rest);
                }
            }
        }
    }
}

/// Splits the block at its first group of selects; returns the part behind.
fn join_in(module: Module, function: Function, block: Block) -> Option<Block> {
    let instructions = block.instructions();
    let group = first_group(&instructions)?;
    let condition = group[0].0.operand(0);
    let at = instructions.iter().position(|inst| *inst == group[0])?;

    let otherwise = function.append_block(module);
    let rest = function.append_block(module);
    otherwise.move_after(block);
    rest.move_after(otherwise);
    let builder = module.context.builder();
    // Those that follow in the block now follow the branch; the successors' phis must know.
    for successor in block.terminator()?.successors() {
        for phi in successor.phis() {
            phi.replace_incoming_block(builder, block, rest);
        }
    }
    for inst in &instructions[at..] {
        if !group.contains(inst) {
            inst.move_to_end(builder, rest);
        }
    }
    let mut phis = Vec::new();
    for select in &group {
        let phi = builder.at_start(rest).phi(select.0.ty());
        phi.copy_location(*select);
        phi.add_incoming(select.0.operand(1), block);
        phi.add_incoming(select.0.operand(2), otherwise);
        phis.push(phi);
    }
    builder
        .at_end(block)
        .located_like(group[0])
        .branch(condition, rest, otherwise);
    builder.at_end(otherwise).located_like(group[0]).jump(rest);
    for (select, phi) in group.iter().zip(phis) {
        select.0.replace_with(phi.0);
        select.erase();
    }
    Some(rest)
}

/// Selects by one condition that can all be made where the first of them stands; at least two.
fn first_group(instructions: &[Inst]) -> Option<Vec<Inst>> {
    for (at, first) in instructions.iter().enumerate() {
        if !is_choice(*first) {
            continue;
        }
        let condition = first.0.operand(0);
        // What is made between the first and a later one is not there yet at the first.
        let mut later: Vec<Value> = vec![first.0];
        let mut group = vec![*first];
        for inst in &instructions[at + 1..] {
            let ready = || (1..3).all(|i| !later.contains(&inst.0.operand(i)));
            if is_choice(*inst) && inst.0.operand(0) == condition && ready() {
                group.push(*inst);
            }
            later.push(inst.0);
        }
        if group.len() > 1 {
            return Some(group);
        }
    }
    None
}

fn is_choice(inst: Inst) -> bool {
    // Choices between truth values become logic, not jumps.
    inst.op() == Op::SELECT && inst.0.operand(0).ty().int_bits() == 1 && inst.0.ty().int_bits() != 1
}
