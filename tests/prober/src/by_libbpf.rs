//! By libbpf, the release that the crate `libbpf-sys` brings.

use std::{
    ffi::{CStr, CString, c_char, c_int},
    fs::File,
    io::{self, Read as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use libbpf_sys::*;

use crate::{
    Loaded, Loader, PACKET, Part, Result, Surroundings,
    rows::{Input, Place},
    surroundings::NETKIT,
};

/// libbpf.
pub struct Libbpf;

/// What it says on the way is of no interest: the table has its error number.
unsafe extern "C" fn silent(
    _: libbpf_print_level,
    _: *const c_char,
    _: *mut __va_list_tag,
) -> c_int {
    0
}

/// An open object, closed on drop after everything that is attached.
pub struct Object {
    object: *mut bpf_object,
    program: *mut bpf_program,
    attached: Option<Attached>,
    /// The object with the function that is replaced.
    target: Option<Box<Object>>,
}

/// How it is undone.
enum Attached {
    Link(*mut bpf_link),
    /// From an interface.
    Xdp {
        index: i32,
        flags: u32,
    },
    Filter {
        hook: bpf_tc_hook,
        options: bpf_tc_opts,
    },
    /// From a map of sockets.
    Direct {
        target: RawFd,
        kind: bpf_attach_type,
    },
    /// A socket's.
    Socket {
        socket: RawFd,
        option: c_int,
    },
}

fn c_string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|error| error.to_string())
}

/// Functions that give a negative error number.
fn done(function: &str, result: c_int) -> Result<c_int> {
    match result {
        0.. => Ok(result),
        error => {
            let error = io::Error::from_raw_os_error(-error);
            Err(format!("{function}: {error}"))
        }
    }
}

/// Functions that give null and leave an error number.
fn valid<T>(function: &str, pointer: *mut T) -> Result<*mut T> {
    match pointer.is_null() {
        true => Err(format!("{function}: {}", io::Error::last_os_error())),
        false => Ok(pointer),
    }
}

/// Options of a call, of which libbpf wants to know the size.
macro_rules! options {
    ($type:ident { $($field:ident: $value:expr),* $(,)? }) => {
        $type {
            sz: size_of::<$type>() as _,
            $($field: $value,)*
            ..Default::default()
        }
    };
}

impl Loader for Libbpf {
    type Object = Object;

    fn load(&self, file: &Path, part: Part<'_>) -> Result<Object> {
        // SAFETY: the callback is a function of this program.
        unsafe { libbpf_set_print(Some(silent)) };
        let mut object = Object::open(file)?;
        match part {
            Part::Struct => {}
            Part::Map(wanted) => {
                object.only_program(None)?;
                object.only_maps(|map| map == wanted || map == "inner");
            }
            Part::Program(wanted) => object.only_program(Some(wanted))?,
            Part::Replacement(wanted, target) => {
                object.only_program(Some(wanted))?;
                let target = self.load(target, Part::Program("whole"))?;
                // SAFETY: both programs are of open objects.
                let set = unsafe {
                    bpf_program__set_attach_target(
                        object.program,
                        bpf_program__fd(target.program),
                        c"replaceable".as_ptr(),
                    )
                };
                done("bpf_program__set_attach_target", set)?;
                object.target = Some(Box::new(target));
            }
        }
        // SAFETY: the object is open.
        done("bpf_object__load", unsafe {
            bpf_object__load(object.object)
        })?;
        Ok(object)
    }
}

impl Object {
    fn open(file: &Path) -> Result<Object> {
        let file = c_string(file.as_os_str().as_bytes())?;
        // SAFETY: the path ends with NUL, and there are no options.
        let object = unsafe { bpf_object__open_file(file.as_ptr(), std::ptr::null()) };
        Ok(Object {
            object: valid("bpf_object__open_file", object)?,
            program: std::ptr::null_mut(),
            attached: None,
            target: None,
        })
    }

