//! bpf(2), one function per command.
//!
//! Functions that hand the kernel a buffer whose needed length only the kernel knows (map keys and
//! values) are `unsafe`: the caller promises the length. All others check what they pass.

use hachi_obj::flags::{BPF_F_RDONLY, BPF_F_REPLACE, BPF_F_TOKEN_FD};
use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
    ptr,
};

use super::{
    attr::{self, Cmd},
    errno::SyscallError,
};

type Result<T> = std::result::Result<T, SyscallError>;

/// The call itself. `attr` must be the struct of `cmd`.
///
/// # Safety
/// Addresses in `attr` must be valid for what the command does with them.
#[inline]
unsafe fn bpf<A>(cmd: Cmd, attr: &mut A) -> io::Result<libc::c_long> {
    // SAFETY: `attr` is live and of the length given; the caller vouches for the addresses in it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            cmd as libc::c_int,
            ptr::from_mut(attr),
            size_of::<A>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// As [`bpf`] for commands that return nothing.
///
/// # Safety
/// As [`bpf`].
#[inline]
pub(super) unsafe fn call<A>(cmd: Cmd, attr: &mut A) -> Result<()> {
    // SAFETY: passed on.
    unsafe { bpf(cmd, attr) }
        .map(drop)
        .map_err(|error| SyscallError::new(cmd.name(), error))
}

/// A command that answers with a number.
///
/// # Safety
/// As [`call`].
pub(super) unsafe fn call_number<A>(cmd: Cmd, attr: &mut A) -> Result<usize> {
    // SAFETY: passed on.
    unsafe { bpf(cmd, attr) }
        .map(|number| usize::try_from(number).unwrap_or(0))
        .map_err(|error| SyscallError::new(cmd.name(), error))
}

/// As [`bpf`] for commands that return a new descriptor (always close-on-exec, the kernel sees to
/// it).
///
/// # Safety
/// As [`bpf`].
pub(super) unsafe fn call_fd<A>(cmd: Cmd, attr: &mut A) -> io::Result<OwnedFd> {
    // SAFETY: passed on.
    let fd = unsafe { bpf(cmd, attr) }?;
    // SAFETY: the kernel just made this descriptor for us; a file descriptor fits an int.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

#[inline]
pub(super) fn raw(fd: BorrowedFd<'_>) -> u32 {
    // Borrowed descriptors are never negative.
    fd.as_raw_fd() as u32
}

#[inline]
pub(super) fn address<T: ?Sized>(pointer: *const T) -> u64 {
    pointer.cast::<()>() as usize as u64
}

/// Where a slice is, for the kernel: null when it is empty. (Rust's own address of an empty slice
/// is no address, and the kernel refuses one beside a length of 0.)
#[inline]
pub(crate) fn pointer<T>(slice: &[T]) -> *const T {
    match slice {
        [] => ptr::null(),
        slice => slice.as_ptr(),
    }
}

/// As [`pointer`], to be written.
#[inline]
pub(crate) fn pointer_mut<T>(slice: &mut [T]) -> *mut T {
    match slice {
        [] => ptr::null_mut(),
        slice => slice.as_mut_ptr(),
    }
}

/// An object name as the kernel accepts it: letters, digits, `_` and `.`, others replaced by `_`,
/// cut to 15 bytes.
pub(crate) fn object_name(name: &str) -> [u8; attr::OBJ_NAME_LEN] {
    let mut out = [0; attr::OBJ_NAME_LEN];
    for (to, byte) in out[..attr::OBJ_NAME_LEN - 1].iter_mut().zip(name.bytes()) {
        *to = if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' {
            byte
        } else {
            b'_'
        };
    }
    out
}

/// A NUL-padded name field as text.
pub(crate) fn name_text(name: &[u8]) -> String {
    let end = name
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(name.len());
    String::from_utf8_lossy(&name[..end]).into_owned()
}

/// `BPF_TOKEN_CREATE`, from the root directory of a BPF file system (Linux ≥ 6.9).
pub(crate) fn token_create(bpffs: BorrowedFd<'_>) -> Result<OwnedFd> {
    let mut attr = attr::TokenCreate {
        flags: 0,
        bpffs_fd: raw(bpffs),
    };
    // SAFETY: no address in the attribute.
    unsafe { call_fd(Cmd::TokenCreate, &mut attr) }
        .map_err(|error| SyscallError::new(Cmd::TokenCreate.name(), error))
}

/// Enters a token, or that there is none, in the fields of an attribute that are for it.
fn set_token(token: Option<BorrowedFd<'_>>, flags: &mut u32, fd: &mut i32) {
    match token {
        Some(token) => (*flags, *fd) = (*flags | BPF_F_TOKEN_FD, token.as_raw_fd()),
        None => (*flags, *fd) = (*flags & !BPF_F_TOKEN_FD, 0),
    }
}

/// `BPF_MAP_CREATE`, with the rights of a token if one is given.
pub(crate) fn map_create(
    attr: &attr::MapCreate,
    token: Option<BorrowedFd<'_>>,
) -> io::Result<OwnedFd> {
    let mut attr = *attr;
    set_token(token, &mut attr.map_flags, &mut attr.map_token_fd);
    // SAFETY: the attribute holds no address.
    unsafe { call_fd(Cmd::MapCreate, &mut attr) }
}

/// Program to load, by slices rather than addresses.
pub(crate) struct ProgramImage<'a> {
    /// Encoded instructions, 8 bytes each, in the machine's byte order.
    pub(crate) insns: &'a [u8],
    pub(crate) license: &'a CStr,
    pub(crate) func_info: &'a [u8],
    pub(crate) func_info_rec_size: u32,
    pub(crate) line_info: &'a [u8],
    pub(crate) line_info_rec_size: u32,
    /// Descriptors of BTF objects of modules that kfunc calls refer to by index.
    pub(crate) fd_array: &'a [i32],
}

