//! The stable names of diagnostics.

use std::fmt;

/// The stable name of a kind of diagnostic, such as `map-value-bounds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

/// Who finds what a code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The linker, when the program is built.
    Linker,
    /// The kernel, when the program is loaded.
    Kernel,
    /// The linker where it can tell, else the kernel.
    Both,
}

impl Code {
    /// The code of this name.
    pub fn named(name: &str) -> Option<Code> {
        Code::all().find(|code| code.0 == name)
    }

    /// Every code, in alphabetical order.
    pub fn all() -> impl Iterator<Item = Code> {
        TABLE.iter().map(|(code, _)| *code)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The page that explains it, in Markdown: what is objected to, why, and, where a program can
    /// show it, one that is rejected and the same one mended.
    #[cfg(feature = "pages")]
    pub fn page(self) -> &'static str {
        let page = PAGES.iter().find(|(code, _)| *code == self);
        // The same table makes both.
        page.map_or("", |(_, page)| page)
    }

    /// What it stands for, in one sentence without a full stop: the first of its page.
    #[cfg(feature = "pages")]
    pub fn summary(self) -> &'static str {
        let lines = self.page().lines().skip(1);
        let mut said = lines.filter(|line| !line.is_empty());
        said.next().unwrap_or_default().trim_end_matches('.')
    }

    /// Who finds what it stands for.
    pub fn origin(self) -> Origin {
        let row = TABLE.iter().find(|(code, _)| *code == self);
        // Codes are made by the table alone.
        row.map_or(Origin::Both, |(_, origin)| *origin)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Where there is more about these codes, as rustc says it at its end: `command` prints the page of
/// the code that it is given. `None` when there are no codes.
///
/// ```
/// use hachi_diag::{Code, where_to_read_on};
///
/// assert_eq!(
///     where_to_read_on("hachi explain", [Code::RECURSION]).unwrap(),
///     "For more information about this error, try `hachi explain recursion`."
/// );
/// ```
pub fn where_to_read_on(command: &str, codes: impl IntoIterator<Item = Code>) -> Option<String> {
    let mut codes: Vec<Code> = codes.into_iter().collect();
    codes.sort();
    codes.dedup();
    let first = codes.first()?;
    if codes.len() == 1 {
        return Some(format!(
            "For more information about this error, try `{command} {first}`."
        ));
    }
    let names: Vec<&str> = codes.iter().map(|code| code.0).collect();
    Some(format!(
        "Some errors have detailed explanations: {}.\nFor more information about an error, try \
         `{command} {first}`.",
        names.join(", ")
    ))
}

macro_rules! codes {
    ($($origin:ident $constant:ident $name:literal)*) => {
        impl Code {
            $(
                #[doc = concat!("`", $name, "`")]
                pub const $constant: Code = Code($name);
            )*
        }

        const TABLE: &[(Code, Origin)] = &[$((Code::$constant, Origin::$origin)),*];

        #[cfg(feature = "pages")]
        const PAGES: &[(Code, &str)] = &[$(
            (Code::$constant, include_str!(concat!("../pages/", $name, ".md")))
        ),*];
    };
}

codes! {
    Linker ATOMIC_OPERATION "atomic-operation"
    Kernel ATOMIC_PLACE "atomic-place"
    Kernel ATTACH_TARGET "attach-target"
    Kernel BACK_EDGE "back-edge"
    Kernel BAD_ARGUMENT_TO_FUNCTION "bad-argument-to-function"
    Kernel BAD_ARITHMETIC "bad-arithmetic"
    Kernel BAD_JUMP "bad-jump"
    Kernel BAD_MEMORY_KIND "bad-memory-kind"
    Kernel BTF_INVALID "btf-invalid"
    Linker BYTE_ORDER "byte-order"
    Both CALL_DEPTH "call-depth"
    Kernel CALL_MAY_SLEEP "call-may-sleep"
    Kernel CALLBACK "callback"
    Linker COMPUTED_JUMP "computed-jump"
    Kernel CONTEXT_FIELD "context-field"
    Kernel CONTEXT_MODIFIED "context-modified"
    Kernel CONTEXT_POINTER_MISUSE "context-pointer-misuse"
    Linker CORE_FMT "core-fmt"
    Linker CORE_SYMBOL "core-symbol"
    Linker DUPLICATE_MAP "duplicate-map"
    Linker DUPLICATE_SYMBOL "duplicate-symbol"
    Linker DYNAMIC_STACK "dynamic-stack"
    Kernel DYNPTR "dynptr"
    Kernel EMPTY_SLICE "empty-slice"
    Linker EXTERN_CONFLICT "extern-conflict"
    Linker FLOATING_POINT "floating-point"
    Linker FOREIGN_ASSEMBLY "foreign-assembly"
    Kernel FORMAT_STRING "format-string"
    Kernel FRAME_POINTER "frame-pointer"
    Kernel FUNC_INFO "func-info"
    Both GPL_ONLY "gpl-only"
    Kernel HELPER_ARGUMENT_CONSTANT "helper-argument-constant"
    Kernel HELPER_ARGUMENT_NULL "helper-argument-null"
    Kernel HELPER_ARGUMENT_TYPE "helper-argument-type"
    Both HELPER_NOT_FOR_THIS_TYPE "helper-not-for-this-type"
    Both HELPER_UNKNOWN "helper-unknown"
    Both INDIRECT_CALL "indirect-call"
    Kernel INFINITE_LOOP "infinite-loop"
    Linker INPUT_CONFLICT "input-conflict"
    Linker INPUT_MALFORMED "input-malformed"
    Kernel INVALID_ARGUMENT "invalid-argument"
    Kernel ITERATOR "iterator"
    Linker JUMP_TOO_FAR "jump-too-far"
    Kernel KERNEL_MEMORY_ELSEWHERE "kernel-memory-elsewhere"
    Kernel KERNEL_POINTER_ARITHMETIC "kernel-pointer-arithmetic"
    Kernel KERNEL_TYPES_MISSING "kernel-types-missing"
    Kernel KFUNC_DESTRUCTIVE "kfunc-destructive"
    Kernel KFUNC_NOT_ALLOWED "kfunc-not-allowed"
    Kernel LINE_INFO "line-info"
    Linker LINKER_DEFECT "linker-defect"
    Linker LLVM_FAILED "llvm-failed"
    Linker LLVM_NOT_FOUND "llvm-not-found"
    Linker LLVM_SWITCH "llvm-switch"
    Linker LLVM_UNUSABLE "llvm-unusable"
    Linker LLVM_WITHOUT_BPF "llvm-without-bpf"
    Kernel LOG_TOO_SMALL "log-too-small"
    Linker MAP_DEFINITION "map-definition"
    Kernel MAP_FOR_PROGRAM "map-for-program"
    Kernel MAP_KIND_FOR_HELPER "map-kind-for-helper"
    Kernel MAP_NOT_READABLE "map-not-readable"
    Kernel MAP_VALUE_BOUNDS "map-value-bounds"
    Linker MAY_PANIC "may-panic"
    Kernel MEMORY_BOUNDS "memory-bounds"
    Linker MIN_KERNEL "min-kernel"
    Kernel MISALIGNED "misaligned"
    Kernel MISSING_KFUNC "missing-kfunc"
    Kernel MIXED_POINTERS "mixed-pointers"
    Kernel NEEDS_CAPABILITY "needs-capability"
    Kernel NEEDS_JIT "needs-jit"
    Kernel NEGATIVE_INDEX "negative-index"
    Kernel NEWER_THAN_KERNEL "newer-than-kernel"
    Kernel NO_EXIT "no-exit"
    Linker NO_LICENSE "no-license"
    Kernel NO_MEMORY "no-memory"
    Linker NO_PROGRAM "no-program"
    Linker NOT_CHECKED "not-checked"
    Linker NOT_LINKABLE "not-linkable"
    Kernel NOT_PERMITTED "not-permitted"
    Kernel NULL_CHECK_MISSING "null-check-missing"
    Kernel NUMBER_AS_POINTER "number-as-pointer"
    Kernel PACKET_BOUNDS "packet-bounds"
    Kernel PACKET_END_READ "packet-end-read"
    Kernel PACKET_FOR_HELPER "packet-for-helper"
    Kernel PACKET_POINTER_ARITHMETIC "packet-pointer-arithmetic"
    Linker PANIC_IN_GLOBAL_FUNCTION "panic-in-global-function"
    Kernel POINTER_ARITHMETIC_FORBIDDEN "pointer-arithmetic-forbidden"
    Kernel POINTER_ARITHMETIC_UNBOUNDED "pointer-arithmetic-unbounded"
    Linker POINTER_IN_DATA "pointer-in-data"
    Kernel POINTER_LEAK "pointer-leak"
    Kernel POINTER_MASK "pointer-mask"
    Kernel POINTER_PLUS_POINTER "pointer-plus-pointer"
    Linker PROGRAM_CALLED "program-called"
    Kernel PROGRAM_TOO_LONG "program-too-long"
    Kernel PROGRAM_TYPE_UNKNOWN "program-type-unknown"
    Kernel RCU_SECTION "rcu-section"
    Kernel READ_ONLY_MEMORY "read-only-memory"
    Both RECURSION "recursion"
    Kernel REFERENCE_LEAK "reference-leak"
    Kernel REFERENCE_MISUSED "reference-misused"
    Kernel RETURN_VALUE "return-value"
    Kernel SLICE_LOOP "slice-loop"
    Kernel SPILL_CORRUPTED "spill-corrupted"
    Kernel SPIN_LOCK "spin-lock"
    Kernel STACK_BOUNDS "stack-bounds"
    Kernel STACK_POINTER_ESCAPES "stack-pointer-escapes"
    Both STACK_TOO_LARGE "stack-too-large"
    Kernel STACK_UNINITIALISED "stack-uninitialised"
    Kernel STATIC_INSTEAD_OF_MAP "static-instead-of-map"
    Kernel STRUCTURE_BOUNDS "structure-bounds"
    Both TAIL_CALL "tail-call"
    Kernel TOO_COMPLEX "too-complex"
    Linker TOO_MANY_ARGUMENTS "too-many-arguments"
    Kernel TOO_MANY_INSTRUCTIONS "too-many-instructions"
    Kernel TOO_MANY_MAPS "too-many-maps"
    Kernel UNBOUNDED_MEMORY "unbounded-memory"
    Linker UNDEFINED_SYMBOL "undefined-symbol"
    Kernel UNINITIALISED_REGISTER "uninitialised-register"
    Kernel UNKNOWN_INSTRUCTION "unknown-instruction"
    Kernel UNKNOWN_REJECTION "unknown-rejection"
    Kernel UNREACHABLE_CODE "unreachable-code"
    Kernel UNRESOLVED_RELOCATION "unresolved-relocation"
    Kernel UNTRUSTED_POINTER "untrusted-pointer"
    Linker UNWINDING "unwinding"
    Linker VALUE_RETURNED "value-returned"
    Kernel VARIABLE_WITHOUT_ADDRESS "variable-without-address"
    Linker WIDE_INTEGER "wide-integer"
    Kernel WRITE_USER_LOCKDOWN "write-user-lockdown"
    Linker WRONG_TARGET "wrong-target"
    Kernel ZERO_SIZED_ACCESS "zero-sized-access"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_sorted_and_spelled_alike() {
        let names: Vec<&str> = Code::all().map(Code::name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:#?}");
        for name in names {
            let word = |word: &str| {
                !word.is_empty()
                    && word
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            };
            assert!(name.split('-').all(word), "{name}");
            assert_eq!(Code::named(name).map(Code::name), Some(name));
        }
        assert_eq!(Code::named("no-such-code"), None);
    }

    #[cfg(feature = "pages")]
    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/pages");
        let mut files: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let codes: Vec<String> = Code::all().map(|code| format!("{code}.md")).collect();
        assert_eq!(files, codes);
    }

    #[cfg(feature = "pages")]
    #[test]
    fn pages_are_titled_summed_up_and_narrow() {
        for code in Code::all() {
            let page = code.page();
            assert!(page.starts_with(&format!("# {code}\n\n")), "{code}");
            let summary = code.summary();
            assert!(
                (10..=80).contains(&summary.chars().count()),
                "{code}: {summary}"
            );
            let third = page.lines().nth(2).unwrap_or_default();
            assert_eq!(
                third,
                format!("{summary}."),
                "{code}: a paragraph of its own"
            );
            assert_eq!(
                page.lines().nth(3),
                Some(""),
                "{code}: a paragraph of its own"
            );
            let mut widest = 80;
            for line in page.lines() {
                if line.starts_with("```") {
                    widest = 180 - widest;
                }
                assert!(line.chars().count() <= widest, "{code}: {line}");
                assert_eq!(line, line.trim_end(), "{code}");
            }
            assert!(page.ends_with('\n') && !page.ends_with("\n\n"), "{code}");
        }
    }
}
