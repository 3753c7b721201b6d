// Attributes of programs that watch the kernel and processes; part of `lib.rs`, where the compiler
// wants all macros.

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
}
