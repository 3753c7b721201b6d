//! Helpers, kernel functions, references and locks.

use super::Draft;
use crate::{Cause, Fix};

/// Puts a cause of this sort into words; `false` for others.
pub(super) fn explain(cause: &Cause, d: &mut Draft<'_, '_>) -> bool {
    match cause {
        Cause::UnresolvedRelocation => {
            let missing = missing(d);
            d.title(missing);
            d.because(
                "the program was adjusted to the kernel's types (CO-RE); where they have no match \
                 it must not come by",
            );
            d.help(match d.is_c() {
                true => {
                    "ask first, and the verifier drops the branch on kernels without it: \
                     `if (bpf_core_field_exists(…))`"
                }
                false => {
                    "ask first, and the verifier drops the branch on kernels without it: `if \
                     field_exists!(…) { … }`"
                }
            });
        }
        Cause::MissingKfunc => {
            let missing = missing(d);
            d.title(missing);
            d.because(
                "the function is declared as weak, so that the program loads without it; but its \
                 call can be reached",
            );
            d.help(match d.is_c() {
                true => {
                    "ask first, and the verifier drops the branch on kernels without it: `if \
                     (bpf_ksym_exists(…))`"
                }
                false => {
                    "ask first, and the verifier drops the branch on kernels without it: `if \
                     kfunc_exists!(…) { … }`"
                }
            });
        }
        Cause::VariableWithoutAddress { name } => {
            d.title(format!(
                "the kernel does not know where its variable `{name}` is"
            ));
            d.because(
                "the kernel's types have the variable, but its list of symbols does not: it was \
                 built without CONFIG_KALLSYMS_ALL, and lists functions only",
            );
            d.help(
                "leave the code out of programs for such kernels; weak declarations do not help",
            );
        }
        Cause::HelperNotForThisType { helper } => {
            let helper = match helper {
                Some(helper) => format!("`{helper}`"),
                None => d.helper_name(),
            };
            d.title(format!(
                "{} may not call {helper} on this kernel",
                d.programs()
            ));
            d.because(
                "each program type has its own list of helpers, and the list grows with the kernel",
            );
            d.help(
                "use a helper that this program type has, or make it a program of another type \
                 (the attribute on the function decides)",
            );
        }
        Cause::HelperUnknown { number } => {
            d.title(match number {
                Some(number) => {
                    format!("the running kernel has no helper with the number {number}")
                }
                None => "the running kernel does not have this helper".to_owned(),
            });
            d.help(
                "run a newer kernel, or leave the call out on this one: `hachi inspect OBJECT` \
                 prints the oldest kernel the object needs",
            );
        }
        Cause::GplOnly { structure } => {
            let what = match structure {
                Some(structure) => format!("the kernel's `{structure}`"),
                None => d.helper_name(),
            };
            d.title(format!(
                "{what} may only be used by a program under a GPL-compatible licence"
            ));
            d.because("the object's `license` section says otherwise, or there is none");
            d.help(
                "if that is your licence, say so in the section `license`: \"GPL\", \"Dual \
                 MIT/GPL\" and \"Dual BSD/GPL\" will do",
            );
        }
        Cause::KfuncNotAllowed { function } => {
            let function = match function {
                Some(function) => format!("`{function}`"),
                None => d.helper_name(),
            };
            d.title(format!(
                "{} may not call the kernel function {function}",
                d.programs()
            ));
            d.because("kernel functions are opened to program types one by one, by version");
        }
        Cause::KfuncDestructive => {
            d.title("this kernel function may stop the machine, and needs CAP_SYS_BOOT");
            d.help("load the program as root in the initial namespaces");
        }
        Cause::CallMaySleep { program } => {
            d.title("a call that may sleep is made where sleeping is not allowed");
            if let ("lsm" | "tracing" | "kprobe" | "uprobe" | "iter", true) = (d.kind(), program) {
                let function = d.trace.input().program.to_owned();
                d.fix(
                    "make the program sleepable: `#[lsm(sleepable)]`, `#[fentry(sleepable)]`, \
                     `#[uprobe(sleepable)]`",
                    Fix::Sleepable { function },
                );
            }
            if d.helper()
                .is_some_and(|name| name.contains("copy_from_user"))
            {
                d.help("use `bpf_probe_read_user`, which does not sleep");
            }
        }
        Cause::HelperArgumentNull => {
            d.title(format!(
                "a pointer that may be null is passed to {}",
                d.helper_name()
            ));
            d.help(match d.is_c() {
                true => "check it first: `if (!value) return 0;`",
                false => "check it first: `let Some(value) = … else { return … };`",
            });
        }
        Cause::StaticInsteadOfMap => {
            d.title(format!(
                "{} wants a map and is given the bytes of a variable",
                d.helper_name()
            ));
            match d.is_c() {
                true => d.help("put the map's definition into section `.maps`: `SEC(\".maps\")`"),
                false => d.fix(
                    "put `#[map]` before the static: without it, it is a variable like any other",
                    Fix::MapAttribute,
                ),
            }
        }
        Cause::EmptySlice => {
            d.title(format!(
                "{} may be given an empty slice, whose address is no memory",
                d.helper_name()
            ));
            d.because(
                "an empty slice (`&[]`, `unwrap_or_default()`, a text of length 0) points to a \
                 small constant; to the verifier that is a number",
            );
            d.help("leave it out before: `if bytes.is_empty() { return … }`");
        }
        Cause::HelperArgumentType { kind, expected } => {
            let kind = kind.as_deref().unwrap_or("?");
            let expected = expected.as_deref().unwrap_or("what it takes");
            d.title(format!(
                "an argument of {} has the wrong kind: `{kind}` instead of {expected}",
                d.helper_name()
            ));
            if kind == "scalar" || kind == "inv" {
                d.help(
                    "pass a pointer to memory of the program: its stack, a map's value, a packet",
                );
            }
        }
        Cause::FormatString => {
            d.title(format!(
                "the format string of {} is not a constant that ends in a zero byte",
                d.helper_name()
            ));
            d.help(match d.is_c() {
                true => "pass a string literal: `static const char fmt[] = \"…\";`",
                false => "pass a C string literal (`c\"…\"`), which lies in read-only memory",
            });
        }
        Cause::HelperArgumentConstant => {
            d.title(format!(
                "an argument of {} must be a constant",
                d.helper_name()
            ));
            d.help(
                "pass a literal or a `const`; a value that depends on the branch taken is not one",
            );
        }
        Cause::Dynptr => {
            d.title(format!(
                "{} gets a dynptr in the wrong state",
                d.helper_name()
            ));
            d.because(
                "a dynptr lives on the stack, is initialised once by a helper, and is released \
                 once",
            );
            d.help(
                "initialise it before use, on every path, and touch its memory only through \
                    helpers",
            );
        }
        Cause::Iterator { kind } => {
            d.title(format!("an iterator (`{kind}`) is used in the wrong state"));
            d.because(
                "an iterator is made new, advanced, and destroyed, in this order on every path",
            );
            d.help(
                "destroy it on every path, also before an early return, and do not use it \
                    afterwards",
            );
        }
        Cause::PacketForHelper => {
            d.title(format!(
                "{} does not take packet memory in this kind of program",
                d.helper_name()
            ));
            d.help("copy the bytes to the stack or into a map's value first");
        }
        Cause::MapKindForHelper => {
            d.title(format!(
                "{} does not work on this type of map",
                d.helper_name()
            ));
            d.help("use the operations of the map's own type: those that its Rust type has");
        }
        Cause::ReferenceLeak { .. } => {
            d.title("something that was taken is not given back on every path");
            d.because(
                "this call takes a reference; on the path that the verifier followed the program \
                 ends without giving it back",
            );
            match d.helper() {
                Some(name) if name.contains("ringbuf") => d.help(
                    "call `submit` or `discard` on every path after `reserve`, also before an \
                     early `return` or `?`",
                ),
                Some(name) if name.starts_with("bpf_sk_") || name.starts_with("bpf_skc_") => {
                    d.help("release the socket with `bpf_sk_release` on every path");
                }
                Some(name) if name.starts_with("bpf_task_") => {
                    d.help("release the task with `bpf_task_release` on every path");
                }
                _ => d.help("release it on every path, also before an early `return` or `?`"),
            }
        }
        Cause::ReferenceMisused => {
            d.title("something is given back that was not taken, or was given back already");
            d.help("release each reference once, with the very pointer that was returned");
        }
        Cause::SpinLock => {
            d.title("the rules of spin locks are broken");
            d.because(
                "between lock and unlock: no other call, no second lock, and the unlock on every \
                 path, of the same lock",
            );
            d.help(
                "compute what you need before taking the lock and keep only plain reads and \
                 writes inside",
            );
        }
        Cause::RcuSection => {
            d.title("an RCU read section is left open, closed twice or nested");
            d.help("pair each `bpf_rcu_read_lock` with one `bpf_rcu_read_unlock` on every path");
        }
        Cause::BadArgumentToFunction => {
            d.title(
                "a function that is verified on its own gets an argument it cannot be verified \
                 with",
            );
            d.because(
                "exported functions are judged without their callers, from their signature alone",
            );
            d.help(match d.is_c() {
                true => "make the function `static`, so that it is verified with each call",
                false => {
                    "make the function private to the object (no `#[unsafe(no_mangle)]`), so that \
                     it is verified with each call"
                }
            });
        }
        Cause::StackPointerEscapes => {
            d.title("a function hands a pointer back to its caller through the stack");
            d.because(
                "functions that stay functions may return one number only; references, slices \
                 and `Option<&T>` do not fit",
            );
            if d.is_c() {
                d.help("mark the function `__always_inline`");
            }
        }
        Cause::TailCall => {
            d.title("a tail call stands where none is allowed");
            d.help(
                "make tail calls from the program's own function, and let functions that hold one \
                 be inlined",
            );
        }
        Cause::WriteUserLockdown => {
            d.title("this kernel does not let programs write user memory");
            d.because("kernel lockdown (integrity) forbids `bpf_probe_write_user`");
            d.help("boot without lockdown, or do without the helper");
        }
        _ => return false,
    }
    true
}

/// What the loader found the kernel to lack at this instruction.
fn missing(d: &Draft<'_, '_>) -> String {
    let mut all = d.trace.input().missing.iter();
    all.find(|missing| Some(missing.insn) == d.insn).map_or(
        "a field or type that this kernel does not have is used".to_owned(),
        |missing| missing.what.to_owned(),
    )
}
