//! Reading and writing memory, and pointers.

use super::{Draft, bytes, is_call};
use crate::cause::Access;
use crate::{Cause, Value};

/// Methods that compare with the packet's end themselves.
const CHECKED: &[&str] = &[".read::<", ".read(", ".get::<", ".get_mut::<", ".write("];

/// Puts a cause of this sort into words; `false` for others.
pub(super) fn explain(cause: &Cause, d: &mut Draft<'_, '_>) -> bool {
    match cause {
        Cause::PacketBounds { access, proven } => packet_bounds(*access, *proven, d),
        Cause::PacketPointerArithmetic => {
            d.title("an offset without a limit is added to a packet pointer");
            d.because(
                "the verifier must know that the offset is not negative and not huge before it \
                 lets it move a packet pointer",
            );
            d.help(
                "limit the offset just before: `if offset > 1500 { return … }`, in an unsigned \
                 type (`usize`, `u64`) so that it cannot be negative",
            );
        }
        Cause::KernelPointerArithmetic { structure } => {
            let of = structure.as_deref().unwrap_or("?");
            d.title(format!(
                "a kernel structure (`{of}`) is read at an offset that is not constant"
            ));
            d.because(
                "a pointer to a kernel structure may only be moved by an offset known at load time",
            );
            d.help("copy the part with `bpf_probe_read_kernel`, which takes any address");
        }
        Cause::PointerArithmeticUnbounded { kind } => {
            let kind = kind.as_deref().unwrap_or("?");
            d.title(format!(
                "an offset without a limit is added to a pointer (`{kind}`)"
            ));
            d.because(
                "the verifier must know that the offset is not negative and not huge before it \
                 lets it move a pointer",
            );
            d.help(
                "limit the offset just before, in an unsigned type: `if i >= LEN { return … }`, \
                 or `let i = i & (LEN - 1);` for a length that is a power of two",
            );
        }
        Cause::NullCheckMissing => {
            d.title("a pointer that may be null is used without a check");
            d.because(
                "a look-up or an allocation may find nothing; the verifier wants both outcomes \
                 handled before the pointer is used",
            );
            if d.is_c() {
                d.help("check the pointer that is used first: `if (!value) return 0;`");
            } else {
                d.help(
                    "take the `Option` apart instead of unwrapping it unchecked: `let Some(value) \
                     = MAP.get(&key) else { return … };`",
                );
            }
        }
        Cause::PacketEndRead => {
            d.title("memory is accessed through the packet's end");
            d.because(
                "`data_end` is only there to be compared with; the byte it points at is not in \
                 the packet",
            );
            d.help("start from `ctx.data()` and compare with `ctx.data_end()`");
        }
        Cause::ContextPointerMisuse => {
            d.title("the context is accessed in a way that its kind of program does not allow");
            d.because(
                "only plain reads (and a few writes) of the context's documented fields are \
                 allowed, no atomics",
            );
        }
        Cause::NumberAsPointer => number_as_pointer(d),
        Cause::UntrustedPointer => {
            d.title(
                "a pointer that the kernel does not vouch for is used where a trusted one is \
                     needed",
            );
            d.because(
                "it was reached by walking through fields, so the object behind it may be gone",
            );
        }
        Cause::BadMemoryKind { kind } => {
            d.title(format!(
                "memory is accessed through a value (`{kind}`) that does not allow it"
            ));
            d.because("values of this kind can only be handed to helpers");
        }
        Cause::MapValueBounds { access } | Cause::MemoryBounds { access } => bounds(*access, d),
        Cause::SliceLoop { .. } => {
            d.title("a loop over a slice is followed beyond the slice");
            d.because(
                "the loop ends when its pointer is equal to another one; the verifier learns \
                 nothing from comparing two pointers, and so it goes on until an access fails",
            );
            d.help(
                "go through it by index, up to a constant: `for i in 0..MAX { let Some(b) = \
                 slice.get(i) else { break }; … }`",
            );
        }
        Cause::NegativeIndex => negative_index(d),
        Cause::UnboundedMemory => {
            d.title("an offset or length without an upper limit reaches memory");
            d.because(
                "the verifier must see a limit on the same value, on every path to this line",
            );
            d.help(
                "give it one right before the use: `if len > BUF.len() { return … }` or `let len \
                 = len.min(64);`",
            );
        }
        Cause::ZeroSizedAccess => {
            d.title(format!("{} may be given a length of zero", d.helper_name()));
            d.because("it needs at least one byte");
            d.help("leave the length zero out first: `if len == 0 { return … }`");
        }
        Cause::StackUninitialised { access } => stack_uninitialised(*access, d),
        Cause::StackBounds { access } => stack_bounds(*access, d),
        Cause::SpillCorrupted => {
            d.title("a pointer kept on the stack is partly overwritten or partly read");
            d.because("pointers may only be stored and loaded as whole, aligned 8 bytes");
            d.help("do not treat a value that holds pointers as bytes; copy it field by field");
        }
        Cause::ContextField { access } => context_field(*access, d),
        Cause::ContextModified { kind } => {
            let kind = kind.as_deref().unwrap_or("ctx");
            d.title(format!("a `{kind}` pointer is moved before it is read"));
            d.because(
                "fields of this object must be read at a constant offset from the pointer as it \
                 was given",
            );
            if is_call(d.step.map(|at| d.trace.steps[at].op)) {
                d.help("hand the pointer itself to the helper, not one into the object");
            } else {
                d.help("read its fields by name, or at indices that are constants");
            }
        }
        Cause::Misaligned { kind, size } => {
            d.title(match size {
                Some(size) => format!("a {kind} access of {} is not aligned", bytes(*size)),
                None => format!("a {kind} access is not aligned"),
            });
            d.because(
                "on this machine, or for this kind of memory, addresses must be a multiple of the \
                 size",
            );
            if kind != "packet" {
                d.help(
                    "order the fields so that each lies at a multiple of its size, as \
                     `#[repr(C)]` without `packed` does",
                );
            }
        }
        Cause::ReadOnlyMemory { kind } => read_only(kind.as_deref(), d),
        Cause::AtomicPlace { kind } => {
            d.title(format!(
                "an atomic operation on memory (`{kind}`) that allows none"
            ));
            d.because(
                "atomics work on map values, the stack and memory of the program, not on packets \
                 or the context",
            );
            d.help("count in a map value instead");
        }
        Cause::KernelMemoryElsewhere { per_cpu } => {
            let (what, helper) = match per_cpu {
                true => ("per-CPU", "bpf_per_cpu_ptr"),
                false => ("user", "bpf_probe_read_user"),
            };
            d.title(format!("a pointer into {what} memory is read directly"));
            d.help(format!("go through `{helper}`"));
        }
        Cause::MapNotReadable => {
            d.title("a map that programs may not read is read");
            d.because("the map was created with BPF_F_WRONLY_PROG");
            d.help("drop that flag from the map's definition, or only write to the map here");
        }
        Cause::StructureBounds { structure, access } => {
            d.title(match (access.size, access.offset) {
                (Some(size), Some(offset)) => format!(
                    "a read of {} at offset {offset} does not fit a field of the kernel's \
                     `{structure}`",
                    bytes(size)
                ),
                _ => format!("a read does not fit a field of the kernel's `{structure}`"),
            });
            d.because(
                "this kernel's structure is laid out differently from the one the program was \
                 written for",
            );
            d.help(
                "let the loader find the offset on the running kernel: types from `hachi bindgen` \
                 carry relocations (CO-RE)",
            );
        }
        Cause::UninitialisedRegister { register } => uninitialised_register(*register, d),
        Cause::PointerLeak => {
            d.title("an address would leave the program");
            d.because("programs loaded without CAP_PERFMON may not reveal kernel addresses");
            d.help("load the program with CAP_PERFMON (as root), which allows this");
        }
        Cause::PointerMask { .. } => pointer_mask(d),
        Cause::PointerPlusPointer => {
            d.title("two pointers are combined, or a pointer is treated as a number");
            d.because("the verifier follows a pointer only through adding numbers to it");
            d.help(
                "keep lengths and offsets as numbers from the start rather than as differences of \
                 pointers",
            );
        }
        Cause::PointerArithmeticForbidden { kind } => {
            d.title(match kind {
                Some(kind) => format!("a pointer of kind `{kind}` is moved"),
                None => "a pointer is moved that must not be".to_owned(),
            });
            d.because("this kind of pointer has to be used as it was given");
            if kind.as_deref() == Some("map_ptr") || kind.as_deref() == Some("CONST_PTR_TO_MAP") {
                d.help("look its entry up; the handle of a map is not its first value");
            }
        }
        Cause::MixedPointers => {
            d.title("one access is reached with pointers of different kinds");
            d.because(
                "LLVM merged two accesses (say, of the context and of a map value) into one \
                 instruction",
            );
            d.help(
                "keep the accesses apart: read each value in its own branch, and choose between \
                 the values rather than between the pointers",
            );
        }
        _ => return false,
    }
    true
}

