//! The event that `bpf_perf_event_output` writes to, and its ring of records.
//!
//! The layout is that of `linux/perf_event.h`: a page of metadata with the positions of the kernel
//! (`data_head`) and of the reader (`data_tail`), then the data, whose records may be split at its
//! end.
//!
//! The kernel writes down that records were lost with the next one that finds room, which may never
//! come. Since Linux 6.0 it can be asked for their number (`PERF_FORMAT_LOST`).

use std::{
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    errno::SyscallError,
    generated::system::{
        PERF_COUNT_SW_BPF_OUTPUT, PERF_FORMAT_LOST, PERF_RECORD_LOST, PERF_RECORD_SAMPLE,
        PERF_SAMPLE_RAW, PERF_TYPE_SOFTWARE,
    },
    mmap::{Mmap, page_size},
    perf,
};

/// No record is longer: its length is 16 bits wide. (What a program sends is shorter by its own.)
const LONGEST_RECORD: usize = 1 << 16;

/// Where in the metadata page the positions are.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;

/// Bytes of `struct perf_event_header`: type, misc, size.
const HEADER: usize = 8;

/// One thing found in a buffer.
pub(crate) enum Record<'a> {
    /// What a program sent. Padded: up to 7 bytes at the end are nobody's.
    Sample(&'a [u8]),
    /// That many samples found no room.
    Lost(u64),
}

/// The ring of one CPU. Closing it ends the output.
#[derive(Debug)]
pub(crate) struct PerfBuffer {
    event: OwnedFd,
    map: Mmap,
    /// Bytes of data: a power of two.
    size: usize,
    /// A record that is split at the end of the data, joined.
    joined: Vec<u8>,
    /// The number of lost records told so far, where the kernel can be asked for it.
    lost: Option<u64>,
}

impl PerfBuffer {
    /// A buffer of `pages` pages (a power of two) for what programs send on `cpu`. The reader is
    /// woken when `wakeup_events` records have come.
    pub(crate) fn open(cpu: u32, pages: usize, wakeup_events: u32) -> Result<Self, SyscallError> {
        let mut attr = perf::Attr {
            kind: PERF_TYPE_SOFTWARE,
            config: PERF_COUNT_SW_BPF_OUTPUT.into(),
            sample_period: 1,
            sample_type: PERF_SAMPLE_RAW,
            wakeup_events,
            read_format: PERF_FORMAT_LOST,
            ..Default::default()
        };
        let (event, lost) = match perf::open_plain(attr, -1, cpu as i32) {
            Ok(event) => (event, Some(0)),
            // Linux < 6.0 does not know the format.
            Err(error) if error.errno() == libc::EINVAL => {
                attr.read_format = 0;
                (perf::open_plain(attr, -1, cpu as i32)?, None)
            }
            Err(error) => return Err(error),
        };
        let page = page_size();
        let size = pages * page;
        let map = Mmap::new(event.as_fd(), page + size, 0, true)
            .map_err(|error| SyscallError::new("mmap of a perf buffer", error))?;
        // Counting starts with the event enabled: `disabled` is not set in `flags`.
        Ok(PerfBuffer {
            event,
            map,
            size,
            joined: Vec::new(),
            lost,
        })
    }

    #[inline]
    fn position(&self, at: usize) -> &AtomicU64 {
        // SAFETY: the metadata page has an aligned u64 at both places, and lives as long as the
        // mapping.
        unsafe { &*self.map.ptr().add(at).cast::<AtomicU64>() }
    }

    /// Whether there is a record to read.
    #[inline]
    pub(crate) fn is_readable(&self) -> bool {
        self.position(DATA_HEAD).load(Ordering::Acquire)
            != self.position(DATA_TAIL).load(Ordering::Relaxed)
    }

