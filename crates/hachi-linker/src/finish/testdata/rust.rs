//! What the finishing half of the linker has to deal with, in one program.
#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::marker::PhantomData;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[repr(C)]
pub struct MapDef<K, V> {
    r#type: u32,
    max_entries: u32,
    map_flags: u32,
    pinning: u32,
    map_extra: u64,
    key: *const K,
    value: *const V,
}

pub struct Map<K, V> {
    def: UnsafeCell<MapDef<K, V>>,
    marker: PhantomData<(K, V)>,
}

unsafe impl<K, V> Sync for Map<K, V> {}

impl<K, V> Map<K, V> {
    pub const fn new(r#type: u32, max_entries: u32, map_flags: u32) -> Self {
        let def = MapDef {
            r#type,
            max_entries,
            map_flags,
            pinning: 0,
            map_extra: 0,
            key: core::ptr::null(),
            value: core::ptr::null(),
        };
        Map {
            def: UnsafeCell::new(def),
            marker: PhantomData,
        }
    }

    pub fn get(&self, key: &K) -> *mut V {
        let lookup: extern "C" fn(*const c_void, *const K) -> *mut V =
            unsafe { core::mem::transmute(1usize) };
        lookup(self.def.get() as *const c_void, key)
    }
}

/// A user's type around a map, with something beside it that takes no room.
#[allow(dead_code)]
pub struct Wrapped<T> {
    nothing: (),
    map: T,
}

#[derive(Clone, Copy)]
pub enum Payload {
    None,
    Code(u32),
    Pair { wide: u64, narrow: u8 },
}

#[repr(transparent)]
pub struct Global<T>(UnsafeCell<T>);

unsafe impl<T> Sync for Global<T> {}

mod inner {
    use super::*;

    // Two private maps: references to them are by section and offset.
    #[unsafe(link_section = ".maps")]
    pub static FIRST: Map<u32, u64> = Map::new(2, 16, 0);
    #[unsafe(link_section = ".maps")]
    pub static SECOND: Map<Option<u32>, (u8, Payload)> = Map::new(1, 32, 1);
    #[unsafe(link_section = ".maps")]
    pub static WRAPPED: Wrapped<Map<char, u32>> = Wrapped {
        nothing: (),
        map: Map::new(1, 4, 0),
    };
    #[unsafe(link_section = ".maps")]
    pub static EVENTS: Map<(), ()> = Map::new(27, 4096, 0);

    pub static LIMIT: Global<u32> = Global(UnsafeCell::new(7));
}

static LIMIT: Global<u64> = Global(UnsafeCell::new(9));

#[unsafe(link_section = ".hachi.log")]
static SITE: [u8; 16] = *b"\x10\0\x03\0\0\0\0\0site1   ";
#[unsafe(link_section = ".hachi.log")]
static OTHER_SITE: [u8; 16] = *b"\x10\0\x03\0\0\0\0\0site2   ";

unsafe extern "C" {
    #[link_name = "hachi:1:field_byte_offset:struct:task_struct:pid=i32"]
    safe fn offset_of_pid() -> u64;
    #[link_name = "hachi:1:field_exists:struct:task_struct:se.load.weight=u64"]
    safe fn weight_exists() -> u64;
    #[link_name = "hachi:1:type_id_local:struct:Payload"]
    safe fn payload_id() -> u64;
    #[link_name = "hachi:1:kfunc:bpf_rcu_read_lock:fn()"]
    safe fn rcu_read_lock();
    #[link_name = "hachi:1:kfunc:bpf_rcu_read_unlock:fn()"]
    safe fn rcu_read_unlock();
    #[link_name = "hachi:1:kfunc_exists:bpf_rcu_read_unlock:fn()"]
    safe fn rcu_unlock_exists() -> u64;
    safe fn from_c(value: u32) -> u32;
}

/// A callback stays a function of its own; this one has an instance for each type.
extern "C" fn add<T: Copy + Into<u64>>(_index: u32, context: &mut (T, u64)) -> u64 {
    context.1 += context.0.into();
    0
}

fn repeat<T: Copy + Into<u64>>(value: T) -> u64 {
    type Callback<T> = extern "C" fn(u32, &mut (T, u64)) -> u64;
    let bpf_loop: extern "C" fn(u32, Callback<T>, &mut (T, u64), u64) -> u64 =
        unsafe { core::mem::transmute(181usize) };
    let mut context = (value, unsafe { core::ptr::read_volatile(LIMIT.0.get()) });
    bpf_loop(3, add::<T>, &mut context, 0);
    context.1
}

#[unsafe(no_mangle)]
pub extern "C" fn from_rust(value: u32) -> u32 {
    value + 1
}

/// Named like its section.
#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
pub extern "C" fn xdp(ctx: *mut c_void) -> u32 {
    let len = unsafe { *(ctx as *const u32).add(3) };
    let mut sum = offset_of_pid() + weight_exists() + payload_id();
    rcu_read_lock();
    rcu_read_unlock();
    if rcu_unlock_exists() != 0 {
        sum += u64::from(from_c(len));
    }
    if !inner::SECOND.get(&Some(len)).is_null() {
        sum += repeat(len);
    }
    let first = inner::FIRST.get(&len);
    if !first.is_null() {
        sum += repeat(unsafe { *first });
    }
    inner::WRAPPED.map.get(&'x');
    let query: extern "C" fn(*const c_void, u64) -> u64 = unsafe { core::mem::transmute(134usize) };
    sum += query(&raw const inner::EVENTS as *const c_void, 0);
    sum += u64::from(unsafe { core::ptr::read_volatile(inner::LIMIT.0.get()) });
    sum += &raw const OTHER_SITE as u64;
    sum += &raw const SITE as u64;
    sum as u32
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
pub static LICENSE: [u8; 4] = *b"GPL\0";