impl<'a> ProgramImage<'a> {
    /// Encoded instructions, with a licence that allows every helper.
    pub(crate) fn of_insns(insns: &'a [u8]) -> Self {
        ProgramImage {
            insns,
            license: c"GPL",
            func_info: &[],
            func_info_rec_size: 0,
            line_info: &[],
            line_info_rec_size: 0,
            fd_array: &[],
        }
    }
}

/// `BPF_PROG_LOAD`, with the rights of a token if one is given. Fields of `attr` that are addresses
/// or lengths are filled in here. With a `log`, the verifier's text is written to it from the
/// start, NUL-terminated.
pub(crate) fn prog_load(
    attr: &mut attr::ProgLoad,
    image: &ProgramImage<'_>,
    log: Option<(&mut [u8], u32)>,
    token: Option<BorrowedFd<'_>>,
) -> io::Result<OwnedFd> {
    attr.insns = address(pointer(image.insns));
    attr.insn_cnt = (image.insns.len() / 8) as u32;
    attr.license = address(image.license.as_ptr());
    if image.func_info_rec_size != 0 && !image.func_info.is_empty() {
        attr.func_info = address(pointer(image.func_info));
        attr.func_info_rec_size = image.func_info_rec_size;
        attr.func_info_cnt = (image.func_info.len() / image.func_info_rec_size as usize) as u32;
    }
    if image.line_info_rec_size != 0 && !image.line_info.is_empty() {
        attr.line_info = address(pointer(image.line_info));
        attr.line_info_rec_size = image.line_info_rec_size;
        attr.line_info_cnt = (image.line_info.len() / image.line_info_rec_size as usize) as u32;
    }
    attr.fd_array = address(pointer(image.fd_array));
    attr.log_buf = 0;
    attr.log_size = 0;
    attr.log_level = 0;
    if let Some((buffer, level)) = log {
        attr.log_buf = address(pointer_mut(buffer));
        attr.log_size = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        attr.log_level = level;
    }
    set_token(token, &mut attr.prog_flags, &mut attr.prog_token_fd);
    // The verifier gives up when a signal is pending (a profiler's, say); libbpf tries as often.
    let mut attempts = 5;
    loop {
        attempts -= 1;
        // SAFETY: every address was just set from a slice (or C string) that outlives the call,
        // with its own length; the log is the one the kernel writes to and is borrowed mutably.
        match unsafe { call_fd(Cmd::ProgLoad, attr) } {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) && attempts > 0 => {}
            result => return result,
        }
    }
}

