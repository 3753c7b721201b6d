// Attributes of programs for packets, sockets, cgroups and devices; part of `lib.rs`, where the
// compiler wants all macros.

attributes! {
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
