//! What a program is run with, and what a run gives.

use std::borrow::Cow;

use hachi_asm::Endian;
use hachi_machine::context::{Layout, Registers};
use hachi_machine::{Message, Redirect, Sent, Socket};
use hachi_obj::{ProgramSpec, ProgramType};

use crate::context::Value;
use crate::space::number;

/// What a program is run with.
///
/// A program of packets gets a packet; one that is called with arguments gets those; one that has
/// a context of fixed fields gets the fields, by their names in `linux/bpf.h`:
/// ```
/// use hachi_vm::Input;
/// use hachi_vm::machine::Socket;
///
/// let packet = Input::new(&[0; 64]).field("mark", 7);
/// let connect = Input::default()
///     .socket(Socket::tcp_listener("127.0.0.1:0".parse().unwrap()))
///     .array("user_ip4", &[192, 0, 2, 7])
///     .array("user_port", &443_u16.to_be_bytes());
/// let entry = Input::default().arguments([1, 2]).returned(3);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Input<'i> {
    /// The packet, from its Ethernet header on, for programs that get one; the option's value for
    /// programs of socket options. For others the context, byte by byte.
    pub bytes: &'i [u8],
    /// The interface that the packet came in on.
    pub ifindex: u32,
    /// The queue of the interface.
    pub queue: u32,
    /// The packet's mark.
    pub mark: u32,
    /// How often to run, each time over what the run before left; 0 is once. What comes back is
    /// the last result, and the instructions of all runs together.
    pub repeat: u32,
    pub(crate) fields: Vec<(Cow<'i, str>, Value<'i>)>,
    pub(crate) arguments: Vec<u64>,
    pub(crate) result: Option<u64>,
    pub(crate) registers: Option<Registers>,
    pub(crate) socket: Option<Socket>,
    pub(crate) fragments: Vec<u8>,
    pub(crate) metadata: Vec<u8>,
    pub(crate) cookie: u64,
    pub(crate) function: u64,
}

impl<'i> Input<'i> {
    /// A packet, or the bytes of a context; from interface 1.
    pub fn new(bytes: &'i [u8]) -> Input<'i> {
        Input {
            bytes,
            ifindex: 1,
            ..Input::default()
        }
    }

    /// Sets a field of the context to a number, in the byte order of the program's machine.
    #[must_use]
    pub fn field(mut self, name: impl Into<Cow<'i, str>>, value: u64) -> Input<'i> {
        self.fields.push((name.into(), Value::Number(value)));
        self
    }

    /// Sets the bytes of a field of the context: those of an address, say.
    #[must_use]
    pub fn array(mut self, name: impl Into<Cow<'i, str>>, bytes: &[u8]) -> Input<'i> {
        let value = Value::Bytes(bytes.to_vec().into());
        self.fields.push((name.into(), value));
        self
    }

    /// The arguments of the function or tracepoint: numbers, and addresses of objects of the
    /// kernel ([`Vm::kernel_object`](crate::Vm::kernel_object)).
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = u64>) -> Input<'i> {
        self.arguments = arguments.into_iter().collect();
        self
    }

    /// What the function returned, for programs that run at its end.
    #[must_use]
    pub fn returned(mut self, value: u64) -> Input<'i> {
        self.result = Some(value);
        self
    }

    /// The registers, for kprobes, uprobes and perf events.
    #[must_use]
    pub fn registers(mut self, registers: Registers) -> Input<'i> {
        self.registers = Some(registers);
        self
    }

    /// The socket that the program is about.
    #[must_use]
    pub fn socket(mut self, socket: Socket) -> Input<'i> {
        self.socket = Some(socket);
        self
    }

    /// What follows the packet in other buffers: programs reach it by helpers only.
    #[must_use]
    pub fn fragments(mut self, bytes: impl Into<Vec<u8>>) -> Input<'i> {
        self.fragments = bytes.into();
        self
    }

    /// Metadata before the packet: a multiple of 4 bytes, at most 252.
    #[must_use]
    pub fn metadata(mut self, bytes: impl Into<Vec<u8>>) -> Input<'i> {
        self.metadata = bytes.into();
        self
    }

    /// The cookie of the program's link (`bpf_get_attach_cookie`).
    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> Input<'i> {
        self.cookie = cookie;
        self
    }

    /// The address of the function that the program is attached to (`bpf_get_func_ip`).
    #[must_use]
    pub fn function(mut self, address: u64) -> Input<'i> {
        self.function = address;
        self
    }
}

/// What `BPF_PROG_TEST_RUN` is given for an input.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelInput {
    /// The context; empty for the kernel's default.
    pub context: Vec<u8>,
    /// The packet with its metadata before it.
    pub packet: Vec<u8>,
    /// Whether programs of this type get a packet.
    pub has_packet: bool,
    /// Bytes of metadata before the packet.
    pub metadata: usize,
}

