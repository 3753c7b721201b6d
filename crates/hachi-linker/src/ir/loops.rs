//! Loops over slices, counted by an index instead of by address.
//!
//! Rust's slice iterators advance a pointer until it *equals* the end. The verifier follows that
//! only when both are known exactly; "not equal" teaches it nothing about a range, and the
//! difference of two addresses is an unknown number to it. Here, a pointer that a loop advances by
//! a constant becomes `object + index`, its comparisons become comparisons of indices, and the one
//! that ends the loop becomes `<`.
//!
//! Counters that are integers already get the same treatment of their last comparison.
//!
//! Pointers are rewritten only when they point into the stack, into static data, and into what a
//! helper returned (map values). With pointers into packets the verifier wants the very pointer
//! that was compared with the end.

use std::collections::{BTreeMap, BTreeSet};

use super::pins;
use crate::llvm::{Block, Builder, Const, Function, Inst, Module, Op, Predicate, TypeKind, Value};

/// Rewrites all functions.
pub(super) fn count_by_index(module: Module) {
    for function in module.functions() {
        if !function.is_declaration() {
            Rewriter::new(module).function(function);
        }
    }
}

/// An address as an object plus a sum.
pub(super) struct Place {
    pub(super) root: Value,
    pub(super) constant: u64,
    /// Variable parts: value and what it counts in.
    pub(super) terms: Vec<(Value, u64)>,
}

/// Takes an address apart as far as it is arithmetic.
pub(super) fn place(module: Module, address: Value) -> Place {
    Rewriter::new(module).place(address)
}

/// Computes the offset of a place before `at`.
pub(super) fn sum(module: Module, at: Inst, place: &Place) -> Value {
    Rewriter::new(module).sum(at, place)
}

/// An index that stands for a pointer.
#[derive(Clone, Copy)]
struct Index {
    root: Value,
    index: Value,
}

/// `start + (end - start)` is `end`, of which the verifier knows the bounds.
///
/// That is how a slice's end is made of what is behind an index. LLVM does not see it where the
/// length was pinned.
fn cancel(place: &mut Place) {
    let difference = |(value, unit): (Value, u64)| {
        let inst = pins::seen_through(value).as_inst();
        let inst = inst.filter(|inst| inst.op() == Op::SUB)?;
        Some((inst.0.operand(0), (inst.0.operand(1), unit)))
    };
    let find = |terms: &[(Value, u64)]| {
        terms.iter().enumerate().find_map(|(at, term)| {
            let (end, start) = difference(*term)?;
            let is_start = |it: &(Value, u64)| {
                it.1 == start.1 && pins::seen_through(it.0) == pins::seen_through(start.0)
            };
            Some((at, terms.iter().position(is_start)?, end))
        })
    };
    while let Some((length, start, end)) = find(&place.terms) {
        let unit = place.terms[length].1;
        place.terms.remove(length.max(start));
        place.terms.remove(length.min(start));
        match end.as_u64() {
            Some(n) => place.constant = place.constant.wrapping_add(n.wrapping_mul(unit)),
            None => place.terms.push((end, unit)),
        }
    }
}

struct Rewriter {
    module: Module,
    builder: Builder,
    /// The new pointer value for each rewritten phi, and its index.
    indices: BTreeMap<Value, Index>,
    /// Integers that count up by one.
    counters: Vec<Inst>,
    /// For each index: does it count up, and the blocks of its loop.
    loops: BTreeMap<Value, (bool, BTreeSet<Block>)>,
}

impl Rewriter {
    fn new(module: Module) -> Self {
        Rewriter {
            module,
            builder: module.context.builder(),
            indices: BTreeMap::new(),
            counters: Vec::new(),
            loops: BTreeMap::new(),
        }
    }

    fn function(&mut self, function: Function) {
        self.choices(function);
        for block in function.blocks() {
            for inst in block.instructions() {
                if inst.op() != Op::PHI {
                    break;
                }
                match inst.0.ty().kind() {
                    TypeKind::Pointer => self.pointer_phi(function, inst),
                    TypeKind::Int(_) => self.counter_phi(function, inst),
                    _ => {}
                }
            }
        }
        for counter in self.counters.clone() {
            self.count_from_start(counter);
        }
        for inst in function.instructions() {
            if inst.op() != Op::ICMP {
                continue;
            }
            match inst.0.operand(0).ty().kind() {
                TypeKind::Pointer => self.comparison(inst),
                _ => self.counter_comparison(inst),
            }
        }
    }

