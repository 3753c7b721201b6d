//! Small handles over LLVM's C interface.
//!
//! They are plain copies of pointers into one context that lives as long as the process, so they
//! never dangle unless the thing itself was erased. Code that erases something does not use its
//! handle afterwards; the type system does not check that, which is one reason why all of this runs
//! in a child process.

mod builder;
mod debug;
mod inst;
mod switches;
mod sys;
mod values;

use std::{
    ffi::{CStr, CString, c_char, c_void},
    path::Path,
    ptr,
    sync::Mutex,
};

pub(crate) use builder::Builder;
pub(crate) use debug::{Chain, LineNumbers};
pub(crate) use inst::{BinOp, Block, Inst, Op, Ordering, Predicate};
pub(crate) use values::{Attr, Const, Function, Global, Type, TypeKind, Value, linkage};

use crate::{Cpu, wire::Failure};

/// Calls a function of LLVM's C interface.
macro_rules! ffi {
    ($name:ident($($arg:expr),* $(,)?)) => {{
        // SAFETY: handles come from LLVM and are not used after what they stand for was erased;
        // strings and arrays outlive the call; the kind of each value is checked where LLVM asserts
        // one.
        unsafe { (crate::llvm::sys::api().$name)($($arg),*) }
    }};
}
pub(crate) use ffi;

/// A string as LLVM takes it. Names from files may hold anything; a NUL ends them.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text.split('\0').next().unwrap_or("")).expect("no NUL is left")
}

/// Copies a string that LLVM gave with its length.
pub(crate) fn text_with_len(start: *const c_char, len: usize) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: LLVM says that `len` bytes begin there.
    let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), len) };
    String::from_utf8_lossy(bytes).into_owned()
}

/// Copies a NUL-terminated string. Those that LLVM allocated for us are not freed: the process is
/// short-lived.
pub(crate) fn text(start: *const c_char) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: LLVM's strings of this form end in NUL.
    unsafe { CStr::from_ptr(start) }
        .to_string_lossy()
        .into_owned()
}

/// What LLVM reported while it worked: (is an error, text).
static REPORTS: Mutex<Vec<(bool, String)>> = Mutex::new(Vec::new());

extern "C" fn collect_report(info: sys::Ref, _: *mut c_void) {
    let severity = ffi!(LLVMGetDiagInfoSeverity(info));
    // Remarks and notes are for those who tune LLVM itself.
    if severity > 1 {
        return;
    }
    let description = text(ffi!(LLVMGetDiagInfoDescription(info)));
    if let Ok(mut reports) = REPORTS.lock() {
        reports.push((severity == 0, description));
    }
}

/// Major, minor and patch number of the loaded library.
pub(crate) fn version() -> (u32, u32, u32) {
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    ffi!(LLVMGetVersion(&mut major, &mut minor, &mut patch));
    (major, minor, patch)
}

/// LLVM, loaded and set up for eBPF.
#[derive(Clone, Copy)]
pub(crate) struct Context(pub(crate) sys::Ref);

impl Context {
    /// Loads the library and sets the code generator's switches.
    ///
    /// # Errors
    /// If the library cannot be used, or does not know one of the switches.
    pub(crate) fn load(path: &Path, switches: &[String]) -> Result<Self, Failure> {
        let api = sys::load(path).map_err(Failure::Unusable)?;
        // SAFETY: plain functions without arguments.
        unsafe {
            (api.LLVMInitializeBPFTargetInfo)();
            (api.LLVMInitializeBPFTarget)();
            (api.LLVMInitializeBPFTargetMC)();
            (api.LLVMInitializeBPFAsmPrinter)();
            (api.LLVMInitializeBPFAsmParser)();
            (api.LLVMEnablePrettyStackTrace)();
        }
        let mut ours = vec![
            // Loops counted by an index from zero, ended by `<`: what the verifier follows best.
            // LLVM would rather count by address or towards zero, and end loops by `!=`.
            c"-disable-lsr".to_owned(),
            c"-disable-lftr".to_owned(),
            // Vectors would only be taken apart again, into masks and bit counts.
            c"-vectorize-loops=false".to_owned(),
            c"-vectorize-slp=false".to_owned(),
        ];
        if version().0 >= 21 {
            // An `unreachable` that survives would become a call of a kernel function only the
            // newest kernels have.
            ours.push(c"-bpf-disable-trap-unreachable".to_owned());
        }
        switches::set(&ours, switches)?;
        let context = ffi!(LLVMContextCreate());
        ffi!(LLVMContextSetDiagnosticHandler(
            context,
            collect_report,
            ptr::null_mut()
        ));
        Ok(Context(context))
    }

