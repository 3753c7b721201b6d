//! A buffer of records.

use super::*;

/// A buffer of records that programs write. Linux ≥ 5.8.
#[derive(Debug)]
pub struct RingBuf<T>(hachi::maps::RingBuf<Held<T>>);

/// A record; its room is given back to programs when it is dropped.
#[derive(Debug)]
pub struct RingBufItem<'a>(hachi::maps::RingBufItem<'a>);

impl Deref for RingBufItem<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<T: Borrow<MapData>> RingBuf<T> {
    fn new(map: T) -> Result<Self, MapError> {
        let map_type = map.borrow().map_type();
        match hachi::maps::RingBuf::new(Held(map)) {
            Ok(ring) => Ok(RingBuf(ring)),
            Err(hachi::maps::MapError::InvalidMapType { .. }) => {
                Err(MapError::InvalidMapType { map_type })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The next record, if there is one.
    #[expect(
        clippy::should_implement_trait,
        reason = "lends from itself, which Iterator cannot"
    )]
    pub fn next(&mut self) -> Option<RingBufItem<'_>> {
        self.0.next().map(RingBufItem)
    }
}

impl TryFrom<Map> for RingBuf<MapData> {
    type Error = MapError;

    fn try_from(map: Map) -> Result<Self, MapError> {
        Self::new(map.into_data())
    }
}

impl<'a> TryFrom<&'a Map> for RingBuf<&'a MapData> {
    type Error = MapError;

    fn try_from(map: &'a Map) -> Result<Self, MapError> {
        Self::new(map.data())
    }
}

impl<'a> TryFrom<&'a mut Map> for RingBuf<&'a mut MapData> {
    type Error = MapError;

    fn try_from(map: &'a mut Map) -> Result<Self, MapError> {
        Self::new(map.data_mut())
    }
}

impl<T: Borrow<MapData>> AsFd for RingBuf<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<T: Borrow<MapData>> AsRawFd for RingBuf<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
