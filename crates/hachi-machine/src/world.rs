use std::collections::BTreeMap;
use std::fmt;

use crate::maps::Map;
use crate::supplied::Supplied;
use crate::{Memory, Packet, Random, Redirect, Route, Socket, Trap};

/// The task that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The thread.
    pub pid: u32,
    /// The process.
    pub tgid: u32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its name; of more than 15 bytes the first 15 count.
    pub comm: String,
}

/// Something that a program must give back before it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Held {
    /// A record of a ring buffer that is neither submitted nor discarded.
    Record {
        /// The map's name.
        map: String,
        /// Its address.
        address: u64,
    },
    /// A spin lock.
    Lock {
        /// Its address.
        address: u64,
    },
    /// A lock of the kind that finds deadlocks (`bpf_res_spin_lock`).
    ResilientLock {
        /// Its address.
        address: u64,
    },
    /// A reference to something of the kernel's.
    Reference {
        /// What it is: "a socket", "a task".
        what: &'static str,
        /// Its address.
        address: u64,
    },
    /// A section that it entered: of RCU, or without preemption or interrupts.
    Section {
        /// Its name: "RCU read-side".
        what: &'static str,
    },
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Held::Record { map, .. } => write!(
                f,
                "a record of ring buffer `{map}` that it neither submitted nor discarded"
            ),
            Held::Lock { .. } | Held::ResilientLock { .. } => {
                f.write_str("a spin lock that it did not release")
            }
            Held::Reference { what, .. } => {
                write!(f, "a reference to {what} that it did not give back")
            }
            Held::Section { what } => write!(f, "a section ({what}) that it did not leave"),
        }
    }
}

/// A stretch of memory at an address that the test chose, for `bpf_probe_read_kernel` and its
/// like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The address of its first byte.
    pub address: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it belongs to the process that runs, not to the kernel.
    pub user: bool,
}

/// A packet that a program sent aside (`bpf_clone_redirect`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The interface it left by.
    pub ifindex: u32,
    /// Whether it came in on that interface instead.
    pub ingress: bool,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The sysctl that a program of that kind is asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sysctl {
    /// Its name: `net/ipv4/ip_forward`.
    pub name: String,
    /// What it holds.
    pub current: Vec<u8>,
    /// What is about to be written.
    pub new: Option<Vec<u8>>,
}

/// What is set for the program that runs, and only while it does.
#[derive(Debug, Clone, Default)]
pub struct Running {
    /// Its type, as the kernel numbers it.
    pub program_type: u32,
    /// The address of its context.
    pub context: u64,
    /// Whether it may sleep.
    pub sleepable: bool,
    /// The packet's bytes before what the program sees: its Ethernet header, where that is hidden.
    pub hidden: Vec<u8>,
    /// The arguments of the function it is attached to.
    pub arguments: Vec<u64>,
    /// The cookie of its link (`bpf_get_attach_cookie`).
    pub cookie: u64,
    /// The address of the function it is attached to (`bpf_get_func_ip`).
    pub function: u64,
    /// What that function returned, for programs that run at its end.
    pub result: Option<u64>,
    /// The socket it is about, in the numbers of [`World::sockets`].
    pub socket: Option<usize>,
    /// What stands for the packet where the context only points to it.
    pub packet_pointer: Option<u64>,
}

