//! Ways through a function.

use std::collections::{BTreeMap, BTreeSet};

use crate::llvm::{Block, Function};

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
            open.extend(successors(at));
        }
    }
    true
}

/// Is there a way from the end of `block` to `other`?
pub(super) fn leads_to(block: Block, other: Block) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![block];
    while let Some(at) = open.pop() {
        for next in successors(at) {
            if next == other {
                return true;
            }
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    false
}

/// A block and all that come after it.
pub(super) fn reached_from(block: Block) -> BTreeSet<Block> {
    let mut seen = BTreeSet::new();
    let mut open = vec![block];
    while let Some(at) = open.pop() {
        if seen.insert(at) {
            open.extend(successors(at));
        }
    }
    seen
}

/// Can control come back to the block?
pub(super) fn is_in_a_loop(block: Block) -> bool {
    leads_to(block, block)
}

/// A loop that is entered in one place.
pub(super) struct Loop {
    /// Where it is entered.
    pub(super) head: Block,
    /// All of it.
    pub(super) blocks: BTreeSet<Block>,
    /// From where it is entered.
    pub(super) from: Vec<Block>,
}

/// The loops of a function, in the order in which they begin.
pub(super) fn loops(function: Function) -> Vec<Loop> {
    let blocks = function.blocks();
    let mut before: BTreeMap<Block, Vec<Block>> = BTreeMap::new();
    for block in &blocks {
        for next in successors(*block) {
            before.entry(next).or_default().push(*block);
        }
    }
    let mut ends: BTreeMap<Block, Vec<Block>> = BTreeMap::new();
    for (from, to) in ways_back(&blocks) {
        if from == to || dominates(to, from) {
            ends.entry(to).or_default().push(from);
        }
    }
    let heads = blocks
        .iter()
        .filter_map(|head| Some((*head, ends.remove(head)?)));
    let found = heads.map(|(head, mut open)| {
        let mut blocks = BTreeSet::from([head]);
        while let Some(block) = open.pop() {
            if blocks.insert(block) {
                open.extend(before.get(&block).into_iter().flatten());
            }
        }
        let all = before.get(&head).into_iter().flatten();
        let from = all.filter(|block| !blocks.contains(block)).copied();
        Loop {
            head,
            from: from.collect(),
            blocks,
        }
    });
    found.collect()
}

fn successors(block: Block) -> Vec<Block> {
    let end = block.terminator();
    end.map_or(Vec::new(), |end| end.successors())
}

/// The steps from a block to one that was passed on the way to it, on one walk through all.
fn ways_back(blocks: &[Block]) -> Vec<(Block, Block)> {
    let mut found = Vec::new();
    let (mut seen, mut passed) = (BTreeSet::new(), BTreeSet::new());
    let mut way: Vec<(Block, Vec<Block>)> = Vec::new();
    let mut enter = blocks.first().copied();
    loop {
        if let Some(block) = enter.take() {
            seen.insert(block);
            passed.insert(block);
            way.push((block, successors(block)));
        }
        let Some((block, next)) = way.last_mut() else {
            return found;
        };
        match next.pop() {
            Some(to) if passed.contains(&to) => found.push((*block, to)),
            Some(to) if !seen.contains(&to) => enter = Some(to),
            Some(_) => {}
            None => {
                passed.remove(block);
                way.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::after;
    use super::*;

    #[test]
    fn loops_are_found_with_what_is_in_them() {
        after(
            "define void @f(i1 %c) {
             start:
               br i1 %c, label %outer, label %end
             outer:
               br label %inner
             inner:
               br i1 %c, label %inner, label %more
             more:
               br i1 %c, label %outer, label %end
             end:
               ret void
             }",
            |module| {
                let function = module.function("f").expect("is defined");
                let [start, outer, inner, more, _] = function.blocks()[..] else {
                    panic!("five blocks");
                };
                let found = loops(function);
                let [first, second] = &found[..] else {
                    panic!("two loops");
                };
                assert!(first.from == [start] && second.from == [outer]);
                assert!(first.blocks == BTreeSet::from([outer, inner, more]));
                assert!(second.blocks == BTreeSet::from([inner]));
            },
        );
    }

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