    /// Takes an address apart as far as it is arithmetic.
    fn place(&self, value: Value) -> Place {
        let mut place = self.apart(value);
        cancel(&mut place);
        place
    }

    fn apart(&self, value: Value) -> Place {
        let mut place = Place {
            root: value,
            constant: 0,
            terms: Vec::new(),
        };
        loop {
            let at = place.root;
            if let Some(index) = self.indices.get(&at) {
                place.terms.push((index.index, 1));
                place.root = index.root;
                continue;
            }
            let is_gep = match at.as_inst() {
                Some(inst) => inst.op() == Op::GEP,
                None => at.constant_kind() == Const::Expr(Op::GEP),
            };
            if !is_gep {
                return place;
            }
            let operands = at.operands();
            let (step, unit) = match operands.as_slice() {
                [_, step] => (*step, at.gep_element()),
                // `[N x T], p, 0, i` counts in T.
                [_, zero, step] if zero.as_u64() == Some(0) => {
                    match at.gep_element().array_element() {
                        Some(element) => (*step, element),
                        None => return place,
                    }
                }
                _ => return place,
            };
            let unit = self.module.size_of(unit);
            if unit == 0 || step.ty().int_bits() != 64 {
                return place;
            }
            match step.as_u64() {
                Some(n) => place.constant = place.constant.wrapping_add(n.wrapping_mul(unit)),
                None => place.terms.push((step, unit)),
            }
            place.root = operands[0];
        }
    }

    /// Replaces all pointers that phis and selects choose from several into the same object: by the
    /// object, and an index that is chosen in the same way.
    fn choices(&mut self, function: Function) {
        let is_choice = |inst: &Inst| {
            matches!(inst.op(), Op::PHI | Op::SELECT) && inst.0.ty().kind() == TypeKind::Pointer
        };
        let choices: Vec<(Inst, Value)> = function
            .instructions()
            .into_iter()
            .filter(is_choice)
            .filter_map(|choice| Some((choice, self.only_root(choice.0)?)))
            .filter(|(_, root)| Self::is_indexable(*root))
            .collect();
        let context = self.module.context;
        let (i8_type, i64_type) = (context.int_type(8), context.int_type(64));
        // First all indices of phis, since phis may stand for each other. A select is replaced
        // when what it chooses from has been.
        let mut phis = Vec::new();
        for &(choice, root) in choices.iter().filter(|(it, _)| it.op() == Op::PHI) {
            let is_phi = |inst: &Inst| inst.op() == Op::PHI;
            let instructions = choice.block().instructions();
            let Some(first) = instructions.into_iter().find(|inst| !is_phi(inst)) else {
                continue;
            };
            let index = self.builder.before(choice).phi(i64_type);
            let builder = self.builder.before(first);
            let pointer = builder.byte_address(i8_type, root, index.0);
            choice.0.replace_with(pointer);
            let index = Index {
                root,
                index: index.0,
            };
            self.indices.insert(pointer, index);
            phis.push((choice, index));
        }
        let mut selects: Vec<(Inst, Value)> = choices;
        selects.retain(|(choice, _)| choice.op() == Op::SELECT);
        while !selects.is_empty() {
            let before = selects.len();
            selects.retain(|&(choice, root)| {
                let (yes, no) = (choice.0.operand(1), choice.0.operand(2));
                let (yes, no) = (self.place(yes), self.place(no));
                if yes.root != root || no.root != root {
                    return true;
                }
                let (yes, no) = (self.sum(choice, &yes), self.sum(choice, &no));
                let builder = self.builder.before(choice);
                let index = builder.select(choice.0.operand(0), yes, no);
                let pointer = builder.byte_address(i8_type, root, index);
                choice.0.replace_with(pointer);
                choice.erase();
                self.indices.insert(pointer, Index { root, index });
                false
            });
            // Those in code that is never reached may choose from themselves.
            if selects.len() == before {
                break;
            }
        }
        for (phi, Index { root, index }) in phis {
            let mut steps = Vec::new();
            let index_phi = index.as_inst().expect("it is a phi");
            for (value, from) in phi.incoming() {
                let place = self.place(value);
                if place.root != root {
                    // In code that is never reached.
                    index_phi.add_incoming(i64_type.undef(), from);
                    continue;
                }
                if place.terms == [(index, 1)] {
                    steps.push((place.constant as i64, from));
                }
                let end = from.terminator().expect("a block ends");
                let sum = self.sum(end, &place);
                index_phi.add_incoming(sum, from);
            }
            let up = steps.iter().all(|(step, _)| *step >= 0);
            let down = steps.iter().all(|(step, _)| *step <= 0);
            let header = phi.block();
            phi.erase();
            let is_loop = phi_steps_are_all(index, &steps, header);
            if !steps.is_empty() && up != down && is_loop {
                let latches = steps.iter().map(|(_, from)| *from).collect();
                let blocks = loop_blocks(function, header, latches);
                self.loops.insert(index, (up, blocks));
            }
        }
    }

