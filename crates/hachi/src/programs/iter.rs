//! Iterators: programs that run for each object of a kind and write what is then read as a file.

use std::{
    fs::File,
    os::fd::{AsFd, AsRawFd as _},
    path::Path,
};

use super::{AttachOptions, Attached, ProgramData, ProgramError, program_methods};
use crate::{
    Btf, features,
    links::{LinkError, LinkId, OwnedLink, iter},
    load::Target,
    pin::{PinError, PinProblem, pin},
    sys::fs::ObjectKind,
};

/// An iterator (`BPF_PROG_TYPE_TRACING`, `BPF_TRACE_ITER`): it runs for each task, map, socket, …
/// and what it writes with `bpf_seq_write` or `bpf_seq_printf` is read like a file. Linux ≥ 5.8.
///
/// Sections `iter/KIND` and `iter.s/KIND` (may sleep; Linux ≥ 5.18). The kinds are those `NAME` for
/// which the kernel's BTF has a function `bpf_iter_NAME`: `task`, `bpf_map`, `tcp`, …
///
/// ```no_run
/// use hachi::programs::Iter;
/// use std::io::Read as _;
///
/// # fn f(ebpf: &mut hachi::Ebpf) -> Result<(), Box<dyn std::error::Error>> {
/// let btf = hachi::Btf::from_sys_fs()?;
/// let program: &mut Iter = ebpf.program_mut("tasks")?.try_into()?;
/// program.load("task", &btf)?;
/// let link = program.attach()?;
/// let mut text = String::new();
/// program.read(link)?.read_to_string(&mut text)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Iter {
    pub(crate) data: ProgramData,
}

program_methods!(Iter);

/// What an iterator visits, if not everything of its kind (`union bpf_iter_link_info`).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum IterOver<'a> {
    /// All there is.
    #[default]
    All,
    /// The elements of this map, for `iter/bpf_map_elem` and `iter/bpf_sk_storage_map` (Linux ≥
    /// 5.9).
    Map(std::os::fd::BorrowedFd<'a>),
    /// The cgroups of a hierarchy, for `iter/cgroup` (Linux ≥ 6.1): from the directory open here.
    Cgroup {
        /// A directory of the cgroup2 file system.
        directory: std::os::fd::BorrowedFd<'a>,
        /// Which, and in which order.
        order: CgroupIterOrder,
    },
    /// One thread, for `iter/task`, `iter/task_file` and `iter/task_vma` (Linux ≥ 6.1).
    Thread(u32),
    /// The threads of one process, likewise.
    Process(u32),
}

/// In which order an iterator visits cgroups (`enum bpf_cgroup_iter_order`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum CgroupIterOrder {
    /// Only the directory itself.
    SelfOnly = 1,
    /// All below, parents first.
    DescendantsPre = 2,
    /// All below, parents last.
    DescendantsPost = 3,
    /// All above.
    AncestorsUp = 4,
}

impl IterOver<'_> {
    fn info(self) -> Vec<u8> {
        let words: &[u32] = &match self {
            IterOver::All => return Vec::new(),
            IterOver::Map(map) => return (map.as_raw_fd() as u32).to_ne_bytes().to_vec(),
            // order, cgroup_fd, cgroup_id
            IterOver::Cgroup { directory, order } => {
                [order as u32, directory.as_raw_fd() as u32, 0, 0]
            }
            // tid, pid, pid_fd
            IterOver::Thread(id) => [id, 0, 0, 0],
            IterOver::Process(id) => [0, id, 0, 0],
        };
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }
}

impl Iter {
    /// Opens the program pinned at `path`. It is loaded already and can be attached.
    ///
    /// # Errors
    /// [`ProgramError::Pin`] if no program is pinned at `path`, or this process may not open it
    /// (`BPF_OBJ_GET`: EACCES, EPERM); [`ProgramError::UnexpectedProgramType`] if it is of another
    /// type.
    pub fn from_pin<P: AsRef<Path>>(path: P) -> Result<Self, ProgramError> {
        ProgramData::from_pin(path.as_ref(), "iter/task").map(|data| Iter { data })
    }