    /// Leaves out all programs except one (and in a file of its own what that calls by the tail).
    fn only_program(&mut self, wanted: Option<&str>) -> Result {
        let mut program = std::ptr::null_mut();
        loop {
            // SAFETY: the object is open, the program one of its.
            program = unsafe { bpf_object__next_program(self.object, program) };
            if program.is_null() {
                break;
            }
            // SAFETY: names live as long as the object.
            let name = unsafe { CStr::from_ptr(bpf_program__name(program)) }.to_string_lossy();
            if wanted == Some(&*name) {
                self.program = program;
            } else if wanted != Some("program") {
                // SAFETY: the program is not loaded yet.
                unsafe { bpf_program__set_autoload(program, false) };
            }
        }
        match (wanted, self.program.is_null()) {
            (Some(wanted), true) => Err(format!("no program {wanted}")),
            _ => Ok(()),
        }
    }

    fn only_maps(&mut self, is_wanted: impl Fn(&str) -> bool) {
        let mut map = std::ptr::null_mut();
        loop {
            // SAFETY: the object is open, the map one of its.
            map = unsafe { bpf_object__next_map(self.object, map) };
            if map.is_null() {
                return;
            }
            // SAFETY: names live as long as the object; the map is not made yet.
            unsafe {
                let name = CStr::from_ptr(bpf_map__name(map)).to_string_lossy();
                if !is_wanted(&name) {
                    bpf_map__set_autocreate(map, false);
                }
            }
        }
    }

    fn map(&self, name: &CStr) -> Result<RawFd> {
        // SAFETY: the object is open, the name ends with NUL.
        let fd = unsafe { bpf_object__find_map_fd_by_name(self.object, name.as_ptr()) };
        done("bpf_object__find_map_fd_by_name", fd)
    }

    fn program_fd(&self) -> RawFd {
        // SAFETY: the program is one of the open object's.
        unsafe { bpf_program__fd(self.program) }
    }

    fn link(&mut self, function: &str, link: *mut bpf_link) -> Result {
        self.attached = Some(Attached::Link(valid(function, link)?));
        Ok(())
    }

    fn attach_xdp(&mut self, index: i32, flags: u32) -> Result {
        // SAFETY: numbers only; there are no options.
        let attached = unsafe { bpf_xdp_attach(index, self.program_fd(), flags, std::ptr::null()) };
        done("bpf_xdp_attach", attached)?;
        self.attached = Some(Attached::Xdp { index, flags });
        Ok(())
    }

    fn attach_filter(&mut self, index: i32, point: bpf_tc_attach_point) -> Result {
        let mut hook = options!(bpf_tc_hook {
            ifindex: index,
            attach_point: point,
        });
        let mut options = options!(bpf_tc_opts {
            prog_fd: self.program_fd(),
        });
        // SAFETY: both structs say their sizes and live longer than the calls.
        unsafe {
            match bpf_tc_hook_create(&mut hook) {
                error if error == -libc::EEXIST => {}
                result => drop(done("bpf_tc_hook_create", result)?),
            }
            done("bpf_tc_attach", bpf_tc_attach(&hook, &mut options))?;
        }
        self.attached = Some(Attached::Filter { hook, options });
        Ok(())
    }

    fn attach_to_socket(&mut self, socket: RawFd, attach: c_int, detach: c_int) -> Result {
        set_option(socket, attach, self.program_fd())?;
        let option = detach;
        self.attached = Some(Attached::Socket { socket, option });
        Ok(())
    }

    fn attach_to_sockets(&mut self) -> Result {
        let target = self.map(c"sockets")?;
        // SAFETY: the program is one of the open object's; numbers only.
        unsafe {
            let kind = bpf_program__expected_attach_type(self.program);
            let attached = bpf_prog_attach(self.program_fd(), target, kind, 0);
            done("bpf_prog_attach", attached)?;
            self.attached = Some(Attached::Direct { target, kind });
        }
        Ok(())
    }
}

fn set_option(socket: RawFd, option: c_int, value: c_int) -> Result {
    // SAFETY: the option is a number of 4 bytes.
    let result = unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
            size_of::<c_int>() as u32,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(format!("setsockopt: {}", io::Error::last_os_error())),
    }
}

/// A software clock that samples this thread.
fn clock() -> Result<OwnedFd> {
    /// `struct perf_event_attr` as it began.
    #[repr(C)]
    #[derive(Default)]
    struct Attr {
        kind: u32,
        size: u32,
        config: u64,
        period: u64,
        rest: [u64; 5],
    }
    let attr = Attr {
        kind: 1,
        size: size_of::<Attr>() as u32,
        period: 1_000_000,
        ..Default::default()
    };
    // SAFETY: the struct says its size; the descriptor is nobody else's.
    unsafe {
        let fd = libc::syscall(libc::SYS_perf_event_open, &raw const attr, 0, -1, -1, 8);
        match fd {
            0.. => Ok(OwnedFd::from_raw_fd(fd as RawFd)),
            _ => Err(format!("perf_event_open: {}", io::Error::last_os_error())),
        }
    }
}

