//! Structs of functions that the kernel calls: congestion controls for TCP, schedulers, and the
//! like.

use hachi_obj::flags::{BPF_F_LINK, BPF_F_VTYPE_BTF_OBJ_FD};
use std::os::fd::{AsFd as _, AsRawFd as _};

use hachi_obj::ProgramType;

use crate::{
    Ebpf, features,
    links::{BpfLinkUse, FdLink, Legacy, LegacyLink, LinkError, LinkOperation, OwnedLink},
    load::{StructOpsProblem, struct_ops::layout},
    maps::{MapData, MapType},
    programs::{AttachType, ProgramError},
    sys::{attach, attr, bpf, errno::SyscallError},
};

/// A struct of functions that was made ready for the kernel: its programs are loaded, and it is the
/// value of a map (`BPF_MAP_TYPE_STRUCT_OPS`). Linux ≥ 5.6.
///
/// In the object, it is a variable in section `.struct_ops.link` (or `.struct_ops`) whose type is
/// the kernel's struct. Structs of modules (Linux ≥ 6.9) are found in the BTF of those that are
/// loaded.
#[derive(Debug)]
pub struct StructOps {
    map: MapData,
    value: Vec<u8>,
    link: bool,
    /// What may be wrong with it if the kernel refuses it.
    suspicion: String,
}

impl Ebpf {
    /// The names of the structs of functions that the object has.
    pub fn struct_ops_names(&self) -> Vec<String> {
        self.object().struct_ops_names()
    }

    /// Makes all structs of functions ready that the object wants registered (the sections of the
    /// others begin with `?`), and registers them, as [`struct_ops`](Self::struct_ops) and
    /// [`StructOps::attach`] do. Returns their names with their links.
    ///
    /// # Errors
    /// Of the first that cannot be; those before it are not registered any longer.
    pub fn attach_struct_ops(&mut self) -> Result<Vec<(String, OwnedLink)>, ProgramError> {
        let object = self.object().clone();
        let mut links = Vec::new();
        for name in object.wanted_struct_ops() {
            let link = self.struct_ops(name)?.attach()?;
            links.push((name.to_owned(), link));
        }
        Ok(links)
    }

    /// Makes the struct of functions called `name` ready, and loads its programs where that is not
    /// done yet. Each call makes one of its own.
    ///
    /// # Errors
    /// [`ProgramError::Unloadable`] if there is no such struct, or the kernel's is another;
    /// and what loading a program returns.
    pub fn struct_ops(&mut self, name: &str) -> Result<StructOps, ProgramError> {
        let failed = |problem: StructOpsProblem| ProgramError::unloadable(name, problem);
        let object = self.object().clone();
        let rights = object.rights();
        let Some(ops) = object.struct_ops(name) else {
            return Err(failed(StructOpsProblem::NotFound {
                available: object.struct_ops_names(),
            }));
        };
        let mut layout = layout(object.kernel_btf(), ops).map_err(failed)?;
        for (at, program) in &layout.programs {
            let program = self.program_mut(program)?;
            if program.fd().is_err() {
                program.load()?;
            }
            debug_assert_eq!(program.prog_type(), ProgramType::StructOps);
            let number = program.fd()?.as_raw_fd() as u64;
            // A pointer's place, in which the kernel looks for a descriptor.
            if let Some(place) = layout.value.get_mut(*at..*at + 8) {
                place.copy_from_slice(&number.to_ne_bytes());
            }
        }
        let syscall = |error| ProgramError::SyscallError {
            name: name.to_owned(),
            error,
        };
        // The kernel wants the object's types, though it does not look at them.
        let stand_in;
        let btf = match object.btf_fd() {
            Some(btf) => btf,
            None => {
                stand_in = features::some_btf(rights).map_err(syscall)?;
                stand_in.as_fd()
            }
        };
        let mut attr = attr::MapCreate {
            map_type: MapType::StructOps as u32,
            key_size: 4,
            value_size: layout.value.len() as u32,
            max_entries: 1,
            map_flags: if ops.link { BPF_F_LINK } else { 0 },
            value_type_btf_obj_fd: layout.value_type_fd.unwrap_or(0),
            btf_fd: btf.as_raw_fd() as u32,
            btf_vmlinux_value_type_id: layout.value_type_id,
            ..Default::default()
        };
        let mut needed = Vec::new();
        if ops.link {
            needed.push(&features::STRUCT_OPS_LINK);
        }
        if layout.value_type_fd.is_some() {
            attr.map_flags |= BPF_F_VTYPE_BTF_OBJ_FD;
            needed.push(&features::STRUCT_OPS_OF_MODULES);
        }
        let map = match MapData::create(name, &mut attr, rights) {
            Ok(map) => map,
            Err(error) => {
                for feature in needed {
                    if let Err(error) = feature.require_after(&error) {
                        return Err(ProgramError::Unsupported {
                            name: name.to_owned(),
                            error,
                        });
                    }
                }
                return Err(syscall(error));
            }
        };
        let ready = StructOps {
            map,
            value: layout.value,
            link: ops.link,
            suspicion: suspicion(&ops.type_name, &layout.missing),
        };
        if ready.link {
            ready.set().map_err(syscall)?;
        }
        Ok(ready)
    }
}

