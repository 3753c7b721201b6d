//! The places of the compiled code, carried through code generation.
//!
//! LLVM writes one line for each instruction, and forgets through which functions the instruction
//! was inlined. So before code is generated each line number gives way to the number of an entry in
//! a table that has all of it, and afterwards the entry gives the line number back.

/// Where numbers of entries begin: no source file has as many lines, and the format of line
/// information has room for twice as many.
pub(crate) const FIRST: u32 = 1 << 21;

/// What stands behind the numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LineTable {
    /// The line that the object will name, and where the code was inlined: a number of a frame, 0
    /// for code that was not.
    pub(crate) entries: Vec<(u32, u32)>,
    pub(crate) frames: Frames,
}

/// Places, each with the call by which it was inlined. Frames have numbers from 1; 0 is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Frames(pub(crate) Vec<Frame>);

/// A place on the way from an instruction out to its program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Frame {
    /// The function that holds it, demangled; empty when unknown.
    pub(crate) function: String,
    pub(crate) file: String,
    pub(crate) line: u32,
    /// 0 when unknown.
    pub(crate) column: u32,
    /// The text of the line; empty when unknown.
    pub(crate) text: String,
    /// The call by which that function was inlined: a frame before this one, or 0.
    pub(crate) parent: u32,
}

impl LineTable {
    /// Adds an entry; the number that stands for it, if there is one left.
    pub(crate) fn add(&mut self, line: u32, frame: u32) -> Option<u32> {
        let number = FIRST.checked_add(self.entries.len() as u32)?;
        if number >= 2 * FIRST {
            return None;
        }
        self.entries.push((line, frame));
        Some(number)
    }

    /// The line and the frame that a number in place of a line stands for; others stand for
    /// themselves.
    pub(crate) fn resolve(&self, line: u32) -> (u32, u32) {
        let entry = line.checked_sub(FIRST);
        let entry = entry.and_then(|number| self.entries.get(number as usize));
        entry.copied().unwrap_or((line, 0))
    }
}

impl Frames {
    /// Adds a frame and gives its number.
    pub(crate) fn add(&mut self, frame: Frame) -> u32 {
        self.0.push(frame);
        self.0.len() as u32
    }

    /// The frames from one out to the program.
    pub(crate) fn way(&self, number: u32) -> impl Iterator<Item = &Frame> {
        let get = |number: u32| self.0.get((number as usize).checked_sub(1)?);
        std::iter::successors(get(number), move |frame| get(frame.parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_give_lines_back() {
        let mut table = LineTable::default();
        let outer = table.frames.add(Frame {
            line: 20,
            ..Frame::default()
        });
        let inner = table.frames.add(Frame {
            line: 3,
            parent: outer,
            ..Frame::default()
        });
        assert_eq!(table.add(7, 0), Some(FIRST));
        assert_eq!(table.add(3, inner), Some(FIRST + 1));
        assert_eq!(table.resolve(FIRST), (7, 0));
        assert_eq!(table.resolve(FIRST + 1), (3, inner));
        // Those of other objects, and of functions as a whole.
        assert_eq!(table.resolve(7), (7, 0));
        assert_eq!(table.resolve(FIRST + 2), (FIRST + 2, 0));
        let lines: Vec<u32> = table.frames.way(inner).map(|frame| frame.line).collect();
        assert_eq!(lines, [3, 20]);
        assert_eq!(table.frames.way(0).count(), 0);
    }
}