/// The programs of an object that libbpf opens.
///
/// # Errors
/// Why it does not.
pub fn programs(file: &Path) -> Result<Vec<String>> {
    // SAFETY: the callback is a function of this program.
    unsafe { libbpf_set_print(Some(silent)) };
    let object = Object::open(file)?;
    let mut names = Vec::new();
    let mut program = std::ptr::null_mut();
    loop {
        // SAFETY: the object is open, the program one of its, as its name is.
        unsafe {
            program = bpf_object__next_program(object.object, program);
            if program.is_null() {
                return Ok(names);
            }
            let name = CStr::from_ptr(bpf_program__name(program));
            names.push(name.to_string_lossy().into_owned());
        }
    }
}

/// What a loaded program is to the kernel: its tag, and how many instructions it has.
///
/// # Errors
/// What the kernel says.
pub fn identity(program: RawFd) -> Result<([u8; 8], u32)> {
    let mut info = bpf_prog_info::default();
    let mut size = size_of_val(&info) as u32;
    // SAFETY: `info` is of that size.
    done("bpf_prog_get_info_by_fd", unsafe {
        bpf_prog_get_info_by_fd(program, &mut info, &mut size)
    })?;
    Ok((info.tag, info.xlated_prog_len / 8))
}

impl Loaded for Object {
    fn kernel_program(&mut self) -> Result<RawFd> {
        Ok(Object::program_fd(self))
    }

    fn attach(&mut self, place: Place, around: &Surroundings) -> Result {
        const GENERIC: u32 = 2;
        const NATIVE: u32 = 4;
        let index = around.wire.right.index() as i32;
        let program = self.program;
        // SAFETY: the program is a loaded one of the open object; options say their sizes and live
        // longer than the calls; descriptors are open.
        unsafe {
            match place {
                Place::Section | Place::Function => {
                    self.link("bpf_program__attach", bpf_program__attach(program))
                }
                Place::XdpLink => {
                    let link = bpf_program__attach_xdp(program, index);
                    self.link("bpf_program__attach_xdp", link)
                }
                Place::XdpGeneric => self.attach_xdp(index, GENERIC),
                Place::XdpNative => self.attach_xdp(index, NATIVE),
                Place::TcIngress => self.attach_filter(index, BPF_TC_INGRESS),
                Place::TcEgress => self.attach_filter(index, BPF_TC_EGRESS),
                Place::TcxIngress | Place::TcxEgress => {
                    let link = bpf_program__attach_tcx(program, index, std::ptr::null());
                    self.link("bpf_program__attach_tcx", link)
                }
                Place::NetkitPrimary | Place::NetkitPeer => {
                    let name = c_string(NETKIT.as_bytes())?;
                    let index = libc::if_nametoindex(name.as_ptr()) as i32;
                    let link = bpf_program__attach_netkit(program, index, std::ptr::null());
                    self.link("bpf_program__attach_netkit", link)
                }
                Place::Cgroup => {
                    let group = File::open(around.cgroup.path()).map_err(|e| e.to_string())?;
                    let link = bpf_program__attach_cgroup(program, group.as_raw_fd());
                    self.link("bpf_program__attach_cgroup", link)
                }
                Place::Netns => {
                    let netns =
                        File::open("/proc/thread-self/ns/net").map_err(|e| e.to_string())?;
                    let link = bpf_program__attach_netns(program, netns.as_raw_fd());
                    self.link("bpf_program__attach_netns", link)
                }
                Place::Socket => self.attach_to_socket(
                    around.socket.as_raw_fd(),
                    libc::SO_ATTACH_BPF,
                    libc::SO_DETACH_BPF,
                ),
                Place::SocketGroup => self.attach_to_socket(
                    around.socket.as_raw_fd(),
                    libc::SO_ATTACH_REUSEPORT_EBPF,
                    // SO_DETACH_REUSEPORT_BPF
                    68,
                ),
                Place::SocketMap => self.attach_to_sockets(),
                Place::Netfilter => {
                    let options = options!(bpf_netfilter_opts {
                        pf: libc::NFPROTO_IPV4 as u32,
                        hooknum: libc::NF_INET_LOCAL_IN as u32,
                        priority: -128,
                    });
                    let link = bpf_program__attach_netfilter(program, &options);
                    self.link("bpf_program__attach_netfilter", link)
                }
                Place::Clock => {
                    let clock = clock()?;
                    // The link closes it.
                    let link = bpf_program__attach_perf_event(program, clock.as_raw_fd());
                    self.link("bpf_program__attach_perf_event", link)?;
                    std::mem::forget(clock);
                    Ok(())
                }
            }
        }
    }

