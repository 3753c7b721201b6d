//! Calls of helpers and of the program's own functions.

use std::mem::offset_of;

use cranelift_codegen::ir::InstBuilder as _;
use cranelift_module::Module as _;
use hachi_asm::helpers::id;

use super::Emitter;
use crate::decode::{Code, Step};
use crate::jit::facts;
use crate::jit::runtime::{self, State};

impl Emitter<'_, '_> {
    pub(super) fn call_helper(&mut self, at: usize, next: usize, step: &Step) {
        self.count(next);
        self.flush(next);
        let what = self.constant(at as u64);
        self.state_store(offset_of!(State, call), what);
        let arguments = [1, 2, 3, 4, 5].map(|register| self.register(register));
        let service = runtime::helper as *const () as usize;
        let status = self.serve(self.services.six, service, &arguments);
        self.check(status);
        self.reload();
        let helper = (step.code == Code::CallHelper).then_some(step.off as u32);
        self.clobber();
        if !helper.is_some_and(facts::leaves_memory) {
            self.forget_windows();
        }
        if helper == Some(id::MAP_LOOKUP_ELEM) {
            self.take_window(0, offset_of!(State, view));
        }
    }

    /// What calls leave: the result in r0, nothing in r1 to r5.
    pub(super) fn clobber(&mut self) {
        let value = self.state_load(offset_of!(State, value));
        self.set(0, value);
        let zero = self.constant(0);
        for register in 1..6 {
            self.set(register, zero);
        }
    }

    pub(super) fn call_local(&mut self, at: usize, next: usize, step: &Step) {
        self.count(next);
        self.flush(next);
        let what = self.constant(at as u64 | (step.off as u64) << 32);
        self.state_store(offset_of!(State, call), what);
        let service = runtime::enter as *const () as usize;
        let status = self.serve(self.services.one, service, &[]);
        self.check(status);
        let mut arguments = vec![self.state];
        arguments.extend([1, 2, 3, 4, 5].map(|register| self.register(register)));
        let callee = self.job.ids[&(step.off as usize, false)];
        let callee = self.module.declare_func_in_func(callee, self.to.func);
        let call = self.to.ins().call(callee, &arguments);
        let status = self.to.inst_results(call)[0];
        self.check(status);
        let pointer = self.module.target_config().pointer_type();
        let service = runtime::leave as *const () as usize;
        let service = self.to.ins().iconst(pointer, service as i64);
        let state = self.state;
        self.to
            .ins()
            .call_indirect(self.services.leave, service, &[state]);
        self.reload();
        self.clobber();
        self.forget_windows();
    }
}
