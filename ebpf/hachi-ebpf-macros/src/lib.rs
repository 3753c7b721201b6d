//! Attribute macros of `hachi-ebpf`, which re-exports them as `hachi_ebpf::macros`.
//!
//! Their output names no crate but `core`, so that `hachi-ebpf` may be renamed in a `Cargo.toml`.

mod args;
mod extension;
mod function;
mod kernel;
mod log;
mod map;
mod network;
mod program;
mod struct_ops;
mod tokens;
mod xdp;

use proc_macro::TokenStream;

use tokens::Error;

/// Makes a function an XDP program: the function is called for each packet that an interface
/// receives, and returns what becomes of it.
///
/// ```ignore
/// #[xdp]
/// pub fn firewall(ctx: XdpContext) -> u32 {
///     xdp_action::XDP_PASS
/// }
/// ```
/// The function takes the context and returns an action (`u32`); it may be `unsafe`. It remains an
/// ordinary function as well, which tests may call.
///
/// - `#[xdp(name = "filter")]`: the program's name, when it is not to be the function's.
/// - `#[xdp(frags)]`: the program takes packets of several buffers (5.18).
/// - `#[xdp(map = "devmap")]` or `"cpumap"`: the program is for an entry of such a map (5.8, 5.9).
///
/// The section is `xdp`, `xdp.frags`, `xdp/devmap`, `xdp.frags/devmap` and so on, as libbpf has
/// them.
#[proc_macro_attribute]
pub fn xdp(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(xdp::expand(attribute, item.clone()), item)
}