    /// The object that a pointer points into, whichever it is of those that it may be chosen from.
    fn only_root(&self, pointer: Value) -> Option<Value> {
        let mut roots = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![pointer];
        while let Some(pointer) = open.pop() {
            let root = self.place(pointer).root;
            if !seen.insert(root) {
                continue;
            }
            match root.as_inst() {
                Some(inst) if inst.op() == Op::PHI => {
                    open.extend(inst.incoming().into_iter().map(|(value, _)| value));
                }
                Some(inst) if inst.op() == Op::SELECT => {
                    open.extend([root.operand(1), root.operand(2)]);
                }
                _ => {
                    roots.insert(root);
                }
            }
        }
        match roots.len() {
            1 => roots.pop_first(),
            _ => None,
        }
    }

    /// Can an index into this object replace a pointer?
    fn is_indexable(root: Value) -> bool {
        match root.as_inst() {
            Some(inst) => {
                inst.op() == Op::ALLOCA
                    || (inst.op() == Op::CALL
                        && inst.called_function().is_none_or(|f| !f.is_intrinsic()))
            }
            None => root.constant_kind() == Const::Global,
        }
    }

    /// Does a pointer go from one constant distance from its root to another? Then its index is
    /// known each time round, wherever it points.
    fn has_constant_ends(&self, phi: Inst, starts: &[(Place, Block)], root: Value) -> bool {
        let moving = |value: Value| {
            let place = self.place(value);
            place.root == phi.0 && place.terms.is_empty()
        };
        let mut open: Vec<Value> = vec![phi.0];
        open.extend(
            phi.incoming()
                .into_iter()
                .map(|(value, _)| value)
                .filter(|value| moving(*value)),
        );
        starts.iter().all(|(place, _)| place.terms.is_empty())
            && open
                .into_iter()
                .flat_map(Value::users)
                .filter_map(Value::as_inst)
                .any(|user| {
                    user.op() == Op::ICMP
                        && user.0.operands().into_iter().any(|side| {
                            let place = self.place(side);
                            place.root == root && place.terms.is_empty()
                        })
                })
    }

    fn pointer_phi(&mut self, function: Function, phi: Inst) {
        let mut starts = Vec::new();
        let mut steps = Vec::new();
        for (value, from) in phi.incoming() {
            let place = self.place(value);
            if place.root == phi.0 && place.terms.is_empty() {
                steps.push((place.constant as i64, from));
            } else {
                starts.push((place, from));
            }
        }
        let up = steps.iter().all(|(step, _)| *step >= 0);
        let down = steps.iter().all(|(step, _)| *step <= 0);
        let Some(root) = starts.first().map(|(place, _)| place.root) else {
            return;
        };
        if steps.is_empty()
            || up == down
            || !(Self::is_indexable(root) || self.has_constant_ends(phi, &starts, root))
            || starts.iter().any(|(place, _)| place.root != root)
        {
            return;
        }
        let ends: Option<Vec<Inst>> = starts
            .iter()
            .map(|(_, from)| from)
            .chain(steps.iter().map(|(_, from)| from))
            .map(|from| from.terminator())
            .collect();
        let first = phi
            .block()
            .instructions()
            .into_iter()
            .find(|inst| inst.op() != Op::PHI);
        let (Some(ends), Some(first)) = (ends, first) else {
            return;
        };
        let context = self.module.context;
        let (i8_type, i64_type) = (context.int_type(8), context.int_type(64));
        let index = self.builder.before(phi).phi(i64_type);
        for ((place, from), end) in starts.iter().zip(&ends) {
            index.add_incoming(self.sum(*end, place), *from);
        }
        for ((step, from), end) in steps.iter().zip(&ends[starts.len()..]) {
            let step = i64_type.number(*step as u64);
            let next = self.builder.before(*end).binary(Op::ADD, index.0, step);
            index.add_incoming(next, *from);
        }
        let pointer = self
            .builder
            .before(first)
            .byte_address(i8_type, root, index.0);
        phi.0.replace_with(pointer);
        let header = phi.block();
        phi.erase();
        self.indices.insert(
            pointer,
            Index {
                root,
                index: index.0,
            },
        );
        let latches = steps.iter().map(|(_, from)| *from).collect();
        self.loops
            .insert(index.0, (up, loop_blocks(function, header, latches)));
    }