/// `BPF_BTF_LOAD`, with the rights of a token if one is given; as for programs, a `log` gets the
/// kernel's text.
pub(crate) fn btf_load(
    btf: &[u8],
    log: Option<&mut [u8]>,
    token: Option<BorrowedFd<'_>>,
) -> io::Result<OwnedFd> {
    let mut attr = attr::BtfLoad {
        btf: address(pointer(btf)),
        btf_size: u32::try_from(btf.len()).unwrap_or(u32::MAX),
        ..Default::default()
    };
    if let Some(buffer) = log {
        attr.btf_log_buf = address(pointer_mut(buffer));
        attr.btf_log_size = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        attr.btf_log_level = 1;
    }
    set_token(token, &mut attr.btf_flags, &mut attr.btf_token_fd);
    // SAFETY: both addresses come from slices that outlive the call, with lengths not above theirs.
    unsafe { call_fd(Cmd::BtfLoad, &mut attr) }
}

#[inline]
fn elem(fd: BorrowedFd<'_>, key: *const u8, value: *const u8, flags: u64) -> attr::MapElem {
    attr::MapElem {
        map_fd: raw(fd),
        pad: 0,
        key: address(key),
        value: address(value),
        flags,
    }
}

/// Absent keys are ordinary answers of the map commands, not errors.
#[inline]
fn absent(result: Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.errno() == libc::ENOENT => Ok(false),
        Err(error) => Err(error),
    }
}

/// Copies the value of `key` to `value`; false when there is no such key.
///
/// # Safety
/// `key` must be readable for the map's key size (null where the type has no keys), `value`
/// writable for its value size (per-CPU: rounded up to 8, times the possible CPUs).
#[inline]
pub(crate) unsafe fn map_lookup(
    fd: BorrowedFd<'_>,
    key: *const u8,
    value: *mut u8,
    flags: u64,
) -> Result<bool> {
    // SAFETY: passed on.
    absent(unsafe { call(Cmd::MapLookupElem, &mut elem(fd, key, value, flags)) })
}

/// As [`map_lookup`], and deletes the element (hash maps: Linux ≥ 5.14).
///
/// # Safety
/// As [`map_lookup`].
#[inline]
pub(crate) unsafe fn map_lookup_and_delete(
    fd: BorrowedFd<'_>,
    key: *const u8,
    value: *mut u8,
    flags: u64,
) -> Result<bool> {
    // SAFETY: passed on.
    absent(unsafe {
        call(
            Cmd::MapLookupAndDeleteElem,
            &mut elem(fd, key, value, flags),
        )
    })
}

/// Sets the value of `key`.
///
/// # Safety
/// `key` and `value` must be readable for the sizes given at [`map_lookup`].
#[inline]
pub(crate) unsafe fn map_update(
    fd: BorrowedFd<'_>,
    key: *const u8,
    value: *const u8,
    flags: u64,
) -> Result<()> {
    // SAFETY: passed on.
    unsafe { call(Cmd::MapUpdateElem, &mut elem(fd, key, value, flags)) }
}

/// Removes `key`; false when there is no such key.
///
/// # Safety
/// `key` must be readable for the map's key size.
#[inline]
pub(crate) unsafe fn map_delete(fd: BorrowedFd<'_>, key: *const u8) -> Result<bool> {
    // SAFETY: passed on.
    absent(unsafe { call(Cmd::MapDeleteElem, &mut elem(fd, key, ptr::null(), 0)) })
}

