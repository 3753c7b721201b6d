//! Source places: from an instruction to the lines that made it.

use std::ptr;

use super::{Function, Inst, Value, ffi, sys::Ref, text_with_len};
use crate::{Diagnostic, Frame, Location, names};

/// Kinds of metadata, by LLVM's numbers in the C interface.
const KIND_SUBPROGRAM: i32 = 17;
const KIND_LEXICAL_BLOCK: i32 = 18;
const KIND_LEXICAL_BLOCK_FILE: i32 = 19;

/// One source place with the function that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Loc {
    pub(crate) place: Location,
    /// Demangled.
    pub(crate) function: Option<String>,
}

impl Loc {
    /// Is it code of the Rust library rather than the user's?
    pub(crate) fn in_library(&self) -> bool {
        let file = &self.place.file;
        file.starts_with("/rustc/")
            || ["core", "alloc", "std", "compiler-builtins"]
                .iter()
                .any(|name| file.contains(&format!("library/{name}/")))
            || self.function.as_deref().is_some_and(|name| {
                ["core::", "alloc::", "std::", "compiler_builtins::"]
                    .iter()
                    .any(|root| name.trim_start_matches('<').starts_with(root))
            })
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
        d.location = Some(loc.place.clone());
        d.function.clone_from(&loc.function);
        d.inlined_from = self.0[start + 1..]
            .iter()
            .map(|loc| Frame {
                location: loc.place.clone(),
                function: loc.function.clone(),
            })
            .collect();
        if start > 0 {
            let inner = &self.0[0];
            d.notes.push(match &inner.function {
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
        let mut chain = Vec::new();
        let mut location = ffi!(LLVMInstructionGetDebugLoc(self.0.0));
        while !location.is_null() {
            let scope = ffi!(LLVMDILocationGetScope(location));
            chain.push(Loc {
                place: Location {
                    file: file_of(scope),
                    line: ffi!(LLVMDILocationGetLine(location)),
                    column: ffi!(LLVMDILocationGetColumn(location)),
                },
                function: enclosing_function(self.0, scope),
            });
            location = ffi!(LLVMDILocationGetInlinedAt(location));
        }
        Chain(chain)
    }

    /// The name and type of the variable a stack slot holds, when the debug information tells.
    pub(crate) fn variable(self, in_function: Function) -> Option<(String, String)> {
        for inst in in_function.instructions() {
            let mut record = ffi!(LLVMGetFirstDbgRecord(inst.0.0));
            while !record.is_null() {
                // 0: a declaration, 1: a value. Only the former says that the slot is the variable's home.
                let kind = ffi!(LLVMDbgRecordGetKind(record));
                if kind == 1 || kind == 0 {
                    let value = ffi!(LLVMDbgVariableRecordGetValue(record, 0));
                    if value == self.0.0 {
                        let variable = ffi!(LLVMDbgVariableRecordGetVariable(record));
                        // {scope, name, file, type, …}
                        let fields = fields_of(self.0, variable);
                        let name = string_field(&fields, 1).unwrap_or_default();
                        let ty = fields
                            .get(3)
                            .copied()
                            .flatten()
                            .and_then(|ty| string_field(&fields_of_value(ty), 2))
                            .unwrap_or_default();
                        return Some((name, ty));
                    }
                }
                record = ffi!(LLVMGetNextDbgRecord(record));
            }
        }
        None
    }
}

impl Function {
    /// Where it is defined; nothing without debug information.
    pub(crate) fn definition(self) -> Option<Location> {
        let subprogram = ffi!(LLVMGetSubprogram(self.0.0));
        if subprogram.is_null() {
            return None;
        }
        Some(Location {
            file: file_of(subprogram),
            line: ffi!(LLVMDISubprogramGetLine(subprogram)),
            column: 0,
        })
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