    /// Computes the offset of a place before `at`.
    fn sum(&self, at: Inst, place: &Place) -> Value {
        let i64_type = self.module.context.int_type(64);
        let builder = self.builder.before(at);
        let mut sum: Option<Value> = None;
        for (value, unit) in &place.terms {
            let term = match unit {
                1 => *value,
                _ => builder.binary(Op::MUL, *value, i64_type.number(*unit)),
            };
            sum = Some(match sum {
                Some(sum) => builder.binary(Op::ADD, sum, term),
                None => term,
            });
        }
        match (sum, place.constant) {
            (None, constant) => i64_type.number(constant),
            (Some(sum), 0) => sum,
            (Some(sum), constant) => builder.binary(Op::ADD, sum, i64_type.number(constant)),
        }
    }

    /// The loop index in a place, when there is exactly one.
    fn loop_index(&self, place: &Place) -> Option<Value> {
        let mut found = place
            .terms
            .iter()
            .filter(|(value, _)| self.loops.contains_key(value));
        match (found.next(), found.next()) {
            (Some((index, _)), None) => Some(*index),
            _ => None,
        }
    }

    fn comparison(&self, inst: Inst) {
        let Some(predicate) = inst.predicate() else {
            return;
        };
        let left = self.place(inst.0.operand(0));
        let right = self.place(inst.0.operand(1));
        if left.root != right.root {
            return;
        }
        // The moving side goes left.
        let (moving, fixed, predicate) = match (self.loop_index(&left), self.loop_index(&right)) {
            (Some(_), None) => (left, right, predicate),
            (None, Some(_)) => (right, left, predicate.mirrored()),
            _ if Self::is_indexable(left.root) => {
                let (left, right) = (self.sum(inst, &left), self.sum(inst, &right));
                return self.compare_instead(inst, predicate, left, right);
            }
            _ => return,
        };
        let index = self.loop_index(&moving).expect("checked just now");
        let others: Vec<Value> = fixed.terms.iter().map(|(value, _)| *value).collect();
        let predicate = self.last_comparison(inst, predicate, index, &others);
        let moving = self.sum(inst, &moving);
        let fixed = self.sum(inst, &fixed);
        self.compare_instead(inst, predicate, moving, fixed);
    }

    /// Replaces a comparison by one of an index.
    fn compare_instead(&self, inst: Inst, predicate: Predicate, index: Value, other: Value) {
        let builder = self.builder.before(inst);
        let result = match (predicate, other.as_u64()) {
            // LLVM would make `!= 0` of it, from which old kernels learn nothing. No index is so
            // large that it would be negative.
            (Predicate::Ugt, Some(0)) => builder.is_above_zero(index, true),
            (Predicate::Ule, Some(0)) => builder.is_above_zero(index, false),
            _ => builder.compare(predicate, index, other),
        };
        inst.0.replace_with(result);
        inst.erase();
    }

    /// An integer that a loop counts up or down by one.
    fn counter_phi(&mut self, function: Function, phi: Inst) {
        let mut steps = Vec::new();
        let mut latches = Vec::new();
        let mut starts = 0;
        for (value, from) in phi.incoming() {
            match self.counter_step(value) {
                Some((counter, step)) if counter == phi.0 => {
                    steps.push(step);
                    latches.push(from);
                }
                _ => starts += 1,
            }
        }
        // Only steps of one: larger ones may step over the end, which an equality does not see.
        let up = steps.iter().all(|step| *step == 1);
        let down = steps.iter().all(|step| *step == -1);
        if starts == 0 || steps.is_empty() || up == down {
            return;
        }
        self.loops
            .insert(phi.0, (up, loop_blocks(function, phi.block(), latches)));
        if up && phi.0.ty().int_bits() == 64 {
            self.counters.push(phi);
        }
    }

