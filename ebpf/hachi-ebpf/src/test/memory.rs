//! Reading memory that may not be there.

use std::vec::Vec;

use super::Done;
use super::errno::EFAULT;

/// Copies from an address of this process; zeros, and an error, where nothing is mapped.
pub fn read(address: u64, to: &mut [u8]) -> Done {
    let result = copy(address, to);
    if result.is_err() {
        to.fill(0);
    }
    result
}

/// The bytes up to a NUL, or `most` of them.
pub fn read_string(address: u64, most: usize) -> Done<Vec<u8>> {
    let mut text = Vec::new();
    let mut piece = [0; 64];
    while text.len() < most {
        let at = address + text.len() as u64;
        // A piece ends where a page does: the next may not be there.
        let len = (64 - at as usize % 64).min(most - text.len());
        copy(at, &mut piece[..len])?;
        match piece[..len].iter().position(|byte| *byte == 0) {
            Some(end) => {
                text.extend_from_slice(&piece[..end]);
                break;
            }
            None => text.extend_from_slice(&piece[..len]),
        }
    }
    Ok(text)
}

/// Through the file of this process's memory, reading which fails where a load would crash.
#[cfg(target_os = "linux")]
fn copy(address: u64, to: &mut [u8]) -> Done {
    use std::os::unix::fs::FileExt as _;
    let memory = std::fs::File::open("/proc/self/mem").map_err(|_| EFAULT)?;
    memory.read_exact_at(to, address).map_err(|_| EFAULT)
}

/// Nothing tells what is mapped: only null is refused.
#[cfg(not(target_os = "linux"))]
fn copy(address: u64, to: &mut [u8]) -> Done {
    if address < 4096 {
        return Err(EFAULT);
    }
    let from = std::ptr::with_exposed_provenance::<u8>(address as usize);
    // SAFETY: programs give addresses of memory that is there.
    unsafe { std::ptr::copy(from, to.as_mut_ptr(), to.len()) };
    Ok(())
}
