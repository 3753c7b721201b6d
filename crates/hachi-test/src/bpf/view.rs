use std::marker::PhantomData;

use hachi_common::Pod;

use super::{Backend, Refused};

/// A map with the types of its keys and values, wherever it lies.
///
/// ```no_run
/// # fn body(bpf: &mut hachi_test::Bpf) {
/// let mut blocklist = bpf.map::<[u8; 4], u8>("BLOCKLIST");
/// blocklist.insert([192, 0, 2, 7], 1).unwrap();
/// assert_eq!(blocklist.get([192, 0, 2, 7]), Some(1));
/// # }
/// ```
/// Methods that do not return a `Result` panic, at the caller's line, where the map cannot be read.
pub struct Map<'b, K, V> {
    backend: &'b mut dyn Backend,
    name: String,
    types: PhantomData<(K, V)>,
}

/// A value of a type, from its bytes.
#[track_caller]
pub fn value<T: Pod>(bytes: &[u8], of: &str) -> T {
    match hachi_common::read_bytes(bytes) {
        Some(value) if bytes.len() == size_of::<T>() => value,
        _ => panic!(
            "{of} has {} bytes, and the type {} has {}",
            bytes.len(),
            std::any::type_name::<T>(),
            size_of::<T>(),
        ),
    }
}

#[expect(
    clippy::missing_panics_doc,
    reason = "those that do not return a `Result` panic, which the type's documentation says once"
)]
impl<'b, K: Pod, V: Pod> Map<'b, K, V> {
    #[track_caller]
    pub(super) fn new(backend: &'b mut dyn Backend, name: &str) -> Map<'b, K, V> {
        let (key, value) = match backend.sizes(name) {
            Ok(sizes) => sizes,
            Err(refused) => panic!("{refused}"),
        };
        let sizes = (size_of::<K>(), size_of::<V>());
        assert!(
            sizes == (key, value),
            "map `{name}` has keys of {key} and values of {value} bytes; the types that the test \
             gives have {} and {}",
            sizes.0,
            sizes.1,
        );
        Map {
            backend,
            name: name.to_owned(),
            types: PhantomData,
        }
    }

    /// The value of a key; for a map with values for each CPU, that of the first.
    #[track_caller]
    pub fn get(&mut self, key: K) -> Option<V> {
        self.per_cpu(key).into_iter().next()
    }

    /// The values of a key on all CPUs; one if the map has no values for each CPU, none if the key
    /// is not there.
    #[track_caller]
    pub fn per_cpu(&mut self, key: K) -> Vec<V> {
        let found = self
            .backend
            .lookup(&self.name, hachi_common::bytes_of(&key));
        match found {
            Ok(values) => values
                .iter()
                .map(|bytes| value(bytes, &format!("a value of `{}`", self.name)))
                .collect(),
            Err(refused) => panic!("{refused}"),
        }
    }

    /// Sets the value of a key, on all CPUs.
    ///
    /// # Errors
    /// If the map refuses: it is full, the index is too large.
    pub fn insert(&mut self, key: K, value: V) -> Result<(), Refused> {
        let (key, value) = (hachi_common::bytes_of(&key), hachi_common::bytes_of(&value));
        self.backend.update(&self.name, key, value)
    }

    /// Removes a key; whether it was there.
    ///
    /// # Errors
    /// If the map refuses: its keys cannot be removed.
    pub fn remove(&mut self, key: K) -> Result<bool, Refused> {
        self.backend
            .delete(&self.name, hachi_common::bytes_of(&key))
    }

    /// The keys, in no order that means something.
    #[track_caller]
    pub fn keys(&mut self) -> Vec<K> {
        match self.backend.keys(&self.name) {
            Ok(keys) => keys
                .iter()
                .map(|bytes| value(bytes, &format!("a key of `{}`", self.name)))
                .collect(),
            Err(refused) => panic!("{refused}"),
        }
    }

    /// All entries; of values for each CPU those of the first.
    #[track_caller]
    pub fn entries(&mut self) -> Vec<(K, V)> {
        let keys = self.keys();
        let entry = |key: K| Some((key, self.get(key)?));
        keys.into_iter().filter_map(entry).collect()
    }
}
