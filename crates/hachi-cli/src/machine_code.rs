//! Machine code of this machine's kind, disassembled.

/// An instruction of machine code.
pub struct Insn {
    /// In the function.
    pub offset: usize,
    pub length: usize,
    pub text: String,
}

/// The instructions of a function at `address`. On architectures whose code we cannot read, words
/// of it.
pub fn disassemble(address: u64, code: &[u8]) -> Vec<Insn> {
    match cfg!(target_arch = "x86_64") {
        true => x86_64(address, code),
        false => words(code),
    }
}

fn x86_64(address: u64, code: &[u8]) -> Vec<Insn> {
    use iced_x86::{Decoder, DecoderOptions, Formatter as _, GasFormatter};
    let decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let mut formatter = GasFormatter::new();
    decoder
        .into_iter()
        .map(|insn| {
            let mut text = String::new();
            formatter.format(&insn, &mut text);
            Insn {
                offset: insn.ip().wrapping_sub(address) as usize,
                length: insn.len(),
                text,
            }
        })
        .collect()
}

fn words(code: &[u8]) -> Vec<Insn> {
    code.chunks(4)
        .enumerate()
        .map(|(at, word)| Insn {
            offset: at * 4,
            length: word.len(),
            text: format!(".byte {}", crate::value::hex(word)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_read_to_its_end() {
        // push %rbp; mov %rsp,%rbp; call +0; leave; ret; and half of an instruction
        let code = [0x55, 0x48, 0x89, 0xe5, 0xe8, 0, 0, 0, 0, 0xc9, 0xc3, 0x48];
        let insns = x86_64(0x1000, &code);
        let text: Vec<&str> = insns.iter().map(|insn| insn.text.as_str()).collect();
        assert_eq!(text[..2], ["push %rbp", "mov %rsp,%rbp"]);
        assert!(text[2].contains("1009"), "{text:?}");
        let covered: usize = insns.iter().map(|insn| insn.length).sum();
        assert_eq!(covered, code.len());
        assert_eq!(words(&code).len(), 3);
        assert_eq!(words(&code)[2].text, ".byte 00 c9 c3 48");
    }
}