/// What programs see of the machine, and what they leave behind.
///
/// All fields are free to set between runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct World {
    /// Nanoseconds since the machine started, without suspension; what `bpf_ktime_get_ns` answers.
    pub now: u64,
    /// How far the clock goes on each time that a program reads it, in nanoseconds.
    pub tick: u64,
    /// Nanoseconds since 1970 minus those since the machine started.
    pub epoch: u64,
    /// Where random numbers come from.
    pub random: Random,
    /// How many CPUs there are.
    pub cpus: u32,
    /// The CPU that programs run on.
    pub cpu: u32,
    /// The task that runs.
    pub task: Task,
    /// Where the task's structure is, if the test made one; otherwise it reads as zeros.
    pub task_struct: u64,
    /// The id of the task's cgroup (version 2).
    pub cgroup: u64,
    /// What programs printed, a line each.
    pub printed: Vec<String>,
    /// The maps, by number.
    pub maps: Vec<Map>,
    /// The packet of the program that runs.
    pub packet: Option<Packet>,
    /// Where the program that ran sent its packet.
    pub redirect: Option<Redirect>,
    /// What the program that runs must still give back.
    pub held: Vec<Held>,
    /// What is set for the program that runs.
    pub running: Running,
    /// The cgroup's ancestors, the root first, itself last.
    pub ancestors: Vec<u64>,
    /// The class of the task's cgroup (version 1).
    pub classid: u32,
    /// The sockets of the machine.
    pub sockets: Vec<Socket>,
    /// Options of sockets, set by `bpf_setsockopt` or the test: socket, level, name.
    pub options: BTreeMap<(usize, u32, u32), Vec<u8>>,
    /// The socket that the last program chose (`bpf_sk_assign`, `bpf_sk_select_reuseport`).
    pub chosen: Option<usize>,
    /// Routes, for `bpf_fib_lookup`.
    pub routes: Vec<Route>,
    /// Memory of the kernel and of the process, at addresses that the test chose.
    pub images: Vec<Image>,
    /// The call chain: addresses in the kernel, the innermost first.
    pub kernel_stack: Vec<u64>,
    /// The call chain of the process.
    pub user_stack: Vec<u64>,
    /// The counter of perf events: its value, and for how long it was enabled and running, in
    /// nanoseconds.
    pub counter: (u64, u64, u64),
    /// What a session program keeps from the start of a function to its end.
    pub session_cookie: u64,
    /// What the program wrote to the file of its iterator.
    pub sequence: Vec<u8>,
    /// Packets that were sent aside.
    pub sent: Vec<Sent>,
    /// Signals that the program sent to the task that runs.
    pub signals: Vec<u32>,
    /// The sysctl that is read or written.
    pub sysctl: Sysctl,
    /// The tunnel's key of the packet (`struct bpf_tunnel_key`), and its options.
    pub tunnel: (Vec<u8>, Vec<u8>),
    /// What a program returns to the kernel besides its result (`bpf_set_retval`).
    pub retval: i64,
    /// What bytes a parser or verdict program asked for.
    pub message: Message,
    /// Helpers and kernel functions that the test supplied.
    pub(crate) supplied: Supplied,
    /// Dynptrs, timers and other objects that live in the program's memory.
    pub(crate) objects: crate::objects::Objects,
    /// Whether a helper moved the packet since the last call of [`World::take_moved`].
    moved: bool,
    /// Work that helpers did and that is not yet charged, in instructions.
    work: u64,
}

/// What a program on a socket's data asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Message {
    /// Bytes to which the verdict applies (`bpf_msg_apply_bytes`).
    pub apply: u32,
    /// Bytes to wait for (`bpf_msg_cork_bytes`).
    pub cork: u32,
}

impl World {
    /// A machine with this many CPUs: one minute old, the first CPU running task 1000 of user 1000,
    /// without maps.
    pub fn new(cpus: u32) -> World {
        World {
            now: 60_000_000_000,
            tick: 1000,
            epoch: 1_700_000_000_000_000_000,
            random: Random::new(0),
            cpus: cpus.max(1),
            cpu: 0,
            task: Task {
                pid: 1000,
                tgid: 1000,
                uid: 1000,
                gid: 1000,
                comm: "hachi".to_owned(),
            },
            task_struct: 0,
            cgroup: 1,
            printed: Vec::new(),
            maps: Vec::new(),
            packet: None,
            redirect: None,
            held: Vec::new(),
            running: Running::default(),
            ancestors: vec![1],
            classid: 0,
            sockets: Vec::new(),
            options: BTreeMap::new(),
            chosen: None,
            routes: Vec::new(),
            images: Vec::new(),
            kernel_stack: Vec::new(),
            user_stack: Vec::new(),
            counter: (0, 0, 0),
            session_cookie: 0,
            sequence: Vec::new(),
            sent: Vec::new(),
            signals: Vec::new(),
            sysctl: Sysctl::default(),
            tunnel: (Vec::new(), Vec::new()),
            retval: 0,
            message: Message::default(),
            supplied: Supplied::default(),
            objects: crate::objects::Objects::default(),
            moved: false,
            work: 0,
        }
    }

