//! One set of types after another.

use crate::{Btf, BtfBuilder, Error, Types as _, Unsuited};

impl BtfBuilder {
    /// Adds all types of `other` behind those that are there, and returns by how much their ids
    /// grew: type `id` of `other` has become `id` plus that (libbpf's `btf__add_btf`).
    ///
    /// If both are split, on top of the same base, references to the base's types stay as they are.
    ///
    /// # Errors
    /// If a type is malformed, or `other` is split and this is not, or on top of another number of
    /// types.
    pub fn append(&mut self, other: &Btf<'_>) -> Result<u32, Error> {
        let before = other.first_id() - 1;
        if other.base().is_some() && before != self.first_id() - 1 {
            return Err(Unsuited::OtherBase {
                expected: before,
                types: self.first_id() - 1,
            }
            .into());
        }
        let by = self.last_id() - before;
        for item in other.iter()? {
            let (_, ty) = item?;
            let mut ty = ty.map_names(|name| (*name).to_owned());
            ty.for_each_ref(|id| {
                if *id > before {
                    *id = id.saturating_add(by);
                }
            });
            self.add(ty);
        }
        Ok(by)
    }

    /// Adds all types of `other` and removes duplicates; returns for each id of `other` (index)
    /// the id it has now. Neither may be split. Ids of the types that were there can change too if
    /// there were duplicates among them.
    ///
    /// # Errors
    /// As [`BtfBuilder::append`] and [`BtfBuilder::dedup`].
    pub fn merge(&mut self, other: &Btf<'_>) -> Result<Vec<u32>, Error> {
        let by = self.append(other)?;
        let map = self.dedup()?;
        let moved = |id: u32| match id {
            0 => 0,
            id => map.get((id + by) as usize).copied().unwrap_or(0),
        };
        Ok((0..=other.last_id()).map(moved).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::zoo;
    use crate::*;

    #[test]
    fn appended_types_keep_their_shape() {
        let bytes = zoo().encode(Endian::Little).unwrap();
        let other = Btf::parse(&bytes).unwrap();
        let mut b = zoo();
        let by = b.append(&other).unwrap();
        assert_eq!(by, other.last_id());
        assert_eq!(b.last_id(), 2 * by);
        for id in 1..=by {
            assert_eq!(b.type_name(id), b.type_name(id + by));
            assert_eq!(b.size_of(id).ok(), b.size_of(id + by).ok());
        }
        let own = BtfBuilder::split(&other);
        let own_bytes = own.encode_split(&other).unwrap();
        let split = Btf::parse_split(&own_bytes, &other).unwrap();
        assert!(BtfBuilder::new().append(&split).is_err());
    }

    #[test]
    fn merged_types_are_there_once() {
        let bytes = zoo().encode(Endian::Little).unwrap();
        let other = Btf::parse(&bytes).unwrap();
        let mut b = BtfBuilder::new();
        let first = b.merge(&other).unwrap();
        assert_eq!(b.last_id(), other.last_id());
        assert_eq!(first, (0..=other.last_id()).collect::<Vec<_>>());
        let second = b.merge(&other).unwrap();
        // Variables and sections are things rather than types.
        assert_eq!(b.last_id(), other.last_id() + 2);
        assert_eq!(second[6], 6);
    }
}
