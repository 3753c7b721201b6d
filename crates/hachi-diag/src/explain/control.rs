//! The flow of control, the size of programs and what they return.

use super::Draft;
use crate::Cause;

/// Puts a cause of this sort into words; `false` for others.
pub(super) fn explain(cause: &Cause, d: &mut Draft<'_, '_>) -> bool {
    match cause {
        Cause::InfiniteLoop { .. } => {
            d.title("a loop does not come nearer to its end");
            d.because(
                "the verifier came back to this place with nothing changed, so the loop could run \
                 forever",
            );
            d.help("count with a variable that has a fixed limit: `for i in 0..64 { … }`");
        }
        Cause::BackEdge { .. } => {
            d.title("the program has a loop, which this kernel or this user does not allow");
            d.because("loops are verified since Linux 5.3, and for privileged programs only");
            if d.trace.kernel_has((5, 3)) {
                d.help("load it with CAP_BPF (as root)");
            }
        }
        Cause::TooManyInstructions { walked } => {
            d.title(match walked {
                Some(walked) => {
                    format!("the verifier gave up after walking {walked} instructions")
                }
                None => "the verifier gave up after walking a million instructions".to_owned(),
            });
            d.because("it follows every path; branches inside a loop multiply them");
            d.help("give the loop a smaller limit");
            if d.trace.kernel_has((5, 17)) {
                d.help("or move its body into `bpf_loop`, which is verified once");
            }
        }
        Cause::TooComplex { branches } => {
            d.title(match branches {
                Some(branches) => format!("too many branches are open at once ({branches})"),
                None => "too many branches are open at once".to_owned(),
            });
            d.because(
                "the verifier remembers every branch that it has still to follow; a loop leaves \
                 some open in every round",
            );
            d.help("give the loop a smaller limit (`for i in 0..64 { … }`)");
            if d.trace.kernel_has((5, 17)) {
                d.help("or move its body into `bpf_loop`, which is verified once");
            }
        }
        Cause::ProgramTooLong { instructions } => {
            d.title(match instructions {
                Some(count) => format!("the program has too many instructions ({count})"),
                None => "the program has too many instructions (E2BIG)".to_owned(),
            });
            d.because(match d.trace.kernel_has((5, 2)) {
                true => "the limit is 1,000,000, and 4,096 for programs loaded without CAP_BPF",
                false => "the limit is 4,096",
            });
        }
        Cause::UnreachableCode { .. } => {
            d.title("the program holds code that nothing reaches");
            d.because(
                "this is the rest of a function that does not return, or a slip in hand-written \
                 assembly",
            );
            d.help("link with `hachi build`, which removes what is behind a panic");
        }
        Cause::NoExit => {
            d.title("a function does not end in a return");
            d.because("its last instruction is a call that never comes back, as a panic is");
            d.help("link with `hachi build`, which turns panics into a return");
        }
        Cause::BadJump { .. } => {
            d.title("a jump leads out of its function or into the middle of an instruction");
            d.because("compilers do not generate this: it is a slip of an assembler or linker");
        }
        Cause::CallDepth { .. } => {
            d.title("functions call each other more than 8 deep");
            d.because(
                "a function that calls itself, directly or not, is refused in the same words",
            );
            if d.is_c() {
                d.help("let small functions be inlined: `__always_inline`");
            }
        }
        Cause::Recursion => {
            d.title("a function calls itself");
        }
        Cause::StackTooLarge { bytes } => {
            d.title(match bytes {
                Some(bytes) => format!(
                    "the functions on the deepest path use {bytes} bytes of stack, and 512 is the \
                     limit"
                ),
                None => "the functions on the deepest path use more than 512 bytes of stack".into(),
            });
            d.help(
                "move large local values (arrays, structures) into a per-CPU array map with one \
                 entry",
            );
        }
        Cause::ReturnValue { allowed } => {
            d.title("the program may return a value that its kind does not allow");
            if let Some(allowed) = allowed {
                d.because(format!("allowed here: {allowed}"));
            }
            d.help(match d.kind() {
                kind if kind.starts_with("cgroup") => {
                    "return one of the allowed numbers (0 denies, 1 allows), or limit a computed \
                     one before returning it"
                }
                _ => {
                    "return one of the allowed numbers, or limit a computed one before returning it"
                }
            });
        }
        Cause::IndirectCall => {
            d.title("the program calls a function through a pointer");
            d.because(
                "eBPF has no such call: it comes from a trait object, a function pointer or \
                       `core::fmt`",
            );
            d.help("replace trait objects and function pointers by generics or a `match`");
        }
        Cause::UnknownInstruction => {
            d.title("the running kernel does not know an instruction of the program");
            d.because("the object was built for a newer instruction set");
            d.help(match d.trace.kernel_has((5, 12)) {
                true => "build for an older one: `--cpu v3` (v4 needs Linux ≥ 6.6)",
                false => "build for an older one: `--cpu v2` (v3 needs Linux ≥ 5.12)",
            });
        }
        Cause::BadArithmetic => {
            d.title("a division by the constant 0, or a shift by more than the value has bits");
            d.help("check the constants of the expression");
        }
        Cause::FramePointer => {
            d.title("a register is used that programs cannot use in this way");
            d.because("r10 is read-only, and there are no registers beyond it");
            d.help("check `asm!` blocks; compilers do not generate this");
        }
        Cause::NeedsJit => {
            d.title("the program needs the JIT compiler, which is off or cannot do this");
            d.help(
                "turn it on: `sysctl -w net.core.bpf_jit_enable=1`; where there is no such \
                 setting, the kernel is built without it (CONFIG_BPF_JIT; Debian's for s390x) and \
                 cannot run this program",
            );
        }
        Cause::Callback => {
            d.title("a callback is not a function of the program");
            d.help("pass a function of the same object that is not exported");
        }
        _ => return false,
    }
    true
}