/// Writes the key after `key` (the first when null) to `next`; false at the end.
///
/// # Safety
/// `key` must be null or readable, `next` writable, for the map's key size.
pub(crate) unsafe fn map_next_key(
    fd: BorrowedFd<'_>,
    key: *const u8,
    next: *mut u8,
) -> Result<bool> {
    // SAFETY: passed on.
    absent(unsafe { call(Cmd::MapGetNextKey, &mut elem(fd, key, next, 0)) })
}

/// What a batch command did.
pub(crate) struct Batch {
    /// Elements moved.
    pub(crate) count: u32,
    /// The command's own error, if it had one: `ENOENT` marks the end of a lookup.
    pub(crate) error: Option<SyscallError>,
}

/// `BPF_MAP_LOOKUP_BATCH`, or `BPF_MAP_LOOKUP_AND_DELETE_BATCH` to `take` them: up to `room`
/// elements from the position `cursor_in` (null: from the start).
///
/// # Safety
/// `keys` and `values` must be writable for `room` keys and values of the map's sizes; the cursors
/// must be null or valid for `max(4, key size)` bytes.
pub(crate) unsafe fn map_lookup_batch(
    fd: BorrowedFd<'_>,
    take: bool,
    cursor_in: *const u8,
    cursor_out: *mut u8,
    keys: *mut u8,
    values: *mut u8,
    room: u32,
) -> Batch {
    let cmd = if take {
        Cmd::MapLookupAndDeleteBatch
    } else {
        Cmd::MapLookupBatch
    };
    let mut attr = attr::MapBatch {
        in_batch: address(cursor_in),
        out_batch: address(cursor_out),
        keys: address(keys),
        values: address(values),
        count: room,
        map_fd: raw(fd),
        ..Default::default()
    };
    // SAFETY: passed on.
    let error = unsafe { call(cmd, &mut attr) }.err();
    Batch {
        count: attr.count.min(room),
        error,
    }
}

/// `BPF_MAP_UPDATE_BATCH`.
///
/// # Safety
/// `keys` and `values` must be readable for `count` elements of the map's sizes.
pub(crate) unsafe fn map_update_batch(
    fd: BorrowedFd<'_>,
    keys: *const u8,
    values: *const u8,
    count: u32,
    elem_flags: u64,
) -> Batch {
    let mut attr = attr::MapBatch {
        keys: address(keys),
        values: address(values),
        count,
        map_fd: raw(fd),
        elem_flags,
        ..Default::default()
    };
    // SAFETY: passed on.
    let error = unsafe { call(Cmd::MapUpdateBatch, &mut attr) }.err();
    Batch {
        count: attr.count.min(count),
        error,
    }
}

/// `BPF_MAP_DELETE_BATCH`.
///
/// # Safety
/// `keys` must be readable for `count` keys of the map's key size.
pub(crate) unsafe fn map_delete_batch(fd: BorrowedFd<'_>, keys: *const u8, count: u32) -> Batch {
    let mut attr = attr::MapBatch {
        keys: address(keys),
        count,
        map_fd: raw(fd),
        ..Default::default()
    };
    // SAFETY: passed on.
    let error = unsafe { call(Cmd::MapDeleteBatch, &mut attr) }.err();
    Batch {
        count: attr.count.min(count),
        error,
    }
}

/// `BPF_MAP_FREEZE`: no more writes from user space (Linux ≥ 5.2).
pub(crate) fn map_freeze(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no address in the attribute.
    unsafe { call(Cmd::MapFreeze, &mut elem(fd, ptr::null(), ptr::null(), 0)) }
}

pub(crate) fn obj_pin(fd: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    let mut attr = attr::ObjPin {
        pathname: address(path.as_ptr()),
        bpf_fd: raw(fd),
        file_flags: 0,
    };
    // SAFETY: the path is NUL-terminated and outlives the call.
    unsafe { call(Cmd::ObjPin, &mut attr) }
}