    /// Forgets what belongs to one run, before the next.
    pub fn start(&mut self, running: Running) {
        self.running = running;
        self.forget();
    }

    /// Starts another run of the program that ran last, with what was set for it.
    pub fn start_again(&mut self) {
        self.objects.end_run();
        self.forget();
    }

    /// Forgets what the last run left.
    fn forget(&mut self) {
        self.redirect = None;
        self.chosen = None;
        self.held.clear();
        self.sequence.clear();
        self.retval = 0;
        self.message = Message::default();
    }

    /// Takes the timer that expires first, if not after `until`: the clock goes to its time. Its
    /// map, where it lies, the program's function.
    pub fn take_expired(&mut self, until: u64) -> Option<(u32, u64, u64)> {
        let running = self.objects.timers.iter();
        let running = running.filter_map(|(at, timer)| Some((timer.expires?, *at)));
        let (expires, at) = running.min().filter(|(expires, _)| *expires <= until)?;
        let timer = self.objects.timers.get_mut(&at)?;
        timer.expires = None;
        self.now = self.now.max(expires);
        Some((timer.map, at, timer.callback))
    }

    /// Ends a run: forgets dynptrs, iterators and what else belonged to it.
    pub fn end(&mut self, memory: &dyn Memory) {
        if let Some(at) = self.objects.cookie {
            self.session_cookie = memory.u64(at).unwrap_or(0);
        }
        self.objects.end_run();
        self.running = Running::default();
    }

    /// Notes that pointers into the packet are void.
    pub fn packet_moved(&mut self) {
        self.moved = true;
    }

    /// Whether the packet moved since the last call.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Supplies a helper, in place of the machine's own if it has one.
    pub fn supply_helper(
        &mut self,
        helper: u32,
        function: impl Fn(&mut dyn Host, [u64; 5]) -> Result<u64, Trap> + Send + Sync + 'static,
    ) {
        self.supplied.helper(helper, function);
    }

    /// Supplies a kernel function, in place of the machine's own if it has one.
    pub fn supply_kfunc(
        &mut self,
        name: &str,
        function: impl Fn(&mut dyn Host, [u64; 5]) -> Result<u64, Trap> + Send + Sync + 'static,
    ) {
        self.supplied.kfunc(name, function);
    }

    /// Charges the program that runs for work that takes as long as this many instructions.
    pub fn charge(&mut self, instructions: u64) {
        self.work = self.work.saturating_add(instructions);
    }

    /// What was charged since the last call, in instructions.
    pub fn take_charges(&mut self) -> u64 {
        std::mem::take(&mut self.work)
    }

    /// Reads the clock, which goes on.
    pub fn read_clock(&mut self) -> u64 {
        let now = self.now;
        self.now = now.wrapping_add(self.tick);
        now
    }

    /// The map of this name.
    pub fn map(&self, name: &str) -> Option<&Map> {
        self.maps.iter().find(|map| map.name() == name)
    }

    /// The number of the map of this name.
    pub fn map_number(&self, name: &str) -> Option<u32> {
        let at = self.maps.iter().position(|map| map.name() == name)?;
        u32::try_from(at).ok()
    }
}

/// What runs a program: its memory, and a way to call back into it.
pub trait Host {
    /// The world and the memory.
    fn parts(&mut self) -> (&mut World, &mut dyn Memory);

    /// The number of the map that a pointer of the program stands for.
    fn map_at(&self, pointer: u64) -> Option<u32>;

    /// The pointer that stands for a map.
    fn map_pointer(&self, map: u32) -> u64;

    /// Calls a function of the program.
    ///
    /// # Errors
    /// If it does not end as it must.
    fn call_back(&mut self, function: u64, arguments: [u64; 5]) -> Result<u64, Trap>;
}
