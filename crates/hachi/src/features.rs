//! What the running kernel can do, found by trying.
//!
//! A feature is a value: its name, the first kernel that has it, and a function that finds out. The
//! version is only for messages (distributions backport); [`Feature::is_supported`] always asks the
//! kernel, once, when first needed, and the answer is kept. The loader itself probes lazily: only
//! after a kernel has refused something.

mod map_types;

use hachi_obj::AttachType;
use hachi_obj::flags::{BPF_F_BEFORE, BPF_F_MMAPABLE, BPF_F_XDP_HAS_FRAGS};
use std::{
    fmt, io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicU8, Ordering},
};

use hachi_asm::{Insn, build};
use hachi_obj::{MapType, ProgramType};

pub use self::map_types::{map_type_is_supported, require_map_type};
pub(crate) use self::map_types::{needs_types, plain_types, require_map_type_with};

use crate::{
    rights::{Rights, accounting_probe},
    sys::{
        attach::{How, Place, link_create},
        attr,
        bpf::{self, ProgramImage},
        errno::{ENOTSUPP, SyscallError},
        tracing::{self, LinkTo},
    },
    version::KernelVersion,
};

/// Something a kernel may or may not be able to do.
#[derive(Debug)]
pub struct Feature {
    name: &'static str,
    since: KernelVersion,
    probe: fn(&Rights) -> Answer,
    cache: AtomicU8,
}

/// A probe's answer. Only the first two are kept: a refusal for want of privileges says nothing
/// about the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    Unknown,
}

const YES: u8 = 1;
const NO: u8 = 2;

impl Feature {
    const fn new(name: &'static str, since: (u16, u16), probe: fn(&Rights) -> Answer) -> Self {
        Feature {
            name,
            since: KernelVersion::new(since.0, since.1, 0),
            probe,
            cache: AtomicU8::new(0),
        }
    }

    /// What it is, in a few words.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The first kernel release that has it.
    pub fn since(&self) -> KernelVersion {
        self.since
    }

    /// Whether the running kernel has it. Without the privilege to find out, by the kernel's
    /// version.
    pub fn is_supported(&self) -> bool {
        self.is_supported_with(&Rights::default())
    }

    /// As [`is_supported`](Self::is_supported), asked with these rights.
    pub(crate) fn is_supported_with(&self, rights: &Rights) -> bool {
        match self.cache.load(Ordering::Relaxed) {
            YES => return true,
            NO => return false,
            _ => {}
        }
        match (self.probe)(rights) {
            Answer::Yes => {
                self.cache.store(YES, Ordering::Relaxed);
                true
            }
            Answer::No => {
                self.cache.store(NO, Ordering::Relaxed);
                false
            }
            Answer::Unknown => KernelVersion::current().is_none_or(|running| running >= self.since),
        }
    }

    /// An error that says so if the running kernel does not have it.
    ///
    /// # Errors
    /// [`Unsupported`], which names the first kernel that has it.
    pub fn require(&self) -> Result<(), Unsupported> {
        self.require_with(&Rights::default())
    }

    /// As [`require`](Self::require), asked with these rights.
    pub(crate) fn require_with(&self, rights: &Rights) -> Result<(), Unsupported> {
        if self.is_supported_with(rights) {
            Ok(())
        } else {
            Err(Unsupported::new(self.name, self.since))
        }
    }

    /// As [`require`](Self::require), after the kernel refused something that needs it: only
    /// answers that an older kernel would give are worth the question.
    pub(crate) fn require_after(&self, error: &SyscallError) -> Result<(), Unsupported> {
        match error.errno() {
            libc::EINVAL | libc::E2BIG | libc::EOPNOTSUPP | ENOTSUPP | libc::EBADF => {
                self.require()
            }
            _ => Ok(()),
        }
    }

    /// As [`require`](Self::require), in the name of something else that came with it.
    pub(crate) fn require_for(&self, what: &str) -> Result<(), Unsupported> {
        self.require()
            .map_err(|error| Unsupported::new(what, error.since))
    }
}