    fn detach(&mut self) -> Result {
        let undone = match self.attached.take() {
            None => 0,
            // SAFETY: what was attached is undone once, with what it was attached with.
            Some(attached) => unsafe {
                match attached {
                    Attached::Link(link) => bpf_link__destroy(link),
                    Attached::Xdp { index, flags } => {
                        bpf_xdp_detach(index, flags, std::ptr::null())
                    }
                    Attached::Filter { mut hook, options } => {
                        let filter = options!(bpf_tc_opts {
                            handle: options.handle,
                            priority: options.priority,
                        });
                        let detached = bpf_tc_detach(&hook, &filter);
                        hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
                        bpf_tc_hook_destroy(&mut hook);
                        detached
                    }
                    Attached::Direct { target, kind } => {
                        bpf_prog_detach2(self.program_fd(), target, kind)
                    }
                    Attached::Socket { socket, option } => return set_option(socket, option, 0),
                }
            },
        };
        done("detaching", undone).map(drop)
    }

    fn run(&mut self, input: Input) -> Result {
        let mut options = options!(bpf_test_run_opts {});
        if input == Input::Packet {
            options.data_in = PACKET.as_ptr().cast();
            options.data_size_in = PACKET.len() as u32;
        }
        // SAFETY: the options say their size, and the packet its length.
        let run = unsafe { bpf_prog_test_run_opts(self.program_fd(), &mut options) };
        done("bpf_prog_test_run_opts", run).map(drop)
    }

    fn run_target(&mut self) -> Result {
        match &mut self.target {
            Some(target) => target.run(Input::Packet),
            None => Err("there is no other program".to_owned()),
        }
    }

    fn read(&mut self) -> Result {
        let Some(Attached::Link(link)) = &self.attached else {
            return Err("there is no link".to_owned());
        };
        // SAFETY: the link is open; the descriptor is nobody else's.
        let mut file = unsafe {
            let fd = bpf_iter_create(bpf_link__fd(*link));
            File::from_raw_fd(done("bpf_iter_create", fd)?)
        };
        let read = file.read_to_end(&mut Vec::new());
        read.map(drop).map_err(|error| error.to_string())
    }

    fn insert(&mut self, around: &Surroundings) -> Result {
        let map = self.map(c"sockets")?;
        let ends = [around.stream.0.as_raw_fd(), around.stream.1.as_raw_fd()];
        for (number, end) in ends.into_iter().enumerate() {
            let (key, value) = (number as u32, end as u64);
            // SAFETY: key and value have the map's sizes.
            let updated = unsafe {
                bpf_map_update_elem(map, (&raw const key).cast(), (&raw const value).cast(), 0)
            };
            done("bpf_map_update_elem", updated)?;
        }
        Ok(())
    }

    fn register(&mut self) -> Result {
        // SAFETY: the object is open; the map is one of its.
        unsafe {
            let map = bpf_object__find_map_by_name(self.object, c"control".as_ptr());
            let map = valid("bpf_object__find_map_by_name", map)?;
            self.link(
                "bpf_map__attach_struct_ops",
                bpf_map__attach_struct_ops(map),
            )
        }
    }

    fn hits(&self) -> Result<u64> {
        let (key, mut value) = (0_u32, 0_u64);
        // SAFETY: key and value have the map's sizes.
        let found = unsafe {
            bpf_map_lookup_elem(
                self.map(c"hits")?,
                (&raw const key).cast(),
                (&raw mut value).cast(),
            )
        };
        done("bpf_map_lookup_elem", found)?;
        Ok(value)
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // What cannot be detached is said when it is asked for.
        let _ = self.detach();
        // SAFETY: opened by us, closed once.
        unsafe { bpf_object__close(self.object) };
    }
}
