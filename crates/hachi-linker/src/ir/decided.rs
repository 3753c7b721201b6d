//! Choices that have been decided.
//!
//! An `Option<&T>` is an address or null, chosen by a condition. Behind a branch on that condition
//! it is one of the two; LLVM leaves the choice, and the verifier, to which it is a pointer or a
//! number, makes nothing of it. Here it is replaced where the branch says which one it is.

use super::{empties, flow};
use crate::llvm::{Block, Const, Inst, Module, Op, Predicate, TypeKind, Value};

/// Replaces decided choices of pointers in all functions.
pub(super) fn replace(module: Module) {
    for function in module.functions() {
        for inst in function.instructions() {
            if inst.op() == Op::SELECT && inst.0.ty().kind() == TypeKind::Pointer {
                decide(inst);
            }
        }
    }
}

fn decide(select: Inst) {
    let condition = select.0.operand(0);
    let users = condition.users().into_iter().filter_map(Value::as_inst);
    for branch in users.filter(|user| user.is_terminator()) {
        let successors = branch.successors();
        let [yes, no] = successors.as_slice() else {
            continue;
        };
        if yes == no || branch.0.operand(0) != condition {
            continue;
        }
        for (behind, chosen) in [(*yes, 1), (*no, 2)] {
            if is_entered_only_from(behind, branch.block()) {
                let chosen = select.0.operand(chosen);
                replace_behind(select.0, behind, chosen);
            }
        }
    }
}

/// Is the block reached by one edge only?
fn is_entered_only_from(block: Block, from: Block) -> bool {
    let blocks = block.function().blocks();
    let edges = blocks
        .into_iter()
        .filter_map(Block::terminator)
        .flat_map(|end| {
            end.successors()
                .into_iter()
                .map(move |to| (end.block(), to))
        });
    edges
        .filter(|(_, to)| *to == block)
        .map(|(from, _)| from)
        .eq([from])
}

/// Replaces a value in a block and in what is reached only through it.
fn replace_behind(old: Value, block: Block, new: Value) {
    let is_behind = |at: Block| at == block || flow::dominates(block, at);
    for user in old.users().into_iter().filter_map(Value::as_inst) {
        if user.op() == Op::PHI {
            // It is used at the end of the block that it comes from.
            for (index, (value, from)) in (0..).zip(user.incoming()) {
                if value == old && is_behind(from) {
                    user.0.set_operand(index, new);
                }
            }
        } else if is_behind(user.block()) {
            for (index, operand) in (0..).zip(user.0.operands()) {
                if operand == old {
                    user.0.set_operand(index, new);
                }
            }
        }
    }
}

/// Answers comparisons with null of addresses on the stack or of static data; and of a choice of
/// such addresses and null, by where control came from.
pub(super) fn answer_null_checks(module: Module) {
    for function in module.functions() {
        for inst in function.instructions() {
            let Some(predicate @ (Predicate::Eq | Predicate::Ne)) = inst.predicate() else {
                continue;
            };
            if !is_null(inst.0.operand(1)) {
                continue;
            }
            let address = inst.0.operand(0);
            let ty = inst.0.ty();
            let answer = |null: bool| ty.number(u64::from(null == (predicate == Predicate::Eq)));
            if empties::is_never_null(address) {
                inst.0.replace_with(answer(false));
                inst.erase();
            } else if let Some(phi) = address.as_inst().filter(|it| it.op() == Op::PHI) {
                let incoming = phi.incoming();
                let known = |value: Value| is_null(value) || empties::is_never_null(value);
                if incoming.iter().all(|(value, _)| known(*value)) {
                    forward_default(module, phi, inst, predicate == Predicate::Eq);
                    let answers = module.context.builder().before(phi).phi(ty);
                    for (value, from) in incoming {
                        answers.add_incoming(answer(is_null(value)), from);
                    }
                    inst.0.replace_with(answers.0);
                    inst.erase();
                }
            }
        }
    }
}

