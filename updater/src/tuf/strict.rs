//! JSON that every reader understands alike.
//!
//! A signature covers the canonical form of what a reader made of a document, not its bytes. So a document in which readers may see
//! different things, by a name that stands twice or a number that does not fit, could mean one thing to who checks it and another to
//! who uses it. Such documents are refused before anything else is done with them. Depth is bounded as well: the roles are five levels
//! deep, and what a maker adds of their own has room.

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Levels of arrays and objects that a document may have.
const DEPTH_MAX: u32 = 24;

/// Refuses a document that names a member twice, has a number that is not an integer of 64 bits, or is nested too deep. Takes time and
/// memory in proportion to `bytes`.
pub(crate) fn check(bytes: &[u8]) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Level(DEPTH_MAX).deserialize(&mut reader)?;
    reader.end()
}

/// Any value, with so many levels left.
#[derive(Clone, Copy)]
struct Level(u32);

impl Level {
    fn down<E: Error>(self) -> Result<Self, E> {
        let deeper = self.0.checked_sub(1).ok_or_else(|| E::custom(format!("nested deeper than {DEPTH_MAX} levels")))?;
        Ok(Level(deeper))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        Err(E::custom(format!("{number} is not an integer of 64 bits")))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let deeper = self.down()?;
        while items.next_element_seed(deeper)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let deeper = self.down()?;
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if names.contains(&name) {
                return Err(A::Error::custom(format!("the name `{name}` stands twice in one object")));
            }
            names.insert(name);
            members.next_value_seed(deeper)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_may_see_differently_is_refused() {
        for good in ["{}", r#"{"a":[1,-2,null,true,{"a":"\u0061"}]}"#, "18446744073709551615", "-9223372036854775808"] {
            check(good.as_bytes()).unwrap();
        }
        for (bad, why) in [
            (r#"{"a":1,"a":1}"#, "stands twice"),
            (r#"{"x":[{"a":1,"b":2,"\u0061":3}]}"#, "stands twice"),
            ("1.0", "not an integer"),
            ("[18446744073709551616]", "not an integer"),
            ("1e3", "not an integer"),
            ("{} {}", "trailing"),
            ("", "EOF"),
            ("[1", "EOF"),
        ] {
            let error = check(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        check(nested(DEPTH_MAX as usize).as_bytes()).unwrap();
        let error = check(nested(DEPTH_MAX as usize + 1).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("nested deeper"), "{error}");
        check(["[".repeat(1 << 20)].concat().as_bytes()).unwrap_err();
    }
}
