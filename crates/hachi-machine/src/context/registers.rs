//! `struct pt_regs`: the registers that kprobes, uprobes and perf events see.

use hachi_asm::Endian;

/// A machine whose registers programs read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Arch {
    /// x86-64
    #[default]
    X86_64,
    /// arm64
    Arm64,
    /// riscv64
    Riscv64,
    /// s390x
    S390x,
}

/// Where things are in the registers of a machine, counted in registers.
struct Places {
    count: usize,
    arguments: &'static [usize],
    result: usize,
    instruction: usize,
    stack: usize,
    frame: usize,
    return_address: Option<usize>,
}

impl Arch {
    /// The byte order of its programs.
    pub fn endian(self) -> Endian {
        match self {
            Arch::S390x => Endian::Big,
            _ => Endian::Little,
        }
    }

    fn places(self) -> Places {
        match self {
            Arch::X86_64 => Places {
                count: 21,
                // di, si, dx, cx, r8, r9
                arguments: &[14, 13, 12, 11, 9, 8],
                result: 10,
                instruction: 16,
                stack: 19,
                frame: 4,
                return_address: None,
            },
            Arch::Arm64 => Places {
                count: 34,
                arguments: &[0, 1, 2, 3, 4, 5, 6, 7],
                result: 0,
                instruction: 32,
                stack: 31,
                frame: 29,
                return_address: Some(30),
            },
            Arch::Riscv64 => Places {
                count: 32,
                // a0 to a7
                arguments: &[10, 11, 12, 13, 14, 15, 16, 17],
                result: 10,
                instruction: 0,
                stack: 2,
                frame: 8,
                return_address: Some(1),
            },
            Arch::S390x => Places {
                count: 19,
                // Behind `args` and `psw`: r2 to r6.
                arguments: &[5, 6, 7, 8, 9],
                result: 5,
                instruction: 2,
                stack: 18,
                frame: 14,
                return_address: Some(17),
            },
        }
    }
}

/// The registers of a machine, as programs read them: `struct pt_regs` of x86-64, `struct
/// user_pt_regs` of arm64 and s390x, `struct user_regs_struct` of riscv64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registers {
    arch: Arch,
    values: Vec<u64>,
}

impl Registers {
    /// All zero.
    pub fn new(arch: Arch) -> Registers {
        Registers {
            arch,
            values: vec![0; arch.places().count],
        }
    }

    /// Sets an argument of the function, counted from 0; those that do not travel in registers
    /// are left out.
    #[must_use]
    pub fn argument(mut self, number: usize, value: u64) -> Registers {
        if let Some(at) = self.arch.places().arguments.get(number) {
            self.values[*at] = value;
        }
        self
    }

    /// Sets what the function returns.
    #[must_use]
    pub fn result(mut self, value: u64) -> Registers {
        let at = self.arch.places().result;
        self.values[at] = value;
        self
    }

    /// Sets the address of the instruction that is about to run.
    #[must_use]
    pub fn instruction(mut self, address: u64) -> Registers {
        let at = self.arch.places().instruction;
        self.values[at] = address;
        self
    }

    /// Sets the stack pointer.
    #[must_use]
    pub fn stack(mut self, address: u64) -> Registers {
        let at = self.arch.places().stack;
        self.values[at] = address;
        self
    }

    /// Sets the frame pointer.
    #[must_use]
    pub fn frame(mut self, address: u64) -> Registers {
        let at = self.arch.places().frame;
        self.values[at] = address;
        self
    }

    /// Sets the return address, on machines that have a register for it.
    #[must_use]
    pub fn return_address(mut self, address: u64) -> Registers {
        if let Some(at) = self.arch.places().return_address {
            self.values[at] = address;
        }
        self
    }

    /// The machine.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// The structure, in the byte order given.
    pub fn bytes(&self, endian: Endian) -> Vec<u8> {
        let values = self.values.iter();
        values.flat_map(|value| endian.put_u64(*value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_where_the_kernel_has_them() {
        let sizes = [
            (Arch::X86_64, 168, 112, 80),
            (Arch::Arm64, 272, 0, 0),
            (Arch::Riscv64, 256, 80, 80),
            (Arch::S390x, 152, 40, 40),
        ];
        for (arch, size, first, result) in sizes {
            let endian = arch.endian();
            let number = |registers: Registers, at: usize| {
                let bytes = registers.bytes(endian);
                assert_eq!(bytes.len(), size);
                endian.u64(bytes[at..at + 8].try_into().unwrap())
            };
            assert_eq!(
                number(Registers::new(arch).argument(0, 7), first),
                7,
                "{arch:?}"
            );
            assert_eq!(
                number(Registers::new(arch).result(9), result),
                9,
                "{arch:?}"
            );
        }
    }
}
