//! Ways through a function.

use std::collections::BTreeSet;

use crate::llvm::Block;

/// Is `block` on every way from the function's start to `other`, and not `other` itself?
pub(super) fn dominates(block: Block, other: Block) -> bool {
    if block == other {
        return false;
    }
    let Some(entry) = block.function().blocks().first().copied() else {
        return false;
    };
    // Is there a way round `block`?
    let mut seen = BTreeSet::from([block]);
    let mut open = vec![entry];
    while let Some(at) = open.pop() {
        if at == other {
            return false;
        }
        if seen.insert(at) {
            open.extend(at.terminator().into_iter().flat_map(|end| end.successors()));
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::testing::after;
    use super::*;

    #[test]
    fn a_block_dominates_what_is_reached_only_through_it() {
        after(
            "define void @f(i1 %c) {
             start:
               br i1 %c, label %a, label %b
             a:
               br label %b
             b:
               br label %end
             end:
               ret void
             }",
            |module| {
                let blocks = module.function("f").expect("is defined").blocks();
                let [start, a, b, end] = blocks[..] else {
                    panic!("four blocks");
                };
                assert!(dominates(start, a) && dominates(start, end));
                assert!(dominates(b, end));
                assert!(!dominates(a, b) && !dominates(a, end));
                assert!(!dominates(end, start) && !dominates(b, b));
            },
        );
    }
}
