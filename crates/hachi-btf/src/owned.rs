use std::fmt;
use std::sync::Arc;

use hachi_asm::Endian;

use crate::encode::with_header;
use crate::reader::{Found, HEADER};
use crate::{Btf, BtfBuilder, Error, Kind, Shape, Type, Types};

/// BTF with its bytes, which never change: that of an object, kept for as long as its programs.
///
/// [`OwnedBtf::types`] lends a [`Btf`] at no cost. What is found out about the types (where each
/// begins, which names there are) is kept here, so it is found out once. A clone shares everything.
#[derive(Clone)]
pub struct OwnedBtf(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) endian: Endian,
    /// The smallest header, then the types, then the strings.
    pub(crate) bytes: Vec<u8>,
    /// Where the strings begin.
    pub(crate) strings: usize,
    pub(crate) found: Found,
}

impl Inner {
    /// # Errors
    /// As [`Btf::parse`].
    pub(crate) fn new(bytes: Vec<u8>) -> Result<Inner, Error> {
        let btf = Btf::parse(&bytes)?;
        let endian = btf.endian();
        let (types, strings) = (btf.type_bytes(), btf.string_bytes());
        let at = HEADER + types.len();
        let plain = bytes.get(HEADER..at) == Some(types) && bytes.get(at..) == Some(strings);
        let bytes = match plain {
            true => bytes,
            false => with_header(endian, &[types, strings]),
        };
        Ok(Inner {
            endian,
            bytes,
            strings: at,
            found: Found::default(),
        })
    }

    pub(crate) fn types(&self) -> Btf<'_> {
        let (types, strings) = self.bytes[HEADER..].split_at(self.strings - HEADER);
        Btf::lent(self.endian, types, strings, &self.found)
    }
}

impl OwnedBtf {
    /// Takes over a `.BTF` section or a file of raw BTF that stands on its own.
    ///
    /// # Errors
    /// As [`Btf::parse`]: if the header or the bounds it states are wrong.
    pub fn parse(bytes: Vec<u8>) -> Result<OwnedBtf, Error> {
        Ok(OwnedBtf::from(Inner::new(bytes)?))
    }

    /// The types of a builder.
    ///
    /// # Errors
    /// As [`BtfBuilder::encode`]: if something doesn't fit its field.
    pub fn build(types: &BtfBuilder, endian: Endian) -> Result<OwnedBtf, Error> {
        OwnedBtf::parse(types.encode(endian)?)
    }

    /// The types, to read.
    pub fn types(&self) -> Btf<'_> {
        self.0.types()
    }

    /// The `.BTF` section: header, types, strings, nothing between them.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Whether both are one: clones of each other.
    pub fn is(&self, other: &OwnedBtf) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Types for OwnedBtf {
    fn last_id(&self) -> u32 {
        self.types().last_id()
    }

    fn shape(&self, id: u32) -> Result<Shape<'_>, Error> {
        self.types().shape_of(id)
    }

    fn decode(&self, id: u32) -> Result<Type<&str>, Error> {
        self.types().get(id)
    }

    fn pointer_size(&self) -> u32 {
        self.types().pointer_size()
    }

    fn find(&self, name: &str, kind: Kind) -> Option<u32> {
        self.types().find(name, kind)
    }
}

impl From<Inner> for OwnedBtf {
    fn from(inner: Inner) -> Self {
        OwnedBtf(Arc::new(inner))
    }
}

/// Two are equal if they say the same, whatever their byte orders.
impl PartialEq for OwnedBtf {
    fn eq(&self, other: &OwnedBtf) -> bool {
        // The type section consists of words.
        fn words<'b>(btf: &Btf<'b>) -> impl Iterator<Item = u32> + use<'b> {
            let endian = btf.endian();
            let (words, _) = btf.type_bytes().as_chunks::<4>();
            words.iter().map(move |word| endian.u32(*word))
        }
        let (ours, theirs) = (self.types(), other.types());
        self.is(other)
            || ours.string_bytes() == theirs.string_bytes() && words(&ours).eq(words(&theirs))
    }
}

impl Eq for OwnedBtf {}

impl fmt::Debug for OwnedBtf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedBtf")
            .field("bytes", &self.bytes().len())
            .finish()
    }
}