fn packet_bounds(access: Access, proven: Option<i64>, d: &mut Draft<'_, '_>) {
    let need = match (access.offset, access.size) {
        (Some(offset), Some(size)) => Some(offset.saturating_add(size)),
        _ => None,
    };
    let variable = d.value().is_some_and(Value::is_variable);
    let checked = d.source_has(CHECKED) && !d.is_c();
    if checked && variable {
        d.title("the check of a packet access does not reach the access");
        d.because(
            "the accessor compares with `data_end`, but at an offset that is not constant; what \
             the compiler compares and what it accesses are no longer the same value to the \
             verifier",
        );
        copies_by_helper(d);
        return;
    }
    d.title("the packet is accessed past what has been checked");
    if let (Some(need), Some(proven)) = (need, proven) {
        d.because(format!(
            "the access needs {} after the pointer, and on this path {proven} are proven to lie \
             before the packet's end (`data_end`)",
            bytes(need)
        ));
    }
    if checked {
        return;
    }
    match (variable, need) {
        (true, _) => d.help(
            "give the offset an upper limit (`if offset > 1500 { return … }`), add it to the \
             packet's start once, and compare that very pointer with `ctx.data_end()`",
        ),
        (false, Some(need)) => d.help(format!(
            "compare with `ctx.data_end()` before this line, on every path that reaches it: the \
             packet must have {need} bytes from this pointer on"
        )),
        (false, None) => {}
    }
    if !d.is_c() && !variable {
        d.help(
            "or read it with a checked access, which is `None` when the packet is too short: \
             `ctx.read::<T>(offset)?`",
        );
    }
}