    /// Loads the program for objects of the kind `kind`, whatever its section names.
    ///
    /// # Errors
    /// [`ProgramError::Unloadable`], with similar names, if the kernel has no such iterator.
    pub fn load(&mut self, kind: &str, btf: &Btf) -> Result<(), ProgramError> {
        let target = Target {
            btf: Some(btf),
            ..Default::default()
        };
        self.data.load_for(Some(kind), &target)
    }

    /// Loads the program for what its section names.
    ///
    /// # Errors
    /// [`ProgramError::LoadError`], with the verifier's log, if the kernel refuses the program
    /// (`BPF_PROG_LOAD`), and [`ProgramError::Unsupported`] if it is too old for it;
    /// [`ProgramError::Unloadable`] or [`ProgramError::Relocation`] if the object or this system
    /// lacks what the program uses, or the function, hook or type that it is for;
    /// [`ProgramError::AlreadyLoaded`] if it is loaded.
    pub fn load_by_section(&mut self) -> Result<(), ProgramError> {
        self.data.load()
    }

    /// Makes the loaded program ready to run over all objects of its kind.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] if the kernel refuses
    /// (`BPF_LINK_CREATE`): EBADF for iterators over elements of a map, which
    /// [`attach_over`](Self::attach_over) takes.
    pub fn attach(&mut self) -> Result<LinkId, ProgramError> {
        self.attach_over(IterOver::All)
    }

    /// Makes the loaded program ready to run over some objects of its kind.
    ///
    /// # Errors
    /// [`ProgramError::NotLoaded`]; [`ProgramError::Attach`] with
    /// [`LinkError::Unsupported`](crate::links::LinkError::Unsupported) if the kernel is too old
    /// for such a choice, or if it refuses it (`BPF_LINK_CREATE`): EINVAL for one that is not for
    /// this iterator, EBADF for a map or cgroup that is none.
    pub fn attach_over(&mut self, over: IterOver<'_>) -> Result<LinkId, ProgramError> {
        let newer = matches!(
            over,
            IterOver::Cgroup { .. } | IterOver::Thread(_) | IterOver::Process(_)
        );
        if newer {
            // Older kernels do not refuse, but visit everything.
            features::ITER_PARAMETERS
                .require()
                .map_err(|error| self.data.attach_error(error.into()))?;
        }
        let target = self.data.target_in_words("iterator");
        let link = iter::attach(self.data.fd()?, &over.info(), &target);
        self.data.own(link)
    }

    /// Runs the program: what it writes is read from the file, [`std::io::Read`]. It runs as the
    /// file is read, and each call starts again.
    ///
    /// # Errors
    /// [`ProgramError::Link`]: [`LinkError::NotAttached`](crate::links::LinkError::NotAttached) if
    /// the program has no such attachment, or what `BPF_ITER_CREATE` failed with.
    pub fn read(&self, id: LinkId) -> Result<File, ProgramError> {
        match self.data.link(id)? {
            OwnedLink::Fd(link) => Ok(link.read_iter()?),
            OwnedLink::Legacy(_) => Err(LinkError::NotAttached.into()),
        }
    }

    /// Pins an attachment as a file on a BPF file system that everybody who may read it can run the
    /// program with: `cat /sys/fs/bpf/tasks`. It stays attached as long as the pin.
    ///
    /// # Errors
    /// [`PinError::Unsuitable`](crate::pin::PinError::Unsuitable) if the program has no such
    /// attachment, [`PinError::NotBpffs`](crate::pin::PinError::NotBpffs) if `path` is on another
    /// file system, [`PinError::Taken`](crate::pin::PinError::Taken) if something is there.
    pub fn pin_file<P: AsRef<Path>>(&self, id: LinkId, path: P) -> Result<(), PinError> {
        let path = path.as_ref();
        match self.data.link(id) {
            Ok(OwnedLink::Fd(link)) => pin(link.as_fd(), path, ObjectKind::Link),
            _ => Err(PinError::Unsuitable {
                path: path.to_owned(),
                problem: PinProblem::NoSuchAttachment {
                    program: self.name().to_owned(),
                },
            }),
        }
    }

    pub(crate) fn attach_by_section(
        &mut self,
        _: &AttachOptions,
    ) -> Result<Vec<Attached>, ProgramError> {
        let link = self.attach()?;
        Ok(Attached::one(link, self.data.target_in_words("iterator")))
    }
}