/// What a descriptor may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    ReadWrite,
}

impl Access {
    fn flags(self) -> u32 {
        match self {
            Access::Read => BPF_F_RDONLY,
            Access::ReadWrite => 0,
        }
    }
}

/// A link that is pinned is opened for reading and writing, or not at all (EINVAL).
pub(crate) fn obj_get(path: &CStr, access: Access) -> Result<OwnedFd> {
    let mut attr = attr::ObjPin {
        pathname: address(path.as_ptr()),
        file_flags: access.flags(),
        ..Default::default()
    };
    // SAFETY: the path is NUL-terminated and outlives the call.
    unsafe { call_fd(Cmd::ObjGet, &mut attr) }
        .map_err(|error| SyscallError::new(Cmd::ObjGet.name(), error))
}

/// Lengths and addresses of `attr` are set from the slices. Returns the lengths the kernel says
/// (data, context): larger than the slices when those were too short, together with the error
/// `ENOSPC`.
pub(crate) fn prog_test_run(
    fd: BorrowedFd<'_>,
    attr: &mut attr::TestRun,
    data_in: &[u8],
    data_out: &mut [u8],
    ctx_in: &mut [u8],
    ctx_out: &mut [u8],
) -> Result<()> {
    let length = |slice: &[u8]| u32::try_from(slice.len()).unwrap_or(u32::MAX);
    attr.prog_fd = raw(fd);
    attr.data_in = address(pointer(data_in));
    attr.data_size_in = length(data_in);
    attr.data_size_out = length(data_out);
    attr.data_out = address(pointer_mut(data_out));
    attr.ctx_size_in = length(ctx_in);
    attr.ctx_in = address(pointer_mut(ctx_in));
    attr.ctx_size_out = length(ctx_out);
    attr.ctx_out = address(pointer_mut(ctx_out));
    // SAFETY: addresses and lengths were just set from live slices, out ones borrowed mutably.
    unsafe { call(Cmd::ProgTestRun, attr) }
}

/// `BPF_PROG_BIND_MAP`: the map lives as long as the program, and is among its maps, although no
/// instruction names it. Linux ≥ 5.10.
pub(crate) fn prog_bind_map(program: BorrowedFd<'_>, map: BorrowedFd<'_>) -> Result<()> {
    let mut attr = attr::ProgBindMap {
        prog_fd: raw(program),
        map_fd: raw(map),
        flags: 0,
    };
    // SAFETY: no address in the attribute.
    unsafe { call(Cmd::ProgBindMap, &mut attr) }
}

/// `BPF_PROG_TEST_RUN` of a `BPF_PROG_TYPE_SYSCALL` program, which may change its context. The
/// result is what it returned.
pub(crate) fn prog_call(fd: BorrowedFd<'_>, context: &mut [u8]) -> Result<u32> {
    let mut attr = attr::TestRun {
        prog_fd: raw(fd),
        ctx_in: address(pointer_mut(context)),
        ctx_size_in: u32::try_from(context.len()).unwrap_or(u32::MAX),
        ..Default::default()
    };
    // SAFETY: the context is live, writable, and as long as said.
    unsafe { call(Cmd::ProgTestRun, &mut attr) }?;
    Ok(attr.retval)
}

/// The id after `id` among the objects of one kind; `None` at the end.
fn next_id(cmd: Cmd, id: u32) -> Result<Option<u32>> {
    let mut attr = attr::GetId {
        id,
        ..Default::default()
    };
    // SAFETY: no address in the attribute.
    Ok(absent(unsafe { call(cmd, &mut attr) })?.then_some(attr.next_id))
}

fn fd_by_id(cmd: Cmd, id: u32, open_flags: u32) -> Result<OwnedFd> {
    let mut attr = attr::GetId {
        id,
        open_flags,
        ..Default::default()
    };
    // SAFETY: no address in the attribute.
    unsafe { call_fd(cmd, &mut attr) }.map_err(|error| SyscallError::new(cmd.name(), error))
}

