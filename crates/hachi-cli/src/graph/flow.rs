//! Basic blocks: instructions that run one after the other, and where they lead.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hachi_asm::{Insn, Op};

use super::{Edge, Graph, Node};

/// Instructions that are entered at the first and left at the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub insns: Range<usize>,
    /// Where it leads, and when: the first instruction of another block.
    pub next: Vec<(usize, &'static str)>,
}

/// The blocks of code whose functions begin at these instructions.
pub fn blocks(insns: &[Insn], functions: &[usize]) -> Vec<Block> {
    let mut starts: BTreeSet<usize> = functions.iter().copied().collect();
    starts.insert(0);
    // By the last slot of an instruction that ends a block, where it leads.
    let mut ends: BTreeMap<usize, Vec<(usize, &'static str)>> = BTreeMap::new();
    let mut at = 0;
    while at < insns.len() {
        let op = Op::decode(insns, at);
        let after = at + op.as_ref().map_or(1, |op| op.slots());
        let target = insns[at]
            .jump_offset()
            .and_then(|offset| usize::try_from(at as i64 + 1 + i64::from(offset)).ok())
            .filter(|target| *target < insns.len());
        let next = match (&op, target) {
            // Where a jump through a register leads, only its table knows.
            (Ok(Op::Exit | Op::Jx { .. }), _) => Some(Vec::new()),
            (Ok(Op::Ja { .. }), Some(target)) => Some(vec![(target, "")]),
            (Ok(Op::Jump { .. } | Op::MayGoto { .. }), Some(target)) => {
                Some(vec![(target, "taken"), (after, "not taken")])
            }
            _ => None,
        };
        if let Some(next) = next {
            starts.extend(next.iter().map(|(to, _)| *to));
            starts.insert(after);
            ends.insert(after, next);
        }
        at = after;
    }
    starts.retain(|start| *start < insns.len());
    let bounds: Vec<usize> = starts.iter().copied().chain([insns.len()]).collect();
    bounds
        .windows(2)
        .map(|pair| {
            let next = match ends.get(&pair[1]) {
                Some(next) => next.clone(),
                // It goes on into the next block, unless that is another function.
                None if pair[1] < insns.len() && !functions.contains(&pair[1]) => {
                    vec![(pair[1], "")]
                }
                None => Vec::new(),
            };
            Block {
                insns: pair[0]..pair[1],
                next: next
                    .into_iter()
                    .filter(|(to, _)| *to < insns.len())
                    .collect(),
            }
        })
        .collect()
}

/// The blocks as a graph: `title` names the block that starts at an instruction, `lines` are its
/// lines.
pub fn graph(
    blocks: &[Block],
    title: impl Fn(&Block) -> String,
    lines: impl Fn(&Block) -> Vec<String>,
    heat: impl Fn(&Block) -> Option<f64>,
) -> Graph {
    let place: BTreeMap<usize, usize> = blocks
        .iter()
        .enumerate()
        .map(|(at, block)| (block.insns.start, at))
        .collect();
    let edges = blocks.iter().enumerate().flat_map(|(from, block)| {
        let place = &place;
        block.next.iter().filter_map(move |(to, label)| {
            Some(Edge {
                from,
                to: *place.get(to)?,
                label: (*label).to_owned(),
            })
        })
    });
    Graph {
        edges: edges.collect(),
        nodes: blocks
            .iter()
            .map(|block| Node {
                title: title(block),
                lines: lines(block),
                heat: heat(block),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `if r1 == 0 goto +1; r0 = 1; exit`, then a function that is only `exit`.
    fn code() -> Vec<Insn> {
        let insn = |code, off| Insn {
            code,
            dst: 1,
            src: 0,
            off,
            imm: 0,
        };
        vec![insn(0x15, 1), insn(0xb7, 0), insn(0x95, 0), insn(0x95, 0)]
    }

    #[test]
    fn blocks_end_where_control_may_go_elsewhere() {
        let block = |insns, next: &[(usize, &'static str)]| Block {
            insns,
            next: next.to_vec(),
        };
        assert_eq!(
            blocks(&code(), &[0, 3]),
            [
                block(0..1, &[(2, "taken"), (1, "not taken")]),
                block(1..2, &[(2, "")]),
                block(2..3, &[]),
                block(3..4, &[]),
            ]
        );
        assert!(blocks(&[], &[]).is_empty());
    }

    #[test]
    fn jumps_out_of_the_code_lead_nowhere() {
        let mut code = code();
        code[0].off = 100;
        let blocks = blocks(&code, &[0]);
        assert_eq!(blocks.len(), 2, "{blocks:?}");
    }

    #[test]
    fn the_graph_has_an_arrow_for_each_way() {
        let blocks = blocks(&code(), &[0, 3]);
        let graph = graph(
            &blocks,
            |block| block.insns.start.to_string(),
            |_| Vec::new(),
            |_| None,
        );
        assert_eq!(graph.nodes.len(), 4);
        let ways: Vec<(usize, usize)> = graph
            .edges
            .iter()
            .map(|edge| (edge.from, edge.to))
            .collect();
        assert_eq!(ways, [(0, 2), (0, 1), (1, 2)]);
    }
}
