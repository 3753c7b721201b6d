//! Maps of maps.

use super::*;

/// Maps by index. `V` is the type of what [`get`](Self::get) hands out.
#[derive(Debug)]
pub struct ArrayOfMaps<T, V = MapData>(hachi::maps::ArrayOfMaps<Held<T>>, PhantomData<V>);

/// Maps by key. `V` is the type of what [`get`](Self::get) hands out.
#[derive(Debug)]
pub struct HashOfMaps<T, K: Pod, V = MapData>(
    hachi::maps::HashOfMaps<Held<T>, Plain<K>>,
    PhantomData<V>,
);

macro_rules! of_maps {
    ($view:ident<$($param:ident)?> = $hachi:ty) => {
        impl<T: Borrow<MapData>, $($param: Pod,)? V> $view<T, $($param,)? V> {
            fn new(map: T) -> Result<Self, MapError> {
                let map_type = map.borrow().map_type();
                match <$hachi>::new(Held(map)) {
                    Ok(view) => Ok($view(view, PhantomData)),
                    Err(hachi::maps::MapError::InvalidMapType { .. }) => {
                        Err(MapError::InvalidMapType { map_type })
                    }
                    Err(error) => Err(error.into()),
                }
            }

            /// Pins the map, so that it outlives the process.
            ///
            /// # Errors
            /// What the system refuses.
            pub fn pin<P: AsRef<Path>>(self, path: P) -> Result<(), PinError> {
                Ok(self.0.map().pin(path)?)
            }
        }

        impl<$($param: Pod,)? V> TryFrom<Map> for $view<MapData, $($param,)? V> {
            type Error = MapError;

            fn try_from(map: Map) -> Result<Self, MapError> {
                Self::new(map.into_data())
            }
        }

        impl<'a, $($param: Pod,)? V> TryFrom<&'a Map> for $view<&'a MapData, $($param,)? V> {
            type Error = MapError;

            fn try_from(map: &'a Map) -> Result<Self, MapError> {
                Self::new(map.data())
            }
        }

        impl<'a, $($param: Pod,)? V> TryFrom<&'a mut Map>
            for $view<&'a mut MapData, $($param,)? V>
        {
            type Error = MapError;

            fn try_from(map: &'a mut Map) -> Result<Self, MapError> {
                Self::new(map.data_mut())
            }
        }
    };
}

of_maps!(ArrayOfMaps<> = hachi::maps::ArrayOfMaps<Held<T>>);
of_maps!(HashOfMaps<K> = hachi::maps::HashOfMaps<Held<T>, Plain<K>>);

impl<T: Borrow<MapData>, V: FromMapData> ArrayOfMaps<T, V> {
    /// How many there is room for.
    #[expect(clippy::len_without_is_empty, reason = "an array is never empty")]
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// The map at `index`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`] when there is none, and what the kernel refuses.
    pub fn get(&self, index: &u32, flags: u64) -> Result<V, MapError> {
        V::from_map_data(MapData(self.0.get(index, flags)?))
    }
}

impl<T: BorrowMut<MapData>, V: InnerMap> ArrayOfMaps<T, V> {
    /// Puts a map at `index`.
    ///
    /// # Errors
    /// [`MapError::OutOfBounds`], and what the kernel refuses: a map of another kind.
    pub fn set(&mut self, index: u32, value: &V, flags: u64) -> Result<(), MapError> {
        Ok(self.0.set(index, &value.inner_data().0, flags)?)
    }
}

impl<T: Borrow<MapData>, K: Pod, V: FromMapData> HashOfMaps<T, K, V> {
    /// The map of `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn get(&self, key: &K, flags: u64) -> Result<V, MapError> {
        V::from_map_data(MapData(self.0.get(Plain::of(key), flags)?))
    }

    /// All keys.
    pub fn keys(&self) -> MapKeys<'_, K> {
        MapKeys::new(self.0.keys().map(|key| key.map(|key| key.0)))
    }
}

impl<T: BorrowMut<MapData>, K: Pod, V: InnerMap> HashOfMaps<T, K, V> {
    /// Gives `key` a map.
    ///
    /// # Errors
    /// What the kernel refuses: a map of another kind.
    pub fn insert(&mut self, key: impl Borrow<K>, value: &V, flags: u64) -> Result<(), MapError> {
        let key = Plain::of(key.borrow());
        Ok(self.0.insert(key, &value.inner_data().0, flags)?)
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// [`MapError::KeyNotFound`], and what the kernel refuses.
    pub fn remove(&mut self, key: &K) -> Result<(), MapError> {
        Ok(self.0.remove(Plain::of(key))?)
    }
}