    /// Calls `f` with every record there is. Samples are lent in place; only one that is split at
    /// the end of the data is copied. Their room is given back at the end, and then it learns how
    /// many were lost until now.
    pub(crate) fn read(&mut self, mut f: impl FnMut(Record<'_>)) {
        let head = self.position(DATA_HEAD).load(Ordering::Acquire);
        let start = self.position(DATA_TAIL).load(Ordering::Relaxed);
        let mut tail = start;
        let counted = self.lost.is_some();
        let mut in_ring = |record: Record<'_>| match record {
            // The number that the kernel gives has these, too.
            Record::Lost(_) if counted => {}
            record => f(record),
        };
        while tail != head {
            let left = usize::try_from(head.wrapping_sub(tail)).unwrap_or(usize::MAX);
            if left > self.size {
                // Never seen from a kernel, either: the ring does not hold as much.
                tail = head;
                break;
            }
            let at = tail as usize & (self.size - 1);
            // Records are multiples of 8 long, so a header is never split.
            let mut header = [0; HEADER];
            self.copy(at, &mut header);
            let [k0, k1, k2, k3, _, _, s0, s1] = header;
            let kind = u32::from_ne_bytes([k0, k1, k2, k3]);
            let size = usize::from(u16::from_ne_bytes([s0, s1]));
            if size < HEADER || size > left || size > self.size {
                // Never seen from a kernel; without a length there is no way on but to the head.
                tail = head;
                break;
            }
            let body = at + HEADER;
            if at + size <= self.size {
                // SAFETY: the record lies inside the data, between the positions, where the kernel
                // does not write until the tail passes it.
                let bytes = unsafe {
                    std::slice::from_raw_parts(
                        self.map.ptr().add(page_size() + body),
                        size - HEADER,
                    )
                };
                deliver(kind, bytes, &mut in_ring);
            } else {
                let mut joined = std::mem::take(&mut self.joined);
                joined.resize(size - HEADER, 0);
                self.copy(body & (self.size - 1), &mut joined);
                deliver(kind, &joined, &mut in_ring);
                self.joined = joined;
            }
            tail = tail.wrapping_add(size as u64);
        }
        self.position(DATA_TAIL).store(tail, Ordering::Release);
        // Nothing is lost while there is room for any record. Looked at after the room was given
        // back, so that it counts what came until then.
        let head = self.position(DATA_HEAD).load(Ordering::Acquire);
        let used = usize::try_from(head.wrapping_sub(start)).unwrap_or(usize::MAX);
        if self.size.saturating_sub(used) < LONGEST_RECORD
            && let Some(lost) = self.newly_lost().filter(|&lost| lost != 0)
        {
            f(Record::Lost(lost));
        }
    }

    /// How many records were lost since this was asked last.
    fn newly_lost(&mut self) -> Option<u64> {
        let told = self.lost.as_mut()?;
        let mut counts = [0u64; 2];
        // SAFETY: the buffer is live and as long as said.
        let read = unsafe {
            libc::read(
                self.event.as_raw_fd(),
                counts.as_mut_ptr().cast(),
                size_of_val(&counts),
            )
        };
        if usize::try_from(read) != Ok(size_of_val(&counts)) {
            return None;
        }
        let [_, lost] = counts;
        Some(lost - std::mem::replace(told, lost))
    }

    /// Copies bytes of the data, from its start again when the end is reached.
    fn copy(&self, at: usize, to: &mut [u8]) {
        let first = to.len().min(self.size - at);
        let data = page_size();
        let (until_end, rest) = to.split_at_mut(first);
        self.map.read(data + at, until_end);
        self.map.read(data, rest);
    }
}