/// Attributes of programs, each a row of a table in a module here.
macro_rules! attributes {
    ($($(#[$documentation:meta])* $name:ident = $module:ident::$kind:ident;)*) => { $(
        $(#[$documentation])*
        #[proc_macro_attribute]
        pub fn $name(attribute: TokenStream, item: TokenStream) -> TokenStream {
            finish($module::expand(&$module::$kind, attribute, item.clone()), item)
        }
    )* };
}

attributes! {
    /// Makes a function a program for a tracepoint, with arguments whose types the verifier knows
    /// (5.5).
    ///
    /// ```ignore
    /// #[btf_tracepoint(function = "sched_process_fork")]
    /// pub fn forked(ctx: BtfTracePointContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `function = "…"`: the tracepoint, of those in `/sys/kernel/tracing/events`. Without it the
    ///   user side names it when it loads the program.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// What the function returns does not matter; it may return nothing. The section is
    /// `tp_btf/TRACEPOINT`.
    btf_tracepoint = program::BTF_TRACEPOINT;

    /// Makes a function a program for a tracepoint, with arguments as numbers (4.17).
    ///
    /// ```ignore
    /// #[raw_tracepoint(tracepoint = "sched_switch")]
    /// pub fn switched(ctx: RawTracePointContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `tracepoint = "…"`: which one. Without it the user side names it when it attaches the
    ///   program.
    /// - `writable`: the program may write to the tracepoint's buffer, where it has one (5.2).
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// What the function returns does not matter; it may return nothing. The section is
    /// `raw_tracepoint/TRACEPOINT`, or `raw_tracepoint.w/TRACEPOINT`.
    raw_tracepoint = program::RAW_TRACEPOINT;

    /// Makes a function a program for a tracepoint, with the record that tracefs describes (4.7).
    ///
    /// ```ignore
    /// #[tracepoint(category = "sched", name = "sched_switch")]
    /// pub fn switched(ctx: TracePointContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `category = "…"`, `name = "…"`: the directory and the name in
    ///   `/sys/kernel/tracing/events`. Without them the user side says it when it attaches the
    ///   program; `name` alone is the program's name.
    ///
    /// What the function returns does not matter; it may return nothing. The section is
    /// `tracepoint/CATEGORY/NAME`.
    tracepoint = program::TRACEPOINT;

    /// Makes a function a program that runs when a function of the kernel is entered (5.5).
    ///
    /// ```ignore
    /// #[fentry(function = "tcp_connect")]
    /// pub fn connecting(ctx: FEntryContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `function = "…"`: the kernel's function. Without it the user side names it when it loads
    ///   the program.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    /// - `sleepable`: the program may sleep, where the kernel's function may (5.10).
    ///
    /// What the function returns does not matter; it may return nothing. The section is
    /// `fentry/FUNCTION`, or `fentry.s/FUNCTION`.
    fentry = program::FENTRY;

    /// Makes a function a program that runs when a function of the kernel returns (5.5).
    ///
    /// ```ignore
    /// #[fexit(function = "tcp_connect")]
    /// pub fn connected(ctx: FExitContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// The arguments are those of [`macro@fentry`]; the section is `fexit/FUNCTION`, or
    /// `fexit.s/FUNCTION`.
    fexit = program::FEXIT;

    /// Makes a function a program that runs before a function of the kernel, and instead of it when
    /// it returns an error (5.7).
    ///
    /// ```ignore
    /// #[fmod_ret(function = "security_file_open")]
    /// pub fn opening(ctx: FModRetContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `function = "…"`: the kernel's function: a system call, a security hook (`security_…`) or
    ///   one that is marked for error injection. Without it the user side names it when it loads
    ///   the program.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    /// - `sleepable`: the program may sleep, where the kernel's function may (5.10).
    ///
    /// The function returns 0 to let the kernel's run, or a negative error in its place. The
    /// section is `fmod_ret/FUNCTION`, or `fmod_ret.s/FUNCTION`.
    fmod_ret = program::FMOD_RET;

    /// Makes a function a program that runs when a function of the kernel is entered and again when
    /// it returns, and can keep eight bytes in between (7.0).
    ///
    /// ```ignore
    /// #[fsession(function = "tcp_connect")]
    /// pub fn connecting(ctx: FSessionContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// The arguments are those of [`macro@fentry`].
    ///
    /// The function returns 0 to run at the return as well, 1 not to. The section is
    /// `fsession/FUNCTION`, or `fsession.s/FUNCTION`.
    fsession = program::FSESSION;

    /// Makes a function a security hook: it returns 0 to allow, or a negative error to forbid
    /// (5.7).
    ///
    /// ```ignore
    /// #[lsm(hook = "file_open")]
    /// pub fn opening(ctx: LsmContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `hook = "…"`: the hook, of those in `include/linux/lsm_hook_defs.h`. Without it the user
    ///   side names it when it loads the program.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    /// - `sleepable`: the program may sleep, where the hook may (5.10).
    ///
    /// The kernel must run with `bpf` among its security modules (`lsm=…,bpf`). The section is
    /// `lsm/HOOK`, or `lsm.s/HOOK`.
    lsm = program::LSM;

    /// Makes a function a security hook for the processes of a cgroup: it returns 1 to allow, or 0
    /// to forbid (6.0).
    ///
    /// ```ignore
    /// #[lsm_cgroup(hook = "socket_post_create")]
    /// pub fn created(ctx: LsmContext) -> i32 {
    ///     1
    /// }
    /// ```
    /// - `hook = "…"`: the hook, as for [`macro@lsm`].
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `lsm_cgroup/HOOK`.
    lsm_cgroup = program::LSM_CGROUP;

    /// Makes a function a program that runs when the kernel comes to an instruction, usually the
    /// entry of a function (4.1).
    ///
    /// ```ignore
    /// #[kprobe(function = "tcp_connect")]
    /// pub fn connecting(ctx: ProbeContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `function = "…"`: the kernel's function. Without it the user side names it when it
    ///   attaches the program.
    /// - `offset = …`: how many bytes after its start.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    /// - `multi`: at all functions that fit a pattern, in which `*` is any text and `?` any one
    ///   letter (5.18).
    ///
    /// What the function returns does not matter; it may return nothing. The section is
    /// `kprobe/FUNCTION`, or `kprobe.multi/PATTERN`.
    kprobe = program::KPROBE;

    /// Makes a function a program that runs when a function of the kernel returns (4.1).
    ///
    /// ```ignore
    /// #[kretprobe(function = "tcp_connect")]
    /// pub fn connected(ctx: RetProbeContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// The arguments are those of [`macro@kprobe`], but `offset`. The section is
    /// `kretprobe/FUNCTION`, or `kretprobe.multi/PATTERN`.
    kretprobe = program::KRETPROBE;

    /// Makes a function a program that runs when any of some functions of the kernel is entered and
    /// again when it returns, and can keep eight bytes in between (6.10).
    ///
    /// ```ignore
    /// #[kprobe_session(function = "tcp_*")]
    /// pub fn calls(ctx: ProbeSessionContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `function = "…"`: a pattern, in which `*` is any text and `?` any one letter.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The function returns 0 to run at the return as well, 1 not to. The section is
    /// `kprobe.session/PATTERN`.
    kprobe_session = program::KPROBE_SESSION;

    /// Makes a function a program that runs when processes make a system call, by a probe at the
    /// kernel's function for it, whatever its name on this architecture (4.1).
    ///
    /// ```ignore
    /// #[ksyscall(syscall = "openat")]
    /// pub fn opening(ctx: SyscallProbeContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `syscall = "…"`: its name in C. Without it the user side names it when it attaches the
    ///   program.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// What the function returns does not matter; it may return nothing. The section is
    /// `ksyscall/NAME`.
    ksyscall = program::KSYSCALL;

    /// Makes a function a program that runs when the kernel has done a system call (4.1).
    ///
    /// ```ignore
    /// #[kretsyscall(syscall = "openat")]
    /// pub fn opened(ctx: RetProbeContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// The arguments are those of [`macro@ksyscall`].
    ///
    /// The section is `kretsyscall/NAME`.
    kretsyscall = program::KRETSYSCALL;

    /// Makes a function a program that runs when a process comes to an instruction of a program or
    /// library, usually the entry of a function (4.1).
    ///
    /// ```ignore
    /// #[uprobe(path = "libc", function = "malloc")]
    /// pub fn allocating(ctx: ProbeContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `path = "…"`, `function = "…"`: a program or library, by its path or as the loader finds
    ///   libraries (`libc`), and a function of it. Without them the user side says it when it
    ///   attaches the program.
    /// - `offset = …`: how many bytes after its start.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    /// - `multi`: at all functions that fit a pattern, in which `*` is any text and `?` any one
    ///   letter (6.6).
    /// - `sleepable`: the program may sleep, and so read memory that is not there yet (6.0).
    ///
    /// What the function returns does not matter; it may return nothing. The section is
    /// `uprobe/PATH:FUNCTION`, with `.multi` and `.s` in front of the slash for the words.
    uprobe = program::UPROBE;

    /// Makes a function a program that runs when a function of a program or library returns (4.1).
    ///
    /// ```ignore
    /// #[uretprobe(path = "libc", function = "malloc")]
    /// pub fn allocated(ctx: RetProbeContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// The arguments are those of [`macro@uprobe`], but `offset`.
    ///
    /// The section is `uretprobe/PATH:FUNCTION`, with `.multi` and `.s` in front of the slash for
    /// the words.
    uretprobe = program::URETPROBE;

    /// Makes a function a program that runs when any of some functions of a program or library is
    /// entered and again when it returns, and can keep eight bytes in between (6.13).
    ///
    /// ```ignore
    /// #[uprobe_session(path = "libc", function = "pthread_*")]
    /// pub fn calls(ctx: ProbeSessionContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `path = "…"`, `function = "…"`: as for [`macro@uprobe`] with `multi`.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    /// - `sleepable`: the program may sleep.
    ///
    /// The function returns 0 to run at the return as well, 1 not to. The section is
    /// `uprobe.session/PATH:PATTERN`, or `uprobe.session.s/…`.
    uprobe_session = program::UPROBE_SESSION;

    /// Makes a function a program at a probe that the author of a program or library put there
    /// (4.20).
    ///
    /// ```ignore
    /// #[usdt(path = "libc", provider = "libc", name = "setjmp")]
    /// pub fn jumping(ctx: UsdtContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `path = "…"`: the program or library, as for [`macro@uprobe`].
    /// - `provider = "…"`, `name = "…"`: the probe's name. Without these three the user side says
    ///   it when it attaches the program; `name` alone is the program's name.
    /// - `sleepable`: the program may sleep (6.0).
    ///
    /// What the function returns does not matter; it may return nothing. The section is
    /// `usdt/PATH:PROVIDER:NAME`, or `usdt.s/…`.
    usdt = program::USDT;

    /// Makes a function an iterator: it is called for each object of a kind, and what it writes is
    /// what user space reads (5.8).
    ///
    /// ```ignore
    /// #[iter(target = "task")]
    /// pub fn list(ctx: IterContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `target = "…"`: what is iterated over: `task`, `task_file`, `tcp`, `bpf_map` and others, a
    ///   function `bpf_iter_…` of the kernel each.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    /// - `sleepable`: the program may sleep (5.18).
    ///
    /// The function returns 0, or 1 to be called for the same object again. The section is
    /// `iter/TARGET`, or `iter.s/TARGET`.
    iter = program::ITER;

    /// Makes a function a program that runs each time a number of events was counted, or a number
    /// of times a second (4.9).
    ///
    /// ```ignore
    /// #[perf_event]
    /// pub fn sample(ctx: PerfEventContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The function returns 1 for the perf event to go on to its own readers, else 0. The section
    /// is `perf_event`.
    perf_event = network::PERF_EVENT;

    /// Makes a function a program that runs when user space says so, with an argument of its making
    /// (5.14). It may sleep.
    ///
    /// ```ignore
    /// #[syscall]
    /// pub fn set_up(ctx: SyscallContext<[u64; 2]>) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// What it returns is what user space gets. The section is `syscall`.
    syscall = network::SYSCALL;

    /// Makes a function a decoder of what a remote control sends (4.18).
    ///
    /// ```ignore
    /// #[lirc_mode2]
    /// pub fn decode(ctx: LircMode2Context) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// What the function returns does not matter. The section is `lirc_mode2`.
    lirc_mode2 = network::LIRC_MODE2;

    /// Makes a function a TC program: it is called for each packet on its way in or out through an
    /// interface, and returns a `TC_ACT_…` (4.1).
    ///
    /// ```ignore
    /// #[classifier]
    /// pub fn program(ctx: TcContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `ingress`, `egress`: which way it is attached (6.6); otherwise the user side says.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `classifier`, or one of the place.
    classifier = network::CLASSIFIER;

    /// Makes a function a TC action: what filters of the traffic control do with packets (4.1).
    ///
    /// ```ignore
    /// #[action]
    /// pub fn program(ctx: TcContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `action`.
    action = network::ACTION;

    /// Makes a function a program of a netkit device, which returns a `NETKIT_…` (6.7).
    ///
    /// ```ignore
    /// #[netkit(primary)]
    /// pub fn program(ctx: TcContext) -> i32 {
    ///     -1
    /// }
    /// ```
    /// - `primary` or `peer`: at which end.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `netkit/primary` and so on.
    netkit = network::NETKIT;

    /// Makes a function a socket filter: it returns how many bytes of each packet the socket gets
    /// (3.19).
    ///
    /// ```ignore
    /// #[socket_filter]
    /// pub fn program(ctx: SkBuffContext) -> i64 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `socket`.
    socket_filter = network::SOCKET_FILTER;

    /// Makes a function a program for packets of a cgroup: it returns 1 to let them pass, 0 to drop
    /// them (4.10).
    ///
    /// ```ignore
    /// #[cgroup_skb]
    /// pub fn program(ctx: SkBuffContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `ingress`, `egress`: which way; otherwise the user side says.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `cgroup/skb`, or one of the place.
    cgroup_skb = network::CGROUP_SKB;

    /// Makes a function a program for sockets of a cgroup: it returns 1 to allow, 0 to forbid
    /// (4.10).
    ///
    /// ```ignore
    /// #[cgroup_sock]
    /// pub fn program(ctx: SockContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `sock_create` (the default), `sock_release` (5.9), `post_bind4`, `post_bind6` (4.17):
    ///   when.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `cgroup/sock`, or one of the place.
    cgroup_sock = network::CGROUP_SOCK;

    /// Makes a function a program for addresses that the processes of a cgroup use: it returns 1 to
    /// allow, 0 to forbid (4.17).
    ///
    /// ```ignore
    /// #[cgroup_sock_addr(bind4)]
    /// pub fn program(ctx: SockAddrContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `bind4`, `bind6`, `connect4`, `connect6` (4.17), `sendmsg4`, `sendmsg6` (4.18),
    ///   `recvmsg4`, `recvmsg6` (5.2), `getpeername4`, `getpeername6`, `getsockname4`,
    ///   `getsockname6` (5.8), and these with `_unix` (6.7): the system call.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `cgroup/bind4` and so on.
    cgroup_sock_addr = network::CGROUP_SOCK_ADDR;

    /// Makes a function a program for socket options that the processes of a cgroup use: it returns
    /// 1 to allow, 0 to forbid (5.3).
    ///
    /// ```ignore
    /// #[cgroup_sockopt(getsockopt)]
    /// pub fn program(ctx: SockoptContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `getsockopt` or `setsockopt`: the system call.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `cgroup/getsockopt` and so on.
    cgroup_sockopt = network::CGROUP_SOCKOPT;

    /// Makes a function a program for sysctls that the processes of a cgroup use: it returns 1 to
    /// allow, 0 to forbid (5.2).
    ///
    /// ```ignore
    /// #[cgroup_sysctl]
    /// pub fn program(ctx: SysctlContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `cgroup/sysctl`.
    cgroup_sysctl = network::CGROUP_SYSCTL;

    /// Makes a function a program for devices that the processes of a cgroup use: it returns 1 to
    /// allow, 0 to forbid (4.15).
    ///
    /// ```ignore
    /// #[cgroup_device]
    /// pub fn program(ctx: DeviceContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `cgroup/dev`.
    cgroup_device = network::CGROUP_DEVICE;

    /// Makes a function a program for what happens to the TCP sockets of a cgroup (4.13).
    ///
    /// ```ignore
    /// #[sock_ops]
    /// pub fn program(ctx: SockOpsContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `sockops`.
    sock_ops = network::SOCK_OPS;

    /// Makes a function a program for what is sent through the sockets of a sockmap: it returns
    /// `SK_PASS` or `SK_DROP` (4.17).
    ///
    /// ```ignore
    /// #[sk_msg]
    /// pub fn program(ctx: SkMsgContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `sk_msg`.
    sk_msg = network::SK_MSG;

    /// Makes a function a program for what the sockets of a sockmap receive (4.14).
    ///
    /// ```ignore
    /// #[sk_skb]
    /// pub fn program(ctx: SkBuffContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `stream_parser`: it returns the length of the message that begins here; `stream_verdict`:
    ///   it returns `SK_PASS` or `SK_DROP`; `verdict`: the same without a parser (5.13). Otherwise
    ///   the user side says.
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `sk_skb`, or one of the place.
    sk_skb = network::SK_SKB;

    /// `#[sk_skb(stream_parser)]`, as programs for Aya write it.
    #[doc(hidden)]
    stream_parser = network::STREAM_PARSER;

    /// `#[sk_skb(stream_verdict)]`, as programs for Aya write it.
    #[doc(hidden)]
    stream_verdict = network::STREAM_VERDICT;

    /// Makes a function a program that chooses the socket for a connection or packet: it returns
    /// `SK_PASS` or `SK_DROP` (5.9).
    ///
    /// ```ignore
    /// #[sk_lookup]
    /// pub fn program(ctx: SkLookupContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `sk_lookup`.
    sk_lookup = network::SK_LOOKUP;

    /// Makes a function a program that chooses among the sockets that share a port: it returns
    /// `SK_PASS` or `SK_DROP` (4.19).
    ///
    /// ```ignore
    /// #[sk_reuseport]
    /// pub fn program(ctx: SkReuseportContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `migrate`: it also chooses where the connections of a closed socket go (5.14).
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `sk_reuseport`, or one of the place.
    sk_reuseport = network::SK_REUSEPORT;

    /// Makes a function a program that tells which flow a packet belongs to: it returns `BPF_OK`,
    /// `BPF_DROP` or `BPF_FLOW_DISSECTOR_CONTINUE` (4.20).
    ///
    /// ```ignore
    /// #[flow_dissector]
    /// pub fn program(ctx: FlowDissectorContext) -> u32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `flow_dissector`.
    flow_dissector = network::FLOW_DISSECTOR;

    /// Makes a function a program for packets that arrive by a route: it returns `BPF_OK` or
    /// `BPF_DROP` (4.10).
    ///
    /// ```ignore
    /// #[lwt_in]
    /// pub fn program(ctx: LwtContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `lwt_in`.
    lwt_in = network::LWT_IN;

    /// Makes a function a program for packets that leave by a route: it returns `BPF_OK` or
    /// `BPF_DROP` (4.10).
    ///
    /// ```ignore
    /// #[lwt_out]
    /// pub fn program(ctx: LwtContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `lwt_out`.
    lwt_out = network::LWT_OUT;

    /// Makes a function a program for packets that leave by a route, which may change them: it
    /// returns `BPF_OK`, `BPF_DROP`, `BPF_REDIRECT` or `BPF_LWT_REROUTE` (4.10).
    ///
    /// ```ignore
    /// #[lwt_xmit]
    /// pub fn program(ctx: LwtContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `lwt_xmit`.
    lwt_xmit = network::LWT_XMIT;

    /// Makes a function a program for packets with a segment routing header: it returns `BPF_OK`,
    /// `BPF_DROP` or `BPF_REDIRECT` (4.18).
    ///
    /// ```ignore
    /// #[lwt_seg6local]
    /// pub fn program(ctx: LwtContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `lwt_seg6local`.
    lwt_seg6local = network::LWT_SEG6LOCAL;

    /// Makes a function a program of the kernel's firewall: it returns `NF_DROP` (0) or `NF_ACCEPT`
    /// (1) (6.4).
    ///
    /// ```ignore
    /// #[netfilter]
    /// pub fn program(ctx: NetfilterContext) -> i32 {
    ///     0
    /// }
    /// ```
    /// - `name = "…"`: the program's name, when it is not to be the function's.
    ///
    /// The section is `netfilter`.
    netfilter = network::NETFILTER;
}

/// Makes a function a replacement for a global function of another loaded program (5.6).
///
/// ```ignore
/// #[extension(function = "verdict")]
/// pub fn verdict_of_today(ctx: XdpContext, port: u32) -> u32 {
///     port & 1
/// }
/// ```
/// Arguments and result are those of the other function: integers, and contexts of its program.
///
/// - `function = "…"`: the function to be replaced, which may also be the other program itself.
///   Without it the user side names it when it loads the program.
/// - `name = "…"`: the program's name, when it is not to be the function's.
///
/// The section is `freplace/FUNCTION`. A function can be replaced if it is global (in Rust
/// `#[unsafe(no_mangle)] extern "C"`) and the verifier looks at it by itself.
#[proc_macro_attribute]
pub fn extension(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(extension::expand(attribute, item.clone()), item)
}

/// Makes the methods of an implementation programs that the kernel calls through a structure of
/// functions (5.6): a congestion control for TCP, a scheduler (6.12), a queueing discipline (6.16).
///
/// ```ignore
/// kernel_types! {
///     pub struct sock {}
///     /// As `hachi bindgen struct_ops:tcp_congestion_ops` writes it.
///     pub trait tcp_congestion_ops {
///         const name: [u8; 16];
///         fn ssthresh(sk: *mut sock) -> u32;
///         fn cong_avoid(sk: *mut sock, ack: u32, acked: u32);
///         fn undo_cwnd(sk: *mut sock) -> u32;
///     }
/// }
///
/// struct Careful;
///
/// #[struct_ops]
/// impl tcp_congestion_ops for Careful {
///     const name: [u8; 16] = c_chars("careful");
///     fn ssthresh(_sk: sock) -> u32 {
///         2
///     }
///     fn cong_avoid(_sk: sock, _ack: u32, _acked: u32) {}
///     fn undo_cwnd(_sk: sock) -> u32 {
///         2
///     }
/// }
/// ```
/// The trait is one of those that `kernel_types!` declares; its name is that of the kernel's
/// structure. Members that the implementation leaves out are null in the kernel's structure, which
/// may have others. Arguments are handles, read without `unsafe`, and methods are ordinary
/// functions as well, which tests may call.
///
/// - `#[struct_ops(name = "careful")]`: the name of the structure in the object, by which the user
///   side finds it (`Ebpf::struct_ops`), when it is not to be the type's. Programs are called by
///   that name, `_`, and the member's.
/// - `#[struct_ops(no_link)]`: it is registered for as long as its map has it, not by a link; for
///   kernels before 6.4. (The section is `.struct_ops` rather than `.struct_ops.link`.)
/// - `#[sleepable]` before a method: the program may sleep, where the kernel's function may (6.3).
#[proc_macro_attribute]
pub fn struct_ops(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(struct_ops::expand(attribute, item.clone()), item)
}

/// Declares functions of the kernel (kfuncs), or of its modules, for programs to call.
///
/// ```ignore
/// kernel_types! {
///     struct task_struct { pid: i32 }
///     struct xdp_md {}
/// }
///
/// #[kfunc]
/// extern "C" {
///     fn bpf_task_from_pid(pid: i32) -> *mut task_struct;
///     fn bpf_task_release(task: *mut task_struct);
///     /// Not every kernel has it.
///     #[weak]
///     fn bpf_xdp_metadata_rx_timestamp(ctx: *const xdp_md, timestamp: &mut u64) -> i32;
/// }
/// ```
/// Names and types are the kernel's; loaders look for both in its BTF, and in that of its modules.
/// The block may also be `unsafe extern "C"`. `hachi bindgen kfunc:NAME` writes the declaration.
///
/// | declared | called with |
/// | --- | --- |
/// | integers, `bool`, `enum NAME` | the same |
/// | `*const T`, `*mut T`, for `T` of `kernel_types!` | a handle, `T`; as a result `Option<T>` |
/// | `&T`, `&mut T` | the program's memory: an integer, a `#[repr(C)]` type, an array |
/// | `*const u32`, `*mut c_void` and the like | a raw pointer |
///
/// A context is passed as a handle: `xdp_md::from_ptr(ctx.as_ptr())`. What the verifier checks is
/// safe to call; functions with raw pointers are `unsafe`, and such that may write to a structure
/// (`&mut T`), because the compiler does not know whether all bytes make a `T`. `safe fn` says that
/// they do.
///
/// - `#[weak]` before a function, or `#[kfunc(weak)]` for all: the program loads where the kernel
///   does not have it, if `kfunc_exists!(NAME)` keeps it from calling it there.
/// - `#[name = "…"]` before a function: what the kernel calls it.
///
/// Kernel functions take a licence compatible with the GPL, and kernel 5.13, for most programs 6.0.
#[proc_macro_attribute]
pub fn kfunc(attribute: TokenStream, item: TokenStream) -> TokenStream {
    kernel::expand_kfunc(attribute, item).unwrap_or_else(Error::into_compile_error)
}

/// Makes a static a map.
///
/// ```ignore
/// #[map]
/// static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(4, 0);
/// ```
/// Its name is the static's, or with `#[map(name = "counters")]` the one given. The kernel shows
/// the first 15 bytes of it. A `static mut`, as in programs written for Aya, is made a plain one.
#[proc_macro_attribute]
pub fn map(attribute: TokenStream, item: TokenStream) -> TokenStream {
    finish(map::expand(attribute, item.clone()), item)
}

/// Puts the variables named in a log message's format behind it; see `hachi_ebpf::log`.
#[doc(hidden)]
#[proc_macro]
pub fn __log_inline(input: TokenStream) -> TokenStream {
    log::expand(input).unwrap_or_else(Error::into_compile_error)
}

/// Declares types and functions of the kernel: what `hachi_ebpf::kernel_types!` expands to.
#[doc(hidden)]
#[proc_macro]
pub fn __kernel_types(input: TokenStream) -> TokenStream {
    kernel::expand(input).unwrap_or_else(Error::into_compile_error)
}

/// The expansion; or the error and the item as it was, so that the compiler does not complain of
/// its absence as well.
fn finish(expansion: Result<TokenStream, Error>, item: TokenStream) -> TokenStream {
    expansion.unwrap_or_else(|error| {
        let mut tokens = error.into_compile_error();
        tokens.extend(item);
        tokens
    })
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
