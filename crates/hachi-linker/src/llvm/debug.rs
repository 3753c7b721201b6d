//! Source places: from an instruction to the lines that made it.

use std::{collections::HashMap, ptr};

use super::{
    Context, Function, Inst, Value, ffi,
    sys::{Ref, api},
    text_with_len,
};
use crate::{
    Diagnostic, Span,
    lines::{self, Frame, LineTable},
    names,
};

/// Kinds of metadata, by LLVM's numbers in the C interface.
const KIND_SUBPROGRAM: i32 = 17;
const KIND_LEXICAL_BLOCK: i32 = 18;
const KIND_LEXICAL_BLOCK_FILE: i32 = 19;

/// Basic, derived and composite types.
const KINDS_TYPE: std::ops::RangeInclusive<i32> = 11..=13;

/// One source place with the function that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Loc {
    pub(crate) place: Span,
    /// Demangled.
    pub(crate) function: Option<String>,
}

impl Loc {
    fn span(&self) -> Span {
        match &self.function {
            Some(function) => self.place.clone().in_function(function),
            None => self.place.clone(),
        }
    }

    /// Is it code of the Rust library rather than the user's?
    pub(crate) fn in_library(&self) -> bool {
        let file = &self.place.file;
        file.starts_with("/rustc/")
            || ["core", "alloc", "std", "compiler-builtins"]
                .iter()
                .any(|name| file.contains(&format!("library/{name}/")))
            || self.function.as_deref().is_some_and(names::is_of_library)
    }
}

/// The way from an instruction outwards: where it is written, where that was inlined, and so on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Chain(pub(crate) Vec<Loc>);

impl Chain {
    /// Is library code with such a path part of the way?
    pub(crate) fn passes_through(&self, path: &str) -> bool {
        self.0.iter().any(|loc| {
            loc.function
                .as_deref()
                .is_some_and(|name| name.contains(path))
        })
    }

    /// The place the user should look at: the innermost one outside of the Rust library.
    pub(crate) fn user_place(&self) -> Option<&Loc> {
        self.0
            .iter()
            .find(|loc| !loc.in_library())
            .or(self.0.first())
    }

    /// Tells a diagnostic where it happened. Library code that was inlined there goes into a note.
    pub(crate) fn locate(&self, mut d: Diagnostic) -> Diagnostic {
        let start = self.0.iter().position(|loc| !loc.in_library()).unwrap_or(0);
        let Some(loc) = self.0.get(start) else {
            return d;
        };
        d.primary = Some(loc.place.clone());
        d.function.clone_from(&loc.function);
        d.inlined = self.0[start + 1..].iter().map(Loc::span).collect();
        if start > 0 {
            let inner = &self.0[0];
            d = d.note(match &inner.function {
                Some(name) => format!("inside `{name}` of the Rust library ({})", inner.place),
                None => format!("inside the Rust library ({})", inner.place),
            });
        }
        d
    }
}

impl Inst {
    /// Where it is written; empty without debug information.
    pub(crate) fn chain(self) -> Chain {
        chain(self.0, ffi!(LLVMInstructionGetDebugLoc(self.0.0)))
    }
}

/// Replaces line numbers by numbers of a table's entries, which tell more.
pub(crate) struct LineNumbers {
    context: Context,
    pub(crate) table: LineTable,
    /// Numbers by what they stand for: scope, line and call of the place that is shown, and the
    /// frame of the exact one.
    known: HashMap<(Ref, u32, Ref, u32), u32>,
    /// Frames by place: scope, line, column, and the call by which that was inlined.
    frames: HashMap<(Ref, u32, u32, Ref), u32>,
    /// What scopes are: file and function.
    scopes: HashMap<Ref, (String, String)>,
}

impl LineNumbers {
    pub(crate) fn new(context: Context) -> Self {
        LineNumbers {
            context,
            table: LineTable::default(),
            known: HashMap::new(),
            frames: HashMap::new(),
            scopes: HashMap::new(),
        }
    }

