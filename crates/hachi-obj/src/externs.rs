use crate::kconfig::KconfigType;

/// Something the object uses and the running system supplies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extern {
    /// Its name: of the kernel's symbol or configuration option.
    pub name: String,
    /// If missing, it is 0 (or its call unreachable) instead of an error.
    pub weak: bool,
    /// Its type: the VAR or FUNC in the object's BTF.
    pub btf_id: u32,
    /// What it is.
    pub kind: ExternKind,
}

/// Kinds of externs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExternKind {
    /// A kernel function, called by BTF id (section `.ksyms`; Linux 5.13).
    Kfunc {
        /// Its FUNC_PROTO in the object's BTF.
        proto: u32,
    },
    /// A kernel variable. Typed ones are found in the kernel's BTF (Linux 5.10), untyped ones
    /// (`extern const void name __ksym`) in `/proc/kallsyms`.
    Ksym {
        /// Its type in the object's BTF; `None` if it is declared `void`.
        type_id: Option<u32>,
    },
    /// A kernel configuration option (section `.kconfig`), or one of libbpf's virtual ones such as
    /// `LINUX_KERNEL_VERSION`. The loader stores its value in the map `.kconfig`.
    Kconfig {
        /// Its type in the object's BTF.
        type_id: u32,
        /// The same, as far as it matters for the value.
        ty: KconfigType,
        /// Where its value goes in the map's only value, in bytes.
        offset: u32,
        /// How many bytes it takes.
        size: u32,
    },
}

impl Extern {
    /// The name it has in the kernel: a function's without its flavour, what follows three
    /// underscores (`bpf_task_acquire___5_18`), so that a program can declare a function as
    /// different kernels have it.
    pub fn kernel_name(&self) -> &str {
        match self.kind {
            ExternKind::Kfunc { .. } => hachi_btf::essential_name(&self.name),
            _ => &self.name,
        }
    }

    /// Whether the kernel's types are needed to find it.
    pub fn is_typed(&self) -> bool {
        match self.kind {
            ExternKind::Kfunc { .. } => true,
            ExternKind::Ksym { type_id } => type_id.is_some(),
            ExternKind::Kconfig { .. } => false,
        }
    }
}
