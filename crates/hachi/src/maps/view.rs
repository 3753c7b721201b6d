//! What all typed views have in common, written once.

/// Defines a view: a struct around anything that holds a [`MapData`](super::MapData), its check,
/// and the ways to and from it.
macro_rules! view {
    (
        $(#[$doc:meta])*
        $view:ident < $($param:ident),* >: $($kind:ident)|+, $key:ty => $value:ty
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $view<T, $($param: $crate::Pod),*> {
            inner: T,
            _types: std::marker::PhantomData<($($param,)*)>,
        }

        impl<T: std::borrow::Borrow<$crate::maps::MapData>, $($param: $crate::Pod),*>
            $view<T, $($param),*>
        {
            /// The view of a map that anything holds: a [`MapData`](crate::maps::MapData), a
            /// reference to one, an `Arc`.
            ///
            /// # Errors
            /// A [`MapError`](crate::maps::MapError) that says what is different when the map is
            /// of another kind, or has other keys or values.
            pub fn new(map: T) -> Result<Self, $crate::maps::MapError> {
                map.borrow().check::<$key, $value>(
                    &[$($crate::maps::MapType::$kind),+],
                    stringify!($view),
                )?;
                Ok($view {
                    inner: map,
                    _types: std::marker::PhantomData,
                })
            }

            /// The map itself: its name, its description, pinning, raw bytes.
            pub fn map(&self) -> &$crate::maps::MapData {
                self.inner.borrow()
            }
        }

        $crate::maps::view::conversions!($view<$($param),*>);
    };
}

/// `TryFrom` for a typed view: from a map, from references to one, and from bare map data. All go
/// through the view's `new`, which checks kind and sizes.
macro_rules! conversions {
    ($view:ident $(< $($param:ident),* >)?) => {
        $crate::maps::view::exclusive_conversions! { $view $(< $($param),* >)? }

        impl<'a $($(, $param: $crate::Pod)*)?> TryFrom<&'a $crate::maps::Map>
            for $view<&'a $crate::maps::MapData $($(, $param)*)?>
        {
            type Error = $crate::maps::MapError;
            fn try_from(map: &'a $crate::maps::Map) -> Result<Self, Self::Error> {
                Self::new(map.data())
            }
        }
    };
}

/// As [`conversions`], except for shared references: for views of which a map has one.
macro_rules! exclusive_conversions {
    ($view:ident $(< $($param:ident),* >)?) => {
        impl $(<$($param: $crate::Pod),*>)? TryFrom<$crate::maps::MapData>
            for $view<$crate::maps::MapData $($(, $param)*)?>
        {
            type Error = $crate::maps::MapError;
            fn try_from(data: $crate::maps::MapData) -> Result<Self, Self::Error> {
                Self::new(data)
            }
        }
        impl $(<$($param: $crate::Pod),*>)? TryFrom<$crate::maps::Map>
            for $view<$crate::maps::MapData $($(, $param)*)?>
        {
            type Error = $crate::maps::MapError;
            fn try_from(map: $crate::maps::Map) -> Result<Self, Self::Error> {
                Self::new(map.into_data())
            }
        }
        impl<'a $($(, $param: $crate::Pod)*)?> TryFrom<&'a mut $crate::maps::Map>
            for $view<&'a mut $crate::maps::MapData $($(, $param)*)?>
        {
            type Error = $crate::maps::MapError;
            fn try_from(map: &'a mut $crate::maps::Map) -> Result<Self, Self::Error> {
                Self::new(map.data_mut())
            }
        }
    };
}

pub(super) use conversions;
pub(super) use exclusive_conversions;
pub(super) use view;