    /// Takes what LLVM reported since the last call: (is an error, text).
    pub(crate) fn reports(self) -> Vec<(bool, String)> {
        REPORTS
            .lock()
            .map(|mut reports| std::mem::take(&mut *reports))
            .unwrap_or_default()
    }

    fn buffer(self, bytes: &[u8], name: &str) -> sys::Ref {
        let name = c_string(name);
        ffi!(LLVMCreateMemoryBufferWithMemoryRangeCopy(
            bytes.as_ptr().cast(),
            bytes.len(),
            name.as_ptr()
        ))
    }

    /// Reads bitcode, but function bodies only when they are needed.
    ///
    /// # Errors
    /// LLVM's words.
    pub(crate) fn read_bitcode(self, bytes: &[u8], name: &str) -> Result<Module, String> {
        let buffer = self.buffer(bytes, name);
        let mut module = ptr::null_mut();
        if ffi!(LLVMGetBitcodeModuleInContext2(self.0, buffer, &mut module)) != 0 {
            let said = self.reports().into_iter().map(|(_, text)| text);
            return Err(said.collect::<Vec<_>>().join("; "));
        }
        Ok(Module {
            raw: module,
            context: self,
        })
    }

    /// Reads LLVM's textual form.
    ///
    /// # Errors
    /// LLVM's words.
    pub(crate) fn read_text(self, source: &str) -> Result<Module, String> {
        let buffer = self.buffer(source.as_bytes(), "runtime");
        let (mut module, mut message) = (ptr::null_mut(), ptr::null_mut());
        if ffi!(LLVMParseIRInContext(
            self.0,
            buffer,
            &mut module,
            &mut message
        )) != 0
        {
            return Err(text(message));
        }
        Ok(Module {
            raw: module,
            context: self,
        })
    }

    /// A module with nothing in it.
    pub(crate) fn empty_module(self) -> Module {
        Module {
            raw: ffi!(LLVMModuleCreateWithNameInContext(c"hachi".as_ptr(), self.0)),
            context: self,
        }
    }

    /// A constant struct or array of that type.
    pub(crate) fn aggregate(self, ty: Type, fields: &[Value]) -> Value {
        let raw: Vec<sys::Ref> = fields.iter().map(|field| field.0).collect();
        Value(match ty.array_element() {
            Some(element) => ffi!(LLVMConstArray2(element.0, raw.as_ptr(), raw.len() as u64)),
            None if ffi!(LLVMIsLiteralStruct(ty.0)) == 0 => {
                ffi!(LLVMConstNamedStruct(ty.0, raw.as_ptr(), raw.len() as u32))
            }
            None => {
                let packed = ffi!(LLVMIsPackedStruct(ty.0));
                let count = raw.len() as u32;
                ffi!(LLVMConstStructInContext(
                    self.0,
                    raw.as_ptr(),
                    count,
                    packed
                ))
            }
        })
    }

    /// The type of integers of `bits` bits.
    pub(crate) fn int_type(self, bits: u32) -> Type {
        Type(ffi!(LLVMIntTypeInContext(self.0, bits)))
    }

    /// `void`.
    pub(crate) fn void_type(self) -> Type {
        Type(ffi!(LLVMVoidTypeInContext(self.0)))
    }