/// Tells samples from losses; other records (throttling) carry nothing.
fn deliver(kind: u32, body: &[u8], f: &mut impl FnMut(Record<'_>)) {
    match kind {
        // The size of what follows, and that.
        PERF_RECORD_SAMPLE => {
            if let Some((size, data)) = body.split_first_chunk()
                && let Some(data) = data.get(..u32::from_ne_bytes(*size) as usize)
            {
                f(Record::Sample(data));
            }
        }
        // The event's id, and how many.
        PERF_RECORD_LOST => {
            if let Some(count) = body.get(8..16).and_then(<[u8]>::first_chunk) {
                f(Record::Lost(u64::from_ne_bytes(*count)));
            }
        }
        _ => {}
    }
}

impl AsFd for PerfBuffer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// Reads `bytes` as what a kernel could have written: the two positions, and the data between them.
#[cfg(any(fuzzing, test))]
pub fn fuzz(bytes: &[u8]) {
    use std::os::fd::FromRawFd as _;
    let Some((positions, data)) = bytes.split_first_chunk::<16>() else {
        return;
    };
    let page = page_size();
    let size = data.len().div_ceil(page).next_power_of_two() * page;
    // SAFETY: the name is NUL-terminated; the descriptor is checked, and ours alone.
    let file = unsafe {
        let fd = libc::memfd_create(c"ring".as_ptr(), libc::MFD_CLOEXEC);
        assert!(fd >= 0, "{}", std::io::Error::last_os_error());
        std::fs::File::from_raw_fd(fd)
    };
    file.set_len((page + size) as u64).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, positions, DATA_HEAD as u64).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, data, page as u64).unwrap();
    let event = OwnedFd::from(file);
    let mut ring = PerfBuffer {
        map: Mmap::new(event.as_fd(), page + size, 0, true).unwrap(),
        event,
        size,
        joined: Vec::new(),
        lost: None,
    };
    let mut given = 0;
    ring.read(|record| {
        if let Record::Sample(sample) = record {
            given += sample.len();
        }
    });
    assert!(given <= size, "more samples than the ring holds");
    assert!(!ring.is_readable(), "something was left");
}

/// Whether a buffer can have that many pages.
pub(crate) fn is_page_count(pages: usize) -> bool {
    pages.is_power_of_two() && pages <= 1 << 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_records_are_nothing() {
        let mut seen = 0;
        for body in [&[][..], &[1], &[200, 0, 0, 0, 1], &[0; 15]] {
            deliver(PERF_RECORD_LOST, body, &mut |_| seen += 1);
        }
        deliver(PERF_RECORD_SAMPLE, &[200, 0, 0, 0, 1], &mut |_| seen += 1);
        deliver(77, &[0; 64], &mut |_| seen += 1);
        assert_eq!(seen, 0);
        deliver(PERF_RECORD_SAMPLE, &[2, 0, 0, 0, 7, 8, 9], &mut |record| {
            assert!(matches!(record, Record::Sample([7, 8])));
            seen += 1;
        });
        assert_eq!(seen, 1);
    }

    /// Rings with positions and records that no kernel writes: they end, and give nothing twice.
    #[test]
    fn impossible_rings_are_survived() {
        let record = |kind: u32, size: u16, body: &[u8]| {
            let header = [&kind.to_ne_bytes()[..], &[0; 2], &size.to_ne_bytes()];
            [&header.concat(), body].concat()
        };
        let sample = record(PERF_RECORD_SAMPLE, 16, &[4, 0, 0, 0, 1, 2, 3, 4]);
        let size = page_size() as u64;
        for (head, tail) in [
            (16, 0),
            (32, 16),
            (0, 16),
            (u64::MAX, 0),
            (size, 0),
            (size + 8, 0),
            (size + 4, size - 4),
            (3, 1),
        ] {
            let positions = [head.to_ne_bytes(), tail.to_ne_bytes()].concat();
            for sizes in [0, 7, 8, 16, 4096, 65535] {
                let mut data = sample.clone();
                data[6..8].copy_from_slice(&u16::to_ne_bytes(sizes));
                let data = data.repeat(page_size() / 16);
                fuzz(&[&positions[..], &data].concat());
            }
            fuzz(&positions);
        }
    }

    #[test]
    fn pages_are_a_power_of_two() {
        assert!(is_page_count(8));
        assert!(!is_page_count(0) && !is_page_count(3));
    }
}