/// `address.unwrap_or(constant)`: the constant takes null's place where it comes from.
fn forward_default(module: Module, phi: Inst, check: Inst, if_null: bool) {
    for select in check.0.users().into_iter().filter_map(Value::as_inst) {
        if select.op() != Op::SELECT || select.0.operand(0) != check.0 {
            continue;
        }
        let (default, kept) = match if_null {
            true => (select.0.operand(1), select.0.operand(2)),
            false => (select.0.operand(2), select.0.operand(1)),
        };
        let is_constant = matches!(default.constant_kind(), Const::Expr(_) | Const::Global);
        if kept != phi.0 || !is_constant {
            continue;
        }
        let with_default = module.context.builder().before(phi).phi(phi.0.ty());
        for (value, from) in phi.incoming() {
            let value = if is_null(value) { default } else { value };
            with_default.add_incoming(value, from);
        }
        select.0.replace_with(with_default.0);
        select.erase();
    }
}

fn is_null(value: Value) -> bool {
    value.constant_kind() == Const::Null
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    #[test]
    fn a_choice_is_decided_behind_its_branch() {
        let text = after(
            "define i8 @f(i1 %none, ptr %p) {
             start:
               %s = select i1 %none, ptr null, ptr %p
               br i1 %none, label %end, label %use
             use:
               %q = getelementptr i8, ptr %s, i64 1
               br label %more
             more:
               %v = load i8, ptr %q
               %w = load i8, ptr %s
               ret i8 %w
             end:
               ret i8 0
             }",
            replace,
        );
        assert_eq!(lines(&text, "getelementptr i8, ptr %p, i64 1"), 1, "{text}");
        assert_eq!(lines(&text, "%w = load i8, ptr %p"), 1, "{text}");
    }

    #[test]
    fn a_choice_stays_before_its_branch() {
        let text = after(
            "define ptr @f(i1 %none, ptr %p) {
             start:
               %s = select i1 %none, ptr null, ptr %p
               br i1 %none, label %end, label %use
             use:
               br label %end
             end:
               %r = phi ptr [ %s, %start ], [ %s, %use ]
               ret ptr %s
             }",
            replace,
        );
        assert_eq!(
            lines(&text, "phi ptr [ %s, %start ], [ %p, %use ]"),
            1,
            "{text}"
        );
        assert_eq!(lines(&text, "ret ptr %s"), 1, "{text}");
    }

    #[test]
    fn an_address_on_the_stack_is_not_null() {
        let text = after(
            "define i1 @f(i1 %c, ptr %p) {
               %o = alloca [8 x i8]
               %q = getelementptr inbounds i8, ptr %o, i64 1
               %s = select i1 %c, ptr inttoptr (i64 1 to ptr), ptr %q
               %no = icmp eq ptr %s, null
               %maybe = icmp eq ptr %p, null
               %r = or i1 %no, %maybe
               ret i1 %r
             }",
            answer_null_checks,
        );
        assert_eq!(lines(&text, "icmp"), 1, "{text}");
        assert_eq!(lines(&text, "or i1 false, %maybe"), 1, "{text}");
    }

    #[test]
    fn the_default_of_an_option_is_chosen_where_it_is_none() {
        let text = after(
            "define ptr @f(i1 %c) {
             start:
               %o = alloca [8 x i8]
               br i1 %c, label %some, label %join
             some:
               br label %join
             join:
               %a = phi ptr [ %o, %some ], [ null, %start ]
               %none = icmp eq ptr %a, null
               %r = select i1 %none, ptr inttoptr (i64 1 to ptr), ptr %a
               %n = select i1 %none, i64 0, i64 4
               %s = getelementptr i8, ptr %r, i64 %n
               ret ptr %s
             }",
            answer_null_checks,
        );
        let default = "phi ptr [ %o, %some ], [ inttoptr (i64 1 to ptr), %start ]";
        assert_eq!(lines(&text, default), 1, "{text}");
        assert_eq!(
            lines(&text, "phi i1 [ false, %some ], [ true, %start ]"),
            1,
            "{text}"
        );
        assert_eq!(lines(&text, "icmp"), 0, "{text}");
    }
}