impl Input<'_> {
    /// The same input for the kernel of this machine.
    ///
    /// # Errors
    /// Why the kernel cannot run the program without its event, or not with this input, as a
    /// sentence without a full stop.
    pub fn for_kernel(&self, spec: &ProgramSpec) -> Result<KernelInput, String> {
        let endian = Endian::NATIVE;
        let kind = spec.program_type;
        let has_packet = matches!(
            kind,
            ProgramType::Xdp
                | ProgramType::SchedCls
                | ProgramType::SchedAct
                | ProgramType::CgroupSkb
                | ProgramType::SocketFilter
                | ProgramType::FlowDissector
                | ProgramType::LwtIn
                | ProgramType::LwtOut
                | ProgramType::LwtXmit
                | ProgramType::Netfilter
        );
        let takes_context = matches!(
            kind,
            ProgramType::SkLookup | ProgramType::RawTracepoint | ProgramType::Syscall
        );
        if !has_packet && !takes_context {
            return Err(format!(
                "the kernel runs programs of type {} by their events only",
                kind.name()
            ));
        }
        if self.socket.is_some() || self.registers.is_some() || !self.fragments.is_empty() {
            let what = "BPF_PROG_TEST_RUN takes neither sockets nor registers nor fragments";
            return Err(what.to_owned());
        }
        let mut made = KernelInput {
            context: Vec::new(),
            packet: [self.metadata.as_slice(), self.bytes].concat(),
            has_packet,
            metadata: self.metadata.len(),
        };
        match (kind, Layout::of(kind)) {
            (ProgramType::RawTracepoint, _) => {
                let values = self.arguments.iter();
                made.context = values.flat_map(|value| endian.put_u64(*value)).collect();
            }
            (ProgramType::Syscall, _) => made.context = self.bytes.to_vec(),
            (_, Some(layout)) => {
                let is_xdp = kind == ProgramType::Xdp;
                let plain = self.fields.is_empty() && self.metadata.is_empty() && self.mark == 0;
                if plain && kind != ProgramType::SkLookup {
                    return Ok(made);
                }
                made.context = vec![0; layout.size as usize];
                let mut set = |name: &str, value: &[u8]| {
                    let field = layout.field(name).filter(|field| !field.pointer || is_xdp);
                    let field = field.filter(|field| value.len() <= field.len() as usize);
                    let field =
                        field.ok_or_else(|| format!("there is no field `{name}` to set"))?;
                    let at = usize::from(field.offset);
                    made.context[at..at + value.len()].copy_from_slice(value);
                    Ok::<(), String>(())
                };
                if is_xdp {
                    // Offsets in the data: metadata comes first.
                    let data = self.metadata.len() as u32;
                    set("data", &endian.put_u32(data))?;
                    set("data_end", &endian.put_u32(data + self.bytes.len() as u32))?;
                }
                if self.mark != 0 {
                    set("mark", &endian.put_u32(self.mark))?;
                }
                for (name, value) in &self.fields {
                    let size = layout.field(name).map_or(8, |field| field.size.into());
                    set(name, &value.bytes(endian, size))?;
                }
            }
            _ => {}
        }
        Ok(made)
    }
}

/// What a run gives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// What the program returned, as the kernel takes it: 32 bits.
    pub result: u32,
    /// All 64 bits of what it returned; functions of `struct_ops` return them.
    pub value: u64,
    /// The packet after the run; the option's value or the flow keys, for programs that have those;
    /// for other programs the context.
    pub bytes: Vec<u8>,
    /// The metadata before the packet.
    pub metadata: Vec<u8>,
    /// Where it was sent, if it was.
    pub redirect: Option<Redirect>,
    /// Packets that were sent aside.
    pub sent: Vec<Sent>,
    /// The socket that the program chose.
    pub chosen: Option<Socket>,
    /// What it wrote to the file of its iterator.
    pub sequence: Vec<u8>,
    /// What it asked for besides its verdict, for programs on a socket's data.
    pub message: Message,
    /// What `bpf_set_retval` was called with.
    pub retval: i64,
    /// Instructions that were run.
    pub instructions: u64,
    pub(crate) context: Vec<u8>,
    pub(crate) layout: Option<&'static Layout>,
    pub(crate) endian: Endian,
}

impl Output {
    /// The context after the run, byte by byte; pointers in it are zeros.
    pub fn context(&self) -> &[u8] {
        &self.context
    }

    /// A field of the context after the run, as a number; `None` if there is no such field, or if
    /// it is an array or a pointer.
    pub fn field(&self, name: &str) -> Option<u64> {
        let field = self.layout?.field(name)?;
        if field.count != 1 || field.pointer {
            return None;
        }
        Some(number(self.endian, self.array(name)?))
    }

    /// The bytes of a field of the context after the run.
    pub fn array(&self, name: &str) -> Option<&[u8]> {
        let field = self.layout?.field(name)?;
        let at = usize::from(field.offset);
        self.context.get(at..at + field.len() as usize)
    }
}
