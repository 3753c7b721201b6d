//! Structs of functions: where their members are in the running kernel.

use std::os::fd::{AsFd as _, BorrowedFd};

use hachi_btf::{Btf, Kind, Member, Type, Types as _};
use hachi_obj::{ProgramSpec, StructOpsSpec, StructOpsValue};

use super::{Object, target::AttachTarget};

/// The kernel's struct that an object's struct is one of.
struct KernelStruct<'k> {
    types: &'k Btf<'k>,
    id: u32,
    members: Vec<Member<&'k str>>,
    size: u32,
}

/// Where the kernel wants a struct, and with which contents.
pub(crate) struct Layout {
    /// The type of the map's value, `struct bpf_struct_ops_…`.
    pub(crate) value_type_id: u32,
    /// The value but for programs: zero, and the members that are data.
    pub(crate) value: Vec<u8>,
    /// Offsets in the value and the programs whose descriptors belong there.
    pub(crate) programs: Vec<(usize, String)>,
}

fn kernel_struct<'k>(object: &'k Object, name: &str) -> Result<KernelStruct<'k>, String> {
    let btf = object.kernel_btf.running()?;
    let types = btf.types();
    let id = types
        .find(name, Kind::Struct)
        .ok_or_else(|| format!("this kernel has no struct {name:?}"))?;
    let broken = |error: hachi_btf::Error| format!("the kernel's struct {name:?}: {error}");
    let members = types.members(id).map_err(broken)?;
    let size = match types.get(id).map_err(broken)? {
        Type::Struct(of) => of.size,
        _ => 0,
    };
    Ok(KernelStruct {
        types,
        id,
        members,
        size,
    })
}

impl KernelStruct<'_> {
    /// Number, offset and room of a member.
    fn member(&self, name: &str) -> Option<(usize, usize, usize)> {
        let at = self.members.iter().position(|member| member.name == name)?;
        let offset = self.members[at].bit_offset / 8;
        let next = self.members.get(at + 1);
        let end = next.map_or(self.size, |next| next.bit_offset / 8);
        Some((at, offset as usize, end.saturating_sub(offset) as usize))
    }
}

/// The struct that has a program, and the name of its member.
fn user_of<'o>(object: &'o Object, program: &str) -> Option<(&'o StructOpsSpec, &'o str)> {
    object.struct_ops.iter().find_map(|ops| {
        let mut members = ops.members.iter();
        let member = members.find(
            |member| matches!(&member.value, StructOpsValue::Program(name) if name == program),
        )?;
        Some((ops, member.name.as_str()))
    })
}

/// What `BPF_PROG_LOAD` is told about a program: the kernel's struct and the member's number.
pub(super) fn member_of(object: &Object, spec: &ProgramSpec) -> Result<AttachTarget, String> {
    let Some((ops, member)) = user_of(object, &spec.name) else {
        return Err("no struct in section .struct_ops or .struct_ops.link has it".to_owned());
    };
    let kernel = kernel_struct(object, &ops.type_name)?;
    let Some((number, ..)) = kernel.member(member) else {
        return Err(format!(
            "this kernel's struct {:?} has no member {member:?}",
            ops.type_name
        ));
    };
    Ok(AttachTarget {
        btf_id: kernel.id,
        member: Some(number as u32),
        fd: 0,
    })
}

impl Object {
    /// The descriptor of the object's types, if the kernel took them.
    pub(crate) fn btf_fd(&self) -> Option<BorrowedFd<'_>> {
        self.btf.fd.as_ref().map(|fd| fd.as_fd())
    }

    /// A struct of functions by its name.
    pub(crate) fn struct_ops(&self, name: &str) -> Option<&StructOpsSpec> {
        self.struct_ops.iter().find(|ops| ops.name == name)
    }

    /// The names of those that are to be registered with the object.
    pub(crate) fn wanted_struct_ops(&self) -> impl Iterator<Item = &str> {
        let wanted = self.struct_ops.iter().filter(|ops| ops.autoload);
        wanted.map(|ops| ops.name.as_str())
    }

    /// Whether a program is a function of one of those.
    pub(crate) fn is_of_wanted_struct(&self, program: &str) -> bool {
        user_of(self, program).is_some_and(|(ops, _)| ops.autoload)
    }

    /// The names of all.
    pub(crate) fn struct_ops_names(&self) -> Vec<String> {
        self.struct_ops.iter().map(|ops| ops.name.clone()).collect()
    }
}

/// What the map of a struct is to hold. The error is a sentence.
pub(crate) fn layout(object: &Object, ops: &StructOpsSpec) -> Result<Layout, String> {
    let wrapper = format!("bpf_struct_ops_{}", ops.type_name);
    let outer = kernel_struct(object, &wrapper).map_err(|_| {
        format!(
            "this kernel lets nobody register a struct {:?}",
            ops.type_name
        )
    })?;
    let inner = kernel_struct(object, &ops.type_name)?;
    let Some((_, data, _)) = outer.member("data") else {
        return Err(format!(
            "the kernel's struct {wrapper:?} has no member \"data\""
        ));
    };
    debug_assert!(outer.types.last_id() == inner.types.last_id());
    let mut layout = Layout {
        value_type_id: outer.id,
        value: vec![0; outer.size as usize],
        programs: Vec::new(),
    };
    for member in &ops.members {
        let Some((_, offset, room)) = inner.member(&member.name) else {
            return Err(format!(
                "this kernel's struct {:?} has no member {:?}, which is set",
                ops.type_name, member.name
            ));
        };
        let at = data + offset;
        match &member.value {
            StructOpsValue::Program(name) => layout.programs.push((at, name.clone())),
            StructOpsValue::Bytes(bytes) => {
                let length = bytes.len().min(room);
                // What does not fit must be padding.
                let rest = &bytes[length..];
                let Some(place) = layout.value.get_mut(at..at + length) else {
                    return Err(format!("the kernel's struct {wrapper:?} is too small"));
                };
                if rest.iter().any(|&byte| byte != 0) {
                    return Err(format!(
                        "member {:?} is larger than that of this kernel's struct {:?}",
                        member.name, ops.type_name
                    ));
                }
                place.copy_from_slice(&bytes[..length]);
            }
        }
    }
    Ok(layout)
}
