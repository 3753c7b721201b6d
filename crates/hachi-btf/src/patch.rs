use crate::owned::Inner;
use crate::reader::{Found, HEADER, RECORD};
use crate::{Btf, Error, Kind, Linkage, OwnedBtf, VarSecInfo};

/// BTF to be changed in place: for the few things that a compiler leaves open and a loader fills
/// in. Ids and offsets of strings stay as they are, so that what refers to them from elsewhere
/// (`.BTF.ext`) stays true.
///
/// To change more, take a [`BtfBuilder`](crate::BtfBuilder).
pub struct BtfPatch(Inner);

impl BtfPatch {
    /// Takes over a `.BTF` section that stands on its own.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn parse(bytes: Vec<u8>) -> Result<BtfPatch, Error> {
        let patch = BtfPatch(Inner::new(bytes)?);
        patch.types().check_index()?;
        Ok(patch)
    }

    /// The types as they now are.
    pub fn types(&self) -> Btf<'_> {
        self.0.types()
    }

    /// Ends the changes.
    pub fn finish(self) -> OwnedBtf {
        self.0.into()
    }

    /// Sets the size of a DATASEC. Nothing happens if `id` is none.
    pub fn set_section_size(&mut self, id: u32, size: u32) {
        if let Some(at) = self.place(id, Kind::DataSec) {
            self.put(at + 8, size);
        }
    }

    /// Replaces the variables of a DATASEC, by as many or fewer. Nothing happens if `id` is none,
    /// or there are more.
    pub fn set_section_vars(&mut self, id: u32, vars: &[VarSecInfo]) {
        const EACH: usize = 12;
        let Some(at) = self.place(id, Kind::DataSec) else {
            return;
        };
        let info = self.word(at + 4);
        let Some(fewer) = ((info & 0xffff) as usize).checked_sub(vars.len()) else {
            return;
        };
        let mut to = at + RECORD;
        for var in vars {
            self.put(to, var.type_id);
            self.put(to + 4, var.offset);
            self.put(to + 8, var.size);
            to += EACH;
        }
        if fewer > 0 {
            self.put(at + 4, info & !0xffff | vars.len() as u32);
            self.0.bytes.drain(to..to + fewer * EACH);
            self.0.strings -= fewer * EACH;
            self.moved();
        }
    }

    /// Sets the linkage of a VAR or FUNC. Nothing happens if `id` is neither.
    pub fn set_linkage(&mut self, id: u32, linkage: Linkage) {
        let linkage = linkage as u32;
        if let Some(at) = self.place(id, Kind::Var) {
            self.put(at + RECORD, linkage);
        } else if let Some(at) = self.place(id, Kind::Func) {
            let info = self.word(at + 4);
            self.put(at + 4, info & !0xffff | linkage);
        }
    }

    /// Sets the type of a VAR. Nothing happens if `id` is none.
    pub fn set_var_type(&mut self, id: u32, type_id: u32) {
        if let Some(at) = self.place(id, Kind::Var) {
            self.put(at + 8, type_id);
        }
    }

    /// Gives the parameters of a FUNC_PROTO that have a type but no name this one, which is the
    /// offset of a string. Nothing happens if `id` is none.
    pub fn name_params(&mut self, id: u32, name: u32) {
        let Some(at) = self.place(id, Kind::FuncProto) else {
            return;
        };
        let count = (self.word(at + 4) & 0xffff) as usize;
        for param in (0..count).map(|i| at + RECORD + 8 * i) {
            if self.word(param) == 0 && self.word(param + 4) != 0 {
                self.put(param, name);
            }
        }
    }

    /// Adds a string and gives its offset.
    pub fn add_string(&mut self, text: &str) -> u32 {
        let offset = (self.0.bytes.len() - self.0.strings) as u32;
        self.0.bytes.extend_from_slice(text.as_bytes());
        self.0.bytes.push(0);
        self.put_lengths();
        offset
    }

    /// Adds a signed INT and gives its id. The name is the offset of a string.
    pub fn add_int(&mut self, name: u32, size: u32) -> u32 {
        let signed = 1 << 24;
        self.add([name, (Kind::Int as u32) << 24, size, signed | (size * 8)])
    }

    /// Adds a VAR and gives its id. The name is the offset of a string.
    pub fn add_var(&mut self, name: u32, type_id: u32, linkage: Linkage) -> u32 {
        self.add([name, (Kind::Var as u32) << 24, type_id, linkage as u32])
    }

    fn add<const N: usize>(&mut self, words: [u32; N]) -> u32 {
        use crate::Types as _;
        let at = self.0.strings;
        let bytes = words.map(|word| self.0.endian.put_u32(word));
        self.0.bytes.splice(at..at, bytes.into_iter().flatten());
        self.0.strings += 4 * N;
        self.moved();
        self.types().last_id()
    }

    /// Where the record of a type begins, if it is of this kind.
    fn place(&self, id: u32, kind: Kind) -> Option<usize> {
        let (at, found) = self.types().place(id)?;
        (found == kind).then_some(HEADER + at)
    }

    /// Records are no longer where they were.
    fn moved(&mut self) {
        self.0.found = Found::default();
        self.put_lengths();
    }

    fn put_lengths(&mut self) {
        let types = (self.0.strings - HEADER) as u32;
        let strings = (self.0.bytes.len() - self.0.strings) as u32;
        // After magic, version and the header's own length: the sections' offsets and lengths.
        self.put(12, types);
        self.put(16, types);
        self.put(20, strings);
    }

    fn word(&self, at: usize) -> u32 {
        let bytes = self.0.bytes.get(at..).and_then(|tail| tail.first_chunk());
        bytes.map_or(0, |bytes| self.0.endian.u32(*bytes))
    }

    fn put(&mut self, at: usize, word: u32) {
        let endian = self.0.endian;
        let place = self.0.bytes.get_mut(at..).and_then(|t| t.first_chunk_mut());
        if let Some(place) = place {
            *place = endian.put_u32(word);
        }
    }
}