    /// Numbers one instruction. Of library code that was inlined, the place that is shown is the
    /// innermost of the user's code; of all other code, its own.
    pub(crate) fn number(&mut self, inst: Inst) {
        let exact = ffi!(LLVMInstructionGetDebugLoc(inst.0.0));
        if exact.is_null() {
            return;
        }
        // Of a library's functions that were inlined into each other, the one that the user calls
        // tells enough.
        let (mut shown, mut outermost) = (exact, exact);
        while !shown.is_null() && hachi_diag::is_library_file(&self.scope(inst, scope_of(shown)).0)
        {
            outermost = shown;
            shown = ffi!(LLVMDILocationGetInlinedAt(shown));
        }
        if shown.is_null() {
            (shown, outermost) = (exact, exact);
        }
        let line = ffi!(LLVMDILocationGetLine(shown));
        if line == 0 || line >= lines::FIRST {
            // Nothing is reported for code that belongs to no line.
            ffi!(LLVMInstructionSetDebugLoc(inst.0.0, shown));
            return;
        }
        let scope = scope_of(shown);
        let call = ffi!(LLVMDILocationGetInlinedAt(shown));
        let frame = match ffi!(LLVMDILocationGetInlinedAt(outermost)).is_null() {
            true => 0,
            // The column of a place that is shown stands beside its line.
            false => self.frame(inst, outermost, outermost != shown),
        };
        let key = (scope, line, call, frame);
        let number = match self.known.get(&key) {
            Some(number) => *number,
            None => {
                let Some(number) = self.table.add(line, frame) else {
                    ffi!(LLVMInstructionSetDebugLoc(inst.0.0, shown));
                    return;
                };
                self.known.insert(key, number);
                number
            }
        };
        let column = ffi!(LLVMDILocationGetColumn(shown));
        let numbered = ffi!(LLVMDIBuilderCreateDebugLocation(
            self.context.0,
            number,
            column,
            scope,
            call
        ));
        ffi!(LLVMInstructionSetDebugLoc(inst.0.0, numbered));
    }

    /// The number of the frame of a place.
    fn frame(&mut self, inst: Inst, location: Ref, with_column: bool) -> u32 {
        if location.is_null() {
            return 0;
        }
        let line = ffi!(LLVMDILocationGetLine(location));
        let column = match with_column {
            true => ffi!(LLVMDILocationGetColumn(location)),
            false => 0,
        };
        let call = ffi!(LLVMDILocationGetInlinedAt(location));
        let scope = scope_of(location);
        let key = (scope, line, column, call);
        if let Some(frame) = self.frames.get(&key) {
            return *frame;
        }
        let parent = self.frame(inst, call, true);
        let (file, function) = self.scope(inst, scope).clone();
        let frame = self.table.frames.add(Frame {
            function,
            file,
            line,
            column,
            text: String::new(),
            parent,
        });
        self.frames.insert(key, frame);
        frame
    }

    fn scope(&mut self, inst: Inst, scope: Ref) -> &(String, String) {
        self.scopes.entry(scope).or_insert_with(|| {
            let function = enclosing_function(inst.0, scope);
            (path_of(scope), function.unwrap_or_default())
        })
    }
}

fn scope_of(location: Ref) -> Ref {
    ffi!(LLVMDILocationGetScope(location))
}

/// The file a scope is written in, with the directory the compiler was started in if that is not
/// part of it.
fn path_of(scope: Ref) -> String {
    let file = file_of(scope);
    if scope.is_null() || file.starts_with('/') {
        return file;
    }
    let handle = ffi!(LLVMDIScopeGetFile(scope));
    if handle.is_null() {
        return file;
    }
    let mut len = 0;
    let start = ffi!(LLVMDIFileGetDirectory(handle, &mut len));
    format!("{}/{file}", text_with_len(start, len as usize))
}

/// Follows a location outwards. `any` is a value of the same context.
fn chain(any: Value, mut location: Ref) -> Chain {
    let mut chain = Vec::new();
    while !location.is_null() {
        let scope = ffi!(LLVMDILocationGetScope(location));
        chain.push(Loc {
            place: Span::new(
                file_of(scope),
                ffi!(LLVMDILocationGetLine(location)),
                ffi!(LLVMDILocationGetColumn(location)),
            ),
            function: enclosing_function(any, scope),
        });
        location = ffi!(LLVMDILocationGetInlinedAt(location));
    }
    Chain(chain)
}

/// A variable that lives in a stack slot.
pub(crate) struct Variable {
    pub(crate) slot: Value,
    pub(crate) name: String,
    pub(crate) ty: Option<String>,
    /// Where it is declared.
    pub(crate) chain: Chain,
}

/// `[u8; 16]` and the like have no name of their own in debug information.
fn type_name(ty: Value) -> Option<String> {
    let fields = fields_of_value(ty);
    // {file, scope, name, …, base type, …}; what lies between depends on LLVM's version.
    if let Some(name) = string_field(&fields, 2) {
        return Some(name);
    }
    let element = fields.iter().skip(3).copied().flatten().find(|field| {
        let node = ffi!(LLVMValueAsMetadata(field.0));
        KINDS_TYPE.contains(&ffi!(LLVMGetMetadataKind(node)))
    })?;
    let size = |ty: Value| {
        let node = ffi!(LLVMValueAsMetadata(ty.0));
        ffi!(LLVMDITypeGetSizeInBits(node))
    };
    let count = size(ty).checked_div(size(element))?;
    Some(format!("[{}; {count}]", type_name(element)?))
}

