//! Values by small numbers, so that a state of the whole fleet is a few words.

use hashbrown::HashMap;
use std::hash::Hash;

/// Each different value once, numbered as they come.
#[derive(Debug)]
pub(crate) struct Interned<T> {
    values: Vec<T>,
    ids: HashMap<T, u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { values: Vec::new(), ids: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Interned<T> {
    /// # Panics
    /// There are more values than numbers in `Id`: then the state needs a wider field.
    pub(crate) fn id<Id: TryFrom<u32>>(&mut self, value: T) -> Id {
        let id = match self.ids.get(&value) {
            Some(id) => *id,
            None => {
                let id = u32::try_from(self.values.len()).expect("numbers for all values");
                self.values.push(value.clone());
                self.ids.insert(value, id);
                id
            }
        };
        Id::try_from(id).ok().expect("numbers for all values")
    }

    pub(crate) fn get(&self, id: impl Into<u32>) -> &T {
        &self.values[id.into() as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

macro_rules! id {
    ($name:ident, $number:ty) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) struct $name(pub(crate) $number);

        impl TryFrom<u32> for $name {
            type Error = std::num::TryFromIntError;
            fn try_from(id: u32) -> Result<Self, Self::Error> {
                Ok(Self(<$number>::try_from(id)?))
            }
        }

        impl From<$name> for u32 {
            fn from(id: $name) -> Self {
                Self::from(id.0)
            }
        }
    };
}

id!(RecordId, u16);
id!(CallId, u16);
id!(CallsId, u16);
id!(DeadId, u16);
id!(LogsId, u32);
id!(OrderId, u16);
id!(StockId, u8);
id!(PaymentId, u16);
id!(LedgerId, u16);
