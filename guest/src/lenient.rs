//! JSON that is read whatever types its values have: a value of another type than expected
//! counts as missing, a key that comes twice counts as it comes last. So one odd node
//! costs no page. What is not JSON at all stays an error.
//!
//! All objects are read by one piece of code, which knows them behind a pointer: made anew
//! for each kind of them, it would be a sixth of the component.

use std::{borrow::Cow, fmt};

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Error;

/// An object that takes its fields one by one.
pub(crate) trait Fields<'de> {
    /// Takes the value of this key, or leaves it.
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), Error>;
}

/// A list of objects.
pub(crate) trait Objects<'de> {
    /// The next one, still without fields.
    fn add(&mut self) -> &mut dyn Fields<'de>;
}

impl<'de, T: Fields<'de> + Default> Objects<'de> for Vec<T> {
    fn add(&mut self) -> &mut dyn Fields<'de> {
        self.push(T::default());
        let last = self.len() - 1;
        &mut self[last]
    }
}

/// A field's value, to be taken once.
pub(crate) trait Value<'de> {
    /// Reads it.
    fn read(&mut self, into: Wanted<'_, 'de>) -> Result<(), Error>;
}

/// What a value is to be.
pub(crate) enum Wanted<'r, 'de> {
    /// Without others in it.
    Scalar(&'r mut Scalar<'de>),
    /// A list of texts.
    Texts(&'r mut Vec<Cow<'de, str>>),
    Object(&'r mut dyn Fields<'de>),
    /// A list, which it must be: anything else is an error.
    Objects(&'r mut dyn Objects<'de>),
}

/// A value without others in it.
#[derive(Default)]
pub(crate) enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    Flag(bool),
    Null,
    #[default]
    Other,
}

/// Reads an object from all of this; what is no object is one without fields.
pub(crate) fn object<'de>(json: &'de [u8], into: &mut dyn Fields<'de>) -> Result<(), Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Wanted::Object(into).deserialize(&mut deserializer)?;
    deserializer.end()
}

impl<'de> dyn Value<'de> + '_ {
    fn scalar(&mut self) -> Result<Scalar<'de>, Error> {
        let mut scalar = Scalar::Other;
        self.read(Wanted::Scalar(&mut scalar))?;
        Ok(scalar)
    }

    /// Its text, if that is what it is.
    pub(crate) fn text(&mut self) -> Result<Option<Cow<'de, str>>, Error> {
        Ok(match self.scalar()? {
            Scalar::Text(text) => Some(text),
            Scalar::Number(_) | Scalar::Flag(_) | Scalar::Null | Scalar::Other => None,
        })
    }

    /// Its text, or none for `null`. Anything else is an error: this decides what is done
    /// next.
    pub(crate) fn strict_text(&mut self) -> Result<Option<Cow<'de, str>>, Error> {
        match self.scalar()? {
            Scalar::Text(text) => Ok(Some(text)),
            Scalar::Null => Ok(None),
            Scalar::Number(_) | Scalar::Flag(_) | Scalar::Other => {
                Err(Error::custom("what has to be text is none"))
            }
        }
    }

    /// Its number, if it is one from 0 to 2^64 - 1.
    pub(crate) fn number(&mut self) -> Result<Option<u64>, Error> {
        Ok(match self.scalar()? {
            Scalar::Number(number) => Some(number),
            Scalar::Text(_) | Scalar::Flag(_) | Scalar::Null | Scalar::Other => None,
        })
    }

    /// Whether it is `true`.
    pub(crate) fn flag(&mut self) -> Result<bool, Error> {
        Ok(matches!(self.scalar()?, Scalar::Flag(true)))
    }

    /// The texts in it, if it is a list.
    pub(crate) fn texts(&mut self) -> Result<Vec<Cow<'de, str>>, Error> {
        let mut texts = Vec::new();
        self.read(Wanted::Texts(&mut texts))?;
        Ok(texts)
    }

    /// The object it is; anything else is one without fields.
    pub(crate) fn object<T: Fields<'de> + Default>(&mut self) -> Result<T, Error> {
        let mut object = T::default();
        self.read(Wanted::Object(&mut object))?;
        Ok(object)
    }

    /// The objects in it, which must be a list. What in it is none is one without fields.
    pub(crate) fn objects<T: Fields<'de> + Default>(&mut self) -> Result<Vec<T>, Error> {
        let mut objects = Vec::new();
        self.read(Wanted::Objects(&mut objects))?;
        Ok(objects)
    }
}

/// The value of the key that was read last.
struct Next<A> {
    map: A,
    taken: bool,
}

impl<'de, A: MapAccess<'de>> Value<'de> for Next<A> {
    fn read(&mut self, into: Wanted<'_, 'de>) -> Result<(), Error> {
        self.taken = true;
        // The one error there is: what reads it is serde_json.
        self.map.next_value_seed(into).map_err(Error::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Wanted<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Wanted<'_, 'de> {
    fn take<E: serde::de::Error>(self, scalar: Scalar<'de>) -> Result<(), E> {
        match self {
            Self::Scalar(into) => *into = scalar,
            Self::Texts(_) | Self::Object(_) => {}
            Self::Objects(_) => return Err(E::custom("what has to be a list is none")),
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Wanted<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<(), E> {
        self.take(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.take(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.take(Scalar::Number(number))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.take(Scalar::Other)
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.take(Scalar::Other)
    }

    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<(), E> {
        self.take(Scalar::Flag(flag))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.take(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        match self {
            Self::Texts(into) => loop {
                let mut scalar = Scalar::Other;
                if list
                    .next_element_seed(Wanted::Scalar(&mut scalar))?
                    .is_none()
                {
                    return Ok(());
                }
                if let Scalar::Text(text) = scalar {
                    into.push(text);
                }
            },
            Self::Objects(into) => {
                while list.next_element_seed(Element(&mut *into))?.is_some() {}
                Ok(())
            }
            Self::Scalar(_) | Self::Object(_) => {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(())
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let mut next = Next { map, taken: true };
        let object = match self {
            Self::Object(object) => Some(object),
            Self::Scalar(_) | Self::Texts(_) => None,
            Self::Objects(_) => return Err(A::Error::custom("what has to be a list is none")),
        };
        let Some(object) = object else {
            while next.map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        loop {
            let mut key = Scalar::Other;
            if next.map.next_key_seed(Wanted::Scalar(&mut key))?.is_none() {
                return Ok(());
            }
            next.taken = false;
            if let Scalar::Text(key) = key {
                object.field(&key, &mut next).map_err(A::Error::custom)?;
            }
            if !next.taken {
                next.map.next_value::<IgnoredAny>()?;
            }
        }
    }
}

/// One more object of a list.
struct Element<'r, 'de>(&'r mut dyn Objects<'de>);

impl<'de> DeserializeSeed<'de> for Element<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(Wanted::Object(self.0.add()))
    }
}
