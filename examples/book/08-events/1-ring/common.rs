//! What the eBPF side writes and the user side reads.

#![no_std]

use hachi_common::Pod;

/// A process has become another program.
#[derive(Clone, Copy, Debug, Pod)]
#[repr(C)]
pub struct Start {
    /// The process.
    pub process: u32,
    /// The user that it runs as.
    pub user: u32,
    /// The program's name, with zeros behind it.
    pub name: [u8; 16],
}

impl Start {
    /// The name without the zeros.
    pub fn name(&self) -> &[u8] {
        self.name.split(|byte| *byte == 0).next().unwrap_or(&[])
    }
}