    /// A position at which instructions can be inserted.
    pub(crate) fn builder(self) -> Builder {
        Builder(ffi!(LLVMCreateBuilderInContext(self.0)))
    }
}

/// What code is generated for.
#[derive(Clone, Copy)]
pub(crate) struct Machine(sys::Ref);

impl Machine {
    /// # Errors
    /// LLVM's words; a library built without the eBPF target says so here.
    pub(crate) fn new(triple: &str, cpu: Cpu) -> Result<Self, String> {
        let triple = c_string(triple);
        let (mut target, mut message) = (ptr::null_mut(), ptr::null_mut());
        if ffi!(LLVMGetTargetFromTriple(
            triple.as_ptr(),
            &mut target,
            &mut message
        )) != 0
        {
            return Err(text(message));
        }
        let cpu = c_string(cpu.name());
        let machine = ffi!(LLVMCreateTargetMachine(
            target,
            triple.as_ptr(),
            cpu.as_ptr(),
            c"".as_ptr(),
            2,
            0,
            0
        ));
        Ok(Machine(machine))
    }
}

/// One LLVM module.
#[derive(Clone, Copy)]
pub(crate) struct Module {
    raw: sys::Ref,
    pub(crate) context: Context,
}

impl Module {
    /// The machine it was compiled for.
    pub(crate) fn triple(self) -> String {
        text(ffi!(LLVMGetTarget(self.raw)))
    }

    /// Changes what machine it is for.
    pub(crate) fn set_target(self, triple: &str, layout: &str) {
        let (triple, layout) = (c_string(triple), c_string(layout));
        ffi!(LLVMSetTarget(self.raw, triple.as_ptr()));
        ffi!(LLVMSetDataLayout(self.raw, layout.as_ptr()));
    }

    /// Sizes and alignments of types.
    pub(crate) fn layout(self) -> String {
        text(ffi!(LLVMGetDataLayoutStr(self.raw)))
    }

    /// Drops assembly outside of functions.
    pub(crate) fn clear_assembly(self) {
        ffi!(LLVMSetModuleInlineAsm2(self.raw, c"".as_ptr(), 0));
    }

    /// Moves everything out of `other` into this module; `other` is gone afterwards.
    ///
    /// # Errors
    /// LLVM's words, for example about a symbol defined twice.
    pub(crate) fn link(self, other: Module) -> Result<(), String> {
        if ffi!(LLVMLinkModules2(self.raw, other.raw)) == 0 {
            return Ok(());
        }
        let said = self.context.reports().into_iter().map(|(_, text)| text);
        Err(said.collect::<Vec<_>>().join("; "))
    }

    /// Frees it.
    pub(crate) fn dispose(self) {
        ffi!(LLVMDisposeModule(self.raw));
    }

    /// Runs passes by their textual names.
    ///
    /// # Errors
    /// LLVM's words; an unknown pass name.
    pub(crate) fn run_passes(self, machine: Machine, passes: &str) -> Result<(), String> {
        let passes = c_string(passes);
        let options = ffi!(LLVMCreatePassBuilderOptions());
        let error = ffi!(LLVMRunPasses(self.raw, passes.as_ptr(), machine.0, options));
        if error.is_null() {
            Ok(())
        } else {
            Err(text(ffi!(LLVMGetErrorMessage(error))))
        }
    }

    /// Generates the object; what LLVM has against the code arrives in [`Context::reports`].
    ///
    /// # Errors
    /// LLVM's words.
    pub(crate) fn emit(self, machine: Machine, assembly: bool) -> Result<Vec<u8>, String> {
        let (mut buffer, mut message) = (ptr::null_mut(), ptr::null_mut());
        if ffi!(LLVMTargetMachineEmitToMemoryBuffer(
            machine.0,
            self.raw,
            if assembly { 0 } else { 1 },
            &mut message,
            &mut buffer
        )) != 0
        {
            return Err(text(message));
        }
        let start = ffi!(LLVMGetBufferStart(buffer)).cast::<u8>();
        let len = ffi!(LLVMGetBufferSize(buffer));
        // SAFETY: LLVM says that the buffer holds that many bytes.
        Ok(unsafe { std::slice::from_raw_parts(start, len) }.to_vec())
    }