/// The running kernel lacks something.
#[derive(Clone, Debug)]
pub struct Unsupported {
    what: String,
    since: KernelVersion,
    running: Option<KernelVersion>,
}

impl Unsupported {
    pub(crate) fn new(what: impl Into<String>, since: KernelVersion) -> Self {
        Unsupported {
            what: what.into(),
            since,
            running: KernelVersion::current(),
        }
    }

    /// For what a table says came with `since`: an error if the running kernel is older.
    pub(crate) fn if_older(what: &str, (major, minor): (u8, u8)) -> Option<Self> {
        let since = KernelVersion::new(major.into(), minor.into(), 0);
        (KernelVersion::current()? < since).then(|| Unsupported::new(what, since))
    }

    /// What is lacking.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The first kernel release that has it.
    pub fn since(&self) -> KernelVersion {
        self.since
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} needs Linux ≥ {}", self.what, self.since)?;
        match self.running {
            Some(running) if running < self.since => write!(f, " (running {running})"),
            Some(running) => write!(
                f,
                " (running {running}, which should have it: it may be configured out or forbidden)"
            ),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Unsupported {}

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident: $text:literal, $since:expr, $probe:expr;)*) => {
        $($(#[$doc])* pub static $name: Feature = Feature::new($text, $since, $probe);)*

        /// Every feature this crate can probe, oldest kernels first.
        pub static ALL: &[&Feature] = &[$(&$name),*];
    };
}

features! {
    /// Names of programs and maps.
    OBJECT_NAMES: "names of programs and maps", (4, 15), object_names;
    /// `expected_attach_type` of `BPF_PROG_LOAD`.
    EXPECTED_ATTACH_TYPE: "expected_attach_type at load", (4, 17), expected_attach_type;
    /// BTF at all.
    BTF: "BTF", (4, 18), |rights| btf(rights, &[sample::INT]);
    /// Functions in BTF and `func_info`.
    BTF_FUNC: "functions in BTF", (5, 0),
        |rights| btf(rights, &[sample::INT, sample::FUNC_PROTO, &btf_func(0)]);
    /// Global variables (maps addressed by `ld_imm64`).
    GLOBAL_DATA: "global variables", (5, 2),
        |rights| variables_in(rights, MapType::Array);
    /// Variables and sections in BTF.
    BTF_DATASEC: "variables in BTF", (5, 2),
        |rights| btf(rights, &[sample::INT, sample::VAR, sample::DATASEC]);
    /// Maps frozen for user space.
    MAP_FREEZE: "freezing maps", (5, 2), map_freeze;
    /// Arrays that can be memory-mapped.
    MMAPABLE_ARRAY: "memory-mapped arrays", (5, 5), mmapable_array;
    /// Batch operations on maps.
    MAP_BATCH: "map batch operations", (5, 6), map_batch;
    /// Global functions, verified on their own.
    BTF_FUNC_GLOBAL: "global functions", (5, 6),
        |rights| btf(rights, &[sample::INT, sample::FUNC_PROTO, &btf_func(1)]);
    /// `BPF_LINK_CREATE`.
    BPF_LINK: "bpf_link", (5, 7), |_| bpf_link();
    /// Ring buffers.
    RINGBUF: "ring buffers", (5, 8), ringbuf;
    /// One `freplace` program in the place of functions of several programs.
    EXTENSION_RETARGET: "attaching an extension to another program", (5, 10), |_| by_version(5, 10);
    /// Memory charged to the cgroup, not to RLIMIT_MEMLOCK.
    MEMCG_ACCOUNTING: "memory charged to cgroups", (5, 11), memcg_accounting;
    /// Floating-point types in BTF.
    BTF_FLOAT: "floating-point types in BTF", (5, 13), |rights| btf(rights, &[sample::FLOAT]);
    /// Functions of the kernel that programs call by their BTF ids.
    KFUNC: "calls of kernel functions (kfuncs)", (5, 13), |_| by_version(5, 13);
    /// Verdicts on what sockets of all kinds in a map receive.
    SK_SKB_VERDICT: "a verdict on sockets of all kinds (sk_skb/verdict)", (5, 13),
        |_| by_version(5, 13);
    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM` of hash maps.
    HASH_LOOKUP_AND_DELETE: "taking elements out of hash maps", (5, 14), hash_lookup_and_delete;
    /// Links of programs on perf events (tracepoints, kprobes, uprobes), and cookies for them.
    PERF_LINK: "bpf_link of a perf event", (5, 15), perf_link;
    /// Declaration tags in BTF.
    BTF_DECL_TAG: "declaration tags in BTF", (5, 16),
        |rights| btf(rights, &[sample::INT, sample::VAR, sample::DECL_TAG]);
    /// The same in modules.
    MODULE_KFUNC: "calls of functions of kernel modules (kfuncs)", (5, 16), |_| by_version(5, 16);
    /// Type tags in BTF.
    BTF_TYPE_TAG: "type tags in BTF", (5, 17), |rights| btf(rights, &[sample::INT, sample::TAGGED]);
    /// XDP programs that take packets of several buffers.
    XDP_FRAGS: "XDP on multi-buffer packets (xdp.frags)", (5, 18), xdp_frags;
    /// Programs attached to many kernel functions at once.
    KPROBE_MULTI: "kprobe.multi", (5, 18),
        |rights| kprobe_multi(rights, AttachType::TraceKprobeMulti);
    /// Cookies for fentry, fexit, fmod_ret and LSM programs.
    TRACING_COOKIE: "a cookie for this type of program", (5, 19), |_| tracing_cookie();
    /// 64-bit enumerations in BTF.
    BTF_ENUM64: "64-bit enumerations in BTF", (6, 0), |rights| btf(rights, &[sample::ENUM64]);
    /// Iterators over the threads of a process or the cgroups of a hierarchy.
    ITER_PARAMETERS: "iterators over one process or one cgroup hierarchy", (6, 1),
        |_| by_version(6, 1);
    /// Addresses of kernel functions by their BTF ids.
    KFUNC_ADDRESS: "addresses of kernel functions (kfuncs)", (6, 4), |_| by_version(6, 4);
    /// Structs of functions registered by links.
    STRUCT_OPS_LINK: "bpf_link of a struct of functions", (6, 4), |_| by_version(6, 4);
    /// Links of netfilter programs.
    NETFILTER_LINK: "netfilter programs", (6, 4), netfilter;
    /// Programs attached to many places of a binary at once.
    UPROBE_MULTI: "uprobe.multi", (6, 6),
        |rights| uprobe_multi(rights, AttachType::TraceUprobeMulti);
    /// Fragments put together for netfilter programs.
    NETFILTER_DEFRAG: "defragmenting for netfilter programs", (6, 6), |_| by_version(6, 6);
    /// Ordered lists of classifiers.
    TCX: "TCX (ordered classifiers with links)", (6, 6),
        |rights| on_interface(rights, AttachType::TcxIngress);
    /// Programs of netkit devices.
    NETKIT: "netkit", (6, 7), |rights| on_interface(rights, AttachType::NetkitPrimary);
    /// Structs of functions of modules.
    STRUCT_OPS_OF_MODULES: "structs of functions of modules", (6, 9), |_| by_version(6, 9);
    /// Sections in BTF whose names start with `?` (not to be loaded unless asked).
    BTF_QMARK_DATASEC: "optional sections in BTF", (6, 9),
        |rights| btf(rights, &[sample::INT, sample::VAR, sample::OPTIONAL_DATASEC]);
    /// Rights delegated to a user namespace; see [`BpfToken`](crate::BpfToken).
    BPF_TOKEN: "BPF tokens", (6, 9), |_| bpf_token();
    /// Programs that run at entry and return of kernel functions, with memory in between.
    KPROBE_SESSION: "kprobe.session", (6, 10),
        |rights| kprobe_multi(rights, AttachType::TraceKprobeSession);
    /// Links of programs for maps of sockets.
    SOCK_MAP_LINK: "bpf_link of a map of sockets", (6, 10), sock_map_link;
    /// Cookies for raw tracepoints, also of programs in `tp_btf`.
    RAW_TRACEPOINT_COOKIE: "a cookie for a raw tracepoint", (6, 10), raw_tracepoint_cookie;
    /// Programs that run at entry and return of functions of a binary, with memory in between.
    UPROBE_SESSION: "uprobe.session", (6, 13),
        |rights| uprobe_multi(rights, AttachType::TraceUprobeSession);
    /// Programs of a cgroup in a chosen order.
    CGROUP_ORDER: "an order among the programs of a cgroup", (6, 17), cgroup_order;
    /// Typed programs attached to many kernel functions at once.
    TRACING_MULTI: "fentry.multi", (7, 2), |_| by_version(7, 2);
    /// Global variables of which each CPU has its own (per-CPU arrays addressed by `ld_imm64`).
    PERCPU_DATA: "per-CPU global variables (.percpu)", (7, 3),
        |rights| variables_in(rights, MapType::PercpuArray);
}

/// The type that every kernel with eBPF lets every program of two instructions be.
const SOCKET_FILTER: u32 = ProgramType::SocketFilter as u32;

fn answer(result: io::Result<impl Sized>) -> Answer {
    match result {
        Ok(_) => Answer::Yes,
        Err(error) => match error.raw_os_error() {
            Some(libc::EPERM | libc::ENOSYS | libc::EMFILE | libc::ENFILE | libc::ENOMEM) => {
                Answer::Unknown
            }
            _ => Answer::No,
        },
    }
}

fn load(rights: &Rights, attr: &mut attr::ProgLoad, insns: &[Insn]) -> Answer {
    answer(load_fd(rights, attr, insns))
}

fn load_fd(rights: &Rights, attr: &mut attr::ProgLoad, insns: &[Insn]) -> io::Result<OwnedFd> {
    let insns = Insn::encode_all(insns, hachi_asm::Endian::NATIVE);
    let loaded = rights.prog_load(attr, &ProgramImage::of_insns(&insns), None);
    loaded.map_err(|error| error.io_error)
}

/// Tries to attach a program of this type to something that does not exist. A kernel that can do it
/// in principle says `yes`, what it says of the thing.
fn attach(
    rights: &Rights,
    prog_type: ProgramType,
    attach_type: AttachType,
    to: &LinkTo<'_>,
    yes: i32,
) -> Answer {
    let mut attr = attr::ProgLoad {
        prog_type: prog_type as u32,
        expected_attach_type: attach_type as u32,
        // Linux < 5.0 wants its own version with kprobes.
        kern_version: KernelVersion::current().map_or(0, KernelVersion::code),
        ..Default::default()
    };
    let program = match load_fd(rights, &mut attr, &return_zero()) {
        Ok(program) => program,
        Err(error) => return answer(Err::<(), _>(error)),
    };
    match tracing::link_create(program.as_fd(), attach_type as u32, to) {
        Err(error) if error.errno() == yes => Answer::Yes,
        result => answer(result.map_err(|error| error.io_error)),
    }
}

/// Nothing has the highest of descriptors.
fn nothing() -> BorrowedFd<'static> {
    // SAFETY: only its number is used, to be refused.
    unsafe { BorrowedFd::borrow_raw(i32::MAX) }
}

/// As [`attach`] for what has a [`Place`], with `flags`.
fn attach_at(
    rights: &Rights,
    prog_type: ProgramType,
    attach_type: AttachType,
    place: Place<'_>,
    flags: u32,
    yes: i32,
) -> Answer {
    let mut attr = attr::ProgLoad {
        prog_type: prog_type as u32,
        ..Default::default()
    };
    let program = match load_fd(rights, &mut attr, &return_zero()) {
        Ok(program) => program,
        Err(error) => return answer(Err::<(), _>(error)),
    };
    let how = How {
        attach_type: attach_type as u32,
        flags,
        ..How::default()
    };
    match link_create(program.as_fd(), place, &how, "BPF_LINK_CREATE") {
        Err(error) if error.errno() == yes => Answer::Yes,
        result => answer(result.map_err(|error| error.io_error)),
    }
}

fn on_interface(rights: &Rights, attach_type: AttachType) -> Answer {
    // No interface has this index.
    let place = Place::Interface(i32::MAX as u32);
    attach_at(
        rights,
        ProgramType::SchedCls,
        attach_type,
        place,
        0,
        libc::ENODEV,
    )
}

fn sock_map_link(rights: &Rights) -> Answer {
    // BPF_SK_MSG_VERDICT
    let place = Place::Fd(nothing());
    attach_at(
        rights,
        ProgramType::SkMsg,
        AttachType::SkMsgVerdict,
        place,
        0,
        libc::EBADF,
    )
}

fn cgroup_order(rights: &Rights) -> Answer {
    // Flags are looked at before the cgroup.
    let place = Place::Fd(nothing());
    attach_at(
        rights,
        ProgramType::CgroupSkb,
        AttachType::CgroupInetEgress,
        place,
        BPF_F_BEFORE,
        libc::EBADF,
    )
}

fn netfilter(rights: &Rights) -> Answer {
    let mut attr = attr::ProgLoad {
        prog_type: ProgramType::Netfilter as u32,
        expected_attach_type: AttachType::Netfilter as u32,
        ..Default::default()
    };
    load(rights, &mut attr, &[build::mov_imm(0, 1), build::exit()])
}

fn perf_link(rights: &Rights) -> Answer {
    let event = nothing();
    let to = LinkTo::PerfEvent { event, cookie: 0 };
    attach(
        rights,
        ProgramType::Tracepoint,
        AttachType::PerfEvent,
        &to,
        libc::EBADF,
    )
}

fn kprobe_multi(rights: &Rights, attach_type: AttachType) -> Answer {
    let to = LinkTo::KprobeMulti {
        symbols: &[c"hachi no such function"],
        addresses: &[],
        cookies: &[],
        flags: 0,
    };
    attach(rights, ProgramType::Kprobe, attach_type, &to, libc::ESRCH)
}

fn uprobe_multi(rights: &Rights, attach_type: AttachType) -> Answer {
    let to = LinkTo::UprobeMulti {
        path: c"/",
        offsets: &[0],
        semaphores: &[],
        cookies: &[],
        flags: 0,
        pid: 0,
    };
    attach(rights, ProgramType::Kprobe, attach_type, &to, libc::EBADF)
}

fn by_version(major: u16, minor: u16) -> Answer {
    match KernelVersion::current() {
        Some(running) if running >= KernelVersion::new(major, minor, 0) => Answer::Yes,
        Some(_) => Answer::No,
        None => Answer::Unknown,
    }
}

fn tracing_cookie() -> Answer {
    // To ask, one would have to load a program for a function: not possible everywhere.
    by_version(5, 19)
}

fn raw_tracepoint_cookie(rights: &Rights) -> Answer {
    let mut attr = attr::ProgLoad {
        prog_type: ProgramType::RawTracepoint as u32,
        ..Default::default()
    };
    let program = match load_fd(rights, &mut attr, &return_zero()) {
        Ok(program) => program,
        Err(error) => return answer(Err::<(), _>(error)),
    };
    // An older kernel looks for non-zero bytes it does not know before it looks for the name.
    match tracing::raw_tracepoint_open(program.as_fd(), Some(c"hachi no such tracepoint"), 1) {
        Err(error) if error.errno() == libc::ENOENT => Answer::Yes,
        result => answer(result.map_err(|error| error.io_error)),
    }
}

fn return_zero() -> [Insn; 2] {
    [build::mov_imm(0, 0), build::exit()]
}

fn object_names(rights: &Rights) -> Answer {
    let mut attr = attr::ProgLoad {
        prog_type: SOCKET_FILTER,
        prog_name: bpf::object_name("probe"),
        ..Default::default()
    };
    load(rights, &mut attr, &return_zero())
}

fn expected_attach_type(rights: &Rights) -> Answer {
    let mut attr = attr::ProgLoad {
        prog_type: ProgramType::CgroupSock as u32,
        expected_attach_type: AttachType::CgroupInetSockCreate as u32,
        ..Default::default()
    };
    load(rights, &mut attr, &[build::mov_imm(0, 1), build::exit()])
}

fn memcg_accounting(rights: &Rights) -> Answer {
    let (mut attr, insns) = accounting_probe();
    let loaded = rights.prog_load(&mut attr, &ProgramImage::of_insns(&insns), None);
    answer(loaded.map_err(|error| error.io_error))
}

fn xdp_frags(rights: &Rights) -> Answer {
    let mut attr = attr::ProgLoad {
        prog_type: ProgramType::Xdp as u32,
        prog_flags: BPF_F_XDP_HAS_FRAGS,
        ..Default::default()
    };
    load(rights, &mut attr, &return_zero())
}

fn map(map_type: MapType, key: u32, value: u32, entries: u32, flags: u32) -> attr::MapCreate {
    attr::MapCreate {
        map_type: map_type as u32,
        key_size: key,
        value_size: value,
        max_entries: entries,
        map_flags: flags,
        ..Default::default()
    }
}

fn create(rights: &Rights, attr: attr::MapCreate) -> Answer {
    answer(rights.map_create(&attr).map_err(|error| error.io_error))
}

fn mmapable_array(rights: &Rights) -> Answer {
    create(rights, map(MapType::Array, 4, 8, 1, BPF_F_MMAPABLE))
}

fn ringbuf(rights: &Rights) -> Answer {
    create(
        rights,
        map(
            MapType::Ringbuf,
            0,
            0,
            crate::sys::mmap::page_size() as u32,
            0,
        ),
    )
}

/// Runs `probe` on a fresh array of one element.
fn with_array(rights: &Rights, probe: impl FnOnce(BorrowedFd<'_>) -> Answer) -> Answer {
    with_one_value(rights, MapType::Array, probe)
}

/// Runs `probe` on a fresh map of this type with one element.
fn with_one_value(
    rights: &Rights,
    kind: MapType,
    probe: impl FnOnce(BorrowedFd<'_>) -> Answer,
) -> Answer {
    match rights.map_create(&map(kind, 4, 8, 1, 0)) {
        Ok(fd) => probe(fd.as_fd()),
        Err(_) => Answer::Unknown,
    }
}

fn map_freeze(rights: &Rights) -> Answer {
    with_array(rights, |fd| {
        answer(bpf::map_freeze(fd).map_err(|error| error.io_error))
    })
}

fn hash_lookup_and_delete(rights: &Rights) -> Answer {
    let Ok(fd) = rights.map_create(&map(MapType::Hash, 4, 4, 1, 0)) else {
        return Answer::Unknown;
    };
    let (key, mut value) = (0u32, 0u32);
    // SAFETY: key and value have this map's sizes.
    let result = unsafe {
        bpf::map_lookup_and_delete(
            fd.as_fd(),
            std::ptr::from_ref(&key).cast(),
            std::ptr::from_mut(&mut value).cast(),
            0,
        )
    };
    answer(result.map_err(|error| error.io_error))
}

fn map_batch(rights: &Rights) -> Answer {
    with_array(rights, |fd| {
        let mut cursor = 0u32;
        let mut key = 0u32;
        let mut value = 0u64;
        // SAFETY: cursor, key and value are as large as this array's key and value, with room for
        // one.
        let batch = unsafe {
            bpf::map_lookup_batch(
                fd,
                false,
                std::ptr::null(),
                std::ptr::from_mut(&mut cursor).cast(),
                std::ptr::from_mut(&mut key).cast(),
                std::ptr::from_mut(&mut value).cast(),
                1,
            )
        };
        match batch.error {
            // Array batches came a little after hash batches in the same release; ENOENT marks a
            // full read.
            None => Answer::Yes,
            Some(error) if error.errno() == libc::ENOENT => Answer::Yes,
            Some(error) => answer(Err::<(), _>(error.io_error)),
        }
    })
}

/// Whether programs may address the value of such a map.
fn variables_in(rights: &Rights, kind: MapType) -> Answer {
    use std::os::fd::AsRawFd as _;
    with_one_value(rights, kind, |fd| {
        let mut attr = attr::ProgLoad {
            prog_type: SOCKET_FILTER,
            ..Default::default()
        };
        let address = hachi_asm::Imm64::MapValue {
            fd: fd.as_raw_fd(),
            offset: 0,
        };
        let [low, high] = build::ld_imm64(1, address);
        load(
            rights,
            &mut attr,
            &[low, high, build::mov_imm(0, 0), build::exit()],
        )
    })
}

fn bpf_token() -> Answer {
    match bpf::token_create(nothing()) {
        Err(error) if error.errno() == libc::EBADF => Answer::Yes,
        result => answer(result.map_err(|error| error.io_error)),
    }
}

fn bpf_link() -> Answer {
    // A kernel that knows the command looks at the (bad) descriptor first.
    match bpf::link_create_probe() {
        libc::EBADF => Answer::Yes,
        libc::EPERM => Answer::Unknown,
        _ => Answer::No,
    }
}

/// Loads a small BTF made of the given types (as words; ids in order from 1), whose names are
/// string 1, `a`, or 3, `?a`.
fn btf(rights: &Rights, types: &[&[u32]]) -> Answer {
    answer(load_btf(rights, types))
}

/// BTF that says nothing much, where the kernel wants some.
pub(crate) fn some_btf(rights: &Rights) -> Result<OwnedFd, SyscallError> {
    load_btf(rights, &[sample::INT]).map_err(|error| SyscallError::new("BPF_BTF_LOAD", error))
}

fn load_btf(rights: &Rights, types: &[&[u32]]) -> io::Result<OwnedFd> {
    let strings = b"\0a\0?a\0";
    let type_bytes: Vec<u8> = types
        .iter()
        .copied()
        .flatten()
        .flat_map(|w| w.to_ne_bytes())
        .collect();
    let mut bytes = Vec::with_capacity(24 + type_bytes.len() + strings.len());
    bytes.extend_from_slice(&0xeb9f_u16.to_ne_bytes());
    bytes.extend_from_slice(&[1, 0]);
    let length = type_bytes.len() as u32;
    for word in [24, 0, length, length, strings.len() as u32] {
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    bytes.extend_from_slice(&type_bytes);
    bytes.extend_from_slice(strings);
    rights
        .btf_load(&bytes, None)
        .map_err(|error| error.io_error)
}

/// Types for the probes above, laid out as in include/uapi/linux/btf.h: name, info (kind << 24 |
/// vlen), size or type.
mod sample {
    /// `int a`
    pub(super) const INT: &[u32] = &[1, 1 << 24, 4, 0x0100_0020];
    /// `void (int a)`
    pub(super) const FUNC_PROTO: &[u32] = &[0, 13 << 24 | 1, 0, 1, 1];
    /// `static int a`
    pub(super) const VAR: &[u32] = &[1, 14 << 24, 1, 0];
    /// section `a` with that variable
    pub(super) const DATASEC: &[u32] = &[1, 15 << 24 | 1, 4, 2, 0, 4];
    /// section `?a` with that variable
    pub(super) const OPTIONAL_DATASEC: &[u32] = &[3, 15 << 24 | 1, 4, 2, 0, 4];
    /// `float a`
    pub(super) const FLOAT: &[u32] = &[1, 16 << 24, 4];
    /// tag `a` on the variable itself
    pub(super) const DECL_TAG: &[u32] = &[1, 17 << 24, 2, u32::MAX];
    /// a pointer to `int` tagged `a`
    pub(super) const TAGGED: &[u32] = &[0, 2 << 24, 3, 1, 18 << 24, 1];
    /// `enum a` of 8 bytes without members
    pub(super) const ENUM64: &[u32] = &[1, 19 << 24, 8];
}

/// function `a` of prototype 2, static (0) or global (1)
fn btf_func(linkage: u32) -> [u32; 3] {
    [1, 12 << 24 | linkage, 2]
}

#[cfg(test)]
mod tests;
