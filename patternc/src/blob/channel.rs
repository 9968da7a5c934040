//! Names of channels.

use std::fmt;
use std::str::FromStr;

/// One product line of one maker: `maker/name`.
///
/// Both parts are 1 to 39 characters of `a` to `z`, `0` to `9` and `-`, not beginning with `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    text: String,
    slash: usize,
}

/// Text that names no channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no channel: `maker/name` is, each part 1 to 39 of a-z, 0-9 and `-`, not beginning with `-`")]
pub struct ChannelError {
    text: String,
}

impl Channel {
    /// Longest part, in bytes.
    pub const PART_BYTES_MAX: usize = 39;

    /// Who publishes.
    pub fn maker(&self) -> &str {
        &self.text[..self.slash]
    }

    /// Which of the maker's product lines.
    pub fn name(&self) -> &str {
        &self.text[self.slash + 1..]
    }

    /// `maker/name`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Channel {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Channel, ChannelError> {
        match text.split_once('/') {
            Some((maker, name)) if is_part(maker) && is_part(name) => {
                Ok(Channel { text: text.to_owned(), slash: maker.len() })
            }
            _ => Err(ChannelError { text: text.chars().take(100).collect() }),
        }
    }
}

fn is_part(part: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=Channel::PART_BYTES_MAX).contains(&part.len()) && !part.starts_with('-') && part.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_have_two_plain_parts() {
        let channel: Channel = "acme/fast-2".parse().unwrap();
        assert_eq!((channel.maker(), channel.name(), channel.to_string().as_str()), ("acme", "fast-2", "acme/fast-2"));
        assert!(format!("{0}/{0}", "a".repeat(39)).parse::<Channel>().is_ok());
        for wrong in
            ["", "acme", "acme/", "/fast", "a/b/c", "Acme/fast", "a/-b", "../b", "a/b c", &format!("a/{}", "b".repeat(40))]
        {
            assert!(wrong.parse::<Channel>().is_err(), "{wrong}");
        }
    }
}
