//! Structs of functions: where their members are in the running kernel.

use std::os::fd::RawFd;

use hachi_btf::{Btf, Kind, Member, Type, Types as _};
use hachi_obj::{ProgramSpec, StructOpsSpec, StructOpsValue};

use super::{
    Object, ProgramError, StructOpsProblem, target::AttachTarget,
    unloadable::STRUCT_OPS_WRAPPER as WRAPPER,
};
use crate::kernel_btf::{KernelBtf, ModuleBtf, NoKernelTypes};

/// The kernel's struct that an object's struct is one of, and what wraps it.
struct Registrable<'k> {
    inner: KernelStruct<'k>,
    wrapper: KernelStruct<'k>,
    /// The module that has both; `None` for the kernel itself.
    module: Option<&'k ModuleBtf>,
}

struct KernelStruct<'k> {
    id: u32,
    members: Vec<Member<&'k str>>,
    size: u32,
}

/// Where the kernel wants a struct, and with which contents.
pub(crate) struct Layout {
    /// The type of the map's value, `struct bpf_struct_ops_…`.
    pub(crate) value_type_id: u32,
    /// The module's types that it is one of, open as long as the object; `None` for the kernel's
    /// own.
    pub(crate) value_type_fd: Option<RawFd>,
    /// The value without its programs: zero, and the members that are data.
    pub(crate) value: Vec<u8>,
    /// Offsets in the value and the programs whose descriptors belong there.
    pub(crate) programs: Vec<(usize, String)>,
    /// The functions of the kernel's struct that stay without a program.
    pub(crate) missing: Vec<String>,
}

/// Looks in the kernel, then in its modules.
fn registrable<'k>(kernel: &'k KernelBtf, name: &str) -> Result<Registrable<'k>, StructOpsProblem> {
    let wrapper = format!("{WRAPPER}{name}");
    let Some(found) = kernel.find(&wrapper, Kind::Struct)? else {
        return Err(not_registrable(kernel, name)?);
    };
    let types = types_of(kernel, found.module)?;
    let id = types
        .find(name, Kind::Struct)
        .ok_or_else(|| StructOpsProblem::NoInner {
            type_name: name.to_owned(),
        })?;
    Ok(Registrable {
        inner: kernel_struct(types, id, name)?,
        wrapper: kernel_struct(types, found.id, &wrapper)?,
        module: found.module,
    })
}

/// The types of a module; without one those of the kernel itself.
fn types_of<'k>(
    kernel: &'k KernelBtf,
    module: Option<&'k ModuleBtf>,
) -> Result<&'k Btf<'k>, NoKernelTypes> {
    Ok(match module {
        Some(module) => module.btf.types(),
        None => kernel.running()?.types(),
    })
}

fn not_registrable(kernel: &KernelBtf, name: &str) -> Result<StructOpsProblem, NoKernelTypes> {
    let modules = kernel.modules()?.iter();
    Ok(StructOpsProblem::NotRegistrable {
        type_name: name.to_owned(),
        modules: modules.map(|of| of.name.clone()).collect(),
        similar: kernel.running()?.similar(WRAPPER, name, Kind::Struct),
    })
}

fn kernel_struct<'k>(
    types: &'k Btf<'k>,
    id: u32,
    name: &str,
) -> Result<KernelStruct<'k>, StructOpsProblem> {
    let broken = |error| StructOpsProblem::Type {
        type_name: name.to_owned(),
        error,
    };
    let members = types.members(id).map_err(broken)?;
    let size = match types.get(id).map_err(broken)? {
        Type::Struct(of) => of.size,
        _ => 0,
    };
    Ok(KernelStruct { id, members, size })
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

