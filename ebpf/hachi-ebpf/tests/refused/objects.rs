//! Objects have one owner, locks are held once, and what they protect is not taken along.
#![forbid(unsafe_code)]
use hachi_ebpf::{Dynptr, DynptrSlot, Pod, maps::*, objects::*, programs::XdpContext};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod)]
#[repr(C)]
struct Job {
    number: u64,
}
item!(Job);

static LIST: Array<LockedList<Job>> = Array::with_max_entries(1, 0);
static TREE: Array<LockedTree<Job>> = Array::with_max_entries(1, 0);

fn given_away_twice(job: Object<ListItem<Job>>) {
    let mut list = LIST.get(0).unwrap().lock();
    let _ = list.push_back(job);
    let _ = list.push_back(job); //~ use of moved value: `job`
}

fn locked_twice() {
    let list = LIST.get(0).unwrap();
    let _first = list.lock();
    let _second = list.lock(); //~ use of moved value: `list`
}

fn kept_while_it_is_taken_out() -> u64 {
    let mut tree = TREE.get(0).unwrap().lock();
    let first = tree.first().unwrap();
    drop(tree.remove_first()); //~ cannot borrow `tree` as mutable
    first.number
}

fn kept_after_the_lock() -> &'static Job {
    let tree = TREE.get(0).unwrap().lock();
    tree.first().unwrap() //~ cannot return value referencing local variable `tree`
}

fn moved_while_it_is_looked_at(mut ctx: XdpContext) -> u8 {
    let (mut slot, mut buffer) = (DynptrSlot::new(), [0; 4]);
    let packet = ctx.dynptr(&mut slot).unwrap();
    let bytes = packet.slice(0, &mut buffer).unwrap();
    let _ = packet.write(0, &1_u8); //~ cannot borrow `*packet` as mutable
    let first = bytes[0];
    let again = ctx.dynptr(&mut slot).unwrap();
    let _ = ctx.adjust_head(4); //~ cannot borrow `ctx` as mutable
    first + again.read::<u8>(0).unwrap()
}

fn made_of_nothing() -> Dynptr {
    Dynptr(Default::default()) //~ cannot initialize a tuple struct which contains private fields
}

fn main() {}
