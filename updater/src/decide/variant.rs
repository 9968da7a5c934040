//! Which variant of a product fits a machine: by what its channels need, as the operator says; which channels are one
//! product, their maker says by their names.

use super::prepared::{ChannelInfo, Prepared};
use super::same_product;
use crate::Channel;
use crate::wire::{Machine, Needs};
use std::cmp::Ordering;

/// What a subscription to a channel comes to on this machine.
pub(super) enum Variant<'a> {
    /// The channel itself, with what is known of it.
    Itself(Option<&'a ChannelInfo>),
    /// Another variant of its product.
    Other(&'a ChannelInfo),
    /// None fits.
    None,
}

/// Whether a machine has what is needed. What a terminal does not say of its memory is taken for enough: terminals that were there before
/// channels had needs must not lose their product, and the self-test has a limit of its own.
pub(super) fn fits(needs: &Needs, machine: &Machine) -> bool {
    let any = |listed: &[String], have: &str| listed.is_empty() || listed.iter().any(|one| is_or_begins(have, one));
    let has = |feature: &str| machine.features.iter().any(|have| have == feature);
    let engine = |bound: &Option<String>, fits: fn(Ordering) -> bool| {
        bound.as_ref().is_none_or(|bound| fits(compare_versions(&machine.engine_version, bound)))
    };
    any(&needs.hardware, &machine.hardware)
        && any(&needs.os, &machine.os)
        && needs.features.iter().all(|either| either.split('|').any(has))
        && needs.memory_bytes.zip(machine.memory_bytes).is_none_or(|(least, have)| have >= least)
        && engine(&needs.engine_min, Ordering::is_ge)
        && engine(&needs.engine_max, Ordering::is_le)
}

/// `linux` lets in `linux 6.1`, and `linux 6.1` does not let in `linux 6.10`.
fn is_or_begins(have: &str, needed: &str) -> bool {
    have.strip_prefix(needed).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// By the numbers between points; what is no number counts as 0.
fn compare_versions(a: &str, b: &str) -> Ordering {
    let numbers = |text: &str| text.split('.').map(|part| part.parse::<u64>().unwrap_or(0)).collect::<Vec<_>>();
    let (mut a, mut b) = (numbers(a), numbers(b));
    let length = a.len().max(b.len());
    a.resize(length, 0);
    b.resize(length, 0);
    a.cmp(&b)
}

impl ChannelInfo {
    /// Whether a machine has what the channel needs, as far as the operator said what that is.
    pub(super) fn fits(&self, machine: &Machine) -> bool {
        self.needs.as_ref().is_none_or(|needs| fits(needs, machine))
    }
}

impl Prepared {
    /// Whether a machine has what a channel needs, as far as the operator said what that is.
    pub(super) fn fits(&self, channel: &Channel, machine: &Machine) -> bool {
        self.channel(channel).is_none_or(|info| info.fits(machine))
    }

    /// The variant of the product of `subscribed` for this machine: of those that fit, the one with the greatest preference; of equals the
    /// subscribed one, then the first by name.
    pub(super) fn variant(&self, subscribed: &Channel, machine: &Machine) -> Variant<'_> {
        let Some(info) = self.channel(subscribed) else { return Variant::Itself(None) };
        if info.needs.is_none() {
            return Variant::Itself(Some(info));
        }
        let family = self.channels.iter().filter(|other| same_product(&other.channel, subscribed));
        let fitting = family.filter(|other| other.fits(machine));
        let fitting = fitting.filter(|other| other.channel == *subscribed || !other.releases.is_empty());
        let rank = |other: &&ChannelInfo| {
            let preference = other.needs.as_ref().map_or(0, |needs| needs.preference);
            (std::cmp::Reverse(preference), other.channel != *subscribed, other.channel.clone())
        };
        match fitting.min_by_key(rank) {
            Some(best) if best.channel == *subscribed => Variant::Itself(Some(info)),
            Some(best) => Variant::Other(best),
            None => Variant::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_their_numbers() {
        for (a, b, order) in [
            ("0.1.0", "0.1", Ordering::Equal),
            ("0.10.0", "0.9.9", Ordering::Greater),
            ("1", "1.0.1", Ordering::Less),
            ("", "0.0.1", Ordering::Less),
            ("99999999999999999999999", "1", Ordering::Less),
        ] {
            assert_eq!(compare_versions(a, b), order, "{a} {b}");
        }
    }

    #[test]
    fn each_need_can_keep_a_channel_out() {
        let machine = Machine {
            hardware: "x86_64".to_owned(),
            os: "linux 6.1".to_owned(),
            engine_version: "0.3.0".to_owned(),
            memory_bytes: Some(8 << 30),
            features: vec!["avx2".to_owned()],
        };
        let one = |text: &str| vec![text.to_owned()];
        let fit = [
            Needs::default(),
            Needs { hardware: one("x86_64"), os: one("linux"), ..Needs::default() },
            Needs { os: one("linux 6.1"), features: one("neon|avx2"), ..Needs::default() },
            Needs { memory_bytes: Some(8 << 30), engine_min: Some("0.3".to_owned()), ..Needs::default() },
            Needs { engine_max: Some("0.3".to_owned()), ..Needs::default() },
        ];
        let misfit = [
            Needs { hardware: one("x86"), ..Needs::default() },
            Needs { os: one("linux 6"), ..Needs::default() },
            Needs { os: one("windows"), ..Needs::default() },
            Needs { features: vec!["avx2".to_owned(), "sha".to_owned()], ..Needs::default() },
            Needs { memory_bytes: Some((8 << 30) + 1), ..Needs::default() },
            Needs { engine_min: Some("0.3.1".to_owned()), ..Needs::default() },
            Needs { engine_max: Some("0.2.9".to_owned()), ..Needs::default() },
        ];
        assert!(fit.iter().all(|needs| fits(needs, &machine)));
        assert!(misfit.iter().all(|needs| !fits(needs, &machine)));
        let silent = Machine { memory_bytes: None, ..machine };
        assert!(fits(&Needs { memory_bytes: Some(u64::MAX), ..Needs::default() }, &silent));
    }
}