/// Whether a member is a pointer to a function.
fn is_function(types: &Btf<'_>, member: &Member<&str>) -> bool {
    let pointed = |id| match types.get(types.resolve(id)?)? {
        Type::Ptr(to) => types.get(types.resolve(to.type_id)?),
        other => Ok(other),
    };
    matches!(pointed(member.type_id), Ok(Type::FuncProto(_)))
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

/// What `BPF_PROG_LOAD` gets for a program: the kernel's struct and the member's number.
pub(super) fn member_of(object: &Object, spec: &ProgramSpec) -> Result<AttachTarget, ProgramError> {
    find_member(object, spec).map_err(|problem| ProgramError::unloadable(&spec.name, problem))
}

fn find_member(object: &Object, spec: &ProgramSpec) -> Result<AttachTarget, StructOpsProblem> {
    let Some((ops, member)) = user_of(object, &spec.name) else {
        return Err(StructOpsProblem::NoStruct);
    };
    let kernel = registrable(&object.kernel_btf, &ops.type_name)?;
    let Some((number, ..)) = kernel.inner.member(member) else {
        return Err(StructOpsProblem::NoMember {
            type_name: ops.type_name.clone(),
            member: member.to_owned(),
        });
    };
    Ok(AttachTarget {
        btf_id: kernel.inner.id,
        member: Some(number as u32),
        fd: match kernel.module {
            Some(module) => module.raw_fd()? as u32,
            None => 0,
        },
    })
}

impl Object {
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

/// What the map of a struct is to hold.
pub(crate) fn layout(kernel: &KernelBtf, ops: &StructOpsSpec) -> Result<Layout, StructOpsProblem> {
    let type_name = || ops.type_name.clone();
    let wrapper_name = || format!("{WRAPPER}{}", ops.type_name);
    let Registrable {
        inner,
        wrapper,
        module,
    } = registrable(kernel, &ops.type_name)?;
    let Some((_, data, _)) = wrapper.member("data") else {
        return Err(StructOpsProblem::NoMember {
            type_name: wrapper_name(),
            member: "data".to_owned(),
        });
    };
    let mut layout = Layout {
        value_type_id: wrapper.id,
        value_type_fd: module.map(ModuleBtf::raw_fd).transpose()?,
        value: vec![0; wrapper.size as usize],
        programs: Vec::new(),
        missing: missing(types_of(kernel, module)?, &inner, ops),
    };
    for member in &ops.members {
        let Some((_, offset, room)) = inner.member(&member.name) else {
            return Err(StructOpsProblem::NoMember {
                type_name: type_name(),
                member: member.name.clone(),
            });
        };
        let at = data + offset;
        match &member.value {
            StructOpsValue::Program(name) => layout.programs.push((at, name.clone())),
            StructOpsValue::Bytes(bytes) => {
                let length = bytes.len().min(room);
                // What does not fit must be padding.
                let rest = &bytes[length..];
                let Some(place) = layout.value.get_mut(at..at + length) else {
                    return Err(StructOpsProblem::TooSmall {
                        type_name: wrapper_name(),
                    });
                };
                if rest.iter().any(|&byte| byte != 0) {
                    return Err(StructOpsProblem::LargerMember {
                        type_name: type_name(),
                        member: member.name.clone(),
                    });
                }
                place.copy_from_slice(&bytes[..length]);
            }
        }
    }
    Ok(layout)
}

/// The functions of the kernel's struct that an object's gives no program.
fn missing(types: &Btf<'_>, inner: &KernelStruct<'_>, ops: &StructOpsSpec) -> Vec<String> {
    let is_given = |name: &str| {
        let mut given = ops.members.iter();
        given.any(|given| given.name == name && matches!(given.value, StructOpsValue::Program(_)))
    };
    let members = inner.members.iter();
    let missing = members.filter(|member| is_function(types, member) && !is_given(member.name));
    missing.map(|member| member.name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use hachi_btf::{BtfBuilder, Composite, Endian, Int, Ptr};
    use hachi_obj::StructOpsMember;

    use super::*;

    /// Adds `struct NAME { u32 id; void *run; }` and, if it can be registered, what wraps it.
    fn ops(types: &mut BtfBuilder, name: &str, wrapped: bool) {
        let member = |name: &str, type_id, bytes: u32| Member {
            name: name.to_owned(),
            type_id,
            bit_offset: bytes * 8,
            bit_size: 0,
        };
        let number = types.add(Type::Int(Int::unsigned("unsigned int", 4)));
        let pointer = types.add(Type::Ptr(Ptr { type_id: 0 }));
        let data = types.add(Type::Struct(Composite {
            name: name.to_owned(),
            size: 16,
            members: vec![member("id", number, 0), member("run", pointer, 8)],
        }));
        if wrapped {
            types.add(Type::Struct(Composite {
                name: format!("{WRAPPER}{name}"),
                size: 80,
                members: vec![member("common", number, 0), member("data", data, 64)],
            }));
        }
    }

    fn kernel() -> KernelBtf {
        let mut own = BtfBuilder::new();
        ops(&mut own, "tcp_ops", true);
        ops(&mut own, "plain_ops", false);
        let own = own.encode(Endian::NATIVE).unwrap();
        let base = Btf::parse(&own).unwrap();
        let module = |name| {
            let mut types = BtfBuilder::split(&base);
            ops(&mut types, name, true);
            types.encode_split(&base).unwrap()
        };
        KernelBtf::made_up(
            &own,
            &[("smc", &module("smc_ops")), ("hid", &module("hid_ops"))],
        )
    }

    fn spec(type_name: &str) -> StructOpsSpec {
        let mut spec = StructOpsSpec::new("mine", type_name);
        spec.members = vec![
            StructOpsMember::new("id", StructOpsValue::Bytes(vec![7, 0, 0, 0])),
            StructOpsMember::new("run", StructOpsValue::Program("runs".to_owned())),
        ];
        spec
    }

    #[test]
    fn structs_of_the_kernel_and_of_modules() {
        let kernel = kernel();
        for (name, module) in [
            ("tcp_ops", None),
            ("smc_ops", Some(0)),
            ("hid_ops", Some(1)),
        ] {
            let layout = layout(&kernel, &spec(name)).unwrap();
            let module = module.map(|index: usize| &kernel.modules().unwrap()[index]);
            let types = module
                .map_or_else(|| kernel.running().unwrap(), |of| &of.btf)
                .types();
            let wrapper = types.find(&format!("{WRAPPER}{name}"), Kind::Struct);
            assert_eq!(Some(layout.value_type_id), wrapper);
            let fd = module.map(|of| of.raw_fd().unwrap());
            assert_eq!(layout.value_type_fd, fd);
            assert_eq!((layout.value.len(), layout.value[64]), (80, 7));
            assert_eq!(layout.programs, [(72, "runs".to_owned())]);
            let found = registrable(&kernel, name).unwrap();
            assert_eq!(Some(found.inner.id), types.find(name, Kind::Struct));
            assert_eq!(
                found.inner.member("run").map(|(number, ..)| number),
                Some(1)
            );
        }
    }

    #[test]
    fn errors_say_where_it_was_looked_for() {
        let error = |name| layout(&kernel(), &spec(name)).err().unwrap().to_string();
        let unknown = error("tcp_opts");
        for part in [
            "\"tcp_opts\"",
            "\"bpf_struct_ops_tcp_opts\" in the BTF of this kernel or its modules (\"smc\" and \
             \"hid\")",
            "tcp_ops",
        ] {
            assert!(unknown.contains(part), "{unknown}");
        }
        // It exists, and only the kernel has it.
        assert!(error("plain_ops").contains("nobody can register"));
        let mut wrong = spec("hid_ops");
        "stop".clone_into(&mut wrong.members[1].name);
        let error = layout(&kernel(), &wrong).err().unwrap().to_string();
        assert!(
            error.contains("\"hid_ops\" has no member \"stop\""),
            "{error}"
        );
    }
}