    /// Checks LLVM's own rules.
    ///
    /// # Errors
    /// LLVM's words.
    pub(crate) fn verify(self) -> Result<(), String> {
        let mut message = ptr::null_mut();
        // 2: report by return value.
        if ffi!(LLVMVerifyModule(self.raw, 2, &mut message)) == 0 {
            Ok(())
        } else {
            Err(text(message))
        }
    }

    /// The textual form.
    pub(crate) fn text(self) -> String {
        text(ffi!(LLVMPrintModuleToString(self.raw)))
    }

    /// All functions, as they are at the time of the call.
    pub(crate) fn functions(self) -> Vec<Function> {
        let mut all = Vec::new();
        let mut next = ffi!(LLVMGetFirstFunction(self.raw));
        while !next.is_null() {
            all.push(Function(Value(next)));
            next = ffi!(LLVMGetNextFunction(next));
        }
        all
    }

    /// All global variables, as they are at the time of the call.
    pub(crate) fn globals(self) -> Vec<Global> {
        let mut all = Vec::new();
        let mut next = ffi!(LLVMGetFirstGlobal(self.raw));
        while !next.is_null() {
            all.push(Global(Value(next)));
            next = ffi!(LLVMGetNextGlobal(next));
        }
        all
    }

    /// All second names: (the alias, what it stands for).
    pub(crate) fn aliases(self) -> Vec<(Value, Value)> {
        let mut all = Vec::new();
        let mut next = ffi!(LLVMGetFirstGlobalAlias(self.raw));
        while !next.is_null() {
            all.push((Value(next), Value(ffi!(LLVMAliasGetAliasee(next)))));
            next = ffi!(LLVMGetNextGlobalAlias(next));
        }
        all
    }

    /// The function of that name, defined or only declared.
    pub(crate) fn function(self, name: &str) -> Option<Function> {
        let name = c_string(name);
        Value::new(ffi!(LLVMGetNamedFunction(self.raw, name.as_ptr()))).map(Function)
    }

    /// The function of that name, declared now if it was not there.
    pub(crate) fn declare(self, name: &str, ty: Type) -> Function {
        self.function(name).unwrap_or_else(|| {
            let name = c_string(name);
            Function(Value(ffi!(LLVMAddFunction(self.raw, name.as_ptr(), ty.0))))
        })
    }

    /// Bytes that a value of the type takes in memory; 0 when it has no size.
    pub(crate) fn size_of(self, ty: Type) -> u64 {
        if ffi!(LLVMTypeIsSized(ty.0)) == 0 {
            return 0;
        }
        let layout = ffi!(LLVMGetModuleDataLayout(self.raw));
        ffi!(LLVMABISizeOfType(layout, ty.0))
    }

    /// Where element `index` of an aggregate type begins.
    pub(crate) fn offset_in(self, ty: Type, index: u32) -> u64 {
        match ty.array_element() {
            Some(element) => u64::from(index) * self.size_of(element),
            None => {
                let layout = ffi!(LLVMGetModuleDataLayout(self.raw));
                ffi!(LLVMOffsetOfElement(layout, ty.0, index))
            }
        }
    }

    /// An attribute that is only there or not.
    pub(crate) fn attr(self, name: Attr) -> sys::Ref {
        ffi!(LLVMCreateEnumAttribute(self.context.0, name.kind(), 0))
    }

    /// An attribute of two strings.
    pub(crate) fn string_attr(self, key: &str, value: &str) -> sys::Ref {
        ffi!(LLVMCreateStringAttribute(
            self.context.0,
            key.as_ptr().cast(),
            key.len() as u32,
            value.as_ptr().cast(),
            value.len() as u32
        ))
    }
}
