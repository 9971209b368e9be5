//! Serializes many values of one size as one text: base64 without padding, one value after the other. For serde's
//! `with`.
//!
//! In decimal, the short ids of events would take a third of a pack.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

use crate::gather::gather;
use crate::identity::Id;

/// A value of a constant size in bytes.
pub(crate) trait FixedSize<const N: usize>: Copy {
    fn to_array(self) -> [u8; N];
    fn from_array(bytes: [u8; N]) -> Self;
}

/// A short id.
impl FixedSize<8> for u64 {
    fn to_array(self) -> [u8; 8] {
        self.to_be_bytes()
    }

    fn from_array(bytes: [u8; 8]) -> Self {
        Self::from_be_bytes(bytes)
    }
}

impl FixedSize<16> for Id {
    fn to_array(self) -> [u8; 16] {
        self.bytes()
    }

    fn from_array(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes)
    }
}

pub(crate) fn serialize<'a, const N: usize, C, T, S>(values: &'a C, to: S) -> Result<S::Ok, S::Error>
where
    &'a C: IntoIterator<Item = &'a T>,
    T: FixedSize<N> + 'a,
    S: Serializer,
{
    let bytes: Vec<u8> = values.into_iter().flat_map(|value| value.to_array()).collect();
    to.serialize_str(&STANDARD_NO_PAD.encode(bytes))
}

pub(crate) fn deserialize<'d, const N: usize, C, D>(from: D) -> Result<C, D::Error>
where
    C: IntoIterator<Item: FixedSize<N>> + Default + Extend<C::Item>,
    D: Deserializer<'d>,
{
    let text = std::borrow::Cow::<str>::deserialize(from)?;
    let bytes = STANDARD_NO_PAD.decode(text.as_bytes()).map_err(D::Error::custom)?;
    let (values, rest) = bytes.as_chunks();
    if rest.is_empty() {
        Ok(gather(values.iter().map(|value| FixedSize::from_array(*value))))
    } else {
        Err(D::Error::custom(format_args!("its values should be {N} bytes each")))
    }
}

/// The same for an optional list.
pub(crate) mod optional {
    use serde::{Deserializer, Serializer};

    use super::FixedSize;

    pub(crate) fn serialize<'a, const N: usize, C, T, S>(values: &'a Option<C>, to: S) -> Result<S::Ok, S::Error>
    where
        &'a C: IntoIterator<Item = &'a T>,
        T: FixedSize<N> + 'a,
        S: Serializer,
    {
        match values {
            Some(values) => super::serialize(values, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'d, const N: usize, C, D>(from: D) -> Result<Option<C>, D::Error>
    where
        C: IntoIterator<Item: FixedSize<N>> + Default + Extend<C::Item>,
        D: Deserializer<'d>,
    {
        super::deserialize(from).map(Some)
    }
}
