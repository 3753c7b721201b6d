//! libbpf, as the referee: the system's own shared library, opened when it is there.

use std::ffi::{CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use libloading::{Library, Symbol};

/// `struct bpf_object` and its kind: only ever a pointer.
type Pointer = *mut c_void;

/// The system's libbpf 1.
pub struct Libbpf(Library);

/// An object that libbpf has loaded, with its links. Closed on drop.
pub struct Object<'lib> {
    library: &'lib Library,
    object: Pointer,
    links: Vec<Pointer>,
}

impl Libbpf {
    /// Opens the library; `None` where it is not installed.
    pub fn open() -> Option<Libbpf> {
        // SAFETY: libbpf has no constructors with conditions.
        unsafe { Library::new("libbpf.so.1") }.ok().map(Libbpf)
    }

    /// Loads all programs of the object.
    ///
    /// # Errors
    /// The function that failed, and its error number. libbpf itself prints more to stderr.
    pub fn load(&self, path: &Path) -> Result<Object<'_>, String> {
        let path = c_string(path.as_os_str().as_bytes());
        // SAFETY: the signatures are those of libbpf.h; the pointers are what it returned.
        unsafe {
            let open: Symbol<unsafe extern "C" fn(*const c_char) -> Pointer> =
                symbol(&self.0, "bpf_object__open")?;
            let object = valid("bpf_object__open", open(path.as_ptr()))?;
            let object = Object {
                library: &self.0,
                object,
                links: Vec::new(),
            };
            let load: Symbol<unsafe extern "C" fn(Pointer) -> c_int> =
                symbol(&self.0, "bpf_object__load")?;
            done("bpf_object__load", load(object.object))?;
            Ok(object)
        }
    }
}

impl Object<'_> {
    /// Attaches every program by its section.
    ///
    /// # Errors
    /// As [`Libbpf::load`].
    pub fn attach(&mut self) -> Result<(), String> {
        // SAFETY: as in `load`.
        unsafe {
            let next: Symbol<unsafe extern "C" fn(Pointer, Pointer) -> Pointer> =
                symbol(self.library, "bpf_object__next_program")?;
            let attach: Symbol<unsafe extern "C" fn(Pointer) -> Pointer> =
                symbol(self.library, "bpf_program__attach")?;
            let mut program = next(self.object, std::ptr::null_mut());
            while !program.is_null() {
                self.links
                    .push(valid("bpf_program__attach", attach(program))?);
                program = next(self.object, program);
            }
        }
        Ok(())
    }

    /// Pins a map.
    ///
    /// # Errors
    /// As [`Libbpf::load`].
    pub fn pin_map(&self, name: &str, path: &Path) -> Result<(), String> {
        let (name, path) = (
            c_string(name.as_bytes()),
            c_string(path.as_os_str().as_bytes()),
        );
        // SAFETY: as in `load`.
        unsafe {
            let find: Symbol<unsafe extern "C" fn(Pointer, *const c_char) -> c_int> =
                symbol(self.library, "bpf_object__find_map_fd_by_name")?;
            // Not `bpf_map__pin`, which puts another path in place of one with dots.
            let pin: Symbol<unsafe extern "C" fn(c_int, *const c_char) -> c_int> =
                symbol(self.library, "bpf_obj_pin")?;
            let fd = find(self.object, name.as_ptr());
            done("bpf_object__find_map_fd_by_name", fd)?;
            done("bpf_obj_pin", pin(fd, path.as_ptr()))
        }
    }
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        // SAFETY: as in `load`; nothing is used after it is destroyed.
        unsafe {
            if let Ok(destroy) =
                symbol::<unsafe extern "C" fn(Pointer) -> c_int>(self.library, "bpf_link__destroy")
            {
                for link in &self.links {
                    destroy(*link);
                }
            }
            if let Ok(close) =
                symbol::<unsafe extern "C" fn(Pointer)>(self.library, "bpf_object__close")
            {
                close(self.object);
            }
        }
    }
}

/// # Safety
/// `T` must be the function's type.
unsafe fn symbol<'lib, T>(library: &'lib Library, name: &str) -> Result<Symbol<'lib, T>, String> {
    // SAFETY: by the caller's promise.
    unsafe { library.get(name.as_bytes()) }.map_err(|error| error.to_string())
}

/// A pointer that libbpf 1 returned: null, with `errno`, for errors.
fn valid(function: &str, pointer: Pointer) -> Result<Pointer, String> {
    match pointer.is_null() {
        true => Err(format!("{function}: {}", std::io::Error::last_os_error())),
        false => Ok(pointer),
    }
}

fn done(function: &str, result: c_int) -> Result<(), String> {
    match result {
        0.. => Ok(()),
        _ => Err(format!(
            "{function}: {}",
            std::io::Error::from_raw_os_error(-result)
        )),
    }
}

fn c_string(bytes: &[u8]) -> CString {
    CString::new(bytes).expect("a path without NUL")
}
