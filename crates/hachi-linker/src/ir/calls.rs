//! Which functions call which.

use std::collections::{BTreeMap, BTreeSet};

use crate::llvm::{Function, Inst, Module};

/// Who calls whom.
pub(super) struct Graph {
    callees: BTreeMap<Function, Vec<(Function, Inst)>>,
}

impl Graph {
    pub(super) fn new(module: Module) -> Self {
        let mut callees = BTreeMap::new();
        for function in module.functions() {
            if function.is_declaration() {
                continue;
            }
            let calls = function
                .instructions()
                .into_iter()
                .filter(|inst| inst.is_call())
                .filter_map(|inst| {
                    let callee = inst.called_function()?;
                    (!callee.is_declaration()).then_some((callee, inst))
                })
                .collect();
            callees.insert(function, calls);
        }
        Graph { callees }
    }

    /// A cycle through each function that has one not yet in `known`: the calls in order.
    pub(super) fn cycles(&self) -> Vec<Vec<(Function, Inst)>> {
        let mut cycles: Vec<Vec<(Function, Inst)>> = Vec::new();
        let mut done = BTreeSet::new();
        for &start in self.callees.keys() {
            let mut path = Vec::new();
            self.visit(start, &mut path, &mut done, &mut cycles);
        }
        cycles
    }

    /// Depth first, without recursion of our own: call chains in unoptimised code are long.
    fn visit(
        &self,
        start: Function,
        path: &mut Vec<(Function, usize)>,
        done: &mut BTreeSet<Function>,
        cycles: &mut Vec<Vec<(Function, Inst)>>,
    ) {
        if done.contains(&start) {
            return;
        }
        path.push((start, 0));
        let mut on_path = BTreeSet::from([start]);
        while let Some((function, next)) = path.last_mut() {
            let Some(&(callee, _)) = self.callees[function].get(*next) else {
                done.insert(*function);
                on_path.remove(function);
                path.pop();
                continue;
            };
            *next += 1;
            if on_path.contains(&callee) {
                let from = path.iter().position(|(f, _)| *f == callee).unwrap_or(0);
                cycles.push(
                    path[from..]
                        .iter()
                        .map(|(f, next)| (*f, self.callees[f][next - 1].1))
                        .collect(),
                );
            } else if !done.contains(&callee) {
                on_path.insert(callee);
                path.push((callee, 0));
            }
        }
    }
}

/// Functions that lie on a cycle of calls and so cannot be inlined away.
pub(super) fn recursive_functions(module: Module) -> BTreeSet<Function> {
    Graph::new(module)
        .cycles()
        .into_iter()
        .flatten()
        .map(|(function, _)| function)
        .collect()
}