pub(crate) fn prog_next_id(id: u32) -> Result<Option<u32>> {
    next_id(Cmd::ProgGetNextId, id)
}

pub(crate) fn map_next_id(id: u32) -> Result<Option<u32>> {
    next_id(Cmd::MapGetNextId, id)
}

pub(crate) fn link_next_id(id: u32) -> Result<Option<u32>> {
    next_id(Cmd::LinkGetNextId, id)
}

/// Linux ≥ 5.11.
pub(crate) fn btf_next_id(id: u32) -> Result<Option<u32>> {
    next_id(Cmd::BtfGetNextId, id)
}

pub(crate) fn prog_fd_by_id(id: u32) -> Result<OwnedFd> {
    fd_by_id(Cmd::ProgGetFdById, id, 0)
}

pub(crate) fn map_fd_by_id(id: u32, access: Access) -> Result<OwnedFd> {
    fd_by_id(Cmd::MapGetFdById, id, access.flags())
}

pub(crate) fn link_fd_by_id(id: u32) -> Result<OwnedFd> {
    fd_by_id(Cmd::LinkGetFdById, id, 0)
}

pub(crate) fn btf_fd_by_id(id: u32) -> Result<OwnedFd> {
    fd_by_id(Cmd::BtfGetFdById, id, 0)
}

/// `BPF_OBJ_GET_INFO_BY_FD` into one of the info structs of [`attr`].
///
/// # Safety
/// `T` must be the info struct of the kind of object `fd` is, and addresses in it valid for the
/// lengths next to them.
pub(super) unsafe fn obj_info<T>(fd: BorrowedFd<'_>, info: &mut T) -> Result<()> {
    let mut attr = attr::GetInfo {
        bpf_fd: raw(fd),
        info_len: size_of::<T>() as u32,
        info: address(ptr::from_mut(info)),
    };
    // SAFETY: the length is that of the struct pointed to; the caller vouches for its contents.
    unsafe { call(Cmd::ObjGetInfoByFd, &mut attr) }
}

pub(crate) fn prog_info(fd: BorrowedFd<'_>) -> Result<attr::ProgInfo> {
    let mut info = attr::ProgInfo::default();
    // SAFETY: all lengths in the struct are zero, so no address in it is used.
    unsafe { obj_info(fd, &mut info) }?;
    Ok(info)
}

/// The ids of a program's maps, as many as there is room for.
pub(crate) fn prog_map_ids(fd: BorrowedFd<'_>, ids: &mut [u32]) -> Result<()> {
    let mut info = attr::ProgInfo {
        nr_map_ids: ids.len() as u32,
        map_ids: address(pointer_mut(ids)),
        ..Default::default()
    };
    // SAFETY: the one address was set from a mutable slice with its length; all other lengths are
    // zero.
    unsafe { obj_info(fd, &mut info) }
}

pub(crate) fn map_info(fd: BorrowedFd<'_>) -> Result<attr::MapInfo> {
    let mut info = attr::MapInfo::default();
    // SAFETY: a map's info has no addresses.
    unsafe { obj_info(fd, &mut info) }?;
    Ok(info)
}

pub(crate) fn link_info(fd: BorrowedFd<'_>) -> Result<attr::LinkInfo> {
    let mut info = attr::LinkInfo::default();
    // SAFETY: all zero, so addresses (of names) in the union are null and their lengths zero.
    unsafe { obj_info(fd, &mut info) }?;
    Ok(info)
}