    /// `for i in 0..end - start { object[start + i] }` becomes `for j in start..end { object[j] }`:
    /// the verifier knows the bounds of `start` and `end`, but not that they bound a sum of which
    /// one part is a difference.
    fn count_from_start(&mut self, phi: Inst) {
        let blocks = self.loops[&phi.0].1.clone();
        let inside = |inst: Inst| blocks.contains(&inst.block());
        let incoming = phi.incoming();
        let from_zero = incoming
            .iter()
            .all(|(value, _)| value.as_u64() == Some(0) || self.counter_step(*value).is_some());
        let next: Vec<Inst> = incoming
            .iter()
            .filter(|(value, _)| self.counter_step(*value) == Some((phi.0, 1)))
            .filter_map(|(value, _)| value.as_inst())
            .collect();
        // The comparison with the length, of the counter or of the counter after its step.
        let users = |of: Value| of.users().into_iter().filter_map(Value::as_inst);
        let comparison = std::iter::once(phi)
            .chain(next.iter().copied())
            .flat_map(|moving| users(moving.0).map(move |user| (moving, user)))
            .find(|(moving, user)| {
                user.op() == Op::ICMP
                    && user.0.operand(0) == moving.0
                    && user.0.operand(1).as_inst().is_some_and(|length| {
                        length.op() == Op::SUB && length.never_wraps_unsigned() && !inside(length)
                    })
            });
        let (true, Some((moving, comparison))) = (from_zero, comparison) else {
            return;
        };
        let Some(predicate) = comparison.predicate() else {
            return;
        };
        let length = comparison.0.operand(1);
        let (end, start) = (length.operand(0), length.operand(1));
        // Addresses of `start + counter`, in units of the same size.
        let mut accesses = Vec::new();
        for user in users(phi.0).filter(|user| user.op() == Op::GEP) {
            let mut place = self.place(user.0);
            let at_counter = place.terms.iter().position(|(value, _)| *value == phi.0);
            let Some((_, unit)) = at_counter.map(|i| place.terms.swap_remove(i)) else {
                continue;
            };
            let at_start = place.terms.iter().position(|term| *term == (start, unit));
            if let Some(i) = at_start.filter(|_| Self::is_indexable(place.root)) {
                place.terms.swap_remove(i);
                accesses.push((user, place, unit));
            }
        }
        if accesses.is_empty() {
            return;
        }

        let i64_type = self.module.context.int_type(64);
        let i8_type = self.module.context.int_type(8);
        let index = self.builder.before(phi).phi(i64_type);
        let one = i64_type.number(1);
        for (value, from) in &incoming {
            let value = match value.as_inst().filter(|inst| next.contains(inst)) {
                Some(step) => self.builder.before(step).binary(Op::ADD, index.0, one),
                None => start,
            };
            index.add_incoming(value, *from);
        }
        for (access, mut place, unit) in accesses {
            place.terms.push((index.0, unit));
            let offset = self.sum(access, &place);
            let address = self
                .builder
                .before(access)
                .byte_address(i8_type, place.root, offset);
            access.0.replace_with(address);
            access.erase();
        }
        let builder = self.builder.before(comparison);
        let moved = if moving == phi {
            index.0
        } else {
            builder.binary(Op::ADD, index.0, one)
        };
        let result = builder.compare(predicate, moved, end);
        comparison.0.replace_with(result);
        comparison.erase();
        self.loops.insert(index.0, (true, blocks));
    }

    /// `counter + constant`, taken apart.
    fn counter_step(&self, value: Value) -> Option<(Value, i64)> {
        let sum = value.as_inst().filter(|inst| inst.op() == Op::ADD)?;
        let step = sum.0.operand(1).as_u64()?;
        // Sign-extended from the counter's own width.
        let unused = 64 - value.ty().int_bits();
        Some((sum.0.operand(0), ((step << unused) as i64) >> unused))
    }

