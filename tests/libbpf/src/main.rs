//! libbpf, to compare with. It builds the release that the crate `libbpf-sys` brings, whatever the
//! distribution has.
//!
//! * `libbpf-peer insns OBJECT BTF` relocates each program of OBJECT against the types in the file
//!   BTF and prints it: `program NAME`, then one instruction a line as 16 hexadecimal digits; or
//!   `error NAME` if it refuses.
//! * `libbpf-peer OBJECT COUNT` is the counterpart of `benches/src/bin/types.rs`: the same figures,
//!   printed the same way.
//!
//! Needs root: libbpf tries out the kernel first.

#[path = "../../../benches/src/timing.rs"]
mod timing;

use libbpf_sys::*;
use std::ffi::{CStr, CString, c_char, c_int};
use std::process::ExitCode;
use std::time::Instant;
use timing::{median, micros, user_time};

unsafe extern "C" fn silent(
    _: libbpf_print_level,
    _: *const c_char,
    _: *mut __va_list_tag,
) -> c_int {
    0
}

/// An open object.
struct Object(*mut bpf_object);

impl Object {
    fn open(path: &CStr, btf: &CStr) -> Option<Object> {
        let options = bpf_object_open_opts {
            sz: size_of::<bpf_object_open_opts>() as _,
            btf_custom_path: btf.as_ptr(),
            ..Default::default()
        };
        // SAFETY: both strings and the options live longer than the call.
        let object = unsafe { bpf_object__open_file(path.as_ptr(), &options) };
        (!object.is_null()).then_some(Object(object))
    }

    fn programs(&self) -> Vec<*mut bpf_program> {
        let next = |program: &*mut bpf_program| {
            // SAFETY: the object is open, the program one of its.
            let next = unsafe { bpf_object__next_program(self.0, *program) };
            (!next.is_null()).then_some(next)
        };
        std::iter::successors(next(&std::ptr::null_mut()), next).collect()
    }

    /// Goes all the way up to loading the programs. What follows the relocation may fail for
    /// reasons that do not matter here, so it is success if the relocation was.
    fn relocate(&self) -> bool {
        // SAFETY: the object is open.
        let result = unsafe { bpf_object__prepare(self.0) };
        result == 0
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: opened by us, closed once.
        unsafe { bpf_object__close(self.0) };
    }
}

fn insns(path: &CStr, btf: &CStr) -> Option<()> {
    let count = Object::open(path, btf)?.programs().len();
    for wanted in 0..count {
        // An object is relocated as a whole; so the other programs are left out.
        let object = Object::open(path, btf)?;
        let programs = object.programs();
        for (number, &program) in programs.iter().enumerate() {
            // SAFETY: as above.
            unsafe { bpf_program__set_autoload(program, number == wanted) };
        }
        let program = programs[wanted];
        // SAFETY: names live as long as the object.
        let name = unsafe { CStr::from_ptr(bpf_program__name(program)) }.to_string_lossy();
        if !object.relocate() {
            println!("error {name}");
            continue;
        }
        println!("program {name}");
        // SAFETY: the instructions are the program's own, that many, until the object is closed.
        let insns = unsafe {
            std::slice::from_raw_parts(
                bpf_program__insns(program).cast::<[u8; 8]>(),
                bpf_program__insn_cnt(program) as usize,
            )
        };
        for insn in insns {
            println!("{:016x}", u64::from_be_bytes(*insn));
        }
    }
    Some(())
}

fn time(path: &CStr, count: usize) -> Option<()> {
    let vmlinux = c"/sys/kernel/btf/vmlinux";
    let mut opens = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        // SAFETY: the strings are constant; the types are freed once.
        unsafe {
            let btf = btf__parse(vmlinux.as_ptr(), std::ptr::null_mut());
            if btf__find_by_name_kind(btf, c"task_struct".as_ptr(), BTF_KIND_STRUCT) < 0 {
                return None;
            }
            btf__free(btf);
        }
        opens.push(start.elapsed());
    }
    let mut times = Vec::new();
    let before = user_time();
    for _ in 0..count {
        let start = Instant::now();
        let object = Object::open(path, vmlinux)?;
        if !object.relocate() {
            return None;
        }
        drop(object);
        times.push(start.elapsed());
    }
    let own = (user_time() - before) / count as u32;
    println!(
        "{:.1} {:.1} {:.1}",
        micros(median(&opens)),
        micros(median(&times)),
        micros(own)
    );
    Some(())
}

fn main() -> ExitCode {
    // SAFETY: the callback is a function of this program.
    unsafe { libbpf_set_print(Some(silent)) };
    let arguments: Vec<CString> = std::env::args()
        .skip(1)
        .filter_map(|argument| CString::new(argument).ok())
        .collect();
    let words: Vec<&CStr> = arguments.iter().map(CString::as_c_str).collect();
    let done = match words[..] {
        [verb, object, btf] if verb == c"insns" => insns(object, btf),
        [object, count] => {
            let count = count.to_str().ok().and_then(|count| count.parse().ok());
            time(object, count.unwrap_or(1).max(1))
        }
        _ => {
            eprintln!("usage: libbpf-peer insns OBJECT BTF | OBJECT COUNT");
            return ExitCode::from(2);
        }
    };
    match done {
        Some(()) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    }
}
