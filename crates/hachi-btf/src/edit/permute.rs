//! Types in another order.

use crate::{BtfBuilder, Error, Types as _, Unsuited};

impl BtfBuilder {
    /// Puts the types in this order and changes all references accordingly; returns for each old
    /// id (index) its new one (libbpf's `btf__permute`). `order` lists every id once.
    ///
    /// # Errors
    /// If `order` doesn't.
    pub fn permute(&mut self, order: &[u32]) -> Result<Vec<u32>, Error> {
        let first = self.first_id();
        let mut map: Vec<u32> = (0..=self.last_id())
            .map(|id| if id < first { id } else { 0 })
            .collect();
        for (new, &old) in (first..).zip(order) {
            match map.get_mut(old as usize) {
                Some(place @ 0) if old != 0 => *place = new,
                _ => {
                    return Err(Unsuited::OrderEntry {
                        id: old,
                        first,
                        last: self.last_id(),
                    }
                    .into());
                }
            }
        }
        if order.len() != self.len() {
            return Err(Unsuited::OrderLength {
                entries: order.len(),
                types: self.len(),
            }
            .into());
        }
        self.reorder(&map);
        Ok(map)
    }

    /// Sorts the types as Linux ≥ 7.0 does its own: those without a name first, then by name,
    /// bytewise; otherwise in the order they have. Returns for each old id (index) its new one.
    ///
    /// Readers can then find names by binary search.
    pub fn sort_by_name(&mut self) -> Vec<u32> {
        let mut order: Vec<u32> = self.iter().map(|(id, _)| id).collect();
        let name = |id: u32| self.get(id).and_then(|ty| ty.name());
        order.sort_by(|&a, &b| {
            let key = |id| name(id).map_or("", |name| name.as_str());
            key(a).cmp(key(b))
        });
        // Every id is there once.
        self.permute(&order).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::zoo;
    use crate::*;

    #[test]
    fn sorted_types_are_the_same_types() {
        let old = zoo();
        let mut new = zoo();
        let map = new.sort_by_name();
        let bytes = new.encode(Endian::NATIVE).unwrap();
        let btf = Btf::parse(&bytes).unwrap();
        assert!(btf.sorted().is_some());
        for id in 1..=old.last_id() {
            let now = map[id as usize];
            assert_eq!(btf.type_name(now), old.type_name(id));
            assert_eq!(btf.size_of(now).ok(), old.size_of(id).ok());
            assert_eq!(
                btf.members(now).unwrap().len(),
                old.members(id).unwrap().len()
            );
        }
        assert_eq!(btf.find("pair", Kind::Struct), Some(map[6]));
    }

    #[test]
    fn an_order_names_all_types() {
        let mut b = zoo();
        let last = b.last_id();
        let mut order: Vec<u32> = (1..=last).rev().collect();
        let map = b.permute(&order).unwrap();
        assert_eq!(map[1], last);
        b.permute(&order).unwrap();
        assert_eq!(b, zoo());
        assert!(b.permute(&order[1..]).is_err());
        order[0] = 1;
        assert!(b.permute(&order).is_err());
        order[0] = last + 1;
        assert!(b.permute(&order).is_err());
        order[0] = 0;
        assert!(b.permute(&order).is_err());
        assert_eq!(b, zoo());
    }
}