    /// As [`Self::comparison`], for integers.
    fn counter_comparison(&self, inst: Inst) {
        let Some(predicate) = inst.predicate() else {
            return;
        };
        let (left, right) = (inst.0.operand(0), inst.0.operand(1));
        let counter = |value: Value| {
            let counter = match self.counter_step(value) {
                Some((counter, 1 | -1)) => counter,
                _ => value,
            };
            self.loops.contains_key(&counter).then_some(counter)
        };
        let (index, moving, fixed) = match (counter(left), counter(right)) {
            (Some(index), None) => (index, left, right),
            (None, Some(index)) => (index, right, left),
            _ => return,
        };
        let better = self.last_comparison(inst, predicate, index, &[fixed]);
        if better != predicate {
            self.compare_instead(inst, better, moving, fixed);
        }
    }

    /// The predicate to use in a comparison of a loop's index with something else: where equality
    /// ends the loop, the order does as well, since an index that had stepped over its end would
    /// have to go round through all addresses.
    fn last_comparison(
        &self,
        inst: Inst,
        predicate: Predicate,
        index: Value,
        others: &[Value],
    ) -> Predicate {
        let (up, blocks) = &self.loops[&index];
        let fixed = others
            .iter()
            .all(|value| value.as_inst().is_none_or(|i| !blocks.contains(&i.block())));
        match (predicate, up, self.exit_of(inst, blocks).filter(|_| fixed)) {
            (Predicate::Eq, true, Some(true)) => Predicate::Uge,
            (Predicate::Ne, true, Some(false)) => Predicate::Ult,
            (Predicate::Eq, false, Some(true)) => Predicate::Ule,
            (Predicate::Ne, false, Some(false)) => Predicate::Ugt,
            (other, _, _) => other,
        }
    }

    /// Does this comparison do nothing but end the loop? Then, on which outcome.
    fn exit_of(&self, inst: Inst, blocks: &BTreeSet<Block>) -> Option<bool> {
        let users = inst.0.users();
        let [user] = users.as_slice() else {
            return None;
        };
        let branch = user.as_inst().filter(|inst| inst.is_terminator())?;
        if !blocks.contains(&branch.block()) {
            return None;
        }
        let successors = branch.successors();
        let [yes, no] = successors.as_slice() else {
            return None;
        };
        match (blocks.contains(yes), blocks.contains(no)) {
            (false, true) => Some(true),
            (true, false) => Some(false),
            _ => None,
        }
    }
}

/// Does an index move in its loop by nothing but these steps?
fn phi_steps_are_all(index: Value, steps: &[(i64, Block)], header: Block) -> bool {
    let incoming = index.as_inst().map(Inst::incoming).unwrap_or_default();
    incoming.into_iter().all(|(_, from)| {
        let is_step = steps.iter().any(|(_, latch)| *latch == from);
        is_step || !super::flow::dominates(header, from) && header != from
    })
}

/// The blocks of the loop that enters at `header` and comes back from `latches`.
fn loop_blocks(function: Function, header: Block, latches: Vec<Block>) -> BTreeSet<Block> {
    let mut predecessors: BTreeMap<Block, Vec<Block>> = BTreeMap::new();
    for block in function.blocks() {
        for successor in block.terminator().into_iter().flat_map(Inst::successors) {
            predecessors.entry(successor).or_default().push(block);
        }
    }
    let mut blocks = BTreeSet::from([header]);
    let mut open = latches;
    while let Some(block) = open.pop() {
        if blocks.insert(block) {
            open.extend(predecessors.get(&block).into_iter().flatten());
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after, lines};
    use super::*;

    #[test]
    fn the_end_of_what_is_behind_an_index_is_the_end_of_the_whole() {
        let text = after(
            "define i64 @f(i64 %first, i64 %last) {
             start:
               %o = alloca [64 x i8]
               %length = sub i64 %last, %first
               %pinned = call i64 asm \"\", \"=r,0\"(i64 %length)
               %from = getelementptr i8, ptr %o, i64 %first
               %to = getelementptr i8, ptr %from, i64 %pinned
               br label %loop
             loop:
               %p = phi ptr [ %from, %start ], [ %next, %more ]
               %done = icmp eq ptr %p, %to
               br i1 %done, label %out, label %more
             more:
               store i8 0, ptr %p
               %next = getelementptr i8, ptr %p, i64 1
               br label %loop
             out:
               ret i64 %pinned
             }",
            count_by_index,
        );
        assert_eq!(lines(&text, "icmp uge i64 %0, %last"), 1, "{text}");
    }
}
