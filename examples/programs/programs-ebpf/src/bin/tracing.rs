//! Programs at functions, tracepoints and hooks of the kernel. All but the iterator see a process
//! ask for a process group (getpgid(2)), or give a thread a name.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use hachi_ebpf::{
    Global,
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns},
    info,
    kernel::Probed,
    kernel_types,
    macros::{
        btf_tracepoint, fentry, fexit, fmod_ret, fsession, iter, kprobe, kprobe_session, kretprobe,
        kretsyscall, ksyscall, lsm, lsm_cgroup, raw_tracepoint, tracepoint,
    },
    programs::{
        BtfTracePointContext, FEntryContext, FExitContext, FModRetContext, FSessionContext,
        IterContext, LsmContext, ProbeContext, ProbeSessionContext, RawTracePointContext,
        RetProbeContext, SyscallProbeContext, TracePointContext,
    },
    seq_printf,
};

kernel_types! {
    struct task_struct { pid: i32, tgid: i32 }

    fn security_task_getpgid(p: *const task_struct) -> i32;
    fn task_getpgid(p: *const task_struct) -> i32;
    fn task_rename(task: *const task_struct);
}

/// Only what this process does.
static PID: Global<u32> = Global::new(0);

fn wanted() -> bool {
    PID.load() == 0 || PID.load() == (bpf_get_current_pid_tgid() >> 32) as u32
}

/// The system call begins.
#[tracepoint(category = "syscalls", name = "sys_enter_getpgid")]
fn tracepoint(ctx: TracePointContext) {
    if wanted() {
        info!(&ctx, "tracepoint: getpgid of {}", ctx.field::<u64>(16));
    }
}

/// A thread gets a name.
#[raw_tracepoint(tracepoint = "task_rename")]
fn raw_tracepoint(ctx: RawTracePointContext) -> Result<(), i64> {
    if wanted() {
        let task: task_struct<Probed> = ctx.arg(0);
        info!(
            &ctx,
            "raw_tracepoint: a name for a thread of {}",
            task.tgid()?
        );
    }
    Ok(())
}

/// A test run of a program comes to its end: it fails, with EBADMSG (74).
#[raw_tracepoint(tracepoint = "bpf_test_finish", writable)]
fn raw_tracepoint_writable(mut ctx: RawTracePointContext) {
    if PID.load() == 0 || !wanted() {
        return;
    }
    let error: i32 = ctx.buffer();
    info!(&ctx, "raw_tracepoint_writable: {} becomes -74", error);
    ctx.set_buffer(-74);
}

/// A thread gets a name.
#[btf_tracepoint(function = "task_rename")]
fn btf_tracepoint(ctx: BtfTracePointContext) {
    if wanted() {
        let task = task_rename::of(&ctx).task();
        info!(
            &ctx,
            "btf_tracepoint: a name for a thread of {}",
            task.tgid()
        );
    }
}

/// The kernel's function begins.
#[fentry(function = "security_task_getpgid")]
fn fentry(ctx: FEntryContext) {
    if wanted() {
        let task = security_task_getpgid::of(&ctx).p();
        info!(&ctx, "fentry: getpgid of {}", task.pid());
    }
}

/// It returns.
#[fexit(function = "security_task_getpgid")]
fn fexit(ctx: FExitContext) {
    if wanted() {
        let call = security_task_getpgid::of(&ctx);
        info!(
            &ctx,
            "fexit: getpgid of {} gives {}",
            call.p().pid(),
            call.result()
        );
    }
}

/// The kernel's function begins, and returns: what of the one time is kept for the other.
#[fsession(function = "security_task_getpgid")]
fn fsession(ctx: FSessionContext) -> i32 {
    if !ctx.is_return() {
        ctx.set_cookie(bpf_ktime_get_ns());
    } else if wanted() {
        info!(
            &ctx,
            "fsession: getpgid gives {} after {} ns",
            security_task_getpgid::of(&ctx).result(),
            bpf_ktime_get_ns() - ctx.cookie()
        );
    }
    0
}

/// It returns what we say.
#[fmod_ret(function = "security_task_getpgid")]
fn fmod_ret(ctx: FModRetContext) -> i32 {
    // Without a process to be for, it is for none.
    if PID.load() == 0 || !wanted() {
        return 0;
    }
    info!(
        &ctx,
        "fmod_ret: getpgid of {} is forbidden",
        security_task_getpgid::of(&ctx).p().pid()
    );
    -1
}

/// The same function, by breakpoint.
#[kprobe(function = "security_task_getpgid")]
fn kprobe(ctx: ProbeContext) -> Result<(), i64> {
    if wanted() {
        let task = security_task_getpgid::of(&ctx).p();
        info!(&ctx, "kprobe: getpgid of {}", task.pid()?);
    }
    Ok(())
}

/// Its return, by breakpoint.
#[kretprobe(function = "security_task_getpgid")]
fn kretprobe(ctx: RetProbeContext) {
    if wanted() {
        info!(&ctx, "kretprobe: getpgid gives {}", ctx.ret::<i32>());
    }
}

/// Its entry and its return, as `fsession`.
#[kprobe_session(function = "security_task_getpgid")]
fn kprobe_session(ctx: ProbeSessionContext) -> u32 {
    if !ctx.is_return() {
        ctx.set_cookie(bpf_ktime_get_ns());
    } else if wanted() {
        info!(
            &ctx,
            "kprobe_session: getpgid gives {} after {} ns",
            ctx.ret::<i32>(),
            bpf_ktime_get_ns() - ctx.cookie()
        );
    }
    0
}

/// The system call begins, by breakpoint.
#[ksyscall(syscall = "getpgid")]
fn ksyscall(ctx: SyscallProbeContext) {
    if wanted() {
        info!(
            &ctx,
            "ksyscall: getpgid of {}",
            ctx.arg::<u64>(0).unwrap_or(0)
        );
    }
}

/// It returns, by breakpoint.
#[kretsyscall(syscall = "getpgid")]
fn kretsyscall(ctx: RetProbeContext) {
    if wanted() {
        info!(&ctx, "kretsyscall: getpgid gives {}", ctx.ret::<i64>());
    }
}

/// Whether it is allowed.
#[lsm(hook = "task_getpgid")]
fn lsm(ctx: LsmContext) -> i32 {
    if PID.load() == 0 || !wanted() {
        return 0;
    }
    info!(
        &ctx,
        "lsm: getpgid of {} is forbidden",
        task_getpgid::of(&ctx).p().pid()
    );
    -1
}

/// Whether the processes of a cgroup may make sockets: none of family 17 (packets).
#[lsm_cgroup(hook = "socket_create")]
fn lsm_cgroup(ctx: LsmContext) -> i32 {
    let family: i32 = ctx.arg(0);
    info!(&ctx, "lsm_cgroup: a socket of family {}", family);
    i32::from(family != 17)
}

/// All threads.
#[iter(target = "task")]
fn iter(ctx: IterContext) -> i32 {
    if let Some(task) = ctx.arg::<Option<task_struct>>(1) {
        seq_printf!(ctx, "%d %d\n", task.tgid(), task.pid());
    }
    0
}

hachi_ebpf::license!("GPL");