/// The helpers that copy from a packet at any offset, and check it themselves.
fn copies_by_helper(d: &mut Draft<'_, '_>) {
    let kind = d.kind();
    if kind.starts_with("xdp") && !d.trace.kernel_has((5, 18)) {
        return;
    }
    d.help(
        "copy the bytes by a helper, which does its own check: `let mut bytes = [0; N]; \
         ctx.load_bytes(offset, &mut bytes)`",
    );
    if kind.starts_with("xdp") && d.trace.input().kernel.is_none() {
        d.because("what the verifier compared is another value; the helper needs Linux ≥ 5.18");
    }
}

fn number_as_pointer(d: &mut Draft<'_, '_>) {
    d.title("a number is used as a pointer");
    let value = d.value();
    let loaded = d.trace.last().zip(d.trace.subject()).map(|(at, register)| {
        let origins = d.trace.origins(at, register, d.kind());
        origins.last().map(|origin| origin.what.clone())
    });
    let source = loaded.flatten().unwrap_or_default();
    if value.is_some_and(|value| value.constant == Some(0)) {
        d.because("it is the null pointer: the verifier found a path on which nothing else is");
        d.help("handle that case before this line, as with `let Some(…) = … else { return … };`");
    } else if source.contains("returned by `bpf_") {
        d.because("what this function returns is a number, wherever it may point");
        d.help(
            "an address in the kernel is read with `bpf_probe_read_kernel`, one in a process with \
             `bpf_probe_read_user`",
        );
    } else if source.contains("read from") {
        d.because(
            "a pointer that is read from memory is a number to the verifier, unless it knows the \
             type of that memory",
        );
        d.help(
            "an address in the kernel is read with `bpf_probe_read_kernel`, one in a process with \
             `bpf_probe_read_user`",
        );
    } else {
        d.because(
            "the value did not come from a place that gives pointers, or it lost its origin on \
             the way: by arithmetic on an integer copy, or a store of another size",
        );
    }
}

fn bounds(access: Access, d: &mut Draft<'_, '_>) {
    d.title("memory is accessed outside its bounds");
    let variable = d.value().is_none_or(Value::is_variable);
    if let (Some(offset), Some(size)) = (access.offset, access.size) {
        let access_text = format!(
            "an access of {} {}",
            bytes(size),
            match variable {
                true => format!("could start at byte {offset}"),
                false => format!("starts at byte {offset}"),
            }
        );
        d.because(match access.length {
            Some(length) => format!(
                "the block is {} long, and on this path {access_text}",
                bytes(length)
            ),
            None => format!("{access_text}, outside the block"),
        });
    }
    if !variable {
        if let Some(length) = access.length {
            d.help(format!(
                "stay within its {}: the offset is a constant of the program",
                bytes(length)
            ));
        }
    } else if d.source_has(&["get_unchecked"]) {
        d.help("use `.get(i)`, which checks, instead of `.get_unchecked(i)`");
    } else {
        d.help(
            "check the index with the array's length right before using it: `if i >= LEN { return \
             … }`; for a length that is a power of two, mask it: `array[i & (LEN - 1)]`",
        );
    }
}

fn negative_index(d: &mut Draft<'_, '_>) {
    d.title("an offset or length that may be negative reaches memory");
    d.because("as far as the verifier knows the value may be below zero");
    // A length of 32 bits whose upper half is unknown: the check is there, in the lower half.
    let half_known = d.value().is_some_and(
        |value| matches!(value.bounds(), (_, Some(high)) if high > u64::from(u32::MAX)),
    );
    if half_known {
        d.because(
            "the value was checked as one of 32 bits and is used as one of 64; the verifier does \
             not know its upper half",
        );
        d.help(
            "make it a `usize` before it is checked: `let len = len as usize; if len > MAX { \
             return … }`",
        );
    } else {
        d.help("reject negatives before it is used: `if n < 0 { return … }`");
        d.help("or compute it in an unsigned type, with an upper limit");
    }
}