impl StructOps {
    /// The map whose value it is.
    pub fn map(&self) -> &MapData {
        &self.map
    }

    fn set(&self) -> Result<(), SyscallError> {
        let key = 0u32;
        // SAFETY: the key is the 4 bytes, the value as long as the map was made for.
        unsafe {
            bpf::map_update(
                self.map.as_fd(),
                std::ptr::from_ref(&key).cast(),
                self.value.as_ptr(),
                0,
            )
        }
        .map_err(|error| self.explained(error))
    }

    /// The kernel says EINVAL for all that its check of such a struct finds.
    fn explained(&self, error: SyscallError) -> SyscallError {
        match error.errno() {
            libc::EINVAL => error.noted(&*self.suspicion),
            _ => error,
        }
    }

    /// Registers it: the kernel calls its functions from now on, where it is chosen (a congestion
    /// control by `TCP_CONGESTION` or `net.ipv4.tcp_congestion_control`). It is registered as long
    /// as the link returned.
    ///
    /// By a `bpf_link` if it is of section `.struct_ops.link` (Linux ≥ 6.4).
    ///
    /// # Errors
    /// [`LinkError::Attach`] if the kernel refuses: EEXIST if one of that name is registered,
    /// EINVAL if it lacks members that such structs must have.
    pub fn attach(&self) -> Result<OwnedLink, LinkError> {
        let failed = |error| LinkError::attach(&format!("struct {:?}", self.map.name()), error);
        if self.link {
            let fd = attach::struct_ops_link(self.map.as_fd(), AttachType::StructOps as u32)
                .map_err(|error| failed(self.explained(error)))?;
            return Ok(FdLink::new(fd).into());
        }
        self.set().map_err(failed)?;
        Ok(LegacyLink::new(Registered {
            map: self.map.fd().clone(),
        })
        .into())
    }

    /// Makes an existing link run these functions, without a gap in between. Both must be the same
    /// kind of struct, by the same name where it has one. Linux ≥ 6.4.
    ///
    /// # Errors
    /// [`LinkError::Syscall`] of `BPF_LINK_UPDATE`: EINVAL if the link is of another struct or of
    /// one of another name, EOPNOTSUPP if such structs cannot be replaced;
    /// [`LinkError::NeedsBpfLink`] for attachments without a `bpf_link`.
    pub fn update(&self, link: &mut OwnedLink) -> Result<(), LinkError> {
        match link {
            OwnedLink::Fd(link) => bpf::link_update(link.as_fd(), self.map.as_fd(), None)
                .map_err(LinkOperation::Update.failed()),
            _ => Err(LinkError::NeedsBpfLink(BpfLinkUse::StructOps)),
        }
    }
}

/// What the kernel may not like about a struct: most kinds must have some functions.
fn suspicion(type_name: &str, missing: &[String]) -> String {
    /// What the kernel's own check asks for (`tcp_validate_congestion_control`).
    const KNOWN: &[(&str, &str)] = &[(
        "tcp_congestion_ops",
        "ssthresh, undo_cwnd, one of cong_avoid and cong_control, and a name",
    )];
    let known = KNOWN.iter().find(|(name, _)| *name == type_name);
    let needs = match known {
        Some((_, needs)) => format!(": it needs {needs}"),
        None => String::new(),
    };
    let without = match missing {
        [] => "all of its functions are there, so look at its other members".to_owned(),
        missing => format!("there is no program for {}", missing.join(", ")),
    };
    format!("the kernel's check of {type_name} refuses it{needs}; {without}")
}

/// A struct that is registered because its map has a value.
#[derive(Debug)]
struct Registered {
    map: crate::maps::MapFd,
}

impl Legacy for Registered {
    fn undo(&mut self) -> Result<(), SyscallError> {
        let key = 0u32;
        // SAFETY: the key is the 4 bytes the map was made for.
        unsafe { bpf::map_delete(self.map.as_fd(), std::ptr::from_ref(&key).cast()) }.map(drop)
    }

    fn is_persistent(&self) -> bool {
        // As long as the map.
        false
    }
}
