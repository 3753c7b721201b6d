//! The virtual machine for JavaScript: a module for `wasm32-unknown-unknown` with a C interface of
//! its own, without imports. `machine.js` beside this file wraps it, and `test.mjs` shows each
//! call.
//!
//! ```text
//! cargo xtask test wasm
//! ```
//!
//! Arguments are addresses and lengths in the module's memory: [`hachi_alloc`] gives room, and
//! [`hachi_free`] takes it back. A call that can fail returns 0 when it went well. Either way it
//! leaves its answer, which [`hachi_answer`] and [`hachi_answer_len`] give: a JSON document, or the
//! text of the error.

mod session;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use hachi_obj::Spec;
use hachi_vm::Input;

use session::json::{hex, list, text};
use session::{Scene, Session};

#[derive(Default)]
struct State {
    objects: BTreeMap<u32, Session>,
    last: u32,
    answer: Vec<u8>,
}

static STATE: LazyLock<Mutex<State>> = LazyLock::new(Mutex::default);

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes room for arguments.
#[unsafe(no_mangle)]
pub extern "C" fn hachi_alloc(len: usize) -> *mut u8 {
    Box::into_raw(vec![0_u8; len].into_boxed_slice()).cast()
}

/// Takes room back.
///
/// # Safety
/// `at` and `len` are those of one call of [`hachi_alloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hachi_free(at: *mut u8, len: usize) {
    // SAFETY: the caller says that this is a whole boxed slice.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(at, len)) });
}

/// Where the answer of the last call is, until the next.
#[unsafe(no_mangle)]
pub extern "C" fn hachi_answer() -> *const u8 {
    state().answer.as_ptr()
}

/// How many bytes the answer of the last call has.
#[unsafe(no_mangle)]
pub extern "C" fn hachi_answer_len() -> usize {
    state().answer.len()
}

/// # Safety
/// `at` and `len` are bytes that live as long as the call.
unsafe fn bytes<'a>(at: *const u8, len: usize) -> &'a [u8] {
    match len {
        0 => &[],
        // SAFETY: the caller says so.
        _ => unsafe { std::slice::from_raw_parts(at, len) },
    }
}

/// Leaves an answer; 0 if it went well.
fn answer(state: &mut State, result: Result<String, String>) -> u32 {
    let failed = result.is_err();
    state.answer = result.unwrap_or_else(|error| error).into_bytes();
    u32::from(failed)
}

fn with(handle: u32, f: impl FnOnce(&mut Session) -> Result<String, String>) -> u32 {
    let mut state = state();
    let result = match state.objects.get_mut(&handle) {
        Some(object) => f(object),
        None => Err(format!("there is no object {handle}")),
    };
    answer(&mut state, result)
}

/// Opens an object file. A number for the other calls; 0 if it cannot be read.
///
/// # Safety
/// `at` and `len` are bytes of the module's memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hachi_open(at: *const u8, len: usize) -> u32 {
    // SAFETY: the caller says so.
    let file = unsafe { bytes(at, len) };
    let mut state = state();
    match Session::open(file) {
        Ok(session) => {
            state.last += 1;
            let handle = state.last;
            state.objects.insert(handle, session);
            answer(&mut state, Ok(String::new()));
            handle
        }
        Err(error) => {
            answer(&mut state, Err(error));
            0
        }
    }
}

/// Closes an object.
#[unsafe(no_mangle)]
pub extern "C" fn hachi_close(handle: u32) {
    state().objects.remove(&handle);
}

/// What is in the object: `{"programs": [{"name", "type", "section"}], "maps": [{"name", "type",
/// "key_size", "value_size", "max_entries"}], "globals": [{"name", "size"}]}`.
#[unsafe(no_mangle)]
pub extern "C" fn hachi_describe(handle: u32) -> u32 {
    with(handle, |session| Ok(describe(&session.spec)))
}

/// Sets a global, in the object's byte order. The machine starts again.
///
/// # Safety
/// Each address and length are bytes of the module's memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hachi_set(
    handle: u32,
    name: *const u8,
    name_len: usize,
    value: *const u8,
    value_len: usize,
) -> u32 {
    // SAFETY: the caller says so.
    let (name, value) = unsafe { (bytes(name, name_len), bytes(value, value_len)) };
    let name = String::from_utf8_lossy(name);
    with(handle, |session| {
        session.set(&name, value)?;
        Ok(String::new())
    })
}

