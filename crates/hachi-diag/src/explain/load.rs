//! Before the first instruction: types (BTF), attach targets, privileges, the object itself.

use super::Draft;
use crate::Cause;

/// Puts a cause of this sort into words; `false` for others.
pub(super) fn explain(cause: &Cause, d: &mut Draft<'_, '_>) -> bool {
    match cause {
        Cause::NewerThanKernel { what, since } => {
            let (major, minor) = since;
            d.title(format!("{what} needs Linux ≥ {major}.{minor}"));
            if let Some((major, minor)) = d.trace.input().kernel {
                d.because(format!(
                    "this kernel is {major}.{minor}, and stumbles over what it does not know"
                ));
            }
            d.help(format!(
                "run it on a kernel from {major}.{minor} on, or do without: `--min-kernel VERSION` \
                 finds all such uses when building"
            ));
        }
        Cause::FuncInfo => {
            d.title("the function information in the object does not fit its code");
            d.help("when another tool changed the object, rebuild it with `hachi build`");
        }
        Cause::LineInfo => {
            d.title("the line information in the object does not fit its code");
            d.help("when another tool changed the object, rebuild it with `hachi build`");
        }
        Cause::BtfInvalid { id, kind, name } => {
            d.title("the kernel refuses the object's type information (BTF)");
            if let (Some(id), Some(kind)) = (id, kind) {
                d.because(match name {
                    Some(name) => {
                        format!("type {id}, {kind} `{name}`, is not as the kernel wants it")
                    }
                    None => format!("type {id}, a {kind}, is not as the kernel wants it"),
                });
            }
            d.help(
                "rebuild the object with `hachi build`, whose linker repairs what LLVM writes for \
                 Rust types",
            );
        }
        Cause::AttachTarget => {
            d.title("the function to attach to is not one that programs can attach to");
            d.because("functions that are inlined, or that there are several of, cannot be traced");
            d.help("take one that /sys/kernel/tracing/available_filter_functions lists");
        }
        Cause::NeedsCapability => {
            d.title("the process that loads the program lacks a capability");
            d.help("load it as root, or with CAP_BPF and CAP_PERFMON");
        }
        Cause::KernelTypesMissing { function } => {
            match function {
                Some(function) => d.title(format!(
                    "the running kernel does not offer the function `{function}`"
                )),
                None => d.title("the running kernel does not offer its types"),
            }
            d.because(
                "it was built without CONFIG_DEBUG_INFO_BTF, or the function is in a module that \
                 is not loaded",
            );
            d.help(
                "boot a kernel with /sys/kernel/btf/vmlinux, and load the module; `hachi doctor` \
                 tells",
            );
        }
        Cause::ProgramTypeUnknown => {
            d.title("the running kernel does not know this program type");
            d.help(
                "run a newer kernel: `hachi inspect OBJECT` prints the oldest one the object needs",
            );
        }
        Cause::MapForProgram => {
            d.title("a map of the program does not fit this kind of program");
            d.help("take a map of another type here, or one without a lock or timer in its values");
        }
        Cause::TooManyMaps => {
            d.title("the program uses more maps than the kernel allows (64)");
        }
        Cause::NotPermitted => {
            d.title("the kernel does not permit this load (EPERM)");
            d.because(
                "the verifier was not asked: the right to load is missing, or a security module \
                 or lockdown forbids this program type",
            );
            d.help(match d.kind() {
                "xdp" | "sched_cls" | "sched_act" | "cgroup_skb" | "sk_skb" | "netfilter" => {
                    "run as root, or with CAP_BPF and CAP_NET_ADMIN; `hachi doctor` tells what \
                     this machine allows"
                }
                "" => "run as root; `hachi doctor` tells what this machine allows",
                _ => {
                    "run as root, or with CAP_BPF and CAP_PERFMON; `hachi doctor` tells what this \
                     machine allows"
                }
            });
        }
        Cause::NoMemory => {
            d.title("the kernel has no memory for the program (ENOMEM)");
            if matches!(d.kind(), "tracing" | "lsm" | "ext") {
                d.because(
                    "a kernel without the JIT compiler (CONFIG_BPF_JIT; Debian's for s390x) says \
                     this of programs that are called in place of functions: fentry, fexit, LSM, \
                     freplace",
                );
                d.help("there, use a kprobe, or a kernel with the JIT compiler");
            }
            if !d.trace.kernel_has((5, 11)) || d.trace.input().kernel.is_none() {
                d.because("before Linux 5.11 this also means that RLIMIT_MEMLOCK is too low");
                d.help("raise the limit: `ulimit -l unlimited`");
            }
        }
        Cause::InvalidArgument => {
            d.title("the kernel does not accept the program's description (EINVAL)");
            d.because(
                "the verifier was not asked: program type, attach type, flags or licence text are \
                 not as this kernel wants them",
            );
            d.help("compare with the oldest kernel the object needs: `hachi inspect OBJECT`");
        }
        Cause::LogTooSmall => {
            d.title("the verifier's log did not fit the buffer (ENOSPC)");
            d.help("load again with a larger log buffer");
        }
        _ => return false,
    }
    true
}
