//! The virtual machine for JavaScript: a module for `wasm32-unknown-unknown` with a C interface of
//! its own, without imports. `wasm.mjs` beside this file wraps it, and its test shows each call.
//!
//! ```text
//! cargo xtask test wasm
//! ```
//!
//! Arguments are addresses and lengths in the module's memory: [`hachi_alloc`] gives room, and
//! [`hachi_free`] takes it back. A call that can fail returns 0 when it went well. Either way it
//! leaves its answer, which [`hachi_answer`] and [`hachi_answer_len`] give: a JSON document, or the
//! text of the error.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use hachi_common::log::{RING_MAP, Sites};
use hachi_obj::Spec;
use hachi_vm::machine::maps::Map;
use hachi_vm::{Config, Counts, Input, Output, Stopped, Vm};

/// An object, and the machine that runs it once something was asked of it.
struct Object {
    spec: Spec,
    vm: Option<Vm>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<u32, Object>,
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

fn with(handle: u32, f: impl FnOnce(&mut Object) -> Result<String, String>) -> u32 {
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
    match Spec::parse(file) {
        Ok(spec) => {
            state.last += 1;
            let handle = state.last;
            state.objects.insert(handle, Object { spec, vm: None });
            answer(&mut state, Ok(String::new()));
            handle
        }
        Err(error) => {
            answer(&mut state, Err(error.to_string()));
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
    with(handle, |object| {
        let mut to = String::from("{\"programs\":[");
        list(&mut to, &object.spec.programs, |to, program| {
            let _ = write!(
                to,
                "{{\"name\":{},\"type\":{},\"section\":{}}}",
                text(&program.name),
                text(program.program_type.name()),
                text(&program.section)
            );
        });
        to.push_str("],\"maps\":[");
        list(&mut to, &object.spec.maps, |to, map| {
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
        list(&mut to, &object.spec.globals, |to, global| {
            let _ = write!(
                to,
                "{{\"name\":{},\"size\":{}}}",
                text(&global.name),
                global.size
            );
        });
        to.push_str("]}");
        Ok(to)
    })
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
    with(handle, |object| {
        let set = object.spec.set_global(&name, value);
        set.map_err(|error| error.to_string())?;
        object.vm = None;
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
    with(handle, |object| {
        let (wide, tall) = (key.len(), value.len());
        let spec = object.spec.map(&map).map_err(|error| error.to_string())?;
        if (wide, tall) != (spec.key_size as usize, spec.value_size as usize) {
            return Err(format!(
                "map `{map}` has keys of {} bytes and values of {}; {wide} and {tall} are given",
                spec.key_size, spec.value_size
            ));
        }
        let vm = machine(object)?;
        let updated = vm.update(&map, key, value);
        updated.map_err(|error| error.to_string())?;
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
    with(handle, |object| {
        let vm = machine(object)?;
        let keys = vm.keys(&map).map_err(|error| error.to_string())?;
        let mut to = String::from("[");
        list(&mut to, &keys, |to, key| {
            let _ = write!(to, "{{\"key\":{},\"values\":[", hex(key));
            let values = vm.lookup(&map, key).unwrap_or_default();
            list(to, &values, |to, value| to.push_str(&hex(value)));
            to.push_str("]}");
        });
        to.push(']');
        Ok(to)
    })
}

/// Runs a program once, over a packet or the bytes of a context: `{"verdict", "bytes": HEX,
/// "metadata": HEX, "instructions", "redirected", "printed": [TEXT], "log": [{"level", "file",
/// "line", "text"}], "lines": [{"file", "line", "count", "text"}], "fault"}`. `fault` is null, or
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
    with(handle, |object| {
        object
            .spec
            .program(&program)
            .map_err(|error| error.to_string())?;
        let sites = Sites::new(object.spec.log_sites.clone().unwrap_or_default());
        let vm = machine(object)?;
        vm.world_mut().printed.clear();
        let mut counts = Counts::default();
        let result = vm.run_observed(&program, &Input::new(input), &mut counts);
        Ok(outcome(vm, &result, &sites, &counts))
    })
}

fn machine(object: &mut Object) -> Result<&mut Vm, String> {
    if object.vm.is_none() {
        let vm = Vm::new(&object.spec, &Config::default());
        object.vm = Some(vm.map_err(|error| error.to_string())?);
    }
    Ok(object.vm.as_mut().expect("it was just made"))
}

fn outcome(
    vm: &mut Vm,
    result: &Result<Output, Box<Stopped>>,
    sites: &Sites,
    counts: &Counts,
) -> String {
    let mut to = String::from("{");
    match result {
        Ok(output) => {
            let _ = write!(
                to,
                "\"verdict\":{},\"bytes\":{},\"metadata\":{},\"instructions\":{},\
                 \"redirected\":{},\"fault\":null",
                output.result,
                hex(&output.bytes),
                hex(&output.metadata),
                output.instructions,
                output.redirect.is_some()
            );
        }
        Err(stopped) => {
            let _ = write!(
                to,
                "\"verdict\":null,\"instructions\":{},\"fault\":{{\"message\":{},\"text\":{}}}",
                stopped.instructions,
                text(&stopped.to_string()),
                text(&stopped.diagnostic().to_string())
            );
        }
    }
    to.push_str(",\"printed\":[");
    list(&mut to, &vm.world().printed, |to, line| {
        to.push_str(&text(line));
    });
    to.push_str("],\"log\":[");
    let records = match vm.world().map(RING_MAP).map(Map::kind) {
        Some(_) => vm.take_records(RING_MAP).unwrap_or_default(),
        None => Vec::new(),
    };
    list(&mut to, &records, |to, record| {
        let _ = match sites.decode(record) {
            Ok(message) => write!(
                to,
                "{{\"level\":{},\"file\":{},\"line\":{},\"text\":{}}}",
                text(&format!("{:?}", message.site.level).to_lowercase()),
                text(message.site.file),
                message.site.line,
                text(&message.to_string())
            ),
            Err(error) => write!(to, "{{\"text\":{}}}", text(&error.to_string())),
        };
    });
    to.push_str("],\"lines\":[");
    let lines = lines(vm, counts);
    list(&mut to, &lines, |to, ((file, line), (count, source))| {
        let _ = write!(
            to,
            "{{\"file\":{},\"line\":{line},\"count\":{count},\"text\":{}}}",
            text(file),
            text(source)
        );
    });
    to.push_str("]}");
    to
}

/// A file and a line of it.
type Line = (String, u32);

/// How often each line ran: as often as the instruction of it that ran most.
fn lines(vm: &Vm, counts: &Counts) -> BTreeMap<Line, (u64, String)> {
    let names: Vec<String> = vm.programs().map(str::to_owned).collect();
    let mut lines: BTreeMap<Line, (u64, String)> = BTreeMap::new();
    for (number, name) in names.iter().enumerate() {
        for (insn, count) in counts.of(number).iter().enumerate() {
            if *count == 0 {
                continue;
            }
            let Some(place) = vm.place(name, insn) else {
                continue;
            };
            let line = lines
                .entry((place.file, place.line))
                .or_insert((0, place.text));
            line.0 = line.0.max(*count);
        }
    }
    lines
}

/// Elements with commas between them.
fn list<T>(to: &mut String, items: impl IntoIterator<Item = T>, f: impl Fn(&mut String, T)) {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            to.push(',');
        }
        f(to, item);
    }
}

/// Bytes as a string of hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    let mut to = String::from("\"");
    for byte in bytes {
        let _ = write!(to, "{byte:02x}");
    }
    to.push('"');
    to
}

/// A string of JSON.
fn text(text: &str) -> String {
    let mut to = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            character if u32::from(character) < 0x20 => {
                let _ = write!(to, "\\u{:04x}", u32::from(character));
            }
            character => to.push(character),
        }
    }
    to.push('"');
    to
}