/// Sets the value of a map's key, on all CPUs.
///
/// # Safety
/// Each address and length are bytes of the module's memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hachi_update(
    handle: u32,
    map: *const u8,
    map_len: usize,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
) -> u32 {
    // SAFETY: the caller says so.
    let (map, key) = unsafe { (bytes(map, map_len), bytes(key, key_len)) };
    // SAFETY: as above.
    let value = unsafe { bytes(value, value_len) };
    let map = String::from_utf8_lossy(map);
    with(handle, |session| {
        session.update(&map, key, value)?;
        Ok(String::new())
    })
}

/// The entries of a map: `[{"key": HEX, "values": [HEX]}]`, one value for each CPU if the map is
/// per CPU.
///
/// # Safety
/// The address and length are bytes of the module's memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hachi_entries(handle: u32, map: *const u8, map_len: usize) -> u32 {
    // SAFETY: the caller says so.
    let map = String::from_utf8_lossy(unsafe { bytes(map, map_len) });
    with(handle, |session| entries(session, &map))
}

/// What the maps hold, by their types: `[{"name", "type", "entries": [{"key", "values": [{"cpu",
/// "value"}]}], "left_out"}]`; `cpu` where each has a value of its own. Ring buffers and perf event
/// arrays have `"records": [TEXT]` instead, which are taken out: in words if the scene said what is
/// in them, else in hexadecimal. The maps of the library, and entries of arrays that are all zero,
/// are left out.
#[unsafe(no_mangle)]
pub extern "C" fn hachi_maps(handle: u32) -> u32 {
    with(handle, Session::maps)
}

/// Runs a program once, in a [`Scene`]: the answer is as that of [`hachi_run`].
///
/// # Safety
/// Each address and length are bytes of the module's memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hachi_play(
    handle: u32,
    program: *const u8,
    program_len: usize,
    scene: *const u8,
    scene_len: usize,
) -> u32 {
    // SAFETY: the caller says so.
    let (program, scene) = unsafe { (bytes(program, program_len), bytes(scene, scene_len)) };
    let (program, scene) = (
        String::from_utf8_lossy(program),
        String::from_utf8_lossy(scene),
    );
    with(handle, |session| {
        session.play(&program, &Scene::parse(&scene)?)
    })
}

/// Runs a program once, over a packet or the bytes of a context: `{"verdict", "meaning",
/// "bytes": HEX, "metadata": HEX, "sequence", "instructions", "redirected", "printed": [TEXT],
/// "log": [{"level", "file", "line", "text"}], "lines": [{"file", "line", "count", "text"}],
/// "fault"}`. `meaning` is the verdict's name, `sequence` what was written to the file of an
/// iterator. `fault` is null, or
/// `{"message", "text"}`: in one line, and as it is shown, with the place in the source; there is
/// no verdict then. `lines` are those that ran.
///
/// # Safety
/// Each address and length are bytes of the module's memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hachi_run(
    handle: u32,
    program: *const u8,
    program_len: usize,
    input: *const u8,
    input_len: usize,
) -> u32 {
    // SAFETY: the caller says so.
    let (program, input) = unsafe { (bytes(program, program_len), bytes(input, input_len)) };
    let program = String::from_utf8_lossy(program);
    with(handle, |session| {
        session.run(&program, &Input::new(input), 1)
    })
}

/// Programs, maps and globals.
fn describe(spec: &Spec) -> String {
    let mut to = String::from("{\"programs\":[");
    list(&mut to, &spec.programs, |to, program| {
        let _ = write!(
            to,
            "{{\"name\":{},\"type\":{},\"section\":{}}}",
            text(&program.name),
            text(program.program_type.name()),
            text(&program.section)
        );
    });
    to.push_str("],\"maps\":[");
    list(&mut to, &spec.maps, |to, map| {
        let _ = write!(
            to,
            "{{\"name\":{},\"type\":{},\"key_size\":{},\"value_size\":{},\"max_entries\":{}}}",
            text(&map.name),
            text(map.kind.name()),
            map.key_size,
            map.value_size,
            map.max_entries
        );
    });
    to.push_str("],\"globals\":[");
    list(&mut to, &spec.globals, |to, global| {
        let _ = write!(
            to,
            "{{\"name\":{},\"size\":{}}}",
            text(&global.name),
            global.size
        );
    });
    to.push_str("]}");
    to
}

/// The entries of a map, byte by byte.
fn entries(session: &mut Session, map: &str) -> Result<String, String> {
    let vm = session.machine()?;
    let keys = vm.keys(map).map_err(|error| error.to_string())?;
    let mut to = String::from("[");
    list(&mut to, &keys, |to, key| {
        let _ = write!(to, "{{\"key\":{},\"values\":[", hex(key));
        let values = vm.lookup(map, key).unwrap_or_default();
        list(to, &values, |to, value| to.push_str(&hex(value)));
        to.push_str("]}");
    });
    to.push(']');
    Ok(to)
}
