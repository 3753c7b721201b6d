hachi_ebpf::kernel_types! {
    /// `struct task_struct`, 200 bytes.
    pub struct task_struct {
        /// `pid_t pid`, at 0
        pid: i32,
        /// `char comm[16]`, at 4
        comm: [u8; 16],
        /// `struct task_struct *parent`, at 24
        parent: *const task_struct,
        /// `struct mm_struct *mm`, at 32
        mm: *const mm_struct,
        /// `struct secret *secret`, at 40
        secret: *const secret,
        /// `enum state type`, at 48
        r#type: enum state,
        /// `char **self`, at 56
        #[name = "self"]
        self_: *const *const c_void,
        /// `struct refcount usage`, at 64
        usage: refcount,
        /// `void *whole`, at 72
        whole: *const c_void,
        /// `unsigned int first`, at 72
        first: u32,
        /// `unsigned int second`, at 76
        second: u32,
        /// `struct {…} rows[3][2]`, at 80
        rows: [[struct {
            /// `unsigned int first`, at 80
            first: u32,
            /// `unsigned int second`, at 84
            second: u32,
        }; 2]; 3],
        /// `struct {…} named`, at 128
        named: struct {
            /// `unsigned int first`, at 128
            first: u32,
            /// `unsigned int second`, at 132
            second: u32,
        },
        /// `enum {…} kind`, at 136
        kind: enum u32,
        /// `_Bool flag : 1`, at 140
        flag: bool / 1,
        /// `unsigned int bits : 3`, at 140, bit 1
        bits: u32 / 3,
    }

    /// `union task_struct`, 4 bytes.
    #[name = "task_struct"]
    pub union task_struct_union {
        /// `int x`, at 0
        x: i32,
    }

    /// `atomic_t`, 4 bytes.
    pub typedef atomic_t {
        /// `int counter`, at 0
        counter: i32,
    }

    /// `struct refcount`, 4 bytes.
    pub struct refcount {
        /// `atomic_t refs`, at 0
        refs: atomic_t,
    }

    /// `enum state`.
    pub enum state: i32 {
        DEAD = -1,
        ALIVE = 1,
    }

    pub struct mm_struct;
    pub struct secret;

    /// `int wake_up(struct task_struct *p, enum state of, struct refcount by)`
    pub fn wake_up(p: *const task_struct, of_arg: enum state, by: u64) -> i32;

    /// Arguments of the tracepoint `wake`
    pub fn wake(task: *const task_struct, slow: bool);

    /// `struct task_struct *bpf_task_acquire(struct task_struct *p, char *to)`
    pub kfunc bpf_task_acquire(p: *mut task_struct, to: *mut u8) -> *mut task_struct;
}

/// An enumerator of an enum without a name.
#[allow(dead_code, non_upper_case_globals)]
pub const TCP_ESTABLISHED: u32 = 1;

/// An enumerator of an enum without a name.
#[allow(dead_code, non_upper_case_globals)]
pub const TCP_CLOSE: u32 = 7;