impl Function {
    /// Variables whose home is a stack slot, or was before optimisation; none with an LLVM that
    /// does not tell.
    pub(crate) fn variables(self) -> Vec<Variable> {
        let api = api();
        let (Some(kind_of), Some(value_of), Some(variable_of), Some(location_of)) = (
            api.LLVMDbgRecordGetKind,
            api.LLVMDbgVariableRecordGetValue,
            api.LLVMDbgVariableRecordGetVariable,
            api.LLVMDbgRecordGetDebugLoc,
        ) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for inst in self.instructions() {
            let mut record = ffi!(LLVMGetFirstDbgRecord(inst.0.0));
            while !record.is_null() {
                // SAFETY: the record is one of a living instruction.
                let kind = unsafe { kind_of(record) };
                // 0: where it lives; 1: its value. 2 and 3 are of no use here.
                if kind <= 1 {
                    // SAFETY: as above, and records of these kinds are about variables.
                    let (slot, variable, location) = unsafe {
                        (
                            value_of(record, 0),
                            variable_of(record),
                            location_of(record),
                        )
                    };
                    // {scope, name, file, type, …}
                    let fields = fields_of(inst.0, variable);
                    if let (Some(slot), Some(name)) = (Value::new(slot), string_field(&fields, 1)) {
                        all.push(Variable {
                            slot,
                            name,
                            ty: fields.get(3).copied().flatten().and_then(type_name),
                            chain: chain(inst.0, location),
                        });
                    }
                }
                record = ffi!(LLVMGetNextDbgRecord(record));
            }
        }
        all
    }

    /// Where it is defined; nothing without debug information.
    pub(crate) fn definition(self) -> Option<Span> {
        let subprogram = ffi!(LLVMGetSubprogram(self.0.0));
        if subprogram.is_null() {
            return None;
        }
        let line = ffi!(LLVMDISubprogramGetLine(subprogram));
        Some(Span::new(file_of(subprogram), line, 0))
    }
}

fn file_of(scope: Ref) -> String {
    if scope.is_null() {
        return String::new();
    }
    let file = ffi!(LLVMDIScopeGetFile(scope));
    if file.is_null() {
        return String::new();
    }
    let mut len = 0;
    let start = ffi!(LLVMDIFileGetFilename(file, &mut len));
    text_with_len(start, len as usize)
}

/// The demangled name of the function a scope lies in.
fn enclosing_function(any: Value, mut scope: Ref) -> Option<String> {
    loop {
        if scope.is_null() {
            return None;
        }
        match ffi!(LLVMGetMetadataKind(scope)) {
            KIND_SUBPROGRAM => {
                // {file, scope, name, linkage name, …}
                let fields = fields_of(any, scope);
                return string_field(&fields, 3)
                    .map(|symbol| names::demangle(&symbol))
                    .or_else(|| string_field(&fields, 2));
            }
            KIND_LEXICAL_BLOCK | KIND_LEXICAL_BLOCK_FILE => {
                // {file, scope, …}
                let outer = fields_of(any, scope).get(1).copied().flatten()?;
                scope = ffi!(LLVMValueAsMetadata(outer.0));
            }
            _ => return None,
        }
    }
}

/// The fields of a metadata node. `any` is a value of the same context.
fn fields_of(any: Value, node: Ref) -> Vec<Option<Value>> {
    let context = ffi!(LLVMGetTypeContext(any.ty().0));
    fields_of_value(Value(ffi!(LLVMMetadataAsValue(context, node))))
}

fn fields_of_value(node: Value) -> Vec<Option<Value>> {
    let count = ffi!(LLVMGetMDNodeNumOperands(node.0)) as usize;
    let mut raw = vec![ptr::null_mut(); count];
    ffi!(LLVMGetMDNodeOperands(node.0, raw.as_mut_ptr()));
    raw.into_iter().map(Value::new).collect()
}

fn string_field(fields: &[Option<Value>], index: usize) -> Option<String> {
    let field = fields.get(index).copied().flatten()?;
    let mut len = 0;
    let start = ffi!(LLVMGetMDString(field.0, &mut len));
    (!start.is_null()).then(|| text_with_len(start, len as usize))
}