fn stack_uninitialised(access: Access, d: &mut Draft<'_, '_>) {
    d.title("stack memory is read that has never been written");
    if let (Some(offset), Some(size)) = (access.offset, access.size) {
        let at = match offset {
            0.. => format!("fp+{offset}"),
            _ => format!("fp{offset}"),
        };
        if offset >= 0 {
            d.because(format!(
                "{} at {at} are not in the stack at all",
                bytes(size)
            ));
            return;
        }
        d.because(format!(
            "some of the {} at {at} hold nothing yet",
            bytes(size)
        ));
    }
    let called = is_call(d.step.map(|at| d.trace.steps[at].op));
    if d.is_c() {
        d.help("fill all of it first, padding included: `__builtin_memset(&v, 0, sizeof(v));`");
    } else if d.source_has(&["MaybeUninit", "assume_init", "uninit"]) {
        d.help("write a `MaybeUninit` in full before it is read or handed over");
    } else if called {
        d.help(
            "a key, value or event with padding: give the type explicit fields for it (`_pad: [u8; \
             3]`) and set them, so that no byte is left unwritten",
        );
    }
}

fn stack_bounds(access: Access, d: &mut Draft<'_, '_>) {
    d.title(match access.offset {
        Some(..-512) => "the stack is accessed below its 512 bytes",
        _ => {
            "the stack is accessed outside the 512 bytes of the frame, or at an offset without a \
              limit"
        }
    });
    let variable = d.value().is_some_and(Value::is_variable) || access.offset.is_none();
    if variable {
        d.help(
            "check the index of the local array right before using it: `if i >= buf.len() { \
             return … }`",
        );
    } else {
        d.help(
            "move a large buffer into a map: a `PerCpuArray` with one entry is the usual scratch \
             space",
        );
    }
}

fn context_field(access: Access, d: &mut Draft<'_, '_>) {
    d.title("this kind of program may not access these bytes of its context");
    let programs = d.programs();
    if let (Some(offset), Some(size)) = (access.offset, access.size) {
        d.because(format!(
            "byte {offset} ({}) is not a field that {programs} may use in this way: it is unknown \
             to this kernel, not for this program type, not writable, or accessed with another \
             size",
            bytes(size)
        ));
    }
    if [
        "tracing",
        "lsm",
        "raw_tracepoint",
        "struct_ops",
        "fentry",
        "fexit",
    ]
    .iter()
    .any(|kind| d.kind().starts_with(kind))
    {
        d.help(
            "look at the signature of the function or tracepoint on this kernel (`hachi btf find \
             NAME`): the program reads an argument that it does not have",
        );
    } else if !d.is_c() {
        d.help(
            "check that the attribute on the function (and so its section) fits the context type \
             in its signature",
        );
    }
}

fn read_only(kind: Option<&str>, d: &mut Draft<'_, '_>) {
    d.title("read-only memory is written");
    let value_kind = d.value().map_or("", |value| value.kind.as_str());
    match kind.unwrap_or(value_kind) {
        "packet" | "pkt" => {
            d.because(format!(
                "packets can be written by XDP programs, classifiers and a few others, not by {}",
                d.programs()
            ));
        }
        kind if kind.contains("ptr_") => {
            d.because("structures of the kernel are written through helpers and kernel functions");
        }
        _ if d.is_c() => d.help("a `const` global is read-only: drop the `const`"),
        _ => d.help(
            "`Global<T>` settings, and a `static` without interior mutability, are written by user \
             space only: keep what the program changes in a map",
        ),
    }
}

fn uninitialised_register(register: u8, d: &mut Draft<'_, '_>) {
    d.title("a value is used that was never set");
    d.because(match register {
        0 => "r0, the return value, is not set on this path".to_owned(),
        1..=5 => format!(
            "r{register} holds nothing here: an argument that the function was not given, or a \
             register that a call has cleared"
        ),
        _ => format!("r{register} holds nothing at this point of this path"),
    });
    if register == 0 {
        d.help("return a value on every path");
    } else if (2..=5).contains(&register) {
        d.help("check the signature: most kinds of programs have one argument, the context");
    }
}

fn pointer_mask(d: &mut Draft<'_, '_>) {
    d.title("an address is computed with other than addition and subtraction");
    d.because(
        "masks, shifts and 32-bit arithmetic turn a pointer into something the verifier cannot \
         follow",
    );
    d.help("mask the offset before it is added to the pointer, not the sum");
}