/// Whether a BTF object is the kernel's own (of vmlinux or a module), and its name: empty unless
/// it is. (Linux ≥ 5.11; before, nothing is the kernel's own.)
pub(crate) fn kernel_btf_name(fd: BorrowedFd<'_>) -> Result<Option<String>> {
    let mut name = [0; 64];
    let mut info = attr::BtfInfo {
        name: address(name.as_mut_ptr()),
        name_len: name.len() as u32,
        ..Default::default()
    };
    // SAFETY: the one address has the length next to it.
    match unsafe { obj_info(fd, &mut info) } {
        Ok(()) => Ok((info.kernel_btf != 0).then(|| name_text(&name))),
        // Linux < 5.11 does not know the fields of the name.
        Err(error) if error.errno() == libc::E2BIG => Ok(None),
        Err(error) => Err(error),
    }
}

/// How many bytes a loaded BTF object has.
pub(crate) fn btf_size(fd: BorrowedFd<'_>) -> Result<u32> {
    let mut info = attr::BtfInfo::default();
    // SAFETY: all lengths zero.
    unsafe { obj_info(fd, &mut info) }?;
    Ok(info.btf_size)
}

/// The raw bytes of a loaded BTF object.
pub(crate) fn btf_bytes(fd: BorrowedFd<'_>) -> Result<Vec<u8>> {
    let mut bytes = vec![0; btf_size(fd)? as usize];
    let mut info = attr::BtfInfo {
        btf: address(pointer_mut(&mut bytes)),
        btf_size: bytes.len() as u32,
        ..Default::default()
    };
    // SAFETY: the one address has the length next to it.
    unsafe { obj_info(fd, &mut info) }?;
    bytes.truncate(info.btf_size as usize);
    Ok(bytes)
}

/// `BPF_LINK_CREATE` that cannot succeed, for probing: no descriptor is number -1.
pub(crate) fn link_create_probe() -> i32 {
    let mut attr = attr::LinkCreate {
        prog_fd: u32::MAX,
        ..Default::default()
    };
    // SAFETY: no address in the attribute; should it succeed the descriptor is closed at once.
    match unsafe { call_fd(Cmd::LinkCreate, &mut attr) } {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(0),
    }
}

/// `BPF_LINK_UPDATE`: the link runs `new` from now on, provided it ran `old` (when given).
pub(crate) fn link_update(
    link: BorrowedFd<'_>,
    new: BorrowedFd<'_>,
    old: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let mut attr = attr::LinkUpdate {
        link_fd: raw(link),
        new_prog_fd: raw(new),
        flags: if old.is_some() { BPF_F_REPLACE } else { 0 },
        old_prog_fd: old.map_or(0, raw),
    };
    // SAFETY: no address in the attribute.
    unsafe { call(Cmd::LinkUpdate, &mut attr) }
}

/// `BPF_LINK_DETACH`: detaches it also if others hold the link (Linux ≥ 5.9).
pub(crate) fn link_detach(link: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no address in the attribute.
    unsafe {
        call(
            Cmd::LinkDetach,
            &mut attr::LinkDetach { link_fd: raw(link) },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_valid_for_the_kernel() {
        assert_eq!(
            name_text(&object_name("xdp-firewall main.long")),
            "xdp_firewall_ma"
        );
        assert_eq!(name_text(&object_name("fw.rodata")), "fw.rodata");
        assert_eq!(name_text(&object_name("é")), "__");
    }

    #[test]
    fn an_empty_slice_has_no_address() {
        assert!(pointer::<u64>(&[]).is_null() && pointer_mut::<u64>(&mut []).is_null());
        let mut values = [1u8, 2];
        assert_eq!(pointer(&values), values.as_ptr());
        assert_eq!(pointer_mut(&mut values), values.as_mut_ptr());
    }

    #[test]
    fn a_bad_descriptor_is_an_error_not_a_crash() {
        // SAFETY: standard input's number; only lent, and not a map whatever it is.
        let stdin = unsafe { BorrowedFd::borrow_raw(0) };
        let error = map_freeze(stdin).unwrap_err();
        assert_eq!(error.call, "BPF_MAP_FREEZE");
        assert_ne!(error.errno(), 0);
    }
}
